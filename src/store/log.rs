//! A room's log as every store models it: its records, its end, and the slot of the next message.

use crate::chat::{Cursor, Epoch, Message, MessageId};

/// A stored message, as a store reads it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// The message.
    pub message: Message,
    /// Whether the message is the first of its epoch: the room was empty, or everything in it had expired.
    pub first: bool,
    /// Whether the message has not expired.
    pub visible: bool,
}

/// The end of a room's log, as far as it has been read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Tail {
    /// Nothing is stored.
    Empty,
    /// The newest message has expired. This was its number.
    Expired(u64),
    /// The newest message.
    Newest(MessageId),
}

/// The position of a room's next message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Slot {
    /// The id of the next message.
    pub id: MessageId,
    /// Whether the next message is the first of an epoch.
    pub first: bool,
}

impl Tail {
    /// Returns the tail of a room whose newest record, if there is one, is `newest`.
    pub fn of(newest: Option<&Record>) -> Self {
        match newest {
            None => Self::Empty,
            Some(record) if record.visible => Self::Newest(record.message.id.clone()),
            Some(expired) => Self::Expired(expired.message.id.seq),
        }
    }

    /// The number of the newest record; 0 if there is none.
    pub fn seq(&self) -> u64 {
        match self {
            Self::Empty => 0,
            Self::Expired(seq) => *seq,
            Self::Newest(id) => id.seq,
        }
    }

    /// The slot of the next message. An empty or expired room continues under a new epoch.
    pub fn next(&self) -> Slot {
        let seq = self.seq() + 1;
        match self {
            Self::Newest(id) => Slot { id: MessageId { epoch: id.epoch.clone(), seq }, first: false },
            Self::Empty | Self::Expired(_) => Slot { id: MessageId { epoch: Epoch::generate(), seq }, first: true },
        }
    }
}

/// The cursor before a message. `first` means that the message is the first of its epoch.
pub(super) fn cursor_before(id: &MessageId, first: bool) -> Cursor {
    if first || id.seq == 1 { Cursor::Start } else { MessageId { epoch: id.epoch.clone(), seq: id.seq - 1 }.into() }
}
