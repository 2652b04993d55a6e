//! Messages in a DynamoDB table: one item a message, one conditional write an append.
//!
//! No transaction, no counter, no item per room. Numbers are dense, so the condition "slot n+1 is
//! free" is the lock: of all processes that saw n as the newest, one gets n+1. The others read on
//! from n, where they also find their own message, should it be there already (a retry elsewhere, or
//! a write whose answer was lost).
//!
//! A message costs one write unit per KB and, while this process has lately seen the room's newest
//! message, no read; a room's first message in a minute one unit more, for the list of rooms. Reads are strongly
//! consistent, but those of the list.

mod append;
mod error;
#[cfg(any(test, fuzzing))]
pub mod fuzzing;
mod item;
mod room_list;
pub mod table;
mod turns;

use std::{
    panic::resume_unwind,
    sync::{Arc, Mutex, PoisonError},
};

use async_trait::async_trait;
use aws_sdk_dynamodb::{
    Client,
    types::{AttributeValue, ConsumedCapacity, ReturnConsumedCapacity},
};
use tokio::time::timeout;
use tracing::Instrument as _;

use self::{
    error::classify,
    item::{PARTITION_KEY, SORT_KEY, partition, sort_key},
    room_list::Listing,
    turns::Rooms,
};
use super::{
    Activity, Append, Appended, Page, READ_DEADLINE, Record, Replay, ResetReason, Retention, Store, StoreError,
    Verdict, judge, judge_by_head,
};
use crate::{
    chat::{Cursor, Message, MessageId, RoomId, Timestamp},
    telemetry::metrics::store as metrics,
};

/// So many expired messages that wait for their deletion do not keep a replay from what stands behind them.
const LEFT_OVER: usize = 200;

/// The store over one DynamoDB table. [`table::create`] makes the table.
///
/// A handle: clones are one store, and share what it knows of the rooms.
#[derive(Clone)]
pub struct DynamoDb {
    client: Client,
    table: String,
    retention: Retention,
    rooms: Arc<Rooms>,
    /// Rooms that are being listed; none, where there is no list of rooms.
    listing: Option<Listing>,
    consumed: Arc<Mutex<CapacityUnits>>,
}

/// Capacity units that DynamoDB has counted for this process, as it reported them.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct CapacityUnits {
    /// Read units: a strongly consistent read of 4 KB is one.
    pub read: f64,
    /// Write units: a write of 1 KB is one.
    pub write: f64,
}

/// Which records of a room to read.
struct Range {
    /// The lowest number.
    from: u64,
    /// Below this number.
    below: Option<u64>,
    order: Order,
    /// How many at the most.
    limit: usize,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Order {
    OldestFirst,
    NewestFirst,
}

impl DynamoDb {
    /// A store over a table, which need not be there yet.
    pub fn new(client: Client, table: String, retention: Retention) -> Self {
        Self {
            client,
            table,
            retention,
            rooms: Arc::default(),
            listing: Some(Listing::default()),
            consumed: Arc::default(),
        }
    }

    /// Without the list of rooms: nothing is written for it.
    #[must_use]
    pub fn without_room_list(self) -> Self {
        Self { listing: None, ..self }
    }

    /// What this process has used so far.
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

    /// Reads records, expired ones included, and whether there are more in this direction.
    async fn read(&self, room: &RoomId, range: Range) -> Result<(Vec<Record>, bool), StoreError> {
        let highest = range.below.map_or(u64::MAX, |below| below.saturating_sub(1));
        if range.from > highest {
            return Ok((Vec::new(), false));
        }
        let mut records = Vec::new();
        let mut start: Option<item::Item> = None;
        loop {
            let room_left = range.limit - records.len();
            let answer = self
                .client
                .query()
                .table_name(&self.table)
                .consistent_read(true)
                .key_condition_expression("#pk = :room AND #sk BETWEEN :from AND :to")
                .expression_attribute_names("#pk", PARTITION_KEY)
                .expression_attribute_names("#sk", SORT_KEY)
                .expression_attribute_values(":room", partition(room))
                .expression_attribute_values(":from", sort_key(range.from))
                .expression_attribute_values(":to", highest_key(highest))
                .scan_index_forward(range.order == Order::OldestFirst)
                .limit(i32::try_from(room_left).unwrap_or(i32::MAX))
                .set_exclusive_start_key(start.take())
                .return_consumed_capacity(ReturnConsumedCapacity::Total)
                .send()
                .await
                .map_err(|e| classify(&self.table, e))?;
            self.count(answer.consumed_capacity(), None);
            let now = Timestamp::now();
            for item in answer.items() {
                records.push(item::read(item, self.retention, now)?);
            }
            start = answer.last_evaluated_key;
            // DynamoDB ends a page at the limit or at 1 MB, whichever comes first.
            if start.is_none() || records.len() >= range.limit {
                return Ok((records, start.is_some()));
            }
        }
    }

    /// The room's newest record, expired or not.
    async fn newest(&self, room: &RoomId) -> Result<Option<Record>, StoreError> {
        let newest = Range { from: 0, below: None, order: Order::NewestFirst, limit: 1 };
        Ok(self.read(room, newest).await?.0.pop())
    }

    /// The cursor behind the room's newest message.
    async fn head(&self, room: &RoomId) -> Result<Cursor, StoreError> {
        let newest = self.newest(room).await?.filter(|record| record.visible);
        Ok(newest.map_or(Cursor::Start, |record| record.message.id.into()))
    }

    async fn replay(&self, room: &RoomId, cursor: &Cursor, limit: usize) -> Result<Replay, StoreError> {
        let from = match cursor {
            Cursor::Start => 1,
            Cursor::After(id) => id.seq,
        };
        // The cursor's own message and one beyond the page, which tells whether there is more.
        let limit_read = limit.max(LEFT_OVER) + 2;
        let range = Range { from, below: None, order: Order::OldestFirst, limit: limit_read };
        let (mut records, more) = self.read(room, range).await?;
        // What has expired ends the history before it, so that a replay has no hole: of two processes one may have the
        // slower clock, and then its message expires before the one before it.
        if let Some(expired) = records.iter().rposition(|record| !record.visible) {
            records.drain(..=expired);
        }
        if records.is_empty() && more {
            return self.reset_behind_expired(room, cursor).await;
        }
        let newest = records.last().map(|record| record.message.id.clone());
        match judge(cursor, records, more, limit) {
            Verdict::Answer(replay) => Ok(replay),
            Verdict::Reset(reason) => {
                let head = match newest {
                    Some(id) if !more => id.into(),
                    _ => self.head(room).await?,
                };
                Ok(Replay::Reset { reason, head })
            }
            Verdict::Nothing => {
                let head = self.head(room).await?;
                Ok(match judge_by_head(cursor, &head) {
                    Some(reason) => Replay::Reset { reason, head },
                    // It was written between the two reads.
                    None => Replay::Messages { messages: Vec::new(), more: false },
                })
            }
        }
    }

    /// The answer where all that was read has expired. There may be any amount more of it, which nobody shall walk
    /// through: what the cursor missed is gone anyway.
    async fn reset_behind_expired(&self, room: &RoomId, cursor: &Cursor) -> Result<Replay, StoreError> {
        let head = self.head(room).await?;
        let reason = match (cursor, &head) {
            (Cursor::Start, Cursor::Start) => {
                return Ok(Replay::Messages { messages: Vec::new(), more: false });
            }
            (Cursor::After(id), Cursor::After(newest)) if id.epoch != newest.epoch => ResetReason::Epoch,
            _ => ResetReason::Expired,
        };
        Ok(Replay::Reset { reason, head })
    }

    /// The newest records below a number, newest first, as far as they are visible and of one epoch.
    async fn history(&self, room: &RoomId, below: Option<u64>, limit: usize) -> Result<Vec<Record>, StoreError> {
        let range = Range { from: 0, below, order: Order::NewestFirst, limit };
        let (mut records, _) = self.read(room, range).await?;
        let epoch = records.first().map(|record| record.message.id.epoch.clone());
        let whole = |record: &Record| record.visible && Some(&record.message.id.epoch) == epoch.as_ref();
        let length = records.iter().take_while(|record| whole(record)).count();
        records.truncate(length);
        Ok(records)
    }
}

/// The sort key of the highest number, or what sorts behind them all.
fn highest_key(seq: u64) -> AttributeValue {
    if seq == u64::MAX { AttributeValue::S("m#~".to_owned()) } else { sort_key(seq) }
}

fn page(newest_first: Vec<Record>, limit: usize) -> Page {
    let more = newest_first.len() > limit;
    let mut messages: Vec<Message> = newest_first.into_iter().take(limit).map(|record| record.message).collect();
    messages.reverse();
    Page { messages, more }
}

async fn in_time<T>(read: impl Future<Output = Result<T, StoreError>>) -> Result<T, StoreError> {
    timeout(READ_DEADLINE, read).await.unwrap_or(Err(StoreError::Deadline))
}

#[async_trait]
impl Store for DynamoDb {
    async fn append(&self, room: &RoomId, append: Append) -> Result<Appended, StoreError> {
        let (store, room) = (self.clone(), room.clone());
        // A caller that stops waiting must not leave a message stored and not announced.
        let append = async move { store.append_in_turn(&room, append).await };
        let append = tokio::spawn(append.in_current_span());
        append.await.unwrap_or_else(|error| match error.try_into_panic() {
            Ok(panic) => resume_unwind(panic),
            // The runtime is being shut down, and nobody knows how far it came.
            Err(_) => Err(StoreError::Deadline),
        })
    }

    async fn after(&self, room: &RoomId, cursor: &Cursor, limit: usize) -> Result<Replay, StoreError> {
        in_time(self.replay(room, cursor, limit)).await
    }

    async fn latest(&self, room: &RoomId, limit: usize) -> Result<Page, StoreError> {
        let records = in_time(self.history(room, None, limit + 1)).await?;
        Ok(page(records, limit))
    }

    async fn before(&self, room: &RoomId, id: &MessageId, limit: usize) -> Result<Page, StoreError> {
        let records = in_time(self.history(room, Some(id.seq), limit + 1)).await?;
        if records.first().is_some_and(|record| record.message.id.epoch != id.epoch) {
            return Ok(Page { messages: Vec::new(), more: false });
        }
        Ok(page(records, limit))
    }

    async fn rooms(&self) -> Result<Arc<[Activity]>, StoreError> {
        in_time(self.listed()).await
    }

    async fn check(&self) -> Result<(), StoreError> {
        let room = RoomId::parse("check").map_err(|e| StoreError::Corrupt(e.to_string()))?;
        in_time(self.newest(&room)).await.map(drop)
    }
}
