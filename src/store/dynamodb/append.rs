//! Appending: find the newest message, take the slot behind it, and read on when it is taken.

use std::time::Duration;

use aws_sdk_dynamodb::{
    error::SdkError,
    operation::put_item::PutItemError,
    types::{ReturnConsumedCapacity, ReturnValuesOnConditionCheckFailure},
};
use tokio::time::{Instant, sleep, timeout_at};
use tracing::debug;
use uuid::Uuid;

use super::{
    DynamoDb, Order, Range,
    error::{classify, is_throttled},
    item::{self, PARTITION_KEY},
    turns::Recent,
};
use crate::{
    chat::{Cursor, Draft, Message, RoomId, Timestamp},
    store::{
        APPEND_DEADLINE, Append, Appended, KEY_SEARCH_MAX, KEY_SEARCH_NEWEST, KeySearch, Record, Slot, StoreError, Tail,
    },
    telemetry::metrics::store::{self as metrics, Kind, Read, Retry},
};

/// The longest pause before the second try and before any later one. The pause is a random part of
/// it ("full jitter"), so that processes that collided do not collide again; it begins at about the
/// time of a write.
const PAUSE: (Duration, Duration) = (Duration::from_millis(10), Duration::from_millis(200));

/// A process that writes without a break needs one call a message; who reads before every write
/// always comes too late to get in between. For half the deadline it is let go ahead, which is quickest
/// for all: with everybody at the end of the log at once, each message would cost as many writes.
const PATIENCE: Duration = Duration::from_secs(4);
/// Slots that are then tried one after the other, without a pause or a read, when others take them.
const STEPS: usize = 8;
/// A write is begun only if so much of the append's deadline is left, and tried again only as long. A table that answers
/// within this time never leaves an append without its outcome, however long the append had to wait for its turn or lost
/// to others: who was refused for that can tell, and by repeating it stores nothing twice.
const OUTCOME_WITHIN: Duration = Duration::from_secs(2);

/// What became of one write.
enum Put {
    Stored,
    /// The slot is taken by this.
    Taken(Box<Record>),
    /// The slot is taken, or nobody knows whether the write was done: reading tells.
    Unclear,
    /// DynamoDB was asked too much, and did nothing.
    Throttled,
}

/// What an append knows of the log, from before and from what it has read.
struct Log {
    recent: Option<Recent>,
    tail: Tail,
    /// The message with the draft's key.
    found: Option<Record>,
}

/// The longest that the next pause may be.
struct Pause(Duration);

impl Pause {
    async fn wait(&mut self) {
        sleep(self.0.mul_f64(rand::random_range(0.0..1.0))).await;
        self.0 = (self.0 * 2).min(PAUSE.1);
    }
}

impl Log {
    /// What is known from before, where nothing needs to be read.
    fn believed(recent: Recent) -> Self {
        Self { tail: Tail::Newest(recent.newest().clone()), recent: Some(recent), found: None }
    }

    /// With records that were read, newest first: the end of the log.
    fn read(recent: Option<Recent>, records: Vec<Record>, key: Uuid) -> Self {
        Self {
            tail: Tail::of(records.first()),
            recent: Recent::note(recent, records.iter().rev()),
            found: records.into_iter().find(|record| record.visible && record.message.provisional_id == key),
        }
    }
}

impl DynamoDb {
    pub(super) async fn append_in_turn(&self, room: &RoomId, append: Append) -> Result<Appended, StoreError> {
        let Append { draft, key_search, announce } = append;
        let deadline = Instant::now() + APPEND_DEADLINE;
        let begin_by = deadline - OUTCOME_WITHIN;
        let work = async {
            let turn = timeout_at(begin_by, self.rooms.turn(room)).await;
            let mut head = turn.unwrap_or(Err(StoreError::Deadline))?;
            let recent = head.take();
            let (appended, recent) =
                self.append_behind(room, draft, key_search, recent, head.latest(), begin_by).await?;
            if let Some(recent) = recent {
                head.put(recent);
            }
            // Before the turn ends, so that announcements leave in the order of the numbers.
            announce(&appended);
            Ok(appended)
        };
        timeout_at(deadline, work).await.unwrap_or(Err(StoreError::Deadline))
    }

    /// Appends, with what is known of the room's newest messages and the latest date of any, in a write that begins in
    /// time; gives what is known then.
    async fn append_behind(
        &self,
        room: &RoomId,
        draft: Draft,
        key_search: KeySearch,
        recent: Option<Recent>,
        latest: Option<Timestamp>,
        begin_by: Instant,
    ) -> Result<(Appended, Option<Recent>), StoreError> {
        let key = draft.provisional_id;
        let (searched, started) = (key_search != KeySearch::None, Instant::now());
        let mut log = self.first_search(room, key, key_search, recent).await?;
        if searched {
            metrics::read(Kind::DynamoDb, Read::KeySearch, started.elapsed());
        }
        let patient_until = Instant::now() + PATIENCE;
        let mut pause = Pause(PAUSE.0);
        let mut steps = 0;
        // Whether a slot was tried, and the latest date before it.
        let (mut tried, mut before) = (false, None);
        loop {
            let Log { recent, tail, found } = log;
            if let Some(Record { message, first, .. }) = found {
                // Not a repetition's, but this draft, whose answer was lost: nobody else lists it.
                if tried && message.date == draft.date {
                    self.note_activity(room, before, message.date);
                }
                // What is known is forgotten, since nothing tells that it is the newest still and for another minute:
                // repeating one post must not keep an old belief alive.
                return Ok((Appended::new(message, first, true), None));
            }
            if Instant::now() >= begin_by {
                return Err(StoreError::Deadline);
            }
            let Slot { id, first } = tail.next();
            let message = draft.clone().into_message(id);
            (tried, before) = (true, recent.as_ref().map(Recent::latest).max(latest));
            log = match self.put(room, &message, first).await? {
                Put::Stored => {
                    let visible = !self.retention.has_expired(message.date, None, Timestamp::now());
                    let record = Record { message, first, visible };
                    self.note_activity(room, before, record.message.date);
                    let recent = Recent::note(recent, [&record].into_iter());
                    return Ok((Appended::new(record.message, first, false), recent));
                }
                Put::Throttled => {
                    pause.wait().await;
                    Log { recent, tail, found: None }
                }
                Put::Taken(record) if steps > 0 => {
                    steps -= 1;
                    Log::read(recent, vec![*record], key)
                }
                // The pause comes before the look: what is seen is only good for a write at once.
                Put::Taken(_) | Put::Unclear => {
                    pause.wait().await;
                    steps = if Instant::now() < patient_until { 0 } else { STEPS };
                    self.read_on(room, key, recent, tail).await?
                }
            };
        }
    }

    /// Looks where the draft may be already, and finds the end of the log.
    ///
    /// What this process knows from before is enough where it reaches back as far as the key may stand. If another
    /// process has written since, the slot is taken, and reading on from here finds its messages.
    async fn first_search(
        &self,
        room: &RoomId,
        key: Uuid,
        key_search: KeySearch,
        recent: Option<Recent>,
    ) -> Result<Log, StoreError> {
        let cursor = match (key_search, recent) {
            (KeySearch::None, Some(recent)) => return Ok(Log::believed(recent)),
            (KeySearch::None, None) => {
                let newest = self.newest(room).await?;
                return Ok(Log::read(None, newest.into_iter().collect(), key));
            }
            (KeySearch::Newest, Some(recent))
                if recent.reaches_back_to(recent.newest().seq.saturating_sub(KEY_SEARCH_NEWEST as u64)) =>
            {
                return self.recall(room, key, recent).await;
            }
            (KeySearch::After(Cursor::After(id)), Some(recent))
                if id.epoch == recent.newest().epoch
                    && id.seq <= recent.newest().seq
                    && recent.reaches_back_to(id.seq) =>
            {
                return self.recall(room, key, recent).await;
            }
            (KeySearch::Newest, _) => return self.search(room, key, 0, KEY_SEARCH_NEWEST).await,
            (KeySearch::After(cursor), _) => cursor,
        };
        let from = match &cursor {
            Cursor::Start => 0,
            Cursor::After(id) => id.seq,
        };
        let log = self.search(room, key, from, KEY_SEARCH_MAX).await?;
        let holds = match (&cursor, &log.tail) {
            (Cursor::Start, _) => true,
            (Cursor::After(id), Tail::Newest(newest)) => id.epoch == newest.epoch,
            (Cursor::After(_), Tail::Empty | Tail::Expired(_)) => false,
        };
        if holds || log.found.is_some() {
            return Ok(log);
        }
        // It is ahead of the log, or of another one: it says neither where the log ends nor where the key may stand.
        self.search(room, key, 0, KEY_SEARCH_NEWEST).await
    }

    /// Finds the key among those that are known. The message itself is not, and must be read.
    async fn recall(&self, room: &RoomId, key: Uuid, recent: Recent) -> Result<Log, StoreError> {
        let Some(seq) = recent.find(key) else { return Ok(Log::believed(recent)) };
        let range = Range { from: seq, below: Some(seq + 1), order: Order::NewestFirst, limit: 1 };
        let (records, _) = self.read(room, range).await?;
        let found = records.into_iter().find(|record| record.visible && record.message.provisional_id == key);
        match found {
            Some(_) => Ok(Log { found, ..Log::believed(recent) }),
            // The table was wiped: nothing that is known holds.
            None => self.search(room, key, 0, KEY_SEARCH_NEWEST).await,
        }
    }

    /// Searches the newest records down to a number.
    async fn search(&self, room: &RoomId, key: Uuid, from: u64, limit: usize) -> Result<Log, StoreError> {
        let range = Range { from, below: None, order: Order::NewestFirst, limit };
        let (records, _) = self.read(room, range).await?;
        Ok(Log::read(None, records, key))
    }

    /// Reads what was written behind the end of the log as it was last seen. Only an answer ends
    /// this, or the append's deadline: giving up here would leave unknown whether the draft is stored.
    async fn read_on(&self, room: &RoomId, key: Uuid, recent: Option<Recent>, tail: Tail) -> Result<Log, StoreError> {
        let from = tail.seq() + 1;
        loop {
            let range = Range { from, below: None, order: Order::NewestFirst, limit: i32::MAX as usize };
            match self.read(room, range).await {
                Ok((records, _)) if records.is_empty() => return Ok(Log { recent, tail, found: None }),
                Ok((records, _)) => return Ok(Log::read(recent, records, key)),
                Err(StoreError::Unavailable(cause)) => {
                    debug!(room.id = %room, %cause, "cannot read what became of a write; trying again");
                    sleep(PAUSE.1).await;
                }
                Err(error) => return Err(error),
            }
        }
    }

    /// Writes a message into its slot, if that is free.
    async fn put(&self, room: &RoomId, message: &Message, first: bool) -> Result<Put, StoreError> {
        let outcome = self
            .client
            .put_item()
            .table_name(&self.table)
            .set_item(Some(item::write(room, message, first, self.retention.expiry(message.date))))
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
                let record = item::read(item, self.retention, Timestamp::now())?;
                Ok(Put::Taken(Box::new(record)))
            }
            // No answer, a broken answer, or an error on the other side: it may have been written.
            Err(error) => match classify(&self.table, error) {
                StoreError::Unavailable(cause) => {
                    metrics::retried(Retry::Unclear);
                    debug!(room.id = %room, %cause, "a write ended without an answer; reading what became of it");
                    Ok(Put::Unclear)
                }
                error => Err(error),
            },
        }
    }
}
