//! CORS: which pages of other origins may use the API.

use std::time::Duration;

use axum::{
    Router,
    http::{HeaderName, HeaderValue, Method, header},
};
use tower_http::cors::{AllowOrigin, CorsLayer};

/// How long browsers cache the response to a preflight request.
const PREFLIGHT_MAX_AGE: Duration = Duration::from_hours(1);

/// The origins whose pages may use the API, in addition to the server's own.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum CorsOrigins {
    /// No other origin.
    #[default]
    SameOrigin,
    /// These origins.
    Listed(Vec<HeaderValue>),
    /// All origins.
    Any,
}

/// Adds CORS headers to the responses of all routes.
pub(crate) fn with_cors(router: Router, cors: &CorsOrigins) -> Router {
    let origins = match cors {
        CorsOrigins::SameOrigin => return router,
        CorsOrigins::Listed(origins) => AllowOrigin::list(origins.clone()),
        CorsOrigins::Any => AllowOrigin::any(),
    };
    let request_headers =
        [header::CONTENT_TYPE, HeaderName::from_static("idempotency-key"), HeaderName::from_static("last-event-id")];
    router.layer(
        CorsLayer::new()
            .allow_origin(origins)
            .allow_methods([Method::GET, Method::HEAD, Method::POST])
            .allow_headers(request_headers)
            .expose_headers([header::RETRY_AFTER])
            .max_age(PREFLIGHT_MAX_AGE),
    )
}
