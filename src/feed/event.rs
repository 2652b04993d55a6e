//! Events, independent of the transport that carries them.

use serde::Serialize;

use crate::{
    chat::{Cursor, Draft, Message},
    store::ResetReason,
};

/// Something that a subscriber receives.
///
/// The data is serialized once, so that one event can be encoded for several transports at little cost.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// The type of the event.
    pub name: &'static str,
    /// The cursor of a client that has received the event; `None` leaves its cursor unchanged.
    pub id: Option<Cursor>,
    /// A JSON object, on one line.
    pub data: String,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Position<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<ResetReason>,
    last_event_id: &'a Cursor,
}

#[derive(Serialize)]
struct Retraction<'a> {
    #[serde(flatten)]
    draft: &'a Draft,
    retracted: bool,
}

impl Event {
    /// The first event of a client's stream. Its id gives a client of an empty room a cursor for its next request.
    pub fn stream_open(cursor: &Cursor) -> Self {
        Self::new("stream-open", Some(cursor.clone()), &Position { reason: None, last_event_id: cursor })
    }

    /// The messages after the client's cursor cannot be replayed. The stream continues from another cursor.
    pub fn stream_reset(reason: ResetReason, cursor: &Cursor) -> Self {
        Self::new("stream-reset", Some(cursor.clone()), &Position { reason: Some(reason), last_event_id: cursor })
    }

    /// A stored message.
    pub fn message(message: &Message) -> Self {
        Self::new("message", Some(message.id.clone().into()), message)
    }

    /// A message that is not stored yet.
    pub fn provisional(draft: &Draft) -> Self {
        Self::new("message", None, draft)
    }

    /// A provisional message that will not be stored.
    pub fn retraction(draft: &Draft) -> Self {
        Self::new("message", None, &Retraction { draft, retracted: true })
    }

    /// Sent when nothing else was sent. A client that receives it knows that its connection works.
    pub fn keep_alive() -> Self {
        Self { name: "keep-alive", id: None, data: "{}".to_owned() }
    }

    fn new(name: &'static str, id: Option<Cursor>, data: &impl Serialize) -> Self {
        Self { name, id, data: serde_json::to_string(data).expect("strings, numbers and booleans serialize") }
    }
}
