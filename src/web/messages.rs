//! `/rooms/{room}/messages/`: reading and posting messages.

use axum::{
    Json, RequestExt as _,
    extract::{Request, State},
    http::{Method, header},
    response::{IntoResponse, Redirect, Response},
};
use serde::{Deserialize, Serialize};

use super::{
    Web,
    error::WebError,
    extract::{AdmittedPost, Format, Post, Proxied, Query, Reader, Room, last_event_id},
    pages::{self, PageError},
    respond::{stream, stream_head},
};
use crate::{
    app::INITIAL_MESSAGES,
    chat::{Cursor, CursorError, Message, RoomId},
    feed::Variant,
    telemetry::metrics,
};

/// The maximum number of messages in a JSON response.
const MAX_LIMIT: usize = 200;

/// The query of a GET.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct MessagesQuery {
    last_event_id: Option<String>,
    provisional: Option<bool>,
    before: Option<String>,
    limit: Option<usize>,
}

/// A page of a room's log, as JSON.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Snapshot {
    messages: Vec<Message>,
    last_event_id: Cursor,
    more: bool,
}

/// GET: a stream, or messages as JSON.
pub(super) async fn get(
    State(web): State<Web>,
    Room(room): Room,
    format: Format,
    Query(query): Query<MessagesQuery>,
    request: Request,
) -> Result<Response, WebError> {
    match format {
        Format::Json => snapshot(&web, &room, &query).await,
        Format::Stream => open_stream(&web, &room, &query, request).await,
    }
}

async fn snapshot(web: &Web, room: &RoomId, query: &MessagesQuery) -> Result<Response, WebError> {
    let limit = query.limit.unwrap_or(INITIAL_MESSAGES);
    if !(1..=MAX_LIMIT).contains(&limit) {
        return Err(WebError::Query(format!("limit must be a number from 1 to {MAX_LIMIT}")));
    }
    let before = query.before.as_deref().map(str::parse).transpose();
    let before = before.map_err(|CursorError| WebError::Query("before must be the id of a message".to_owned()))?;
    let page = web.app.history(room, before.as_ref(), limit).await?;
    let snapshot = Snapshot { last_event_id: page.cursor(), more: page.more, messages: page.messages };
    Ok(([(header::CACHE_CONTROL, "no-cache"), (header::VARY, "accept")], Json(snapshot)).into_response())
}

async fn open_stream(
    web: &Web,
    room: &RoomId,
    query: &MessagesQuery,
    mut request: Request,
) -> Result<Response, WebError> {
    let proxied: Proxied = request.extract_parts_with_state(web).await?;
    if request.method() == Method::HEAD {
        return Ok(stream_head(proxied));
    }
    let variant = if query.provisional == Some(false) { Variant::Persisted } else { Variant::Full };
    let cursor = last_event_id(request.headers(), query.last_event_id.as_deref());
    let page = web.app.open_stream(room, cursor).await?;
    Ok(stream(proxied, web.app.feed().sse_response(room, variant, &page)))
}

/// POST: a message. A program gets the stored message; a person is redirected to the room.
pub(super) async fn post(
    State(web): State<Web>,
    reader: Reader,
    room: Result<Room, WebError>,
    post: Result<AdmittedPost, WebError>,
) -> Response {
    let outcome = async {
        let parsed = room.and_then(|room| Ok((room, post?)));
        let (Room(room), AdmittedPost(Post { draft, key_search })) =
            parsed.inspect_err(|error| metrics::posts::refused(error.code()))?;
        let message = web.app.post_message(room.clone(), draft, key_search).await?;
        Ok::<_, WebError>((room, message))
    };
    match (reader, outcome.await) {
        (Reader::Program, Ok((_, message))) => Json(message).into_response(),
        (Reader::Program, Err(error)) => error.into_response(),
        // The status See Other, so that a reload of the target does not post again.
        (Reader::Person, Ok((room, message))) => Redirect::to(&pages::room_path(&room, &message.from)).into_response(),
        (Reader::Person, Err(error)) => PageError::not_sent(error).into_response(),
    }
}
