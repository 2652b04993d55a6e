//! `/rooms/{room}/messages/` and what proxies ask for beside it.

use axum::{
    Extension, Json,
    extract::{Query, State, rejection::QueryRejection},
    http::{HeaderMap, HeaderName, Method, header},
    response::{IntoResponse, Redirect, Response},
};
use serde::{Deserialize, Serialize};

use super::{
    Web,
    error::{PageError, WebError},
    extract::{Admitted, PathCursor, Posted, Reader, Room, Wanted, client_cursor},
    pages,
};
use crate::{
    app::NEWEST,
    chat::{Cursor, CursorError, Message, RoomId},
    feed::{self, StreamPage, Variant},
    grip,
    telemetry::metrics,
};

/// The most messages in one JSON answer.
const MOST: usize = 200;

const X_ACCEL_BUFFERING: HeaderName = HeaderName::from_static("x-accel-buffering");

/// The query of a GET.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct MessagesQuery {
    last_event_id: Option<String>,
    provisional: Option<bool>,
    before: Option<String>,
    limit: Option<usize>,
}

/// A stretch of a room's log, as JSON.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Snapshot {
    messages: Vec<Message>,
    last_event_id: Cursor,
    more: bool,
}

/// GET: the stream, or a snapshot.
pub(super) async fn get(
    State(web): State<Web>,
    Room(room): Room,
    wanted: Wanted,
    query: Result<Query<MessagesQuery>, QueryRejection>,
    method: Method,
    headers: HeaderMap,
) -> Result<Response, WebError> {
    let Query(query) = query.map_err(|e| WebError::Query(e.body_text()))?;
    match wanted {
        Wanted::Json => snapshot(&web, &room, &query).await,
        Wanted::Stream => {
            web.trust.check(&headers).map_err(WebError::NotProxied)?;
            // GRIP proxies obey GRIP headers on HEAD too, and would send a body without end.
            if method == Method::HEAD {
                return Ok(STREAM_HEADERS.into_response());
            }
            let variant = if query.provisional == Some(false) { Variant::Persisted } else { Variant::Full };
            let cursor = client_cursor(&headers, query.last_event_id.as_deref());
            Ok(stream(&web, &room, variant, &web.app.open_stream(&room, cursor).await?))
        }
    }
}

async fn snapshot(web: &Web, room: &RoomId, query: &MessagesQuery) -> Result<Response, WebError> {
    let limit = query.limit.unwrap_or(NEWEST);
    if !(1..=MOST).contains(&limit) {
        return Err(WebError::Query(format!("limit must be 1 to {MOST}")));
    }
    let before = query.before.as_deref().map(str::parse).transpose();
    let before = before.map_err(|CursorError| WebError::Query("before must be the id of a message".to_owned()))?;
    let page = web.app.history(room, before.as_ref(), limit).await?;
    let snapshot = Snapshot { last_event_id: page.cursor(), more: page.more, messages: page.messages };
    Ok(([(header::CACHE_CONTROL, "no-cache"), (header::VARY, "accept")], Json(snapshot)).into_response())
}

/// POST: a message. A program gets it as it is stored; a person is led back to the room.
pub(super) async fn post(
    State(web): State<Web>,
    reader: Reader,
    room: Result<Room, WebError>,
    posted: Result<Admitted, WebError>,
) -> Response {
    let outcome = async {
        let parsed = room.and_then(|room| Ok((room, posted?)));
        let (Room(room), Admitted(Posted { draft, key_search })) =
            parsed.inspect_err(|refusal| metrics::posts::refused(refusal.code()))?;
        let message = web.app.post_message(room.clone(), draft, key_search).await?;
        Ok::<_, WebError>((room, message))
    };
    match (reader, outcome.await) {
        (Reader::Program, Ok((_, message))) => Json(message).into_response(),
        (Reader::Program, Err(error)) => error.into_response(),
        // See Other: reloading the page it leads to posts nothing again.
        (Reader::Person, Ok((room, message))) => Redirect::to(&pages::room_path(&room, &message.from)).into_response(),
        (Reader::Person, Err(error)) => PageError::not_sent(error).into_response(),
    }
}

/// GET of a next link, by a proxy.
pub(super) async fn recover(
    State(web): State<Web>,
    Room(room): Room,
    PathCursor(page): PathCursor,
    Extension(variant): Extension<Variant>,
    method: Method,
    headers: HeaderMap,
) -> Result<Response, WebError> {
    // Grip-Last is the proxy's own word only on a request that it signed.
    web.trust.check(&headers).map_err(WebError::NotProxied)?;
    if method == Method::HEAD {
        return Ok(STREAM_HEADERS.into_response());
    }
    let cursor = match page {
        Some(cursor) => cursor,
        None => {
            let last_id = grip::last_id(&headers, &feed::messages_channel(&room));
            last_id.ok_or(CursorError).and_then(|id| id.parse())?
        }
    };
    Ok(stream(&web, &room, variant, &web.app.continue_stream(&room, cursor).await))
}

/// What a stream's response says beside GRIP. `X-Accel-Buffering` is for an nginx in between.
const STREAM_HEADERS: [(HeaderName, &str); 4] = [
    (header::CONTENT_TYPE, "text/event-stream"),
    (header::CACHE_CONTROL, "no-cache, no-transform"),
    (header::VARY, "accept"),
    (X_ACCEL_BUFFERING, "no"),
];

fn stream(web: &Web, room: &RoomId, variant: Variant, page: &StreamPage) -> Response {
    let response = web.app.feed().sse_response(room, variant, page);
    (STREAM_HEADERS, response.grip, response.body).into_response()
}
