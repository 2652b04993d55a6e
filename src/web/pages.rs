//! The pages, rendered on the server with the history in them.

use askama::Template;
use axum::{
    extract::{Query, State, rejection::QueryRejection},
    http::{HeaderMap, HeaderName, HeaderValue, header},
    response::{Html, Redirect, Response},
};
use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
use serde::Deserialize;
use sha2::{Digest as _, Sha256};
use tracing::error;

use super::{
    Web,
    caching::{REVALIDATED, VARY, tagged},
    error::{PageError, WebError, in_words},
    extract::Room,
};
use crate::{
    app::NEWEST,
    chat::{Author, Message, RoomId},
    feed,
};

/// Where `/` goes.
const DEFAULT_ROOM: &str = "/default";

/// What every page is sent with. Scripts come from this server's files alone, and of styles there is the one in the page;
/// the query holds a person's name, so it is no other site's business.
pub(super) const PAGE_HEADERS: [(HeaderName, HeaderValue); 5] = [
    (
        header::CONTENT_SECURITY_POLICY,
        HeaderValue::from_static(concat!(
            "default-src 'none'; script-src 'self'; style-src '",
            env!("STYLE_HASH"),
            "'; connect-src 'self'; img-src 'self' data:; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
        )),
    ),
    (header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
    (header::REFERRER_POLICY, HeaderValue::from_static("same-origin")),
    REVALIDATED,
    VARY,
];

/// Bytes of the hash in a page's tag.
const TAG_BYTES: usize = 12;

#[derive(Template)]
#[template(path = "join.html")]
struct JoinPage {
    room: String,
    room_path: String,
    problem: Option<String>,
}

#[derive(Template)]
#[template(path = "room.html")]
struct RoomPage {
    room: String,
    room_path: String,
    user: String,
    messages: Vec<MessageView>,
    cursor: String,
    more: bool,
}

/// A message as the template shows it.
struct MessageView {
    id: String,
    seq: u64,
    provisional_id: String,
    from: String,
    text: String,
    date: String,
    time: String,
    own: bool,
}

#[derive(Template)]
#[template(path = "error.html")]
pub(super) struct ErrorPage {
    pub(super) title: String,
    pub(super) message: String,
    /// Whether a text was refused, which the browser still has on the page before.
    pub(super) not_sent: bool,
}

#[derive(Debug, Deserialize)]
pub(super) struct RoomQuery {
    user: Option<String>,
}

/// `/`: to the default room, for now; so not permanently.
pub(super) async fn index() -> Redirect {
    Redirect::temporary(DEFAULT_ROOM)
}

/// `/{room}`: asks for a name, or shows the room to whom has one.
pub(super) async fn room(
    State(web): State<Web>,
    room: Result<Room, WebError>,
    query: Result<Query<RoomQuery>, QueryRejection>,
    headers: HeaderMap,
) -> Result<Response, PageError> {
    let Room(room) = room?;
    let Query(query) = query.map_err(|e| WebError::Query(e.body_text()))?;
    let user = match query.user.as_deref().map(Author::parse) {
        Some(Ok(user)) => user,
        Some(Err(error)) => return page(&headers, &join(&room, Some(in_words(&error.into())))),
        None => return page(&headers, &join(&room, None)),
    };
    let history = web.app.history(&room, None, NEWEST).await.map_err(WebError::from)?;
    let room = RoomPage {
        room: room.to_string(),
        room_path: feed::path_segment(&room),
        cursor: history.cursor().to_string(),
        more: history.more,
        messages: history.messages.into_iter().map(|message| MessageView::new(message, &user)).collect(),
        user: user.to_string(),
    };
    page(&headers, &room)
}

/// A room's page as one who goes by this name sees it, as a path with a query.
pub(super) fn room_path(room: &RoomId, user: &Author) -> String {
    let query = url::form_urlencoded::Serializer::new(String::new()).append_pair("user", user.as_str()).finish();
    format!("/{}?{query}", feed::path_segment(room))
}

fn join(room: &RoomId, problem: Option<String>) -> JoinPage {
    JoinPage { room: room.to_string(), room_path: feed::path_segment(room), problem }
}

/// A page, or word that the browser has it. The tag is weak: it stands for all forms that the page is compressed to.
fn page(request: &HeaderMap, template: &impl Template) -> Result<Response, PageError> {
    match template.render() {
        Ok(html) => {
            let hash = Sha256::digest(&html);
            let etag = format!("W/\"{}\"", BASE64_URL_SAFE_NO_PAD.encode(&hash[..TAG_BYTES]));
            Ok(tagged(request, etag, PAGE_HEADERS, Html(html)))
        }
        Err(error) => {
            error!(%error, "a page cannot be rendered");
            Err(WebError::Internal.into())
        }
    }
}

impl MessageView {
    fn new(message: Message, reader: &Author) -> Self {
        Self {
            own: message.from == *reader,
            id: message.id.to_string(),
            seq: message.id.seq,
            provisional_id: message.provisional_id.to_string(),
            from: message.from.to_string(),
            text: message.text.to_string(),
            date: message.date.to_string(),
            time: message.date.clock(),
        }
    }
}

#[cfg(test)]
mod tests {
    use base64::prelude::BASE64_STANDARD;

    use super::{super::assets::STYLE, *};

    #[test]
    fn the_policy_allows_the_style_of_the_page_and_no_other() {
        let [(_, policy), ..] = PAGE_HEADERS;
        let policy = policy.to_str().expect("ASCII");
        let style = format!("style-src 'sha256-{}'; ", BASE64_STANDARD.encode(Sha256::digest(STYLE)));
        assert!(policy.contains(&style), "{policy}");
        let page = join(&RoomId::parse("lobby").expect("a room"), None).render().expect("a page");
        assert!(page.contains(&format!("<style>{STYLE}</style>")) && !page.contains("stylesheet"), "{page}");
    }
}
