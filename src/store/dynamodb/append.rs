//! Appends: find the newest message, write into the slot after it, and read on if that slot is taken.

use std::time::Duration;

use aws_sdk_dynamodb::{
    error::SdkError,
    operation::put_item::PutItemError,
    types::{ReturnConsumedCapacity, ReturnValuesOnConditionCheckFailure},
};
use tokio::time::{Instant, sleep, timeout_at};
use tracing::debug;

use super::{
    DynamoDb,
    error::{classify, is_throttled},
    message_item::{self, PARTITION_KEY},
    recent::Recent,
    search::LogState,
};
use crate::{
    chat::{Draft, Message, RoomId, Timestamp},
    store::{APPEND_DEADLINE, Append, Appended, KeySearch, Record, Slot, StoreError},
    telemetry::metrics::store::{self as metrics, Kind, Read, Retry},
};

/// The longest pause before the second attempt and before any later one. The pause is a random fraction of it ("full
/// jitter"), so that processes that collided do not collide again. It starts at about the duration of a write.
const RETRY_PAUSE: (Duration, Duration) = (Duration::from_millis(10), Duration::from_millis(200));

/// A process that writes without a break needs one call per message. A process that reads before every write is always
/// too late to write in between. For half of the deadline it lets the faster process go first. That is quickest for all:
/// if every process tried the end of the log at once, each message would cost as many writes.
const POLITE_PHASE: Duration = Duration::from_secs(4);
/// How many slots are then tried one after the other, without a pause or a read, while others take them.
const MAX_STEPS: usize = 8;
/// A write is only started or retried if at least this much of the append's deadline is left. If the table answers within
/// this time, an append always learns its outcome, however long it waited for its turn or lost to others. Then an append
/// that is refused for this reason has stored nothing, and repeating it stores nothing twice.
const WRITE_TIME: Duration = Duration::from_secs(2);

/// The outcome of one write.
enum Put {
    Stored,
    /// The slot is taken by this record.
    Taken(Box<Record>),
    /// The slot is taken, or it is unknown whether the write succeeded. A read is needed.
    Unclear,
    /// DynamoDB throttled the write and did nothing.
    Throttled,
}

/// The longest that the next pause may be.
struct Pause(Duration);

impl Pause {
    async fn wait(&mut self) {
        sleep(self.0.mul_f64(rand::random_range(0.0..1.0))).await;
        self.0 = (self.0 * 2).min(RETRY_PAUSE.1);
    }
}

impl DynamoDb {
    pub(super) async fn append_in_turn(&self, room: &RoomId, append: Append) -> Result<Appended, StoreError> {
        let Append { draft, key_search, announce } = append;
        let deadline = Instant::now() + APPEND_DEADLINE;
        let start_by = deadline - WRITE_TIME;
        let work = async {
            let turn = timeout_at(start_by, self.turns.turn(room)).await;
            let mut state = turn.unwrap_or(Err(StoreError::Deadline))?;
            let recent = state.take_recent();
            let (appended, recent) =
                self.append_after(room, draft, key_search, recent, state.latest_date(), start_by).await?;
            if let Some(recent) = recent {
                state.put_recent(recent);
            }
            // Before the turn ends, so that announcements are made in the order of the numbers.
            announce(&appended);
            Ok(appended)
        };
        timeout_at(deadline, work).await.unwrap_or(Err(StoreError::Deadline))
    }

    /// Appends a draft with writes that start before `start_by`. `recent` and `latest_date` are what this process knew of
    /// the room. Returns what it knows afterwards.
    async fn append_after(
        &self,
        room: &RoomId,
        draft: Draft,
        key_search: KeySearch,
        recent: Option<Recent>,
        latest_date: Option<Timestamp>,
        start_by: Instant,
    ) -> Result<(Appended, Option<Recent>), StoreError> {
        let key = draft.provisional_id;
        let (searched, started) = (key_search != KeySearch::None, Instant::now());
        let mut log = self.first_search(room, key, key_search, recent).await?;
        if searched {
            metrics::read(Kind::DynamoDb, Read::KeySearch, started.elapsed());
        }
        let polite_until = Instant::now() + POLITE_PHASE;
        let mut pause = Pause(RETRY_PAUSE.0);
        let mut steps = 0;
        // Whether a slot was tried, and the latest date of the messages before it.
        let (mut tried, mut date_before) = (false, None);
        loop {
            let LogState { recent, tail, found } = log;
            if let Some(Record { message, first, .. }) = found {
                // With the same date this is not an earlier post with the same key, but this draft, whose answer was
                // lost. No other append updates the list of rooms for it.
                if tried && message.date == draft.date {
                    self.update_room_list(room, date_before, message.date);
                }
                // Forget what was known, because nothing shows that it is still the newest and will be for another
                // minute. Repeating one post must not keep outdated knowledge alive.
                return Ok((Appended::new(message, first, true), None));
            }
            if Instant::now() >= start_by {
                return Err(StoreError::Deadline);
            }
            let Slot { id, first } = tail.next();
            let message = draft.clone().into_message(id);
            (tried, date_before) = (true, recent.as_ref().map(Recent::latest_date).max(latest_date));
            log = match self.put(room, &message, first).await? {
                Put::Stored => {
                    let visible = !self.retention.has_expired(message.date, None, Timestamp::now());
                    let record = Record { message, first, visible };
                    self.update_room_list(room, date_before, record.message.date);
                    let recent = Recent::with_records(recent, [&record].into_iter());
                    return Ok((Appended::new(record.message, first, false), recent));
                }
                Put::Throttled => {
                    pause.wait().await;
                    LogState { recent, tail, found: None }
                }
                Put::Taken(record) if steps > 0 => {
                    steps -= 1;
                    LogState::from_records(recent, vec![*record], key)
                }
                // The pause comes before the read, because what is read is only useful for an immediate write.
                Put::Taken(_) | Put::Unclear => {
                    pause.wait().await;
                    steps = if Instant::now() < polite_until { 0 } else { MAX_STEPS };
                    self.read_on(room, key, recent, tail).await?
                }
            };
        }
    }

    /// Writes a message into its slot if the slot is free.
    async fn put(&self, room: &RoomId, message: &Message, first: bool) -> Result<Put, StoreError> {
        let outcome = self
            .client
            .put_item()
            .table_name(&self.table)
            .set_item(Some(message_item::encode(room, message, first, self.retention.expiry(message.date))))
            .condition_expression("attribute_not_exists(#pk)")
            .expression_attribute_names("#pk", PARTITION_KEY)
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
            .return_consumed_capacity(ReturnConsumedCapacity::Total)
            .send()
            .await;
        match outcome {
            Ok(answer) => {
                self.count(None, answer.consumed_capacity());
                Ok(Put::Stored)
            }
            Err(error) if is_throttled(&error) => {
                metrics::retried(Retry::Throttled);
                Ok(Put::Throttled)
            }
            Err(SdkError::ServiceError(ref error))
                if let PutItemError::ConditionalCheckFailedException(taken) = error.err() =>
            {
                metrics::retried(Retry::Conflict);
                let Some(item) = taken.item() else { return Ok(Put::Unclear) };
                let record = message_item::decode(item, self.retention, Timestamp::now())?;
                Ok(Put::Taken(Box::new(record)))
            }
            // No answer, an invalid answer, or a server error: the message may have been written.
            Err(error) => match classify(&self.table, error) {
                StoreError::Unavailable(cause) => {
                    metrics::retried(Retry::Unclear);
                    debug!(room.id = %room, %cause, "a write got no answer; reading whether it succeeded");
                    Ok(Put::Unclear)
                }
                error => Err(error),
            },
        }
    }
}
