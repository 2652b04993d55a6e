//! The channels of a room, and the paths that proxies request.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use super::Variant;
use crate::{
    chat::{Cursor, RoomId},
    grip::Channel,
};

/// The ASCII characters that no room name contains. A name of ASCII characters is its own path segment.
const NOT_IN_ROOM_NAMES: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.');

/// Returns the channel of a room's stored messages, which proxies name in `Grip-Last`.
pub fn messages_channel(room: &RoomId) -> Channel {
    Channel::new("messages", room.as_str())
}

pub(super) fn provisional_channel(room: &RoomId) -> Channel {
    Channel::new("provisional", room.as_str())
}

/// Encodes a room's name as a path segment.
pub fn path_segment(room: &RoomId) -> String {
    utf8_percent_encode(room.as_str(), NOT_IN_ROOM_NAMES).to_string()
}

/// Returns the path at which proxies request what a stream missed.
///
/// It is constant for a room and a variant, and has no query: a proxy merges recoveries by path and `Grip-Last`,
/// ignores the query, and requests at most ten paths a second.
pub(super) fn recover_path(room: &RoomId, variant: Variant) -> String {
    let variant = match variant {
        Variant::Full => "",
        Variant::Persisted => "persisted/",
    };
    format!("/rooms/{}/recover/{variant}", path_segment(room))
}

/// Returns the path of the page of a replay that follows a cursor.
pub(super) fn page_path(room: &RoomId, variant: Variant, cursor: &Cursor) -> String {
    format!("{}after/{cursor}/", recover_path(room, variant))
}
