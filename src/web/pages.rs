//! The pages, rendered on the server with the history in them.

use askama::Template;
use axum::{
    extract::{Query, State, rejection::QueryRejection},
    http::{HeaderName, HeaderValue, header},
    response::{Html, IntoResponse as _, Redirect, Response},
};
use serde::Deserialize;
use tracing::error;

use super::{
    Web,
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
pub(super) const PAGE_HEADERS: [(HeaderName, HeaderValue); 4] = [
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
    (header::CACHE_CONTROL, HeaderValue::from_static("no-cache")),
];

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
) -> Result<Response, PageError> {
    let Room(room) = room?;
    let Query(query) = query.map_err(|e| WebError::Query(e.body_text()))?;
    let user = match query.user.as_deref().map(Author::parse) {
        Some(Ok(user)) => user,
        Some(Err(error)) => return page(&join(&room, Some(in_words(&error.into())))),
        None => return page(&join(&room, None)),
    };
    let history = web.app.history(&room, None, NEWEST).await.map_err(WebError::from)?;
    page(&RoomPage {
        room: room.to_string(),
        room_path: feed::path_segment(&room),
        cursor: history.cursor().to_string(),
        more: history.more,
        messages: history.messages.into_iter().map(|message| MessageView::new(message, &user)).collect(),
        user: user.to_string(),
    })
}

/// A room's page as one who goes by this name sees it, as a path with a query.
pub(super) fn room_path(room: &RoomId, user: &Author) -> String {
    let query = url::form_urlencoded::Serializer::new(String::new()).append_pair("user", user.as_str()).finish();
    format!("/{}?{query}", feed::path_segment(room))
}

fn join(room: &RoomId, problem: Option<String>) -> JoinPage {
    JoinPage { room: room.to_string(), room_path: feed::path_segment(room), problem }
}

fn page(template: &impl Template) -> Result<Response, PageError> {
    match template.render() {
        Ok(html) => Ok((PAGE_HEADERS, Html(html)).into_response()),
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
