//! The list of rooms: one item for each, in a partition of its own.
//!
//! | attribute | type | what it holds |
//! |---|---|---|
//! | `pk` | S | `rooms` |
//! | `sk` | S | the room's name |
//! | `at` | N | the date of a message less than a minute older than the newest, in Unix milliseconds |
//! | `expires_at` | N | Unix seconds, for DynamoDB's TTL: when that minute's messages have expired |
//!
//! It is written with the first message of a minute. Whoever stores message n+1 knows the date of message n, or the write
//! would not have found its place: so of all processes exactly one writes, and asks nobody. A room costs one write unit a
//! minute, however many backends there are. Where their clocks differ, a process may write once more whose look at the
//! room is the first, or the first for as long as it remembers.
//!
//! A room's minutes begin at a second of its own. Were it the same for all, the busy ones of some thousand rooms would
//! write in the same second, and a partition takes a thousand writes in it.
//!
//! The list is read whole and sorted here. An index of DynamoDB would spare that, and cost two more units for each of the
//! writes.

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
    in_time,
    item::{EXPIRES_AT, Item, PARTITION_KEY, SORT_KEY},
};
use crate::{
    chat::{RoomId, Timestamp},
    store::{Activity, Retention, StoreError},
    telemetry::metrics::store::{self as metrics, Kind},
};

const PARTITION: &str = "rooms";
const AT: &str = "at";

/// How exact the list is.
const MINUTE: Duration = Duration::from_secs(60);
/// Rooms that wait to be listed. What is more is listed with its next minute.
const MOST_WAITING: usize = 1_000;
/// The longest pause before the second try and before the last one ("full jitter"); about a minute in all, after which
/// the room's next minute has its own try.
const PAUSE: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(32));
/// Of a megabyte each: some 20,000 rooms, for 128 read units. Much more would not be read within the deadline, and cost
/// the same.
const MOST_PAGES: usize = 16;
/// In the errors that are counted.
const OPERATION: &str = "list";

/// Whether a message is the first of a minute of this room, behind others of which this is the latest date.
fn begins_a_minute(room: &RoomId, before: Option<Timestamp>, date: Timestamp) -> bool {
    let offset = offset(room);
    let minute = |at: Timestamp| at.as_millis().saturating_add(offset).div_euclid(MINUTE.as_millis() as i64);
    before.is_none_or(|before| minute(before) < minute(date))
}

/// Where in a minute those of a room begin: the same in all processes of all versions, which the standard library's
/// hashes need not be. FNV-1a.
fn offset(room: &RoomId) -> i64 {
    let hash =
        room.as_str().bytes().fold(0x811c_9dc5_u32, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193));
    i64::from(hash % MINUTE.as_millis() as u32)
}

/// What is under way of the list.
#[derive(Clone, Debug, Default)]
pub(super) struct Listing {
    rooms: TaskTracker,
    given_up: CancellationToken,
}

impl DynamoDb {
    /// Notes that a message is stored, behind others of which `before` is the latest date. Nobody waits for it, and
    /// nothing fails by it: a room that is not listed can be read all the same.
    pub(super) fn note_activity(&self, room: &RoomId, before: Option<Timestamp>, date: Timestamp) {
        let Some(listing) = self.listing.as_ref().filter(|_| begins_a_minute(room, before, date)) else { return };
        if listing.rooms.len() >= MOST_WAITING {
            metrics::failed(Kind::DynamoDb, OPERATION, StoreError::Busy.kind());
            return;
        }
        let (store, room) = (self.clone(), room.clone());
        let given_up = listing.given_up.clone();
        let listed = async move { given_up.run_until_cancelled(store.list(&room, date)).await };
        listing.rooms.spawn(listed.in_current_span());
    }

    /// Waits for the rooms that are being listed, so that the end of the program leaves none out.
    pub async fn finish_room_list(&self, within: Duration) {
        if let Some(Listing { rooms, given_up }) = &self.listing {
            rooms.close();
            if timeout(within, rooms.wait()).await.is_err() {
                warn!(rooms = rooms.len(), "stopped before every room was listed");
                given_up.cancel();
                rooms.wait().await;
            }
        }
    }

    async fn list(&self, room: &RoomId, at: Timestamp) {
        let mut pause = PAUSE.0;
        while let Err(error) = in_time(self.put_activity(room, at)).await {
            metrics::failed(Kind::DynamoDb, OPERATION, error.kind());
            if pause > PAUSE.1 || matches!(error, StoreError::Misconfigured { .. }) {
                warn!(room.id = %room, %error, "a room could not be listed");
                return;
            }
            debug!(room.id = %room, %error, "a room could not be listed; trying again");
            sleep(pause.mul_f64(rand::random_range(0.0..1.0))).await;
            pause *= 2;
        }
    }

    async fn put_activity(&self, room: &RoomId, at: Timestamp) -> Result<(), StoreError> {
        let outcome = self
            .client
            .put_item()
            .table_name(&self.table)
            .set_item(Some(write(room, at, self.retention)))
            // A write that was late must not undo that of the next minute. It costs the same.
            .condition_expression("attribute_not_exists(#at) OR #at < :at")
            .expression_attribute_names("#at", AT)
            .expression_attribute_values(":at", millis(at))
            .return_consumed_capacity(ReturnConsumedCapacity::Total)
            .customize()
            // Tried again here, and at leisure. The client's own tries have a budget, which is for messages.
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

    pub(super) async fn listed(&self) -> Result<Arc<[Activity]>, StoreError> {
        let mut rooms = Vec::new();
        let mut start: Option<Item> = None;
        let mut unknown = None;
        for _ in 0..MOST_PAGES {
            // Half the price of a consistent read. What it may miss is younger than the list is exact.
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
                match read(item, self.retention, now) {
                    Ok(room) => rooms.extend(room),
                    // It takes no other room with it: another version may know more names than this one.
                    Err(error) => unknown = Some(error),
                }
            }
            start = answer.last_evaluated_key;
            if start.is_none() {
                if let Some(error) = unknown {
                    warn!(%error, "the list lacks rooms that cannot be read");
                }
                return Ok(Activity::list(rooms));
            }
        }
        warn!(rooms = rooms.len(), "there are more rooms than are read; the list lacks those behind them by name");
        Ok(Activity::list(rooms))
    }
}

fn millis(at: Timestamp) -> AttributeValue {
    AttributeValue::N(at.as_millis().to_string())
}

fn write(room: &RoomId, at: Timestamp, retention: Retention) -> Item {
    let mut item = Item::from([
        (PARTITION_KEY.to_owned(), AttributeValue::S(PARTITION.to_owned())),
        (SORT_KEY.to_owned(), AttributeValue::S(room.to_string())),
        (AT.to_owned(), millis(at)),
    ]);
    // Its newest message may be a minute younger.
    if let Some(expiry) = retention.expiry(at.plus(MINUTE)) {
        item.insert(EXPIRES_AT.to_owned(), AttributeValue::N(expiry.as_secs().to_string()));
    }
    item
}

/// A room, unless all of its messages have expired.
fn read(item: &Item, retention: Retention, now: Timestamp) -> Result<Option<Activity>, StoreError> {
    let name = item.get(SORT_KEY).and_then(|value| value.as_s().ok()).map_or("?", String::as_str);
    let broken = |attribute: &str| StoreError::Corrupt(format!("{PARTITION} {name}: attribute {attribute:?}"));
    let number = |value: &AttributeValue| value.as_n().ok().and_then(|number| number.parse::<i64>().ok());
    let room = RoomId::parse(name).ok().filter(|room| room.as_str() == name).ok_or_else(|| broken(SORT_KEY))?;
    let at = Timestamp::from_millis(item.get(AT).and_then(number).ok_or_else(|| broken(AT))?);
    let expiry = match item.get(EXPIRES_AT) {
        None => None,
        Some(value) => {
            let secs = number(value).ok_or_else(|| broken(EXPIRES_AT))?;
            Some(Timestamp::from_millis(secs.saturating_mul(1000)))
        }
    };
    Ok((!retention.has_expired(at.plus(MINUTE), expiry, now)).then_some(Activity { room, at }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn room(name: &str) -> RoomId {
        RoomId::parse(name).unwrap()
    }

    fn at(millis: i64) -> Timestamp {
        Timestamp::from_millis(millis)
    }

    #[test]
    fn a_minute_begins_with_its_first_message() {
        let lobby = room("lobby");
        let begin = 60_000 * 1_000 - offset(&lobby);
        assert!(begins_a_minute(&lobby, None, at(begin + 1)));
        assert!(begins_a_minute(&lobby, Some(at(begin - 1)), at(begin)));
        assert!(!begins_a_minute(&lobby, Some(at(begin)), at(begin + 59_999)));
        // Of a process whose clock is behind.
        assert!(!begins_a_minute(&lobby, Some(at(begin)), at(begin - 1)));
    }

    /// Processes of different versions agree on it.
    #[test]
    fn minutes_of_a_room_begin_where_they_always_did() {
        assert_eq!(["lobby", "café"].map(|name| offset(&room(name))), [44_083, 30_889]);
    }

    #[test]
    fn rooms_do_not_begin_their_minutes_together() {
        let mut seconds = [0; 60];
        for n in 0..6_000 {
            seconds[usize::try_from(offset(&room(&format!("room-{n}"))) / 1000).unwrap()] += 1;
        }
        assert!(seconds.iter().all(|rooms| (50..200).contains(rooms)), "{seconds:?}");
    }

    #[test]
    fn an_item_reads_back_as_it_was_written_until_its_minute_has_expired() {
        let (room, date) = (room("café"), at(1_700_000_000_123));
        let hour: Retention = "1h".parse().unwrap();
        let mut item = write(&room, date, hour);
        assert_eq!(item[EXPIRES_AT], AttributeValue::N((1_700_000_000 + 60 + 3_600).to_string()));
        let activity = Activity { room: room.clone(), at: date };
        // A retention that is longer by now is not what its messages were stored with.
        for retention in [hour, Retention::FOREVER] {
            assert_eq!(read(&item, retention, at(1_700_003_659_999)).unwrap(), Some(activity.clone()));
            assert_eq!(read(&item, retention, at(1_700_003_660_123)).unwrap(), None);
        }
        let for_ever = write(&room, date, Retention::FOREVER);
        assert!(!for_ever.contains_key(EXPIRES_AT));
        assert_eq!(read(&for_ever, hour, at(1_700_003_660_123)).unwrap(), None);
        item.insert(AT.to_owned(), AttributeValue::S("yesterday".to_owned()));
        let error = read(&item, hour, date).unwrap_err();
        assert!(error.to_string().contains("rooms café: attribute \"at\""), "{error}");
    }

    proptest! {
        #[test]
        fn no_item_panics(name in any::<String>(), millis in any::<i64>(), expiry in any::<Option<i64>>()) {
            let mut item = Item::from([
                (SORT_KEY.to_owned(), AttributeValue::S(name)),
                (AT.to_owned(), AttributeValue::N(millis.to_string())),
            ]);
            item.extend(expiry.map(|secs| (EXPIRES_AT.to_owned(), AttributeValue::N(secs.to_string()))));
            let _ = read(&item, "1h".parse().unwrap(), at(0));
        }
    }
}
