//! The one that writes: a thread that puts everything that waits into one transaction.
//!
//! A commit is one sync of the file, and takes as long for a thousand messages as for one. While it is under way others
//! gather, and go into the next.
//!
//! # What a commit promises
//!
//! redb writes the pages and the slot that points at them, and syncs once ("one-phase commit"): after a crash it
//! believes a slot only if the checksums of all that it points at are right, else the one before it. Two syncs would
//! spare it that look, at the price of a second sync; this store reads all of the file when it opens it anyway.
//!
//! # When the disk fails
//!
//! The appends of the batch are refused, whether they came to lie on disk or not. redb then does nothing more with the
//! file, so it is closed, and opened as at the start, with all checks. Until that succeeds every append tries it
//! anew, at most once a second.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Arc,
        atomic::Ordering,
        mpsc::{Receiver, SyncSender},
    },
    time::{Duration, Instant},
};

use redb::Table;
use tokio::{runtime::Handle, sync::oneshot};
use tracing::{error, info};

use super::{
    Failure, Shared, append, open,
    record::{Key, MESSAGES, Value},
};
use crate::{
    chat::{Draft, RoomId},
    failpoint,
    store::{Announce, Append, Appended, KeySearch, StoreError},
    telemetry::metrics::store as metrics,
};

/// Who was just answered posts again at once, if it has more. For those a batch waits, until nothing has come for so long:
/// the time that it takes to wake a task, and less than most syncs. Without it the posters fall into two halves, of which each
/// waits for the other's commit.
const QUIET: Duration = Duration::from_micros(100);
/// The longest that a batch is gathered, however many keep coming.
const GATHER_FOR: Duration = Duration::from_millis(1);
/// Between two attempts at opening the file again.
const REOPEN_EVERY: Duration = Duration::from_secs(1);

/// What the writer is asked for.
pub(super) enum Job {
    Append(Box<QueuedAppend>),
    /// These have expired.
    Delete {
        expired: Vec<(String, u64)>,
        done: SyncSender<bool>,
    },
    /// Somebody could not read, when the file had been opened so many times.
    Reopen {
        opened: u64,
    },
}

/// A message that waits to be stored.
pub(super) struct QueuedAppend {
    pub(super) room: RoomId,
    pub(super) append: Append,
    /// Where the caller runs: what is announced may be published from a task.
    pub(super) runtime: Handle,
    /// By then the caller has been told that it was not stored in time.
    pub(super) deadline: Instant,
    pub(super) answer: oneshot::Sender<Result<Appended, StoreError>>,
    /// Counts it as long as it waits.
    pub(super) _waiting: metrics::Waiting,
}

/// The part of an append that is left when its draft has been put.
struct Waiting {
    announce: Announce,
    runtime: Handle,
    answer: oneshot::Sender<Result<Appended, StoreError>>,
}

/// The thread.
pub(super) struct Writer {
    pub(super) shared: Arc<Shared>,
    pub(super) jobs: Receiver<Job>,
    /// The most jobs in one transaction.
    pub(super) together: usize,
    /// As many jobs as there were lately in a batch, for which the next one waits a moment.
    pub(super) expected: usize,
    /// When opening the file again was last tried.
    pub(super) reopened: Option<Instant>,
}

impl Writer {
    /// Works until nobody can ask for anything any more and all that was asked for is done.
    pub(super) fn run(mut self) {
        while let Ok(first) = self.jobs.recv() {
            let batch = self.gather(first);
            self.work(batch);
        }
    }

    /// All that waits, and those that are about to come. Who posts alone is not made to wait.
    fn gather(&mut self, first: Job) -> Vec<Job> {
        let until = Instant::now() + GATHER_FOR;
        let mut batch = vec![first];
        loop {
            batch.extend(self.jobs.try_iter().take(self.together - batch.len()));
            if batch.len() >= self.expected.min(self.together) || Instant::now() >= until {
                break;
            }
            match self.jobs.recv_timeout(QUIET) {
                Ok(job) => batch.push(job),
                Err(_) => break,
            }
        }
        // Slowly less where fewer come, so that one commit that came too early does not part the posters for good.
        self.expected = batch.len().max(self.expected * 7 / 8);
        batch
    }

    fn work(&mut self, batch: Vec<Job>) {
        let mut appends = Vec::new();
        let mut deletions = Vec::new();
        let now = Instant::now();
        for job in batch {
            match job {
                // Whoever was told that it failed may have posted it again, and everybody was told to forget it.
                Job::Append(append) if append.deadline <= now => {
                    let _ = append.answer.send(Err(StoreError::Deadline));
                }
                Job::Append(append) => appends.push(*append),
                Job::Delete { expired, done } => deletions.push((expired, done)),
                Job::Reopen { opened } if opened == self.shared.opened.load(Ordering::Acquire) => self.reopen(),
                Job::Reopen { .. } => {}
            }
        }
        if appends.is_empty() && deletions.is_empty() {
            return;
        }
        if !self.shared.is_open() {
            self.reopen();
        }
        let expired: Vec<_> = deletions.iter().flat_map(|(expired, _)| expired).collect();
        let (drafts, waiting): (Vec<_>, Vec<_>) = appends.into_iter().map(QueuedAppend::split).unzip();
        // A damage that redb did not expect makes it panic.
        let outcome = catch_unwind(AssertUnwindSafe(|| self.commit(drafts, &expired)))
            .unwrap_or_else(|_| Err(Failure::Disk(redb::StorageError::Corrupted("see the panic".to_owned()).into())));
        let stored = outcome.is_ok();
        match outcome {
            Ok(outcomes) => waiting.into_iter().zip(outcomes).for_each(|(waiting, outcome)| waiting.tell(outcome)),
            Err(failure) => {
                let refusal = StoreError::from(failure);
                error!(cause = ?refusal, "messages could not be stored");
                waiting.into_iter().for_each(|waiting| waiting.tell(Err(refusal.clone())));
                self.reopen();
            }
        }
        for (_, done) in deletions {
            let _ = done.send(stored);
        }
    }

    /// One transaction, and one sync of the file.
    fn commit(
        &self,
        drafts: Vec<(RoomId, Draft, KeySearch)>,
        expired: &[&(String, u64)],
    ) -> Result<Vec<Result<Appended, StoreError>>, Failure> {
        let (started, appends) = (Instant::now(), drafts.len());
        let database = self.shared.database();
        let transaction = database.as_ref().ok_or(Failure::Closed)?.begin_write()?;
        let mut outcomes = Vec::with_capacity(drafts.len());
        {
            let mut table: Table<'_, Key, Value> = transaction.open_table(MESSAGES)?;
            for (room, draft, key_search) in drafts {
                match append::append(&mut table, &room, draft, &key_search, self.shared.retention) {
                    Ok(appended) => outcomes.push(Ok(appended)),
                    // One broken entry is no reason to refuse the others.
                    Err(Failure::Entry(error)) => outcomes.push(Err(error)),
                    Err(failure) => return Err(failure),
                }
            }
            for (room, seq) in expired {
                table.remove((room.as_str(), *seq))?;
            }
        }
        let is_new = |outcome: &Result<Appended, _>| outcome.as_ref().is_ok_and(|appended| !appended.duplicate);
        if expired.is_empty() && !outcomes.iter().any(is_new) {
            transaction.abort()?;
        } else {
            failpoint::pass(failpoint::COMMIT_BEGUN);
            transaction.commit()?;
            failpoint::pass(failpoint::COMMIT_DONE);
            self.shared.commits.fetch_add(1, Ordering::Relaxed);
            let length = std::fs::metadata(&self.shared.path).ok().map(|file| file.len());
            metrics::committed(appends, started.elapsed(), length);
        }
        Ok(outcomes)
    }

    fn reopen(&mut self) {
        if self.reopened.is_some_and(|tried| tried.elapsed() < REOPEN_EVERY) {
            return;
        }
        self.reopened = Some(Instant::now());
        self.shared.close();
        match open::again(&self.shared.path) {
            Ok(database) => {
                self.shared.put(database);
                info!(path = %self.shared.path.display(), "opened the messages again");
            }
            Err(error) => error!(cause = ?error, "{error}; until then no message can be read or posted"),
        }
    }
}

impl QueuedAppend {
    fn split(self) -> ((RoomId, Draft, KeySearch), Waiting) {
        let Self { room, append, runtime, answer, .. } = self;
        let Append { draft, key_search, announce } = append;
        ((room, draft, key_search), Waiting { announce, runtime, answer })
    }
}

impl Waiting {
    fn tell(self, outcome: Result<Appended, StoreError>) {
        let Self { announce, runtime, answer } = self;
        if let Ok(appended) = &outcome {
            let _entered = runtime.enter();
            // What it says on the way down is in the log. It must not keep the others from being told.
            if catch_unwind(AssertUnwindSafe(|| announce(appended))).is_err() {
                error!(message.id = %appended.message.id, "announcing a message panicked");
            }
        }
        // The caller may have gone.
        let _ = answer.send(outcome);
    }
}
