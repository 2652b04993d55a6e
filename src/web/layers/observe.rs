//! Request ids, the request log, and the metrics of requests.

use std::time::{Duration, Instant};

use axum::{
    extract::{MatchedPath, Request},
    http::{Method, StatusCode},
    middleware::Next,
    response::Response,
};
use tracing::{Instrument as _, Span, debug, info, warn};

use crate::telemetry::{RequestId, metrics};

/// A request that takes longer than this is logged as a warning.
const SLOW: Duration = Duration::from_secs(2);
/// Routes that machines request again and again, so they are logged only at the level `debug`.
const QUIET_ROUTES: [&str; 3] = ["/metrics", "/healthz", "/readyz"];
/// The route in the log and the metrics if none matches.
const NO_ROUTE: &str = "none";

/// A request in progress. It is logged and counted when it is dropped, so also when its client disconnects and the
/// handler is cancelled.
struct Observed {
    started: Instant,
    method: Method,
    route: Option<MatchedPath>,
    status: Option<StatusCode>,
    span: Span,
}

/// Gives a request an id and a span, and logs and counts it at its end.
pub(crate) async fn observe(request: Request, next: Next) -> Response {
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
            _ if took > SLOW => line!(warn, "a request was slow"),
            None => line!(info, "the client disconnected before the response"),
            Some(_) if QUIET_ROUTES.contains(&route) => line!(debug, "answered"),
            Some(_) => line!(info, "answered"),
        }
    }
}
