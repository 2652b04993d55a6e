//! Access to the extractors for the fuzz targets in `fuzz/`. Compiled only for tests and with `--cfg fuzzing`, which
//! `cargo fuzz` sets.

use axum::{
    Router,
    response::{IntoResponse as _, Response},
    routing::any,
};

use super::{
    error::WebError,
    extract::{Format, Link, Post, Reader, Room},
    pages::PageError,
};
use crate::{
    chat::{Cursor, Draft, RoomId},
    store::KeySearch,
};

/// What the extractors parsed from a request. It is an extension of the response.
#[derive(Clone, Debug)]
pub struct Parsed {
    /// The room in the path.
    pub room: RoomId,
    /// The cursor in the path.
    pub cursor: Option<Cursor>,
    /// Whether the client requests a stream.
    pub stream: bool,
    /// Whether a person reads the response.
    pub person: bool,
    /// The message in the body.
    pub post: Option<(Draft, KeySearch)>,
}

/// Routes like those of the API, which respond with errors like those of the API. Only a POST reads the body.
pub fn routes() -> Router {
    Router::new()
        .route("/rooms/{room}/messages/", any(parse).post(parse_post))
        .route("/rooms/{room}/recover/after/{cursor}/", any(parse))
}

async fn parse(Room(room): Room, Link(link): Link, format: Format, reader: Reader) -> Response {
    let (cursor, stream) = (link.page, format == Format::Stream);
    respond(Parsed { room, cursor, stream, person: reader == Reader::Person, post: None })
}

async fn parse_post(reader: Reader, room: Result<Room, WebError>, post: Result<Post, WebError>) -> Response {
    let person = reader == Reader::Person;
    match room.and_then(|Room(room)| Ok((room, post?))) {
        Ok((room, Post { draft, key_search })) => {
            respond(Parsed { room, cursor: None, stream: false, person, post: Some((draft, key_search)) })
        }
        Err(error) if person => PageError::not_sent(error).into_response(),
        Err(error) => error.into_response(),
    }
}

fn respond(parsed: Parsed) -> Response {
    let mut response = Response::default();
    response.extensions_mut().insert(parsed);
    response
}
