//! `/rooms/`: which rooms there are.

use axum::{
    Json,
    extract::{Query, State, rejection::QueryRejection},
    http::header,
    response::{IntoResponse, Response},
};
use serde::{Deserialize, Serialize};

use super::{Web, error::WebError};
use crate::{
    chat::{RoomId, Timestamp},
    store::Activity,
};

/// Rooms in one answer, where nothing is said.
const USUAL: usize = 50;
/// The most rooms in one answer.
const MOST: usize = 200;

/// The query of a GET.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct RoomsQuery {
    behind: Option<String>,
    limit: Option<usize>,
}

/// A stretch of the list.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Rooms {
    rooms: Vec<RoomEntry>,
    /// What `behind` is for the next stretch; absent at the end.
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct RoomEntry {
    room: String,
    active_at: Timestamp,
}

/// GET: the rooms with the newest messages first.
pub(super) async fn list(
    State(web): State<Web>,
    query: Result<Query<RoomsQuery>, QueryRejection>,
) -> Result<Response, WebError> {
    let Query(query) = query.map_err(|e| WebError::Query(e.body_text()))?;
    let limit = query.limit.unwrap_or(USUAL);
    if !(1..=MOST).contains(&limit) {
        return Err(WebError::Query(format!("limit must be 1 to {MOST}")));
    }
    let behind = query.behind.as_deref().map(place).transpose()?;
    let (rooms, more) = web.app.rooms(behind.as_ref(), limit).await?;
    let next = rooms.last().filter(|_| more).map(|last| format!("{}-{}", last.at.as_millis(), last.room));
    let rooms =
        rooms.into_iter().map(|Activity { room, at }| RoomEntry { room: room.to_string(), active_at: at }).collect();
    Ok(([(header::CACHE_CONTROL, "no-cache")], Json(Rooms { rooms, next })).into_response())
}

/// The place that an answer's `next` names.
fn place(text: &str) -> Result<Activity, WebError> {
    let parse = || {
        let (at, room) = text.split_once('-')?;
        Some(Activity { room: RoomId::parse(room).ok()?, at: Timestamp::from_millis(at.parse().ok()?) })
    };
    parse().ok_or_else(|| WebError::Query("behind must be the next of an earlier answer".to_owned()))
}
