//! `/rooms/`: the list of rooms.

use axum::{
    Json,
    extract::State,
    http::{HeaderMap, HeaderValue, header},
    response::{IntoResponse, Response},
};
use serde::{Deserialize, Serialize};

use super::{
    Web,
    error::WebError,
    extract::{Query, Reader},
    pages::{self, PageError},
};
use crate::{
    chat::{RoomId, Timestamp},
    store::Activity,
};

/// The number of rooms in a response if the request contains no limit.
const DEFAULT_LIMIT: usize = 50;
/// The maximum number of rooms in a response.
const MAX_LIMIT: usize = 200;

/// The query of a GET.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct RoomsQuery {
    /// The `next` of an earlier response. Earlier versions named this parameter `behind`.
    #[serde(alias = "behind")]
    after: Option<String>,
    limit: Option<usize>,
    /// The name of the person who opens a room from the page.
    user: Option<String>,
}

/// A page of the list.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Rooms {
    rooms: Vec<RoomEntry>,
    /// The value of `after` for the next page; absent on the last page.
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct RoomEntry {
    room: String,
    active_at: Timestamp,
}

/// GET: the rooms, those with the newest messages first, as JSON for a program and as a page for a person.
pub(super) async fn list(
    State(web): State<Web>,
    reader: Reader,
    query: Result<Query<RoomsQuery>, WebError>,
    headers: HeaderMap,
) -> Response {
    let outcome = async {
        let Query(query) = query?;
        let limit = query.limit.unwrap_or(DEFAULT_LIMIT);
        if !(1..=MAX_LIMIT).contains(&limit) {
            return Err(WebError::Query(format!("limit must be a number from 1 to {MAX_LIMIT}")));
        }
        let after = query.after.as_deref().map(parse_position).transpose()?;
        let (rooms, more) = web.app.rooms(after.as_ref(), limit).await?;
        Ok((rooms, more, query))
    };
    let mut response = match (reader, outcome.await) {
        (Reader::Program, Ok((rooms, more, _))) => {
            ([(header::CACHE_CONTROL, "no-cache")], Json(Rooms::new(rooms, more))).into_response()
        }
        (Reader::Program, Err(error)) => error.into_response(),
        (Reader::Person, Ok((rooms, more, query))) => {
            let next = next(&rooms, more);
            pages::rooms(&headers, rooms, query.user, next.as_deref(), query.after.is_some()).into_response()
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

/// The position of the last room, in the format that [`parse_position`] parses, if there are more rooms after it.
fn next(rooms: &[Activity], more: bool) -> Option<String> {
    rooms.last().filter(|_| more).map(|last| format!("{}-{}", last.at.as_millis(), last.room))
}

fn parse_position(text: &str) -> Result<Activity, WebError> {
    let parse = || {
        let (at, room) = text.split_once('-')?;
        Some(Activity { room: RoomId::parse(room).ok()?, at: Timestamp::from_millis(at.parse().ok()?) })
    };
    parse().ok_or_else(|| WebError::Query("after must be the value of next in an earlier response".to_owned()))
}
