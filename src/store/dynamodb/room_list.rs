//! Writes and reads the list of rooms.
//!
//! A room is written with the first message of a minute. A process that stores message n+1 knows the date of message n,
//! because otherwise its write would not have found the slot. So exactly one process writes the room, and it needs no read. A
//! room costs one write unit per minute, however many backends there are. If clocks differ, a process may write the room
//! once more when it first sees the room, or sees it again after it has forgotten it.
//!
//! Each room's minutes start at their own second. If they all started at the same second, the busy ones of some thousand
//! rooms would write in that second, and a partition accepts a thousand writes per second.
//!
//! The list is read whole and sorted here. A DynamoDB index would avoid that, but would cost two more units per write.

use std::{sync::Arc, time::Duration};

use aws_sdk_dynamodb::{
    Config,
    config::retry::RetryConfig,
    error::SdkError,
    operation::put_item::PutItemError,
    types::{AttributeValue, ReturnConsumedCapacity},
};
use tokio::time::{sleep, timeout};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tracing::{Instrument as _, debug, warn};

use super::{
    DynamoDb,
    error::classify,
    message_item::{Item, PARTITION_KEY},
    room_item::{self, AT, MINUTE, PARTITION},
    within_deadline,
};
use crate::{
    chat::{RoomId, Timestamp},
    store::{Activity, StoreError},
    telemetry::metrics::store::{self as metrics, Kind},
};

/// How many rooms may wait to be written. A room beyond that is written in its next minute.
const MAX_WAITING: usize = 1_000;
/// The longest pause before the second attempt and before the last one ("full jitter"). All attempts take about a minute;
/// after that, the room's next minute has its own attempts.
const RETRY_PAUSE: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(32));
/// How many pages of the list are read. A page is a megabyte, so this is some 20,000 rooms for 128 read units. Many more
/// pages could not be read within the deadline, and would cost as much each.
const MAX_PAGES: usize = 16;
/// The operation in the metric of errors.
const OPERATION: &str = "list";

/// Whether a message is the first of a minute of this room. `latest_before` is the latest date of the messages before it.
fn is_first_of_minute(room: &RoomId, latest_before: Option<Timestamp>, date: Timestamp) -> bool {
    let offset = minute_offset(room);
    let minute = |at: Timestamp| at.as_millis().saturating_add(offset).div_euclid(MINUTE.as_millis() as i64);
    latest_before.is_none_or(|before| minute(before) < minute(date))
}

/// By how many milliseconds the minutes of a room are shifted. It must be the same in all processes of all versions, which
/// the standard library's hashes do not guarantee. So this is FNV-1a.
fn minute_offset(room: &RoomId) -> i64 {
    let hash =
        room.as_str().bytes().fold(0x811c_9dc5_u32, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193));
    i64::from(hash % MINUTE.as_millis() as u32)
}

/// The running writes to the list.
#[derive(Clone, Debug, Default)]
pub(super) struct RoomListWrites {
    tasks: TaskTracker,
    cancelled: CancellationToken,
}

impl DynamoDb {
    /// Updates the list after a message was stored. `latest_before` is the latest date of the messages before it. The write
    /// runs in the background. No append waits for it or fails with it, since a room that is not listed can still be
    /// read.
    pub(super) fn update_room_list(&self, room: &RoomId, latest_before: Option<Timestamp>, date: Timestamp) {
        let is_due = is_first_of_minute(room, latest_before, date);
        let Some(writes) = self.room_list.as_ref().filter(|_| is_due) else { return };
        if writes.tasks.len() >= MAX_WAITING {
            metrics::failed(Kind::DynamoDb, OPERATION, StoreError::Busy.kind());
            return;
        }
        let (store, room) = (self.clone(), room.clone());
        let cancelled = writes.cancelled.clone();
        let write = async move { cancelled.run_until_cancelled(store.write_room(&room, date)).await };
        writes.tasks.spawn(write.in_current_span());
    }

    /// Waits for the running writes to the list of rooms, so that a shutdown leaves no room out. Cancels them after
    /// `deadline`.
    pub async fn finish_room_list(&self, deadline: Duration) {
        if let Some(RoomListWrites { tasks, cancelled }) = &self.room_list {
            tasks.close();
            if timeout(deadline, tasks.wait()).await.is_err() {
                warn!(rooms = tasks.len(), "stopped before every room was written to the list of rooms");
                cancelled.cancel();
                tasks.wait().await;
            }
        }
    }

    async fn write_room(&self, room: &RoomId, at: Timestamp) {
        let mut pause = RETRY_PAUSE.0;
        while let Err(error) = within_deadline(self.put_room(room, at)).await {
            metrics::failed(Kind::DynamoDb, OPERATION, error.kind());
            if pause > RETRY_PAUSE.1 || matches!(error, StoreError::Misconfigured { .. }) {
                warn!(room.id = %room, %error, "cannot write a room to the list of rooms");
                return;
            }
            debug!(room.id = %room, %error, "cannot write a room to the list of rooms; retrying");
            sleep(pause.mul_f64(rand::random_range(0.0..1.0))).await;
            pause *= 2;
        }
    }

    async fn put_room(&self, room: &RoomId, at: Timestamp) -> Result<(), StoreError> {
        let outcome = self
            .client
            .put_item()
            .table_name(&self.table)
            .set_item(Some(room_item::encode(room, at, self.retention)))
            // A delayed write must not overwrite that of a later minute. The condition costs nothing.
            .condition_expression("attribute_not_exists(#at) OR #at < :at")
            .expression_attribute_names("#at", AT)
            .expression_attribute_values(":at", room_item::millis(at))
            .return_consumed_capacity(ReturnConsumedCapacity::Total)
            .customize()
            // `write_room` retries, more slowly. The client's own retries have a budget, which is for messages.
            .config_override(Config::builder().retry_config(RetryConfig::disabled()))
            .send()
            .await;
        match outcome {
            Ok(answer) => {
                self.count(None, answer.consumed_capacity());
                Ok(())
            }
            Err(SdkError::ServiceError(ref error))
                if let PutItemError::ConditionalCheckFailedException(_) = error.err() =>
            {
                Ok(())
            }
            Err(error) => Err(classify(&self.table, error)),
        }
    }

    pub(super) async fn read_room_list(&self) -> Result<Arc<[Activity]>, StoreError> {
        let mut rooms = Vec::new();
        let mut start: Option<Item> = None;
        let mut invalid = None;
        for _ in 0..MAX_PAGES {
            // An eventually consistent read costs half. What it may miss is newer than the list is accurate.
            let answer = self
                .client
                .query()
                .table_name(&self.table)
                .key_condition_expression("#pk = :rooms")
                .expression_attribute_names("#pk", PARTITION_KEY)
                .expression_attribute_values(":rooms", AttributeValue::S(PARTITION.to_owned()))
                .set_exclusive_start_key(start.take())
                .return_consumed_capacity(ReturnConsumedCapacity::Total)
                .send()
                .await
                .map_err(|e| classify(&self.table, e))?;
            self.count(answer.consumed_capacity(), None);
            let now = Timestamp::now();
            for item in answer.items() {
                match room_item::decode(item, self.retention, now) {
                    Ok(room) => rooms.extend(room),
                    // The other rooms are still listed: another version may accept more names than this one.
                    Err(error) => invalid = Some(error),
                }
            }
            start = answer.last_evaluated_key;
            if start.is_none() {
                if let Some(error) = invalid {
                    warn!(%error, "the list of rooms leaves out rooms that cannot be read");
                }
                return Ok(Activity::list(rooms));
            }
        }
        warn!(rooms = rooms.len(), "too many rooms to read; the list leaves out those whose names sort last");
        Ok(Activity::list(rooms))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn room(name: &str) -> RoomId {
        RoomId::parse(name).unwrap()
    }

    fn at(millis: i64) -> Timestamp {
        Timestamp::from_millis(millis)
    }

    #[test]
    fn the_first_message_of_a_minute_is_recognized() {
        let lobby = room("lobby");
        let start = 60_000 * 1_000 - minute_offset(&lobby);
        assert!(is_first_of_minute(&lobby, None, at(start + 1)));
        assert!(is_first_of_minute(&lobby, Some(at(start - 1)), at(start)));
        assert!(!is_first_of_minute(&lobby, Some(at(start)), at(start + 59_999)));
        // A process whose clock is slow.
        assert!(!is_first_of_minute(&lobby, Some(at(start)), at(start - 1)));
    }

    /// Processes of different versions must agree.
    #[test]
    fn the_minute_offset_of_a_room_never_changes() {
        assert_eq!(["lobby", "café"].map(|name| minute_offset(&room(name))), [44_083, 30_889]);
    }

    #[test]
    fn the_minutes_of_different_rooms_start_at_different_seconds() {
        let mut seconds = [0; 60];
        for n in 0..6_000 {
            seconds[usize::try_from(minute_offset(&room(&format!("room-{n}"))) / 1000).unwrap()] += 1;
        }
        assert!(seconds.iter().all(|rooms| (50..200).contains(rooms)), "{seconds:?}");
    }
}
