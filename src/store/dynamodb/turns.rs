//! What this process knows of the rooms it writes to: whose turn it is, and where the newest message was.

use std::{
    collections::{HashMap, VecDeque},
    sync::{Arc, Mutex as StdMutex, PoisonError},
    time::{Duration, Instant},
};

use tokio::sync::{Mutex, OwnedMutexGuard};
use uuid::Uuid;

use crate::{
    chat::{Message, MessageId, RoomId, Timestamp},
    store::{KEY_SEARCH_NEWEST, Record, StoreError},
};

/// For so long the message that this process wrote last is believed to be its room's newest. KeySearch a
/// message lives an hour at least, it cannot have expired meanwhile and let the numbers begin anew.
const BELIEVED_FOR: Duration = Duration::from_secs(60);
/// Appends of one room that may wait for their turn. With a write of some milliseconds each, more
/// would not be done within the deadline anyway.
const MOST_WAITING: usize = 1_000;
/// Rooms remembered before those that nobody writes to are forgotten: 20 megabytes.
const MOST_ROOMS: usize = 10_000;

/// The appends of one room take turns, so that a process never conflicts with itself.
#[derive(Default)]
pub(super) struct Rooms {
    // A std mutex: it is held for a look-up, never over an await.
    rooms: StdMutex<HashMap<RoomId, Arc<Mutex<Head>>>>,
}

/// A room's turn: whoever holds it is the only one in this process that appends to the room.
pub(super) type Turn = OwnedMutexGuard<Head>;

/// What was last known of a room's newest messages.
#[derive(Default)]
pub(super) struct Head {
    recent: Option<(Recent, Instant)>,
    latest: Option<Timestamp>,
}

/// A room's newest messages, as this process last saw them: the id of the newest, and the idempotency
/// keys of the last of them, without a hole.
///
/// It may be behind the log, since other processes write too; then the slot behind it is taken.
pub(super) struct Recent {
    newest: MessageId,
    /// The latest date of those that were seen, which need not be that of the newest: clocks differ.
    latest: Timestamp,
    /// Of the messages up to the newest, which is the last of these.
    keys: VecDeque<Uuid>,
}

impl Head {
    /// Takes out what is known, if it was seen not long ago. Until it is put back nothing is known: while a write is
    /// under way, nothing is certain.
    pub(super) fn take(&mut self) -> Option<Recent> {
        let (recent, seen) = self.recent.take()?;
        (seen.elapsed() < BELIEVED_FOR).then_some(recent)
    }

    pub(super) fn put(&mut self, recent: Recent) {
        self.latest = self.latest.max(Some(recent.latest));
        self.recent = Some((recent, Instant::now()));
    }

    /// The latest date of all messages of which this process ever knew, also where it has forgotten them since.
    pub(super) fn latest(&self) -> Option<Timestamp> {
        self.latest
    }
}

impl Recent {
    /// Notes messages in the order of their numbers. `recent` is what was known before.
    pub(super) fn note<'a>(mut recent: Option<Self>, records: impl Iterator<Item = &'a Record>) -> Option<Self> {
        for Record { message, visible, .. } in records {
            let id = &message.id;
            recent = match recent {
                // It may be deleted any time, and then the numbers begin anew.
                _ if !visible => None,
                Some(known) if known.newest.epoch == id.epoch && id.seq <= known.newest.seq => Some(known),
                Some(known) if known.newest.epoch == id.epoch && id.seq == known.newest.seq + 1 => {
                    Some(known.followed_by(message))
                }
                _ => Some(Self {
                    newest: id.clone(),
                    latest: message.date,
                    keys: VecDeque::from([message.provisional_id]),
                }),
            };
        }
        recent
    }

    fn followed_by(mut self, message: &Message) -> Self {
        if self.keys.len() >= KEY_SEARCH_NEWEST {
            self.keys.pop_front();
        }
        self.keys.push_back(message.provisional_id);
        self.newest = message.id.clone();
        self.latest = self.latest.max(message.date);
        self
    }

    /// The id of the newest message.
    pub(super) fn newest(&self) -> &MessageId {
        &self.newest
    }

    /// The latest date of the messages that were seen.
    pub(super) fn latest(&self) -> Timestamp {
        self.latest
    }

    /// Whether the keys of all messages behind this number are known.
    pub(super) fn reaches_back_to(&self, seq: u64) -> bool {
        self.newest.seq - self.keys.len() as u64 <= seq
    }

    /// The number of the message with this key.
    pub(super) fn find(&self, key: Uuid) -> Option<u64> {
        let behind = self.keys.iter().rev().position(|k| *k == key)?;
        Some(self.newest.seq - behind as u64)
    }
}

impl Rooms {
    /// Waits for this room's turn, in order of arrival.
    pub(super) async fn turn(&self, room: &RoomId) -> Result<Turn, StoreError> {
        let head = {
            let mut rooms = self.rooms.lock().unwrap_or_else(PoisonError::into_inner);
            if rooms.len() >= MOST_ROOMS {
                // One reference is the map's own: nobody has or awaits the turn.
                rooms.retain(|_, head| Arc::strong_count(head) > 1);
            }
            rooms.entry(room.clone()).or_default().clone()
        };
        if Arc::strong_count(&head) > MOST_WAITING {
            return Err(StoreError::Busy);
        }
        Ok(head.lock_owned().await)
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;

    use super::*;
    use crate::chat::{Author, Draft, Text};

    fn room(name: &str) -> RoomId {
        RoomId::parse(name).unwrap()
    }

    #[tokio::test]
    async fn a_room_that_too_many_write_to_refuses_more_and_another_does_not() {
        let rooms = Rooms::default();
        let busy = room("a");
        let _turn = rooms.turn(&busy).await.unwrap();
        let mut waiting = Vec::new();
        let refused = loop {
            let mut turn = Box::pin(rooms.turn(&busy));
            match (&mut turn).now_or_never() {
                None => waiting.push(turn),
                Some(outcome) => break outcome,
            }
        };
        assert!(matches!(refused, Err(StoreError::Busy)));
        assert_eq!(waiting.len(), MOST_WAITING - 2);
        assert!(rooms.turn(&room("b")).await.is_ok());
    }

    #[tokio::test]
    async fn rooms_that_nobody_writes_to_are_forgotten() {
        let rooms = Rooms::default();
        let kept = rooms.turn(&room("kept")).await.unwrap();
        for n in 0..2 * MOST_ROOMS {
            drop(rooms.turn(&room(&format!("r{n}"))).await.unwrap());
        }
        let map = rooms.rooms.lock().unwrap();
        assert!(map.len() <= MOST_ROOMS);
        assert!(map.contains_key(&room("kept")));
        drop(kept);
    }

    fn record(epoch: &str, seq: u64, visible: bool) -> Record {
        let draft = Draft {
            provisional_id: Uuid::from_u128(seq.into()),
            from: Author::parse("a").unwrap(),
            text: Text::parse("t").unwrap(),
            date: Timestamp::from_millis(0),
        };
        let message = draft.into_message(MessageId { epoch: epoch.parse().unwrap(), seq });
        Record { message, first: false, visible }
    }

    fn note(recent: Option<Recent>, records: &[Record]) -> Option<Recent> {
        Recent::note(recent, records.iter())
    }

    #[test]
    fn keys_are_found_as_far_back_as_they_were_seen_without_a_hole() {
        let recent = note(None, &[record("e", 5, true), record("e", 6, true)]);
        let recent = note(recent, &[record("e", 6, true), record("e", 7, true)]).unwrap();
        assert_eq!(recent.newest().to_string(), "e-7");
        assert_eq!((recent.find(Uuid::from_u128(5)), recent.find(Uuid::from_u128(4))), (Some(5), None));
        assert!(recent.reaches_back_to(4) && !recent.reaches_back_to(3));
    }

    #[test]
    fn a_hole_another_epoch_or_an_expired_message_ends_what_is_known() {
        let known = || note(None, &[record("e", 5, true), record("e", 6, true)]);
        let behind_a_hole = note(known(), &[record("e", 8, true)]).unwrap();
        assert!(behind_a_hole.reaches_back_to(7) && !behind_a_hole.reaches_back_to(6));
        let other_epoch = note(known(), &[record("f", 7, true)]).unwrap();
        assert!(!other_epoch.reaches_back_to(5));
        assert!(note(known(), &[record("e", 7, false)]).is_none());
    }

    #[test]
    fn no_more_keys_are_kept_than_are_searched() {
        let records: Vec<_> = (1..=500).map(|seq| record("e", seq, true)).collect();
        let recent = note(None, &records).unwrap();
        assert_eq!(recent.keys.len(), KEY_SEARCH_NEWEST);
        assert_eq!(recent.find(Uuid::from_u128(401)), Some(401));
        assert_eq!(recent.find(Uuid::from_u128(400)), None);
    }
}
