//! `/rooms/{room}/recover/…`: next links, at which GRIP proxies request what streams missed.

use axum::{
    extract::State,
    http::{HeaderMap, Method},
    response::Response,
};

use super::{
    Web,
    error::WebError,
    extract::{NextLink, Proxied, Room},
    respond::{stream, stream_head},
};
use crate::{chat::CursorError, feed, grip};

/// GET of a next link. It needs [`Proxied`], because `Grip-Last` could otherwise come from a client.
pub(super) async fn recover(
    State(web): State<Web>,
    Room(room): Room,
    NextLink { variant, page }: NextLink,
    _: Proxied,
    method: Method,
    headers: HeaderMap,
) -> Result<Response, WebError> {
    if method == Method::HEAD {
        return Ok(stream_head());
    }
    let cursor = match page {
        Some(cursor) => cursor,
        None => {
            let last_id = grip::last_id(&headers, &feed::messages_channel(&room));
            last_id.ok_or(CursorError).and_then(|id| id.parse())?
        }
    };
    let page = web.app.continue_stream(&room, cursor).await;
    Ok(stream(web.app.feed().sse_response(&room, variant, &page)))
}
