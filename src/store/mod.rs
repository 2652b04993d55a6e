//! Where messages live: the one trait of the program, its contract, and its implementations.
//!
//! # Contract
//!
//! Every implementation passes the suite in `tests/it/contract/mod.rs`:
//!
//! - **Dense.** A room's messages are numbered without a hole, whoever appends at the same time.
//! - **Acknowledged means stored.** What `append` returned is there for every later read, at every
//!   instance. An error means that it may or may not be stored.
//! - **Idempotent.** A draft whose provisional id is found where [`Since`] says to look is not stored
//!   again: the message already there is returned.
//! - **No partial replay.** `after` returns all that follows a cursor, in order, page by page, or says
//!   with [`Replay::Reset`] that it cannot.
//! - **Expired is gone.** A message past its retention is in no answer, deleted or not. A room whose
//!   newest message has expired is empty, and goes on under a new [`Epoch`].
//! - **Listed.** A room with a message that has not expired is listed, from a minute after the message at the latest and
//!   until a minute after its expiry at the longest, with the date of its newest to the minute. A process that dies, or
//!   cannot reach the store, may leave that undone until the room's next message in another minute.
//! - **Bounded.** Every call ends within ten seconds.

mod dynamodb;
mod embedded;
#[cfg(any(test, fuzzing))]
pub mod fuzzing;
mod measured;
mod replay;
mod retention;
mod shared;
pub mod table;

use std::{cmp::Ordering, error::Error as StdError, sync::Arc, time::Duration};

use async_trait::async_trait;
use serde::Serialize;

pub use dynamodb::{Consumed, DynamoDb};
pub use embedded::{Embedded, OpenError, Pace};
pub use measured::Measured;
pub use replay::{Record, Verdict, judge, judge_by_head};
pub use retention::{Retention, RetentionError};
pub use shared::Shared;

use crate::chat::{Cursor, Draft, Epoch, Message, MessageId, RoomId, Timestamp};

/// How many of the newest messages are searched for an idempotency key that comes without a cursor.
pub const KEY_SEARCH_NEWEST: usize = 100;
/// The most messages behind a cursor that are searched for an idempotency key: so that an ancient
/// cursor does not make a post read a room's whole history.
pub const KEY_SEARCH_MOST: usize = 1_000;
/// The most rooms that are listed: the others had no message for longer than all of these.
pub const MOST_ROOMS: usize = 10_000;
/// An append is answered or refused within this time.
pub const APPEND_DEADLINE: Duration = Duration::from_secs(8);
/// A read is answered or refused within this time.
pub const READ_DEADLINE: Duration = Duration::from_secs(5);

/// A log of messages per room. See the [module](self) for the contract.
#[async_trait]
pub trait Store: Send + Sync + 'static {
    /// Numbers a draft and stores it behind the room's newest message.
    ///
    /// `announce` is called once the message is stored, or found stored already, before this
    /// returns: within a process in the order of a room's numbers, and also when the caller has
    /// stopped waiting. It must not block.
    async fn append(
        &self,
        room: &RoomId,
        draft: Draft,
        since: Since,
        announce: Announce,
    ) -> Result<Appended, StoreError>;

    /// What follows a cursor, oldest first, `limit` messages at most.
    async fn after(&self, room: &RoomId, cursor: &Cursor, limit: usize) -> Result<Replay, StoreError>;

    /// The newest messages.
    async fn latest(&self, room: &RoomId, limit: usize) -> Result<Page, StoreError>;

    /// The newest of the messages older than this one; none where the id is of another epoch.
    async fn before(&self, room: &RoomId, id: &MessageId, limit: usize) -> Result<Page, StoreError>;

    /// The rooms, those with the newest messages first; [`MOST_ROOMS`] of them at most.
    async fn rooms(&self) -> Result<Arc<[Activity]>, StoreError>;

    /// Whether the store answers, with what it costs least to ask.
    async fn check(&self) -> Result<(), StoreError>;
}

/// Called with a message that is stored.
pub type Announce = Box<dyn FnOnce(&Appended) + Send>;

/// Where a draft's provisional id may stand already.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Since {
    /// Nowhere: it was drawn for this draft.
    Never,
    /// Among the newest [`KEY_SEARCH_NEWEST`] messages: a client's key, without a cursor.
    Unknown,
    /// Behind this cursor: a client's key, with the cursor it had when it first posted. At most
    /// [`KEY_SEARCH_MOST`] messages are searched; a cursor that does not hold counts as unknown.
    Cursor(Cursor),
}

/// A message that is in the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Appended {
    /// The message, as stored: of a duplicate, the one that was there.
    pub message: Message,
    /// The cursor before it.
    pub prev: Cursor,
    /// Whether it was there already.
    pub duplicate: bool,
}

/// What follows a cursor.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Replay {
    /// All of it, or its beginning.
    Messages {
        /// Oldest first, without a hole.
        messages: Vec<Message>,
        /// Whether more follow behind the last of these.
        more: bool,
    },
    /// Something that followed the cursor cannot be had any more, or the cursor is of another log.
    Reset {
        /// Why.
        reason: ResetReason,
        /// The room's newest place, from which a reader can go on.
        head: Cursor,
    },
}

/// Why what follows a cursor cannot be told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum ResetReason {
    /// The message after the cursor has expired.
    Expired,
    /// The cursor is ahead of the newest message.
    Ahead,
    /// The cursor belongs to another numbering of the room.
    Epoch,
    /// The cursor is none. Stores never see one; see [`crate::feed`].
    Malformed,
}

/// When something was last said in a room.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Activity {
    /// The room.
    pub room: RoomId,
    /// The date of its newest message, to the minute.
    pub at: Timestamp,
}

/// A stretch of a room's log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page {
    /// Oldest first, without a hole.
    pub messages: Vec<Message>,
    /// Whether older ones are stored.
    pub more: bool,
}

/// The store did not do what it was asked to. It may have: see the contract.
#[derive(Clone, Debug, thiserror::Error)]
pub enum StoreError {
    /// It cannot be reached, is overloaded, or refuses for now.
    #[error("the store is unavailable")]
    Unavailable(#[source] Arc<dyn StdError + Send + Sync>),
    /// It did not answer within the deadline.
    #[error("the store did not answer in time")]
    Deadline,
    /// Too many appends wait for their turn in this room.
    #[error("too many messages are being posted to this room")]
    Busy,
    /// It refuses for good, until an operator does something.
    #[error("the store is not set up: {remedy}")]
    Misconfigured {
        /// What to do.
        remedy: String,
        /// What it said.
        #[source]
        cause: Arc<dyn StdError + Send + Sync>,
    },
    /// It holds something that is no message.
    #[error("the store holds a broken item: {0}")]
    Corrupt(String),
}

impl ResetReason {
    /// The word for it, as clients get it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Expired => "expired",
            Self::Ahead => "ahead",
            Self::Epoch => "epoch",
            Self::Malformed => "malformed",
        }
    }
}

impl StoreError {
    /// The word for it.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Unavailable(_) => "unavailable",
            Self::Deadline => "deadline",
            Self::Busy => "busy",
            Self::Misconfigured { .. } => "misconfigured",
            Self::Corrupt(_) => "corrupt",
        }
    }
}

impl Appended {
    /// The message and the cursor before it; `first` tells that the message begins its epoch.
    pub fn new(message: Message, first: bool, duplicate: bool) -> Self {
        let prev = cursor_before(&message.id, first);
        Self { message, prev, duplicate }
    }
}

impl Activity {
    /// The newest first, as many as are listed.
    pub fn list(mut rooms: Vec<Self>) -> Arc<[Self]> {
        rooms.sort_unstable();
        rooms.truncate(MOST_ROOMS);
        rooms.into()
    }
}

impl Ord for Activity {
    /// As in a list: the newest first, and rooms of one moment by their names.
    fn cmp(&self, other: &Self) -> Ordering {
        other.at.cmp(&self.at).then_with(|| self.room.cmp(&other.room))
    }
}

impl PartialOrd for Activity {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Page {
    /// The cursor behind the page: where a stream goes on after the newest messages.
    pub fn cursor(&self) -> Cursor {
        self.messages.last().map_or(Cursor::Start, |newest| newest.id.clone().into())
    }

    /// The cursor before the page.
    pub fn cursor_before(&self) -> Cursor {
        self.messages.first().map_or(Cursor::Start, |oldest| cursor_before(&oldest.id, false))
    }
}

fn cursor_before(id: &MessageId, first: bool) -> Cursor {
    if first || id.seq == 1 { Cursor::Start } else { MessageId { epoch: id.epoch.clone(), seq: id.seq - 1 }.into() }
}

/// The end of a room's log, as far as somebody has seen it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Tail {
    /// Nothing is stored.
    Empty,
    /// The newest message has expired; it had this number.
    Expired(u64),
    /// The newest message.
    Newest(MessageId),
}

/// The place of a room's next message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Slot {
    /// Its id.
    pub id: MessageId,
    /// Whether it begins an epoch.
    pub first: bool,
}

impl Tail {
    /// Of a room whose newest record, if there is one, is this.
    pub fn of(newest: Option<&Record>) -> Self {
        match newest {
            None => Self::Empty,
            Some(record) if record.visible => Self::Newest(record.message.id.clone()),
            Some(expired) => Self::Expired(expired.message.id.seq),
        }
    }

    /// The number of the newest record; 0 where there is none.
    pub fn seq(&self) -> u64 {
        match self {
            Self::Empty => 0,
            Self::Expired(seq) => *seq,
            Self::Newest(id) => id.seq,
        }
    }

    /// Where the next message goes.
    pub fn next(&self) -> Slot {
        let seq = self.seq() + 1;
        match self {
            Self::Newest(id) => Slot { id: MessageId { epoch: id.epoch.clone(), seq }, first: false },
            Self::Empty | Self::Expired(_) => Slot { id: MessageId { epoch: Epoch::generate(), seq }, first: true },
        }
    }
}
