//! Responses to requests that no handler handles: unknown paths and methods, a missing slash, and panics.

use std::any::Any;

use axum::{
    extract::OriginalUri,
    http::{Method, StatusCode},
    response::{IntoResponse as _, Redirect, Response},
};
use tracing::error;

use super::error::WebError;

/// Redirects to the same path with a slash at its end. The client keeps method and body, as one that forgot the slash
/// expects.
pub(super) async fn add_slash(OriginalUri(uri): OriginalUri) -> Redirect {
    let query = uri.query().map(|query| format!("?{query}")).unwrap_or_default();
    Redirect::permanent(&format!("{}/{query}", uri.path()))
}

pub(super) async fn not_found() -> WebError {
    WebError::NotFound
}

/// axum adds `Allow`, which is all that a response to OPTIONS needs.
pub(super) async fn method_not_allowed(method: Method) -> Response {
    if method == Method::OPTIONS {
        StatusCode::NO_CONTENT.into_response()
    } else {
        WebError::MethodNotAllowed.into_response()
    }
}

/// Responds to a request whose handler panicked.
pub(super) fn panicked(panic: Box<dyn Any + Send>) -> Response {
    let cause = panic.downcast_ref::<String>().map(String::as_str).or_else(|| panic.downcast_ref().copied());
    error!(cause = cause.unwrap_or("unknown"), "a handler panicked");
    WebError::Internal.into_response()
}
