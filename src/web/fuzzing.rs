//! The door through which the fuzz targets in `fuzz/` reach what the extractors make of a request. Built only with
//! `--cfg fuzzing`, as `cargo fuzz` does.

use axum::{
    Router,
    response::{IntoResponse as _, Response},
    routing::any,
};

use super::{
    error::{PageError, WebError},
    extract::{PathCursor, Posted, Reader, Room, Wanted},
};
use crate::{
    chat::{Cursor, Draft, RoomId},
    store::KeySearch,
};

/// What a request was taken for. An answer carries it as an extension.
#[derive(Clone, Debug)]
pub struct Taken {
    /// The room in the path.
    pub room: RoomId,
    /// The cursor in the path.
    pub cursor: Option<Cursor>,
    /// Whether it wants a stream.
    pub stream: bool,
    /// Whether a person reads the answer.
    pub person: bool,
    /// The message in the body.
    pub posted: Option<(Draft, KeySearch)>,
}

/// Routes like those of the API. What cannot be taken is refused as there; the body is read where the method is POST.
pub fn routes() -> Router {
    Router::new()
        .route("/rooms/{room}/messages/", any(take).post(take_post))
        .route("/rooms/{room}/recover/after/{cursor}/", any(take))
}

async fn take(Room(room): Room, PathCursor(cursor): PathCursor, wanted: Wanted, reader: Reader) -> Response {
    let stream = wanted == Wanted::Stream;
    answer(Taken { room, cursor, stream, person: reader == Reader::Person, posted: None })
}

async fn take_post(reader: Reader, room: Result<Room, WebError>, posted: Result<Posted, WebError>) -> Response {
    let person = reader == Reader::Person;
    let taken = room.and_then(|Room(room)| Ok((room, posted?)));
    match taken {
        Ok((room, Posted { draft, key_search })) => {
            answer(Taken { room, cursor: None, stream: false, person, posted: Some((draft, key_search)) })
        }
        Err(error) if person => PageError::not_sent(error).into_response(),
        Err(error) => error.into_response(),
    }
}

fn answer(taken: Taken) -> Response {
    let mut response = Response::default();
    response.extensions_mut().insert(taken);
    response
}
