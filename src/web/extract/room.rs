//! The room in the path.

use axum::{extract::FromRequestParts, http::request::Parts};
use tracing::{Span, field::display};

use super::path::path_param;
use crate::{chat::RoomId, web::error::WebError};

/// The room in the path. Its id is added to all log lines about the request.
pub(crate) struct Room(pub(crate) RoomId);

impl<S: Sync> FromRequestParts<S> for Room {
    type Rejection = WebError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, WebError> {
        let name = path_param(parts, "room").await?.ok_or(WebError::NotFound)?;
        let room = RoomId::parse(&name)?;
        Span::current().record("room.id", display(&room));
        Ok(Self(room))
    }
}
