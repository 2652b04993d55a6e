//! `/`: a redirect to a room.

use axum::response::Redirect;
use serde::Deserialize;

use super::{error::PageError, link::room_path};
use crate::{
    chat::{Author, RoomId},
    feed,
    web::{error::WebError, extract::Query},
};

const DEFAULT_ROOM: &str = "/default";

#[derive(Debug, Deserialize)]
pub(crate) struct IndexQuery {
    room: Option<String>,
    user: Option<String>,
}

/// GET: redirects to the room that a form without scripts sends, or else to the default room. The second redirect is
/// temporary, because the default room may change.
pub(crate) async fn index(query: Result<Query<IndexQuery>, WebError>) -> Result<Redirect, PageError> {
    let Query(query) = query?;
    let Some(name) = query.room else {
        return Ok(Redirect::temporary(DEFAULT_ROOM));
    };
    let room = RoomId::parse(name.trim().trim_start_matches('#')).map_err(WebError::from)?;
    Ok(Redirect::to(&match query.user.as_deref().map(Author::parse) {
        Some(Ok(user)) => room_path(&room, &user),
        _ => format!("/{}", feed::path_segment(&room)),
    }))
}
