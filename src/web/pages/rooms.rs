//! The page of `/rooms/`.

use askama::Template;
use axum::{http::HeaderMap, response::Response};

use super::{error::PageError, link::query, render::page, view::RoomView};
use crate::{chat::Author, store::Activity};

#[derive(Template)]
#[template(path = "rooms.html")]
struct RoomsPage {
    rooms: Vec<RoomView>,
    user: Option<String>,
    /// `?user=…`, or empty.
    query: String,
    /// The query of the next page of the list, if there is one.
    next: Option<String>,
    /// Whether this is not the first page of the list.
    further: bool,
}

/// A page of the list of rooms. `next` is the position of the next page, if there is one.
pub(crate) fn rooms(
    headers: &HeaderMap,
    rooms: Vec<Activity>,
    user: Option<String>,
    next: Option<&str>,
    further: bool,
) -> Result<Response, PageError> {
    let user = user.filter(|user| Author::parse(user).is_ok());
    let list = RoomsPage {
        rooms: RoomView::all(rooms, None),
        query: query(&[("user", user.as_deref())]),
        next: next.map(|next| query(&[("after", Some(next)), ("user", user.as_deref())])),
        user,
        further,
    };
    Ok(page(headers, &list)?)
}
