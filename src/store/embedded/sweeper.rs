//! The thread that finds expired messages, which the writer then deletes.
//!
//! No answer depends on it, because expired messages are invisible whether they are deleted or not. It only frees space,
//! which redb reuses.

use std::{
    sync::{
        Arc,
        mpsc::{Receiver, RecvTimeoutError, SyncSender, TryRecvError, sync_channel},
    },
    time::Duration,
};

use tracing::warn;

use super::{database::SharedDatabase, failure::Failure, jobs::Job, record};
use crate::chat::Timestamp;

/// How many messages are deleted in one transaction. Messages posted meanwhile wait some milliseconds longer.
const MAX_DELETIONS: usize = 500;
/// How many entries are read in one read transaction, so that none keeps redb from reusing freed pages for long.
const MAX_ENTRIES_READ: usize = 5_000;

pub(super) struct Sweeper {
    pub(super) database: Arc<SharedDatabase>,
    pub(super) jobs: SyncSender<Job>,
    /// Disconnects when the store is dropped.
    pub(super) stop: Receiver<()>,
    pub(super) interval: Duration,
}

/// What one read transaction found.
struct Found {
    expired: Vec<(String, u64)>,
    /// Where the next read starts.
    next: Option<(String, u64)>,
}

impl Sweeper {
    pub(super) fn run(self) {
        while let Err(RecvTimeoutError::Timeout) = self.stop.recv_timeout(self.interval) {
            if let Err(failure) = self.sweep() {
                warn!(cause = ?failure, "could not delete expired messages; will retry later");
            }
        }
    }

    /// Goes through all rooms once. A room's oldest message comes first, so a room in which nothing has expired costs one
    /// entry.
    fn sweep(&self) -> Result<(), Failure> {
        let mut from = Some((String::new(), 0));
        while let Some(position) = from {
            let Found { expired, next } = self.find_expired(&position)?;
            if !expired.is_empty() {
                let (done, outcome) = sync_channel(1);
                let sent = self.jobs.send(Job::Delete { expired, done });
                // The writer has logged why it failed.
                if sent.is_err() || outcome.recv() != Ok(true) {
                    return Ok(());
                }
            }
            from = next;
            // The store is being dropped.
            if !matches!(self.stop.try_recv(), Err(TryRecvError::Empty)) {
                return Ok(());
            }
        }
        Ok(())
    }

    fn find_expired(&self, from: &(String, u64)) -> Result<Found, Failure> {
        let table = self.database.messages()?;
        let now = Timestamp::now();
        let mut found = Found { expired: Vec::new(), next: Some(from.clone()) };
        let mut entries_read = 0;
        while let Some((room, seq)) = found.next.take() {
            // The rest of this room up to the first message that has not expired, then the next room.
            for entry in table.range((room.as_str(), seq)..)? {
                let (key, value) = entry?;
                let (entry_room, seq) = key.value();
                entries_read += 1;
                if entries_read > MAX_ENTRIES_READ || found.expired.len() == MAX_DELETIONS {
                    found.next = Some((entry_room.to_owned(), seq));
                    return Ok(found);
                }
                if record::decode((entry_room, seq), value.value())?.is_visible(self.database.retention, now) {
                    // No name sorts between the room's name and this one, which is not a valid name itself.
                    found.next = Some((format!("{entry_room}\0"), 0));
                    break;
                }
                found.expired.push((entry_room.to_owned(), seq));
            }
        }
        Ok(found)
    }
}
