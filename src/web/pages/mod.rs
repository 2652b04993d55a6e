//! The pages, rendered on the server with the history in them.

mod author;
mod text;
mod view;

use std::{sync::LazyLock, time::Duration};

use askama::Template;
use axum::{
    extract::{Query, State, rejection::QueryRejection},
    http::{HeaderMap, HeaderName, HeaderValue, header},
    response::{Html, Redirect, Response},
};
use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
use serde::Deserialize;
use sha2::{Digest as _, Sha256};
use tokio::time::timeout;
use tracing::error;

use self::view::{MessageView, ReaderView, RoomView};
use super::{
    Web,
    assets::STYLE_SOURCE,
    caching::{REVALIDATED, VARY, tagged},
    error::{PageError, WebError, in_words},
    extract::Room,
};
use crate::{
    app::NEWEST,
    chat::{Author, MessageId, RoomId},
    feed,
    store::Activity,
};

/// Where `/` goes.
const DEFAULT_ROOM: &str = "/default";
/// Rooms in the list beside a room; a page of their own has the rest.
const ROOMS_BESIDE: usize = 30;
/// A room is not kept waiting any longer for the list of the others: the script asks for it again.
const ROOMS_WITHIN: Duration = Duration::from_millis(500);

/// What every page is sent with.
pub(super) fn page_headers() -> [(HeaderName, HeaderValue); 5] {
    [
        (header::CONTENT_SECURITY_POLICY, POLICY.clone()),
        (header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
        // The query holds a person's name, so it is no other site's business.
        (header::REFERRER_POLICY, HeaderValue::from_static("same-origin")),
        REVALIDATED,
        VARY,
    ]
}

/// Allows scripts from this server's files only, and no style except the one in the page.
static POLICY: LazyLock<HeaderValue> = LazyLock::new(|| {
    let style = &*STYLE_SOURCE;
    let policy = format!(
        "default-src 'none'; script-src 'self'; style-src {style}; connect-src 'self'; img-src 'self' data:; \
         form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    );
    HeaderValue::try_from(policy).expect("the policy is ASCII")
});

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
    reader: ReaderView,
    /// Whether rooms are listed at all.
    listed: bool,
    rooms: Vec<RoomView>,
    more_rooms: bool,
    messages: Vec<MessageView>,
    blank: MessageView,
    cursor: String,
    /// The id of the first message.
    oldest: String,
    /// Whether there are messages before that.
    more: bool,
    /// Older messages only, which nothing is added to.
    archive: bool,
}

#[derive(Template)]
#[template(path = "rooms.html")]
struct RoomsPage {
    rooms: Vec<RoomView>,
    user: Option<String>,
    /// `?user=…`, or nothing.
    query: String,
    /// The query of the next stretch, if there is one.
    next: Option<String>,
    /// Not the first stretch.
    further: bool,
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
    before: Option<String>,
}

#[derive(Debug, Deserialize)]
pub(super) struct IndexQuery {
    room: Option<String>,
    user: Option<String>,
}

/// `/`: to the room that a form without scripts names; else to the default room, for now; so not permanently.
pub(super) async fn index(query: Result<Query<IndexQuery>, QueryRejection>) -> Result<Redirect, PageError> {
    let Query(query) = query.map_err(|e| WebError::Query(e.body_text()))?;
    let Some(name) = query.room else {
        return Ok(Redirect::temporary(DEFAULT_ROOM));
    };
    let room = RoomId::parse(name.trim().trim_start_matches('#')).map_err(WebError::from)?;
    Ok(Redirect::to(&match query.user.as_deref().map(Author::parse) {
        Some(Ok(user)) => room_path(&room, &user),
        _ => format!("/{}", feed::path_segment(&room)),
    }))
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
    let before = query.before.as_deref().map(str::parse::<MessageId>).transpose();
    let before = before.map_err(|_| WebError::Query("before must be the id of a message".to_owned()))?;
    let (history, (rooms, more_rooms)) =
        tokio::join!(web.app.history(&room, before.as_ref(), NEWEST), rooms_beside(&web));
    let history = history.map_err(WebError::from)?;
    let room = RoomPage {
        room: room.to_string(),
        room_path: feed::path_segment(&room),
        reader: ReaderView::new(&user),
        listed: web.app.lists_rooms(),
        rooms: RoomView::all(rooms, Some(&room)),
        more_rooms,
        cursor: history.cursor().to_string(),
        oldest: history.messages.first().map(|message| message.id.to_string()).unwrap_or_default(),
        more: history.more,
        messages: MessageView::all(history.messages, &user),
        blank: MessageView::blank(),
        archive: before.is_some(),
    };
    page(&headers, &room)
}

/// The rooms with the newest messages, as far as they can be told now, and whether there are more.
async fn rooms_beside(web: &Web) -> (Vec<Activity>, bool) {
    timeout(ROOMS_WITHIN, web.app.rooms(None, ROOMS_BESIDE)).await.ok().and_then(Result::ok).unwrap_or_default()
}

/// A stretch of the list of rooms. `next`: what its page is asked for with.
pub(super) fn rooms(
    headers: &HeaderMap,
    rooms: Vec<Activity>,
    user: Option<String>,
    next: Option<&str>,
    further: bool,
) -> Result<Response, PageError> {
    let query = |pairs: &[(&str, Option<&str>)]| {
        let mut query = url::form_urlencoded::Serializer::new(String::new());
        query.extend_pairs(pairs.iter().filter_map(|&(name, value)| Some((name, value?))));
        query.finish()
    };
    let user = user.filter(|user| Author::parse(user).is_ok());
    let list = RoomsPage {
        rooms: RoomView::all(rooms, None),
        query: user.as_deref().map(|user| format!("?{}", query(&[("user", Some(user))]))).unwrap_or_default(),
        next: next.map(|next| query(&[("behind", Some(next)), ("user", user.as_deref())])),
        user,
        further,
    };
    page(headers, &list)
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
            Ok(tagged(request, etag, page_headers(), Html(html)))
        }
        Err(error) => {
            error!(%error, "a page cannot be rendered");
            Err(WebError::Internal.into())
        }
    }
}

#[cfg(test)]
mod tests {
    use base64::prelude::BASE64_STANDARD;

    use super::{super::assets::STYLE, *};

    #[test]
    fn the_policy_allows_the_style_of_the_page_and_no_other() {
        let [(_, policy), ..] = page_headers();
        let policy = policy.to_str().expect("ASCII");
        let style = format!("style-src 'sha256-{}'; ", BASE64_STANDARD.encode(Sha256::digest(STYLE)));
        assert!(policy.contains(&style), "{policy}");
        let page = join(&RoomId::parse("lobby").expect("a room"), None).render().expect("a page");
        assert!(page.contains(&format!("<style>{STYLE}</style>")) && !page.contains("stylesheet"), "{page}");
    }
}
