//! `/rooms/{room}/recover/…`: next links, at which GRIP proxies request what streams missed.

use axum::{
    Router,
    extract::State,
    http::{HeaderMap, Method},
    response::Response,
    routing::{MethodRouter, get},
};

use super::{
    Web,
    error::WebError,
    extract::{Link, Proxied, Room},
    respond::{stream, stream_head},
};
use crate::{
    chat::CursorError,
    feed::{self, NextLink},
    grip,
};

/// The paths that [`NextLink::path`] creates. The metrics of requests have them as labels.
const PATHS: [&str; 4] = [
    "/rooms/{room}/recover/",
    "/rooms/{room}/recover/after/{cursor}/",
    "/rooms/{room}/recover/persisted/",
    "/rooms/{room}/recover/persisted/after/{cursor}/",
];

/// The routes of all next links.
pub(super) fn routes() -> Router<Web> {
    routes_to(get(recover))
}

fn routes_to<S: Clone + Send + Sync + 'static>(handler: MethodRouter<S>) -> Router<S> {
    PATHS.into_iter().fold(Router::new(), |router, path| router.route(path, handler.clone()))
}

/// GET of a next link. [`Proxied`] also proves that `Grip-Last` does not come from a client.
async fn recover(
    State(web): State<Web>,
    Room(room): Room,
    Link(NextLink { variant, page }): Link,
    proxied: Proxied,
    method: Method,
    headers: HeaderMap,
) -> Result<Response, WebError> {
    if method == Method::HEAD {
        return Ok(stream_head(proxied));
    }
    let cursor = match page {
        Some(cursor) => cursor,
        None => {
            let last_id = grip::last_id(&headers, &feed::messages_channel(&room));
            last_id.ok_or(CursorError).and_then(|id| id.parse())?
        }
    };
    let page = web.app.continue_stream(&room, cursor).await;
    Ok(stream(proxied, web.app.feed().sse_response(&room, variant, &page)))
}

#[cfg(test)]
mod tests {
    use axum::{body::Body, http::Request};
    use tower::ServiceExt as _;

    use super::*;
    use crate::{chat::RoomId, feed::Variant};

    /// The link that the handler gets for a path, and the status if it gets none.
    async fn received(path: &str) -> String {
        let handler = get(async |Link(link): Link| format!("{link:?}"));
        let response = routes_to::<()>(handler).oneshot(Request::get(path).body(Body::empty()).unwrap()).await.unwrap();
        let status = response.status();
        let body = axum::body::to_bytes(response.into_body(), 1_000).await.unwrap();
        if status.is_success() { String::from_utf8(body.to_vec()).unwrap() } else { status.to_string() }
    }

    #[tokio::test]
    async fn every_next_link_has_a_route() {
        for room in ["a", "café", "recover", "persisted", "after"].map(|room| RoomId::parse(room).unwrap()) {
            for variant in [Variant::Full, Variant::Persisted] {
                for page in [None, Some("0"), Some("e-7")].map(|page| page.map(|cursor| cursor.parse().unwrap())) {
                    let link = NextLink { variant, page };
                    assert_eq!(received(&link.path(&room)).await, format!("{link:?}"), "{}", link.path(&room));
                }
            }
        }
    }

    #[tokio::test]
    async fn a_next_link_with_an_invalid_cursor_does_not_exist() {
        assert_eq!(received("/rooms/a/recover/after/7/").await, "404 Not Found");
    }
}
