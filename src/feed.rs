//! What a subscriber sees: the channels of a room, its events, and the hold of its streams.
//!
//! | event | data | when |
//! |---|---|---|
//! | `stream-open` | `{"lastEventId"}` | first, on a client's own request: the place the stream goes on from |
//! | `message` | a message without `id` | published, not yet stored; `"retracted": true` takes it back |
//! | `message` | a message, event id = `id` | stored, in order, once |
//! | `stream-reset` | `{"reason", "lastEventId"}` | what follows the client's cursor cannot be told |
//! | `keep-alive` | `{}` | nothing else was sent for 20 s |
//!
//! Messages go out on two channels. `messages-<room>` is reliable: every item there has an id and names
//! the one before it, so that the proxy notices when it missed one, and asks the room's next link.
//! `provisional-<room>` is not: what it carries has no place in the log.

use std::{
    hash::{DefaultHasher, Hash as _, Hasher as _},
    time::Duration,
};

use http::HeaderMap;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Serialize;

use crate::{
    chat::{Cursor, Draft, Message, RoomId},
    grip::{Channel, Hold, HoldChannel, Item, NextPage},
    sse::push_event,
    store::{Appended, ResetReason},
};

/// Below the 30 s after which the strictest common proxies close an idle connection, and often enough
/// for a page to call a stream dead after 45 s.
const KEEP_ALIVE_AFTER: Duration = Duration::from_secs(20);

/// When a proxy asks again what the store could not tell.
const RECHECK_LATER: Duration = Duration::from_secs(5);

/// Of ASCII, what a room's name does not hold; so a plain name reads in a path as it is.
const NOT_IN_ROOM_NAMES: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.');

/// Which events a stream carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Variant {
    /// All of them.
    Full,
    /// No provisional messages.
    Persisted,
}

/// A part of a stream, as a response: GRIP headers and events.
#[derive(Clone, Debug)]
pub struct Answer {
    /// What the proxy is to do.
    pub grip: HeaderMap,
    /// What the client is to get.
    pub body: String,
}

/// What a stream's part tells.
#[derive(Clone, Debug)]
pub struct Part {
    /// Whether this is the beginning of the client's stream.
    pub opening: bool,
    /// That the client's cursor did not hold, and why.
    pub reset: Option<ResetReason>,
    /// The place the messages follow.
    pub from: Cursor,
    /// What follows, without a hole.
    pub messages: Vec<Message>,
    /// Whether more follows that is stored already.
    pub more: bool,
}

/// Makes the answers and items of all rooms.
#[derive(Clone, Copy, Debug)]
pub struct Feed {
    /// The longest time between two checks of a stream by its proxy.
    recheck: Duration,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Place<'a> {
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

impl Feed {
    /// With the longest time after which a proxy asks for what a stream may have missed.
    pub fn new(recheck: Duration) -> Self {
        Self { recheck }
    }

    /// A part of a room's stream. Behind the last part that is stored the stream is held; before
    /// that, the proxy is sent on to the next page.
    pub fn answer(&self, room: &RoomId, variant: Variant, part: Part) -> Answer {
        let Part { opening, reset, from, messages, more } = part;
        let mut body = String::new();
        if let Some(reason) = reset {
            // Before stream-open: the id of either is the new cursor, and a client that is cut off
            // between the two must have learned why its old one is gone.
            let place = Place { reason: Some(reason), last_event_id: &from };
            push_event(&mut body, "stream-reset", Some(&from), &json(&place));
        }
        if opening {
            // With an id, so that a client of an empty room has a cursor to come back with.
            let place = Place { reason: None, last_event_id: &from };
            push_event(&mut body, "stream-open", Some(&from), &json(&place));
        }
        for message in &messages {
            push_event(&mut body, "message", Some(&message.id), &json(message));
        }
        let cursor = messages.last().map_or(from, |newest| newest.id.clone().into());
        let grip = if more {
            NextPage { next: page_path(room, variant, &cursor) }.headers()
        } else {
            self.hold(room, variant, &cursor, self.recheck_of(room)).headers()
        };
        Answer { grip, body }
    }

    /// A part that tells nothing, since the store could not: the stream stays where it is, and is
    /// asked for again soon.
    ///
    /// An error instead would make the proxy keep back what is published while it retries, and end
    /// the stream after half a minute.
    pub fn answer_later(&self, room: &RoomId, variant: Variant, cursor: &Cursor) -> Answer {
        let hold = self.hold(room, variant, cursor, RECHECK_LATER.min(self.recheck));
        Answer { grip: hold.headers(), body: String::new() }
    }

    fn hold(&self, room: &RoomId, variant: Variant, cursor: &Cursor, recheck: Duration) -> Hold {
        let mut channels = vec![HoldChannel { channel: messages_channel(room), prev_id: Some(cursor.to_string()) }];
        if variant == Variant::Full {
            channels.push(HoldChannel { channel: provisional(room), prev_id: None });
        }
        let mut keep_alive = String::new();
        push_event(&mut keep_alive, "keep-alive", None, "{}");
        Hold { channels, keep_alive, keep_alive_after: KEEP_ALIVE_AFTER, next: recover_path(room, variant), recheck }
    }

    /// All streams of a room are rechecked together, so that one read answers them all; the rooms
    /// are spread over a quarter of the interval, so that they do not all come at once.
    fn recheck_of(&self, room: &RoomId) -> Duration {
        let mut hasher = DefaultHasher::new();
        room.hash(&mut hasher);
        // The remainder is below 100, so it is exact.
        let share = (hasher.finish() % 100) as f64 / 100.0;
        self.recheck.mul_f64(1.0 - share / 4.0)
    }
}

/// The item that shows a message before it is stored.
pub fn provisional_item(room: &RoomId, draft: &Draft) -> Item {
    Item::ephemeral(&provisional(room), message_event(None, &json(draft)))
}

/// The item that takes such a message back.
pub fn retraction_item(room: &RoomId, draft: &Draft) -> Item {
    let retraction = Retraction { draft, retracted: true };
    Item::ephemeral(&provisional(room), message_event(None, &json(&retraction)))
}

/// The item of a stored message.
pub fn persisted_item(room: &RoomId, appended: &Appended) -> Item {
    let id = Cursor::from(appended.message.id.clone());
    let content = message_event(Some(&id), &json(&appended.message));
    Item::sequenced(&messages_channel(room), id.to_string(), appended.prev.to_string(), content)
}

/// The channel of a room's stored messages, as proxies name it in `Grip-Last`.
pub fn messages_channel(room: &RoomId) -> Channel {
    Channel::new("messages", room.as_str())
}

fn provisional(room: &RoomId) -> Channel {
    Channel::new("provisional", room.as_str())
}

/// A room's name as a path segment.
pub fn path_segment(room: &RoomId) -> String {
    utf8_percent_encode(room.as_str(), NOT_IN_ROOM_NAMES).to_string()
}

/// Where proxies ask for what a stream missed. One constant path for a room and a variant, without
/// a query: a proxy merges recoveries by path and `Grip-Last`, ignores the query, and asks for ten
/// paths a second at most.
fn recover_path(room: &RoomId, variant: Variant) -> String {
    let variant = match variant {
        Variant::Full => "",
        Variant::Persisted => "persisted/",
    };
    format!("/rooms/{}/recover/{variant}", path_segment(room))
}

fn page_path(room: &RoomId, variant: Variant, cursor: &Cursor) -> String {
    format!("{}after/{cursor}/", recover_path(room, variant))
}

fn message_event(id: Option<&Cursor>, data: &str) -> String {
    let mut event = String::new();
    push_event(&mut event, "message", id.map(|id| id as _), data);
    event
}

fn json(value: &impl Serialize) -> String {
    serde_json::to_string(value).expect("strings, numbers and booleans serialize")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chat::{Author, Text, Timestamp};
    use uuid::Uuid;

    fn room() -> RoomId {
        RoomId::parse("café").unwrap()
    }

    fn message(id: &str) -> Message {
        let draft = Draft {
            provisional_id: Uuid::from_u128(1),
            from: Author::parse("Ada").unwrap(),
            text: Text::parse("<hi>\n\u{2028}").unwrap(),
            date: Timestamp::from_millis(0),
        };
        draft.into_message(id.parse().unwrap())
    }

    fn part(from: &str, messages: &[&str]) -> Part {
        Part {
            opening: false,
            reset: None,
            from: from.parse().unwrap(),
            messages: messages.iter().map(|id| message(id)).collect(),
            more: false,
        }
    }

    fn feed() -> Feed {
        Feed::new(Duration::from_secs(60))
    }

    #[test]
    fn a_stream_is_held_behind_the_last_message_it_got() {
        let answer = feed().answer(&room(), Variant::Full, part("e-1", &["e-2", "e-3"]));
        assert_eq!(answer.grip["grip-channel"], "messages-caf%C3%A9; prev-id=e-3, provisional-caf%C3%A9");
        assert!(answer.grip["grip-link"].to_str().unwrap().starts_with("</rooms/caf%C3%A9/recover/>; rel=next"));
        assert_eq!(
            answer.body,
            "event: message\nid: e-2\ndata: {\"id\":\"e-2\",\"provisionalId\":\"00000000-0000-0000-0000-000000000001\",\
             \"from\":\"Ada\",\"text\":\"<hi>\\n\u{2028}\",\"date\":\"1970-01-01T00:00:00.000Z\"}\n\n"
                .to_owned() + &answer.body[answer.body.find("event: message\nid: e-3").unwrap()..]
        );
    }

    #[test]
    fn an_empty_rooms_stream_is_held_at_zero() {
        let answer = feed().answer(&room(), Variant::Full, Part { opening: true, ..part("0", &[]) });
        assert!(answer.grip["grip-channel"].to_str().unwrap().contains("prev-id=0,"));
        assert_eq!(answer.body, "event: stream-open\nid: 0\ndata: {\"lastEventId\":\"0\"}\n\n");
    }

    #[test]
    fn a_reset_is_told_before_the_stream_opens_and_has_a_data_line() {
        let reset = Some(ResetReason::Ahead);
        let answer = feed().answer(&room(), Variant::Full, Part { opening: true, reset, ..part("e-9", &[]) });
        assert!(answer.body.starts_with(
            "event: stream-reset\nid: e-9\ndata: {\"reason\":\"ahead\",\"lastEventId\":\"e-9\"}\n\nevent: stream-open\n"
        ));
    }

    #[test]
    fn a_page_that_is_not_the_last_goes_on_at_its_own_path_and_holds_nothing() {
        let answer = feed().answer(&room(), Variant::Persisted, Part { more: true, ..part("0", &["e-1"]) });
        assert_eq!(answer.grip.len(), 1);
        assert_eq!(answer.grip["grip-link"], "</rooms/caf%C3%A9/recover/persisted/after/e-1/>; rel=next");
    }

    #[test]
    fn a_stream_of_persisted_messages_has_one_channel_and_a_next_link_of_its_own() {
        let answer = feed().answer(&room(), Variant::Persisted, part("e-1", &[]));
        assert_eq!(answer.grip["grip-channel"], "messages-caf%C3%A9; prev-id=e-1");
        assert!(answer.grip["grip-link"].to_str().unwrap().starts_with("</rooms/caf%C3%A9/recover/persisted/>"));
    }

    #[test]
    fn rooms_are_rechecked_within_the_interval_and_one_room_always_at_the_same() {
        let intervals: Vec<_> =
            (0..50).map(|n| feed().recheck_of(&RoomId::parse(&format!("r{n}")).unwrap()).as_secs()).collect();
        assert!(intervals.iter().all(|s| (45..=60).contains(s)), "{intervals:?}");
        assert!(intervals.iter().any(|s| *s != intervals[0]), "{intervals:?}");
        assert_eq!(feed().recheck_of(&room()), feed().recheck_of(&room()));
    }
}
