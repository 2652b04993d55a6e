//! The thread that writes. It puts everything in the queue into one transaction.
//!
//! A commit is one sync of the file, and takes as long for a thousand messages as for one. Appends that arrive meanwhile
//! go into the next commit.
//!
//! # What a commit guarantees
//!
//! redb writes the pages and the slot that points to them, and syncs once ("one-phase commit"). After a crash it accepts
//! a slot only if the checksums of everything it points to are correct, and otherwise uses the previous slot. A second
//! sync would make that check unnecessary. It is not worth its cost, because this store reads the whole file when it
//! opens it anyway.
//!
//! # When the disk fails
//!
//! The appends of the batch are refused, whether or not they reached the disk. redb then refuses all further work on the
//! file. So the file is closed, and opened again with all checks, as at the start. Until that succeeds, appends trigger
//! another attempt, at most one per second.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{Arc, atomic::Ordering, mpsc::Receiver},
    time::{Duration, Instant},
};

use redb::Table;
use tokio::{runtime::Handle, sync::oneshot};
use tracing::{error, info};

use super::{
    append,
    database::SharedDatabase,
    failure::Failure,
    jobs::{Job, QueuedAppend},
    open,
    record::{Key, MESSAGES, Value},
};
use crate::{
    chat::{Draft, RoomId},
    failpoint,
    store::{Announce, Append, Appended, KeySearch, StoreError},
    telemetry::metrics::store as metrics,
};

/// A batch is complete when nothing has arrived for this long. Clients that were just answered often post again at once,
/// and should be in the same batch. Otherwise they split into two halves, and each waits for the other's commit. This is
/// the time that it takes to wake a task, and is shorter than most syncs.
const QUIET_PERIOD: Duration = Duration::from_micros(100);
/// The longest time that a batch is collected, however many jobs keep arriving.
const MAX_COLLECT_TIME: Duration = Duration::from_millis(1);
/// The shortest time between two attempts to reopen the file.
const REOPEN_INTERVAL: Duration = Duration::from_secs(1);

/// The part of an append that remains after its draft was written.
struct Caller {
    announce: Announce,
    runtime: Handle,
    answer: oneshot::Sender<Result<Appended, StoreError>>,
}

pub(super) struct Writer {
    pub(super) database: Arc<SharedDatabase>,
    pub(super) jobs: Receiver<Job>,
    /// The most jobs in one transaction.
    pub(super) max_batch: usize,
    /// The size of recent batches. A smaller batch waits for more jobs.
    pub(super) expected_batch: usize,
    /// When reopening the file was last attempted.
    pub(super) last_reopen: Option<Instant>,
}

impl Writer {
    /// Runs until all senders of jobs are dropped and all jobs are done.
    pub(super) fn run(mut self) {
        while let Ok(first) = self.jobs.recv() {
            let batch = self.collect_batch(first);
            self.process(batch);
        }
    }

    /// Collects the jobs that wait and those that are about to arrive. A client that posts alone does not wait.
    fn collect_batch(&mut self, first: Job) -> Vec<Job> {
        let until = Instant::now() + MAX_COLLECT_TIME;
        let mut batch = vec![first];
        loop {
            batch.extend(self.jobs.try_iter().take(self.max_batch - batch.len()));
            if batch.len() >= self.expected_batch.min(self.max_batch) || Instant::now() >= until {
                break;
            }
            match self.jobs.recv_timeout(QUIET_PERIOD) {
                Ok(job) => batch.push(job),
                Err(_) => break,
            }
        }
        // It decreases slowly, so that one early commit does not split the clients permanently.
        self.expected_batch = batch.len().max(self.expected_batch * 7 / 8);
        batch
    }

    fn process(&mut self, batch: Vec<Job>) {
        let mut appends = Vec::new();
        let mut deletions = Vec::new();
        let now = Instant::now();
        for job in batch {
            match job {
                // The caller has already reported a failure. The client may have posted the message again, and readers
                // were told to remove it. So it must not be stored now.
                Job::Append(append) if append.deadline <= now => {
                    let _ = append.answer.send(Err(StoreError::Deadline));
                }
                Job::Append(append) => appends.push(*append),
                Job::Delete { expired, done } => deletions.push((expired, done)),
                Job::Reopen { reopen_count } if reopen_count == self.database.reopen_count() => self.reopen(),
                Job::Reopen { .. } => {}
            }
        }
        if appends.is_empty() && deletions.is_empty() {
            return;
        }
        if !self.database.is_open() {
            self.reopen();
        }
        let expired: Vec<_> = deletions.iter().flat_map(|(expired, _)| expired).collect();
        let (drafts, callers): (Vec<_>, Vec<_>) = appends.into_iter().map(split).unzip();
        // redb panics on damage that it does not expect.
        let outcome = catch_unwind(AssertUnwindSafe(|| self.commit(drafts, &expired)))
            .unwrap_or_else(|_| Err(Failure::Disk(redb::StorageError::Corrupted("see the panic".to_owned()).into())));
        let stored = outcome.is_ok();
        match outcome {
            Ok(outcomes) => callers.into_iter().zip(outcomes).for_each(|(caller, outcome)| caller.answer(outcome)),
            Err(failure) => {
                let refusal = StoreError::from(failure);
                error!(cause = ?refusal, "messages could not be stored");
                callers.into_iter().for_each(|caller| caller.answer(Err(refusal.clone())));
                self.reopen();
            }
        }
        for (_, done) in deletions {
            let _ = done.send(stored);
        }
    }

    /// Runs one transaction, with one sync of the file.
    fn commit(
        &self,
        drafts: Vec<(RoomId, Draft, KeySearch)>,
        expired: &[&(String, u64)],
    ) -> Result<Vec<Result<Appended, StoreError>>, Failure> {
        let (started, appends) = (Instant::now(), drafts.len());
        let database = self.database.database();
        let transaction = database.as_ref().ok_or(Failure::Closed)?.begin_write()?;
        let mut outcomes = Vec::with_capacity(drafts.len());
        {
            let mut table: Table<'_, Key, Value> = transaction.open_table(MESSAGES)?;
            for (room, draft, key_search) in drafts {
                match append::append(&mut table, &room, draft, &key_search, self.database.retention) {
                    Ok(appended) => outcomes.push(Ok(appended)),
                    // One invalid entry does not affect the other appends.
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
            self.database.commits.fetch_add(1, Ordering::Relaxed);
            let length = std::fs::metadata(&self.database.path).ok().map(|file| file.len());
            metrics::committed(appends, started.elapsed(), length);
        }
        Ok(outcomes)
    }

    fn reopen(&mut self) {
        if self.last_reopen.is_some_and(|attempt| attempt.elapsed() < REOPEN_INTERVAL) {
            return;
        }
        self.last_reopen = Some(Instant::now());
        self.database.close();
        match open::after_disk_failure(&self.database.path) {
            Ok(database) => {
                self.database.set_reopened(database);
                info!(path = %self.database.path.display(), "reopened the file of messages");
            }
            Err(error) => error!(cause = ?error, "{error}; until then no message can be read or posted"),
        }
    }
}

fn split(append: QueuedAppend) -> ((RoomId, Draft, KeySearch), Caller) {
    let QueuedAppend { room, append, runtime, answer, .. } = append;
    let Append { draft, key_search, announce } = append;
    ((room, draft, key_search), Caller { announce, runtime, answer })
}

impl Caller {
    fn answer(self, outcome: Result<Appended, StoreError>) {
        let Self { announce, runtime, answer } = self;
        if let Ok(appended) = &outcome {
            let _entered = runtime.enter();
            // The panic hook logs the panic. It must not keep the other callers from their answers.
            if catch_unwind(AssertUnwindSafe(|| announce(appended))).is_err() {
                error!(message.id = %appended.message.id, "announcing a message panicked");
            }
        }
        // The caller may have stopped waiting.
        let _ = answer.send(outcome);
    }
}
