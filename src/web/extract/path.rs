//! A parameter of the path.

use axum::{
    extract::{FromRequestParts as _, RawPathParams},
    http::request::Parts,
};

use crate::web::error::WebError;

/// Returns the decoded parameter with this name, if the route has one.
pub(super) async fn path_param(parts: &mut Parts, name: &str) -> Result<Option<String>, WebError> {
    // This fails only if the decoded path is not UTF-8.
    let params = RawPathParams::from_request_parts(parts, &()).await.map_err(|_| WebError::NotFound)?;
    Ok(params.iter().find(|(n, _)| *n == name).map(|(_, value)| value.to_owned()))
}
