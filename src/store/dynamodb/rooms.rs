//! What this process knows of the rooms it writes to: whose turn it is, and where the newest message was.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex as StdMutex, PoisonError},
    time::{Duration, Instant},
};

use tokio::sync::{Mutex, OwnedMutexGuard};

use crate::{
    chat::{MessageId, RoomId},
    store::StoreError,
};

/// For so long a room's newest message is believed to be the newest: other processes write too, and
/// one that was must not have expired meanwhile (a message lives an hour at least).
const BELIEVED_FOR: Duration = Duration::from_secs(60);
/// Appends of one room that may wait for their turn. With a write of some milliseconds each, more
/// would not be done within the deadline anyway.
const MOST_WAITING: usize = 1_000;
/// Rooms remembered before those that nobody writes to are forgotten: some megabytes.
const MOST_ROOMS: usize = 10_000;

/// The appends of one room take turns, so that a process never conflicts with itself.
#[derive(Default)]
pub(super) struct Rooms {
    // A std mutex: it is held for a look-up, never over an await.
    rooms: StdMutex<HashMap<RoomId, Arc<Mutex<Head>>>>,
}

/// A room's turn: whoever holds it is the only one in this process that appends to the room.
pub(super) type Turn = OwnedMutexGuard<Head>;

/// The newest message of a room, as this process last saw it.
#[derive(Default)]
pub(super) struct Head(Option<(MessageId, Instant)>);

impl Head {
    /// The newest message, if that was seen not long ago.
    pub(super) fn believed(&self) -> Option<&MessageId> {
        let (id, seen) = self.0.as_ref()?;
        (seen.elapsed() < BELIEVED_FOR).then_some(id)
    }

    pub(super) fn set(&mut self, id: MessageId) {
        self.0 = Some((id, Instant::now()));
    }

    /// Forgets it: while a write is under way, which may end unknown, nothing is certain.
    pub(super) fn forget(&mut self) {
        self.0 = None;
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
}
