//! The entries of the list of rooms, and their order.

use std::{cmp::Ordering, sync::Arc};

use crate::chat::{RoomId, Timestamp};

/// The most rooms that are listed. The rooms left out are the ones whose newest messages are oldest.
pub const MAX_ROOMS: usize = 10_000;

/// When a room's newest message was posted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Activity {
    /// The room.
    pub room: RoomId,
    /// The date of its newest message, accurate to the minute.
    pub at: Timestamp,
}

impl Activity {
    /// Sorts rooms into the order of a list and keeps the first [`MAX_ROOMS`].
    pub fn list(mut rooms: Vec<Self>) -> Arc<[Self]> {
        rooms.sort_unstable();
        rooms.truncate(MAX_ROOMS);
        rooms.into()
    }
}

impl Ord for Activity {
    /// The order of a list: newest first; rooms with the same date by name.
    fn cmp(&self, other: &Self) -> Ordering {
        other.at.cmp(&self.at).then_with(|| self.room.cmp(&other.room))
    }
}

impl PartialOrd for Activity {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}
