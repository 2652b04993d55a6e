//! Finds the end of a log, and a message by its idempotency key.

use std::time::Duration;

use tokio::time::sleep;
use tracing::debug;
use uuid::Uuid;

use super::{
    DynamoDb,
    query::{Order, Range},
    recent::Recent,
};
use crate::{
    chat::{Cursor, RoomId},
    store::{KEY_SEARCH_MAX, KEY_SEARCH_NEWEST, KeySearch, Record, StoreError, Tail},
};

/// The pause before a failed read of a conflict is repeated.
const READ_RETRY_PAUSE: Duration = Duration::from_millis(200);

/// What an append knows of the log, from earlier appends and from what it has read.
pub(super) struct LogState {
    pub(super) recent: Option<Recent>,
    pub(super) tail: Tail,
    /// The message with the draft's key.
    pub(super) found: Option<Record>,
}

impl LogState {
    /// The state that earlier appends left. Nothing was read.
    fn from_recent(recent: Recent) -> Self {
        Self { tail: Tail::Newest(recent.newest().clone()), recent: Some(recent), found: None }
    }

    /// The state after reading the end of the log. The records are newest first.
    pub(super) fn from_records(recent: Option<Recent>, records: Vec<Record>, key: Uuid) -> Self {
        Self {
            tail: Tail::of(records.first()),
            recent: Recent::with_records(recent, records.iter().rev()),
            found: records.into_iter().find(|record| has_key(record, key)),
        }
    }
}

fn has_key(record: &Record, key: Uuid) -> bool {
    record.visible && record.message.provisional_id == key
}

impl DynamoDb {
    /// Searches for the draft's key and finds the end of the log.
    ///
    /// Nothing is read if this process already knows all keys of the range to search. If another process has written
    /// since then, the slot is taken, and [`read_on`](Self::read_on) finds its messages.
    pub(super) async fn first_search(
        &self,
        room: &RoomId,
        key: Uuid,
        key_search: KeySearch,
        recent: Option<Recent>,
    ) -> Result<LogState, StoreError> {
        let cursor = match (key_search, recent) {
            (KeySearch::None, Some(recent)) => return Ok(LogState::from_recent(recent)),
            (KeySearch::None, None) => {
                let newest = self.newest(room).await?;
                return Ok(LogState::from_records(None, newest.into_iter().collect(), key));
            }
            (KeySearch::Newest, Some(recent))
                if recent.has_all_keys_after(recent.newest().seq.saturating_sub(KEY_SEARCH_NEWEST as u64)) =>
            {
                return self.search_recent(room, key, recent).await;
            }
            (KeySearch::After(Cursor::After(id)), Some(recent))
                if id.epoch == recent.newest().epoch
                    && id.seq <= recent.newest().seq
                    && recent.has_all_keys_after(id.seq) =>
            {
                return self.search_recent(room, key, recent).await;
            }
            (KeySearch::Newest, _) => return self.search(room, key, 0, KEY_SEARCH_NEWEST).await,
            (KeySearch::After(cursor), _) => cursor,
        };
        let from = match &cursor {
            Cursor::Start => 0,
            Cursor::After(id) => id.seq,
        };
        let state = self.search(room, key, from, KEY_SEARCH_MAX).await?;
        let is_valid = match (&cursor, &state.tail) {
            (Cursor::Start, _) => true,
            (Cursor::After(id), Tail::Newest(newest)) => id.epoch == newest.epoch,
            (Cursor::After(_), Tail::Empty | Tail::Expired(_)) => false,
        };
        if is_valid || state.found.is_some() {
            return Ok(state);
        }
        // The cursor is ahead of the log or of another epoch. It tells neither where the log ends nor where the key may be.
        self.search(room, key, 0, KEY_SEARCH_NEWEST).await
    }

    /// Searches the keys that this process knows. It knows only the keys, so a match must be read.
    async fn search_recent(&self, room: &RoomId, key: Uuid, recent: Recent) -> Result<LogState, StoreError> {
        let Some(seq) = recent.find(key) else { return Ok(LogState::from_recent(recent)) };
        let range = Range { from: seq, below: Some(seq + 1), order: Order::NewestFirst, limit: 1 };
        let (records, _) = self.query(room, range).await?;
        match records.into_iter().find(|record| has_key(record, key)) {
            Some(found) => Ok(LogState { found: Some(found), ..LogState::from_recent(recent) }),
            // The table was wiped, so nothing that this process knows is true.
            None => self.search(room, key, 0, KEY_SEARCH_NEWEST).await,
        }
    }

    /// Searches the newest records down to number `from`.
    async fn search(&self, room: &RoomId, key: Uuid, from: u64, limit: usize) -> Result<LogState, StoreError> {
        let range = Range { from, below: None, order: Order::NewestFirst, limit };
        let (records, _) = self.query(room, range).await?;
        Ok(LogState::from_records(None, records, key))
    }

    /// Reads what was written after the end of the log as it was last seen. This retries until it gets an answer or the
    /// append's deadline passes: giving up earlier would leave unknown whether the draft is stored.
    pub(super) async fn read_on(
        &self,
        room: &RoomId,
        key: Uuid,
        recent: Option<Recent>,
        tail: Tail,
    ) -> Result<LogState, StoreError> {
        let from = tail.seq() + 1;
        loop {
            let range = Range { from, below: None, order: Order::NewestFirst, limit: i32::MAX as usize };
            match self.query(room, range).await {
                Ok((records, _)) if records.is_empty() => return Ok(LogState { recent, tail, found: None }),
                Ok((records, _)) => return Ok(LogState::from_records(recent, records, key)),
                Err(StoreError::Unavailable(cause)) => {
                    debug!(room.id = %room, %cause, "cannot read whether a write succeeded; retrying");
                    sleep(READ_RETRY_PAUSE).await;
                }
                Err(error) => return Err(error),
            }
        }
    }
}
