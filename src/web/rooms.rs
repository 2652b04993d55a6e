//! `/rooms/`: which rooms there are.

use axum::{
    Json,
    extract::{Query, State, rejection::QueryRejection},
    http::{HeaderMap, HeaderValue, header},
    response::{IntoResponse, Response},
};
use serde::{Deserialize, Serialize};

use super::{
    Web,
    error::{PageError, WebError},
    extract::Reader,
    pages,
};
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
    /// Who goes on to a room from the page.
    user: Option<String>,
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

/// GET: the rooms with the newest messages first, for a program as JSON, for a person as a page.
pub(super) async fn list(
    State(web): State<Web>,
    reader: Reader,
    query: Result<Query<RoomsQuery>, QueryRejection>,
    headers: HeaderMap,
) -> Response {
    let outcome = async {
        let Query(query) = query.map_err(|e| WebError::Query(e.body_text()))?;
        let limit = query.limit.unwrap_or(USUAL);
        if !(1..=MOST).contains(&limit) {
            return Err(WebError::Query(format!("limit must be 1 to {MOST}")));
        }
        let behind = query.behind.as_deref().map(place).transpose()?;
        let (rooms, more) = web.app.rooms(behind.as_ref(), limit).await?;
        Ok((rooms, more, query))
    };
    let mut response = match (reader, outcome.await) {
        (Reader::Program, Ok((rooms, more, _))) => {
            ([(header::CACHE_CONTROL, "no-cache")], Json(Rooms::new(rooms, more))).into_response()
        }
        (Reader::Program, Err(error)) => error.into_response(),
        (Reader::Person, Ok((rooms, more, query))) => {
            let next = next(&rooms, more);
            pages::rooms(&headers, rooms, query.user, next.as_deref(), query.behind.is_some()).into_response()
        }
        (Reader::Person, Err(error)) => PageError::from(error).into_response(),
    };
    response.headers_mut().append(header::VARY, HeaderValue::from_static("accept"));
    response
}

impl Rooms {
    fn new(rooms: Vec<Activity>, more: bool) -> Self {
        let next = next(&rooms, more);
        let entry = |Activity { room, at }: Activity| RoomEntry { room: room.to_string(), active_at: at };
        Self { rooms: rooms.into_iter().map(entry).collect(), next }
    }
}

/// What [`place`] reads back.
fn next(rooms: &[Activity], more: bool) -> Option<String> {
    rooms.last().filter(|_| more).map(|last| format!("{}-{}", last.at.as_millis(), last.room))
}

/// The place that an answer's `next` names.
fn place(text: &str) -> Result<Activity, WebError> {
    let parse = || {
        let (at, room) = text.split_once('-')?;
        Some(Activity { room: RoomId::parse(room).ok()?, at: Timestamp::from_millis(at.parse().ok()?) })
    };
    parse().ok_or_else(|| WebError::Query("behind must be the next of an earlier answer".to_owned()))
}
