//! Turns: a process appends to a room one message at a time.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex as StdMutex, PoisonError},
    time::{Duration, Instant},
};

use tokio::sync::{Mutex, OwnedMutexGuard};

use super::recent::Recent;
use crate::{
    chat::{RoomId, Timestamp},
    store::StoreError,
};

/// How long a process assumes that the newest message it knows of is the room's newest. Since a message is kept for an
/// hour at least, it cannot expire in that time and let another epoch start.
const RECENT_LIFETIME: Duration = Duration::from_secs(60);
/// How many appends may wait for their turn in one room. A write takes some milliseconds, so more would not finish within
/// the deadline.
const MAX_WAITING: usize = 1_000;
/// How many rooms are remembered before the ones that nothing is being written to are forgotten: 20 MB.
const MAX_ROOMS: usize = 10_000;

/// The appends of each room take turns, so that a process never conflicts with itself.
#[derive(Default)]
pub(super) struct Turns {
    // A std mutex, because it is only held for a lookup and never across an await.
    rooms: StdMutex<HashMap<RoomId, Arc<Mutex<RoomState>>>>,
}

/// The turn of a room. Its holder is the only one in this process that appends to the room.
pub(super) type Turn = OwnedMutexGuard<RoomState>;

/// What this process knows of a room.
#[derive(Default)]
pub(super) struct RoomState {
    recent: Option<(Recent, Instant)>,
    latest_date: Option<Timestamp>,
}

impl RoomState {
    /// Takes what is known of the newest messages, unless it is too old. While a write runs, the newest message is
    /// uncertain, so nothing is known until [`put_recent`](Self::put_recent).
    pub(super) fn take_recent(&mut self) -> Option<Recent> {
        let (recent, seen) = self.recent.take()?;
        (seen.elapsed() < RECENT_LIFETIME).then_some(recent)
    }

    pub(super) fn put_recent(&mut self, recent: Recent) {
        self.latest_date = self.latest_date.max(Some(recent.latest_date()));
        self.recent = Some((recent, Instant::now()));
    }

    /// The latest date of all messages that this process has ever seen in the room, even if it has forgotten them.
    pub(super) fn latest_date(&self) -> Option<Timestamp> {
        self.latest_date
    }
}

impl Turns {
    /// Waits for this room's turn, in order of arrival.
    pub(super) async fn turn(&self, room: &RoomId) -> Result<Turn, StoreError> {
        let state = {
            let mut rooms = self.rooms.lock().unwrap_or_else(PoisonError::into_inner);
            if rooms.len() >= MAX_ROOMS {
                // One reference is the map's own. If it is the only one, nobody has the turn or waits for it.
                rooms.retain(|_, state| Arc::strong_count(state) > 1);
            }
            rooms.entry(room.clone()).or_default().clone()
        };
        if Arc::strong_count(&state) > MAX_WAITING {
            return Err(StoreError::Busy);
        }
        Ok(state.lock_owned().await)
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
    async fn a_room_with_too_many_waiting_appends_refuses_more_and_other_rooms_do_not() {
        let turns = Turns::default();
        let busy = room("a");
        let _turn = turns.turn(&busy).await.unwrap();
        let mut waiting = Vec::new();
        let refused = loop {
            let mut turn = Box::pin(turns.turn(&busy));
            match (&mut turn).now_or_never() {
                None => waiting.push(turn),
                Some(outcome) => break outcome,
            }
        };
        assert!(matches!(refused, Err(StoreError::Busy)));
        assert_eq!(waiting.len(), MAX_WAITING - 2);
        assert!(turns.turn(&room("b")).await.is_ok());
    }

    #[tokio::test]
    async fn rooms_that_nothing_is_written_to_are_forgotten() {
        let turns = Turns::default();
        let kept = turns.turn(&room("kept")).await.unwrap();
        for n in 0..2 * MAX_ROOMS {
            drop(turns.turn(&room(&format!("r{n}"))).await.unwrap());
        }
        let rooms = turns.rooms.lock().unwrap();
        assert!(rooms.len() <= MAX_ROOMS);
        assert!(rooms.contains_key(&room("kept")));
        drop(kept);
    }
}
