//! Appending: find the newest message, take the slot behind it, and read on when it is taken.

use std::time::Duration;

use aws_sdk_dynamodb::{operation::put_item::PutItemError, types::ReturnConsumedCapacity};
use tokio::time::{Instant, sleep, timeout_at};
use tracing::debug;
use uuid::Uuid;

use super::{
    DynamoDb, Order, Range,
    error::{classify, is_throttled},
    item::{self, PARTITION_KEY},
};
use crate::{
    chat::{Cursor, Draft, Message, MessageId, RoomId, Timestamp},
    store::{
        APPEND_DEADLINE, Announce, Appended, KEY_SEARCH_MOST, KEY_SEARCH_NEWEST, Record, Since, Slot, StoreError, Tail,
    },
};

/// The longest pause before the second try and before any later one. The pause is a random part of
/// it ("full jitter"), so that processes that collided do not collide again; it begins at about the
/// time of a write.
const PAUSE: (Duration, Duration) = (Duration::from_millis(10), Duration::from_millis(500));

/// What became of one write.
enum Put {
    Stored,
    /// The slot is taken, or nobody knows whether the write was done: reading tells.
    Unclear,
    /// DynamoDB was asked too much, and did nothing.
    Throttled,
}

/// A message in the log, and the end of the log as it was seen with it.
struct Done {
    appended: Appended,
    tail: Tail,
}

/// What was found where a key may stand.
struct Search {
    found: Option<Record>,
    tail: Tail,
}

/// The longest that the next pause may be.
struct Pause(Duration);

impl Pause {
    async fn wait(&mut self) {
        sleep(self.0.mul_f64(rand::random_range(0.0..1.0))).await;
        self.0 = (self.0 * 2).min(PAUSE.1);
    }
}

impl DynamoDb {
    pub(super) async fn append_in_turn(
        &self,
        room: &RoomId,
        draft: Draft,
        since: Since,
        announce: Announce,
    ) -> Result<Appended, StoreError> {
        let work = async {
            let mut head = self.rooms.turn(room).await?;
            let believed = head.believed().cloned();
            // Until the outcome is known, also when the deadline cuts this short.
            head.forget();
            let Done { appended, tail } = self.append_behind(room, draft, since, believed).await?;
            // An expired newest message is never remembered: it may be deleted any time, and then
            // the numbers begin anew.
            if let Tail::Newest(id) = tail {
                head.set(id);
            }
            // Before the turn ends, so that announcements leave in the order of the numbers.
            announce(&appended);
            Ok(appended)
        };
        timeout_at(Instant::now() + APPEND_DEADLINE, work).await.unwrap_or(Err(StoreError::Deadline))
    }

    async fn append_behind(
        &self,
        room: &RoomId,
        draft: Draft,
        since: Since,
        believed: Option<MessageId>,
    ) -> Result<Done, StoreError> {
        let mut search = self.first_search(room, draft.provisional_id, since, believed).await?;
        let mut pause = Pause(PAUSE.0);
        loop {
            let Search { found, tail } = search;
            if let Some(Record { message, first, .. }) = found {
                return Ok(Done { appended: Appended::new(message, first, true), tail });
            }
            let Slot { id, first } = tail.next();
            let message = draft.clone().numbered(id);
            search = match self.put(room, &message, first).await? {
                Put::Stored => {
                    let tail = self.tail_behind(&message);
                    return Ok(Done { appended: Appended::new(message, first, false), tail });
                }
                Put::Throttled => {
                    pause.wait().await;
                    Search { found: None, tail }
                }
                // The pause comes before the look: what is seen is only good for a write at once.
                Put::Unclear => {
                    pause.wait().await;
                    self.search_on(room, draft.provisional_id, tail).await?
                }
            };
        }
    }

    fn tail_behind(&self, message: &Message) -> Tail {
        let expired = self.retention.has_expired(message.date, None, Timestamp::now());
        if expired { Tail::Expired(message.id.seq) } else { Tail::Newest(message.id.clone()) }
    }

    /// Looks where the draft may be already, and finds the end of the log.
    async fn first_search(
        &self,
        room: &RoomId,
        key: Uuid,
        since: Since,
        believed: Option<MessageId>,
    ) -> Result<Search, StoreError> {
        let cursor = match (since, believed) {
            (Since::Never, Some(id)) => return Ok(Search { found: None, tail: Tail::Newest(id) }),
            // Nothing this process knows of stands behind the cursor. If another has written
            // since, the slot is taken, and reading on from here finds its messages.
            (Since::Cursor(Cursor::After(id)), Some(newest)) if id == newest => {
                return Ok(Search { found: None, tail: Tail::Newest(newest) });
            }
            (Since::Never, None) => {
                return Ok(Search { found: None, tail: Tail::of(self.newest(room).await?.as_ref()) });
            }
            (Since::Unknown, _) => return self.search(room, key, 0, KEY_SEARCH_NEWEST).await,
            (Since::Cursor(cursor), _) => cursor,
        };
        let from = match &cursor {
            Cursor::Start => 0,
            Cursor::After(id) => id.seq,
        };
        let search = self.search(room, key, from, KEY_SEARCH_MOST).await?;
        let holds = match (&cursor, &search.tail) {
            (Cursor::Start, _) => true,
            (Cursor::After(id), Tail::Newest(newest)) => id.epoch == newest.epoch,
            (Cursor::After(_), Tail::Empty | Tail::Expired(_)) => false,
        };
        if holds || search.found.is_some() {
            return Ok(search);
        }
        // It is ahead of the log, or of another one: it says neither where the log ends nor where the key may stand.
        self.search(room, key, 0, KEY_SEARCH_NEWEST).await
    }

    /// Searches the newest records down to a number.
    async fn search(&self, room: &RoomId, key: Uuid, from: u64, limit: usize) -> Result<Search, StoreError> {
        let range = Range { from, below: None, order: Order::NewestFirst, limit };
        let (records, _) = self.read(room, range).await?;
        let tail = Tail::of(records.first());
        let found = records.into_iter().find(|record| record.visible && record.message.provisional_id == key);
        Ok(Search { found, tail })
    }

    /// Searches what was written behind the end of the log as it was last seen. Only an answer ends
    /// this, or the append's deadline: giving up here would leave unknown whether the draft is stored.
    async fn search_on(&self, room: &RoomId, key: Uuid, tail: Tail) -> Result<Search, StoreError> {
        loop {
            match self.search(room, key, tail.seq() + 1, i32::MAX as usize).await {
                Ok(Search { found: None, tail: Tail::Empty }) => return Ok(Search { found: None, tail }),
                Ok(search) => return Ok(search),
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
            .return_consumed_capacity(ReturnConsumedCapacity::Total)
            .send()
            .await;
        match outcome {
            Ok(answer) => {
                self.count(None, answer.consumed_capacity());
                Ok(Put::Stored)
            }
            Err(error) if is_throttled(&error) => Ok(Put::Throttled),
            Err(error)
                if matches!(error.as_service_error(), Some(PutItemError::ConditionalCheckFailedException(_))) =>
            {
                Ok(Put::Unclear)
            }
            // No answer, a broken answer, or an error on the other side: it may have been written.
            Err(error) => match classify(&self.table, error) {
                StoreError::Unavailable(cause) => {
                    debug!(room.id = %room, %cause, "a write ended without an answer; reading what became of it");
                    Ok(Put::Unclear)
                }
                error => Err(error),
            },
        }
    }
}
