//! The names of a room: of its channels, and in paths.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use crate::{chat::RoomId, grip::Channel};

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
