//! `/readyz` and `/metrics`: requests of machines that operate the backend. `/healthz` is [`crate::health::alive`].
//!
//! A request that came through a GRIP proxy can come from any client, so it gets less: the status without its reasons,
//! and no metrics. A `Grip-Sig` counts here even if it is invalid, because the header can only make the response
//! shorter.

use axum::{
    extract::State,
    http::HeaderMap,
    response::{IntoResponse as _, Response},
};

use super::{Web, error::WebError, readiness::Report};
use crate::{grip::GRIP_SIG, health, telemetry};

/// GET `/readyz`: whether this backend should receive requests.
pub(super) async fn ready(State(web): State<Web>, headers: HeaderMap) -> Response {
    let Report { ready, checks } = web.readiness.report().await;
    health::readiness(ready, if is_proxied(&headers) { Vec::new() } else { checks })
}

/// GET `/metrics`: the metrics, or 404 through a proxy.
pub(super) async fn metrics(headers: HeaderMap) -> Response {
    if is_proxied(&headers) {
        return WebError::NotFound.into_response();
    }
    ([telemetry::metrics::CONTENT_TYPE], telemetry::metrics::text()).into_response()
}

fn is_proxied(headers: &HeaderMap) -> bool {
    headers.contains_key(GRIP_SIG)
}
