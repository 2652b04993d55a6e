//! The path of a next link.

use axum::{extract::FromRequestParts, http::request::Parts};

use crate::{feed::NextLink, web::error::WebError};

/// The next link at which a GRIP proxy requests what a stream missed.
pub(crate) struct Link(pub(crate) NextLink);

impl<S: Sync> FromRequestParts<S> for Link {
    type Rejection = WebError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, WebError> {
        NextLink::parse(parts.uri.path()).map(Self).ok_or(WebError::NotFound)
    }
}
