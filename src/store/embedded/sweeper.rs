//! Retention: a thread that looks for what has expired, and has the writer delete it.
//!
//! No answer depends on it: what has expired is invisible, deleted or not. It only gives space back, which redb then
//! uses again.

use std::{
    sync::{
        Arc,
        mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel},
    },
    time::Duration,
};

use redb::ReadableDatabase as _;
use tracing::warn;

use super::{
    Failure, Shared,
    record::{self, MESSAGES},
    writer::Job,
};
use crate::chat::Timestamp;

/// Messages deleted in one transaction: what is posted meanwhile waits some milliseconds more.
const MOST_DELETED: usize = 500;
/// Entries looked at in one read transaction, so that none keeps redb from using freed pages for long.
const MOST_SEEN: usize = 5_000;

/// The thread.
pub(super) struct Sweeper {
    pub(super) shared: Arc<Shared>,
    pub(super) jobs: SyncSender<Job>,
    /// Ends when the store is dropped.
    pub(super) stop: Receiver<()>,
    pub(super) every: Duration,
}

/// What one look found.
struct Found {
    expired: Vec<(String, u64)>,
    /// Where the next look begins.
    next: Option<(String, u64)>,
}

impl Sweeper {
    pub(super) fn run(self) {
        while let Err(RecvTimeoutError::Timeout) = self.stop.recv_timeout(self.every) {
            if let Err(failure) = self.sweep() {
                warn!(cause = ?failure, "could not delete what has expired; trying again later");
            }
        }
    }

    /// Goes through all rooms once. A room's oldest message is where it begins, so a room in which nothing has expired
    /// costs one look.
    fn sweep(&self) -> Result<(), Failure> {
        let mut from = Some((String::new(), 0));
        while let Some(place) = from {
            let Found { expired, next } = self.look(&place)?;
            if !expired.is_empty() {
                let (done, outcome) = sync_channel(1);
                let asked = self.jobs.send(Job::Delete { expired, done });
                // The writer has said why.
                if asked.is_err() || outcome.recv() != Ok(true) {
                    return Ok(());
                }
            }
            from = next;
            // The store is being dropped.
            if !matches!(self.stop.try_recv(), Err(std::sync::mpsc::TryRecvError::Empty)) {
                return Ok(());
            }
        }
        Ok(())
    }

    fn look(&self, from: &(String, u64)) -> Result<Found, Failure> {
        let transaction = self.shared.database().as_ref().ok_or(Failure::Closed)?.begin_read()?;
        let table = transaction.open_table(MESSAGES)?;
        let now = Timestamp::now();
        let mut found = Found { expired: Vec::new(), next: Some(from.clone()) };
        let mut seen = 0;
        while let Some((room, seq)) = found.next.take() {
            // The rest of this room as far as it has expired, then the first of the next room.
            for entry in table.range((room.as_str(), seq)..)? {
                let (key, value) = entry?;
                let (of, seq) = key.value();
                seen += 1;
                if seen > MOST_SEEN || found.expired.len() == MOST_DELETED {
                    found.next = Some((of.to_owned(), seq));
                    return Ok(found);
                }
                if record::read((of, seq), value.value())?.is_visible(self.shared.retention, now) {
                    // No name stands between a room's and this one, which is none itself.
                    found.next = Some((format!("{of}\0"), 0));
                    break;
                }
                found.expired.push((of.to_owned(), seq));
            }
        }
        Ok(found)
    }
}
