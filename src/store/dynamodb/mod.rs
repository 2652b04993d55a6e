//! Messages in a DynamoDB table: one item per message, one conditional write per append.
//!
//! There is no transaction, no counter and no item per room. Because numbers are dense, the condition "slot n+1 is free"
//! is the lock: of all processes that saw n as the newest number, one gets n+1. The others read on from n. There they
//! also find their own message if it is already stored (by a retry elsewhere, or by a write whose answer was lost).
//!
//! A message costs one write unit per KB. It costs no read if this process recently saw the room's newest message. A
//! room's first message in a minute costs one more write unit, for the list of rooms. Reads are strongly consistent,
//! except those of the list.
//!
//! | module | what it is | imports |
//! |---|---|---|
//! | `append` | appends: the conditional write and its retries | `error`, `message_item`, `recent`, `search` |
//! | `search` | finds the end of a log, and a message by its idempotency key | `query`, `recent` |
//! | `read` | replays and pages | `query` |
//! | `query` | reads a range of a room | `error`, `message_item` |
//! | `room_list` | writes and reads the list of rooms | `error`, `message_item`, `room_item` |
//! | `turns` | the appends of a room take turns | `recent` |
//! | `recent` | what this process knows of a room's newest messages | nothing |
//! | `message_item` | the item of a message | nothing |
//! | `room_item` | the item of a room in the list of rooms | `message_item` |
//! | `error` | what DynamoDB's errors mean for the store | nothing |
//! | `table` | creates the table | `message_item` |

mod append;
mod error;
#[cfg(any(test, fuzzing))]
pub mod fuzzing;
mod message_item;
mod query;
mod read;
mod recent;
mod room_item;
mod room_list;
mod search;
pub mod table;
mod turns;

use std::{
    panic::resume_unwind,
    sync::{Arc, Mutex, PoisonError},
};

use async_trait::async_trait;
use aws_sdk_dynamodb::{Client, types::ConsumedCapacity};
use tokio::time::timeout;
use tracing::Instrument as _;

use self::{room_list::RoomListWrites, turns::Turns};
use super::{Activity, Append, Appended, Page, READ_DEADLINE, Replay, Retention, Store, StoreError};
use crate::{
    chat::{Cursor, MessageId, RoomId},
    telemetry::metrics::store as metrics,
};

/// The store over one DynamoDB table, which [`table::create`] creates.
///
/// Clones share one store and what it knows of the rooms.
#[derive(Clone)]
pub struct DynamoDb {
    client: Client,
    table: String,
    retention: Retention,
    turns: Arc<Turns>,
    /// `None` if this store has no list of rooms.
    room_list: Option<RoomListWrites>,
    consumed: Arc<Mutex<CapacityUnits>>,
}

/// Capacity units, as DynamoDB reports them.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct CapacityUnits {
    /// Read units: a strongly consistent read of 4 KB is one.
    pub read: f64,
    /// Write units: a write of 1 KB is one.
    pub write: f64,
}

impl DynamoDb {
    /// Returns a store over a table. The table need not exist yet.
    pub fn new(client: Client, table: String, retention: Retention) -> Self {
        Self {
            client,
            table,
            retention,
            turns: Arc::default(),
            room_list: Some(RoomListWrites::default()),
            consumed: Arc::default(),
        }
    }

    /// Turns off the list of rooms, so that nothing is written for it.
    #[must_use]
    pub fn without_room_list(self) -> Self {
        Self { room_list: None, ..self }
    }

    /// The capacity units that this store has consumed so far.
    pub fn consumed(&self) -> CapacityUnits {
        *self.consumed.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn count(&self, read: Option<&ConsumedCapacity>, write: Option<&ConsumedCapacity>) {
        let units = |used: Option<&ConsumedCapacity>| used.and_then(ConsumedCapacity::capacity_units);
        let (read, write) = (units(read).unwrap_or_default(), units(write).unwrap_or_default());
        metrics::consumed(read, write);
        let mut consumed = self.consumed.lock().unwrap_or_else(PoisonError::into_inner);
        consumed.read += read;
        consumed.write += write;
    }
}

async fn within_deadline<T>(result: impl Future<Output = Result<T, StoreError>>) -> Result<T, StoreError> {
    timeout(READ_DEADLINE, result).await.unwrap_or(Err(StoreError::Deadline))
}

#[async_trait]
impl Store for DynamoDb {
    async fn append(&self, room: &RoomId, append: Append) -> Result<Appended, StoreError> {
        let (store, room) = (self.clone(), room.clone());
        // A task of its own: if the caller stops waiting, a stored message must still be announced.
        let append = async move { store.append_in_turn(&room, append).await };
        let append = tokio::spawn(append.in_current_span());
        append.await.unwrap_or_else(|error| match error.try_into_panic() {
            Ok(panic) => resume_unwind(panic),
            // The runtime is shutting down. It is unknown whether the message is stored.
            Err(_) => Err(StoreError::Deadline),
        })
    }

    async fn after(&self, room: &RoomId, cursor: &Cursor, limit: usize) -> Result<Replay, StoreError> {
        within_deadline(self.replay(room, cursor, limit)).await
    }

    async fn latest(&self, room: &RoomId, limit: usize) -> Result<Page, StoreError> {
        within_deadline(self.latest_page(room, limit)).await
    }

    async fn before(&self, room: &RoomId, id: &MessageId, limit: usize) -> Result<Page, StoreError> {
        within_deadline(self.page_before(room, id, limit)).await
    }

    async fn rooms(&self) -> Result<Arc<[Activity]>, StoreError> {
        within_deadline(self.read_room_list()).await
    }

    async fn check(&self) -> Result<(), StoreError> {
        let room = RoomId::parse("check").map_err(|e| StoreError::Corrupt(e.to_string()))?;
        within_deadline(self.newest(&room)).await.map(drop)
    }
}
