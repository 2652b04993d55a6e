//! What an append takes and returns.

use std::fmt;

use super::log::cursor_before;
use crate::chat::{Cursor, Draft, Message};

/// How many of the newest messages are searched for an idempotency key that comes without a cursor.
pub const KEY_SEARCH_NEWEST: usize = 100;
/// How many messages after a cursor are searched for an idempotency key, so that an ancient cursor does not make a post
/// read a room's whole history.
pub const KEY_SEARCH_MAX: usize = 1_000;

/// A request to append one message.
pub struct Append {
    /// The message to store.
    pub draft: Draft,
    /// Where to look for the draft's provisional id before storing it.
    pub key_search: KeySearch,
    /// Called when the message is stored.
    pub announce: Announce,
}

/// Called once with the stored message; [`Store::append`](super::Store::append) says when. It must not block.
pub type Announce = Box<dyn FnOnce(&Appended) + Send>;

/// Where the draft's provisional id may already be stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KeySearch {
    /// Nowhere: the id was generated for this draft.
    None,
    /// Among the newest [`KEY_SEARCH_NEWEST`] messages: the client sent a key without a cursor.
    Newest,
    /// After this cursor: the client sent a key with the cursor that it had when it first posted. At most
    /// [`KEY_SEARCH_MAX`] messages are searched. A cursor that is ahead of the log or of another epoch counts as
    /// [`KeySearch::Newest`].
    After(Cursor),
}

/// A message that is in the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Appended {
    /// The message as stored; for a duplicate, the one that was already stored.
    pub message: Message,
    /// The cursor before the message.
    pub prev: Cursor,
    /// Whether the message was already stored.
    pub duplicate: bool,
}

impl Append {
    /// Appends a new draft without a key search or an announcement.
    pub fn new(draft: Draft) -> Self {
        Self { draft, key_search: KeySearch::None, announce: Box::new(|_| {}) }
    }
}

impl fmt::Debug for Append {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Append")
            .field("draft", &self.draft)
            .field("key_search", &self.key_search)
            .finish_non_exhaustive()
    }
}

impl Appended {
    /// Returns the message with the cursor before it. `first` means that the message is the first of its epoch.
    pub fn new(message: Message, first: bool, duplicate: bool) -> Self {
        let prev = cursor_before(&message.id, first);
        Self { message, prev, duplicate }
    }
}
