//! Consecutive messages of a room.

use super::log::{Record, cursor_before};
use crate::chat::{Cursor, Message};

/// Consecutive messages of a room, as history is read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page {
    /// The messages, oldest first, without a gap.
    pub messages: Vec<Message>,
    /// Whether older messages are stored.
    pub more: bool,
}

impl Page {
    /// Makes a page of at most `limit` messages. The records are newest first, and one more than `limit` if older messages
    /// are stored.
    pub(super) fn from_newest_first(records: Vec<Record>, limit: usize) -> Self {
        let more = records.len() > limit;
        let mut messages: Vec<Message> = records.into_iter().take(limit).map(|record| record.message).collect();
        messages.reverse();
        Self { messages, more }
    }

    /// The cursor after the page's newest message. A stream that starts with the newest messages continues from here.
    pub fn cursor(&self) -> Cursor {
        self.messages.last().map_or(Cursor::Start, |newest| newest.id.clone().into())
    }

    /// The cursor before the page's oldest message.
    pub fn cursor_before(&self) -> Cursor {
        self.messages.first().map_or(Cursor::Start, |oldest| cursor_before(&oldest.id, false))
    }
}
