//! `/{room}`: a room, or the form that requests a name.

use std::time::Duration;

use askama::Template;
use axum::{extract::State, http::HeaderMap, response::Response};
use serde::Deserialize;
use tokio::time::timeout;

use super::{
    error::{PageError, sentence},
    render::page,
    view::{MessageView, ReaderView, RoomView},
};
use crate::{
    app::INITIAL_MESSAGES,
    chat::{Author, MessageId, RoomId},
    feed,
    store::Activity,
    web::{
        Web,
        error::WebError,
        extract::{Query, Room},
    },
};

/// Rooms in the list on a room's page. The page `/rooms/` shows all of them.
const LISTED_ROOMS: usize = 30;
/// How long a room's page waits for the list of rooms. After that the page is sent without it, and the script requests
/// the list again.
const ROOM_LIST_TIMEOUT: Duration = Duration::from_millis(500);

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
    /// Whether the list of rooms is turned on.
    listed: bool,
    rooms: Vec<RoomView>,
    more_rooms: bool,
    messages: Vec<MessageView>,
    blank: MessageView,
    cursor: String,
    /// The id of the first message.
    oldest: String,
    /// Whether there are older messages.
    more: bool,
    /// Whether the page shows only older messages, and gets no new ones.
    archive: bool,
}

#[derive(Debug, Deserialize)]
pub(crate) struct RoomQuery {
    user: Option<String>,
    before: Option<String>,
}

/// GET: the room, or without a valid name in the query the form that requests one.
pub(crate) async fn room(
    State(web): State<Web>,
    room: Result<Room, WebError>,
    query: Result<Query<RoomQuery>, WebError>,
    headers: HeaderMap,
) -> Result<Response, PageError> {
    let Room(room) = room?;
    let Query(query) = query?;
    let user = match query.user.as_deref().map(Author::parse) {
        Some(Ok(user)) => user,
        Some(Err(error)) => return Ok(page(&headers, &join(&room, Some(sentence(&error.into()))))?),
        None => return Ok(page(&headers, &join(&room, None))?),
    };
    let before = query.before.as_deref().map(str::parse::<MessageId>).transpose();
    let before = before.map_err(|_| WebError::Query("before must be the id of a message".to_owned()))?;
    let (history, (rooms, more_rooms)) =
        tokio::join!(web.app.history(&room, before.as_ref(), INITIAL_MESSAGES), listed_rooms(&web));
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
    Ok(page(&headers, &room)?)
}

/// The rooms with the newest messages, and whether there are more. Empty if they cannot be read in time.
async fn listed_rooms(web: &Web) -> (Vec<Activity>, bool) {
    timeout(ROOM_LIST_TIMEOUT, web.app.rooms(None, LISTED_ROOMS)).await.ok().and_then(Result::ok).unwrap_or_default()
}

fn join(room: &RoomId, problem: Option<String>) -> JoinPage {
    JoinPage { room: room.to_string(), room_path: feed::path_segment(room), problem }
}

#[cfg(test)]
mod tests {
    use base64::prelude::{BASE64_STANDARD, Engine as _};
    use sha2::{Digest as _, Sha256};

    use super::*;
    use crate::web::{assets::STYLE, pages::render::page_headers};

    #[test]
    fn the_policy_allows_only_the_style_of_the_page() {
        let [(_, policy), ..] = page_headers();
        let policy = policy.to_str().expect("ASCII");
        let hash = format!("'sha256-{}'", BASE64_STANDARD.encode(Sha256::digest(STYLE)));
        assert!(policy.contains(&format!("style-src {}; ", hash)), "{policy}");
        let page = join(&RoomId::parse("lobby").expect("a room"), None).render().expect("a page");
        assert!(page.contains(&format!("<style>{STYLE}</style>")) && !page.contains("stylesheet"), "{page}");
    }
}
