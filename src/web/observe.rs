//! What goes for every request: an id, a line in the log, and a place among the figures, which `/metrics` tells.

use std::time::{Duration, Instant};

use axum::{
    extract::{MatchedPath, Request},
    http::{HeaderMap, Method, StatusCode},
    middleware::Next,
    response::{IntoResponse as _, Response},
};
use tracing::{Instrument as _, Span, debug, info, warn};

use super::error::WebError;
use crate::{
    grip::GRIP_SIG,
    telemetry::{RequestId, metrics},
};

/// An answer that takes longer than this is warned of.
const SLOW: Duration = Duration::from_secs(2);
/// Asked by machines, again and again.
const QUIET: [&str; 3] = ["/metrics", "/healthz", "/readyz"];
/// The route of what is in no table.
const NO_ROUTE: &str = "none";

/// A request that is under way. Dropped, it is told of, also when its client has gone and nobody waits for the answer.
struct Observed {
    started: Instant,
    method: Method,
    route: Option<MatchedPath>,
    status: Option<StatusCode>,
    span: Span,
}

/// Around all that is done for a request.
pub(super) async fn observe(request: Request, next: Next) -> Response {
    let id = RequestId::of(request.headers());
    let span = id.span();
    let mut observed = Observed {
        started: Instant::now(),
        method: request.method().clone(),
        route: request.extensions().get().cloned(),
        status: None,
        span: span.clone(),
    };
    let mut response = next.run(request).instrument(span).await;
    observed.status = Some(response.status());
    id.put(response.headers_mut());
    response
}

/// The figures; not for whoever comes through a proxy, to whom there is nothing here.
pub(super) async fn figures(headers: HeaderMap) -> Response {
    if headers.contains_key(GRIP_SIG) {
        return WebError::NotFound.into_response();
    }
    ([metrics::CONTENT_TYPE], metrics::text()).into_response()
}

impl Drop for Observed {
    fn drop(&mut self) {
        let Self { started, method, route, status, span } = self;
        let took = started.elapsed();
        let route = route.as_ref().map_or(NO_ROUTE, MatchedPath::as_str);
        metrics::http::answered(route, method, *status, took);
        let status = status.map(|status| status.as_u16());
        let method = metrics::http::method_label(method);
        macro_rules! line {
            ($level:ident, $message:literal) => {
                $level!(parent: &*span, method, route, status, duration_ms = took.as_millis() as u64, $message)
            };
        }
        match status {
            _ if took > SLOW => line!(warn, "a request took long"),
            None => line!(info, "a request was given up by its client"),
            Some(_) if QUIET.contains(&route) => line!(debug, "answered"),
            Some(_) => line!(info, "answered"),
        }
    }
}
