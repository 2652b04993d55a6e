//! Consecutive messages of a room.

use super::log::cursor_before;
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
    /// The cursor after the page's newest message. A stream that starts with the newest messages continues from here.
    pub fn cursor(&self) -> Cursor {
        self.messages.last().map_or(Cursor::Start, |newest| newest.id.clone().into())
    }

    /// The cursor before the page's oldest message.
    pub fn cursor_before(&self) -> Cursor {
        self.messages.first().map_or(Cursor::Start, |oldest| cursor_before(&oldest.id, false))
    }
}
