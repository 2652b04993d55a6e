//! Messages in one file on this machine's disk.
//!
//! The file format is redb's: a B-tree in pure Rust, in one file, with transactions that survive a kill and a power
//! failure, a lock that excludes a second process, and no background compaction. SQLite would work too, but needs a C
//! compiler. A log-structured engine would need many files and their compaction.
//!
//! | module | what it is | imports |
//! |---|---|---|
//! | `open` | creates, checks and opens the file | `overlay`, `preallocated`, `record` |
//! | `overlay` | a copy-on-write view of a file, to check it without writing | `file_locks` |
//! | `preallocated` | a file filled with zeros ahead of the data, for fast syncs | `file_locks` |
//! | `file_locks` | delegates a storage backend's locks to its file | nothing |
//! | `record` | the tables and the encoding of a message | nothing |
//! | `read` | replays, pages and the list of rooms | `failure`, `record` |
//! | `append` | one append within a transaction | `failure`, `read`, `record` |
//! | `database` | the open file, shared by all threads | `failure`, `record` |
//! | `jobs` | what the writer is asked to do | nothing |
//! | `writer` | the thread that commits waiting appends in batches | `append`, `database`, `failure`, `jobs`, `open`, `record` |
//! | `sweeper` | the thread that finds expired messages | `database`, `failure`, `jobs`, `record` |
//! | `failure` | why a transaction failed | nothing |
//!
//! Appends go to the writer through a queue of [`MAX_QUEUED_APPENDS`]. If the queue is full, an append is refused with
//! [`StoreError::Busy`]. Reads run on tokio's blocking threads, at most [`MAX_CONCURRENT_READS`] at once. Most reads find
//! their pages in memory and take microseconds. But a disk that hangs would block the runtime's own threads, and then no
//! task could enforce the deadline.

mod append;
mod database;
mod failure;
mod file_locks;
#[cfg(any(test, fuzzing))]
pub mod fuzzing;
mod jobs;
mod open;
mod overlay;
mod preallocated;
mod read;
mod record;
mod sweeper;
mod writer;

use std::{
    path::Path,
    sync::{
        Arc,
        atomic::Ordering,
        mpsc::{Sender, SyncSender, TrySendError, channel, sync_channel},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use async_trait::async_trait;
use redb::{ReadOnlyTable, ReadableTableMetadata as _};
use tokio::{
    runtime::Handle,
    sync::{Semaphore, oneshot},
    task::spawn_blocking,
    time::timeout,
};

pub use self::open::OpenError;
use self::{
    database::SharedDatabase,
    failure::Failure,
    jobs::{Job, QueuedAppend},
    read::Log,
    record::{Key, Value},
    sweeper::Sweeper,
    writer::Writer,
};
use super::{APPEND_DEADLINE, Activity, Append, Appended, Page, READ_DEADLINE, Replay, Retention, Store, StoreError};
use crate::{
    chat::{Cursor, MessageId, RoomId, Timestamp},
    telemetry::metrics::store as metrics,
};

/// How many appends may wait for the writer: 64 MB of the longest messages. Four commits store them, so a full queue means
/// that the disk cannot keep up.
const MAX_QUEUED_APPENDS: usize = 4_096;
/// The most appends in one transaction: 16 MB of the longest messages, which stay in memory until it ends.
const MAX_BATCH: usize = 1_024;
/// How many reads run at once. More would not make a disk faster, and each read that hangs occupies a thread.
const MAX_CONCURRENT_READS: usize = 64;
/// How long the list of rooms is read. It is shorter than [`READ_DEADLINE`]: after that no caller waits for the list, and
/// the read would take the permit of another one.
const ROOM_LIST_TIMEOUT: Duration = Duration::from_secs(4);
/// The time between two searches for expired messages. Few messages expire in a minute, and a search reads one entry per
/// room.
const SWEEP_INTERVAL: Duration = Duration::from_secs(60);

/// The store over one file. Dropping the last clone closes the file, after everything in the queue is written.
///
/// Clones share one store.
#[derive(Clone)]
pub struct Embedded(Arc<Threads>);

/// Options of the store, for tests and benchmarks.
#[derive(Clone, Copy, Debug)]
pub struct EmbeddedOptions {
    /// The most appends in one commit.
    pub max_batch: usize,
    /// The time between two searches for expired messages.
    pub sweep_interval: Duration,
}

/// The threads, and the channels to them.
struct Threads {
    database: Arc<SharedDatabase>,
    read_permits: Arc<Semaphore>,
    // These are options, so that `drop` can take them.
    jobs: Option<SyncSender<Job>>,
    stop: Option<Sender<()>>,
    writer: Option<JoinHandle<()>>,
    sweeper: Option<JoinHandle<()>>,
}

// === impl Embedded ===

impl Embedded {
    /// Opens the store in a folder. Creates the folder and the file if they do not exist. Blocks while the whole file is
    /// read and checked.
    pub fn open(folder: &Path, retention: Retention) -> Result<Self, OpenError> {
        Self::open_with(folder, retention, EmbeddedOptions::default())
    }

    /// Opens the store with other options than the default.
    pub fn open_with(folder: &Path, retention: Retention, options: EmbeddedOptions) -> Result<Self, OpenError> {
        let (path, database) = open::in_folder(folder)?;
        let no_thread = |cause| OpenError::File { path: path.clone(), cause };
        let database = Arc::new(SharedDatabase::new(path.clone(), retention, database));
        let (jobs, queue) = sync_channel(MAX_QUEUED_APPENDS);
        let (stop, stopped) = channel();
        let writer = Writer {
            database: Arc::clone(&database),
            jobs: queue,
            max_batch: options.max_batch.max(1),
            expected_batch: 1,
            last_reopen: None,
        };
        let sweeper = Sweeper {
            database: Arc::clone(&database),
            jobs: jobs.clone(),
            stop: stopped,
            interval: options.sweep_interval,
        };
        let thread = |name: &str| thread::Builder::new().name(name.to_owned());
        let mut threads = Threads {
            database,
            read_permits: Arc::new(Semaphore::new(MAX_CONCURRENT_READS)),
            jobs: Some(jobs),
            stop: Some(stop),
            writer: None,
            sweeper: None,
        };
        threads.writer = Some(thread("store-writer").spawn(|| writer.run()).map_err(no_thread)?);
        threads.sweeper = Some(thread("store-sweeper").spawn(|| sweeper.run()).map_err(no_thread)?);
        Ok(Self(Arc::new(threads)))
    }

    /// The path of the file.
    pub fn path(&self) -> &Path {
        &self.0.database.path
    }

    /// How often the file was synced for messages so far.
    pub fn commits(&self) -> u64 {
        self.0.database.commits.load(Ordering::Relaxed)
    }

    /// How many messages the file contains, including those that have expired and are not deleted yet.
    pub async fn message_count(&self) -> Result<u64, StoreError> {
        self.read(|table, _| Ok(table.len()?)).await
    }

    /// Runs a read on a blocking thread.
    async fn read<T: Send + 'static>(
        &self,
        read: impl FnOnce(&ReadOnlyTable<Key, Value>, Retention) -> Result<T, Failure> + Send + 'static,
    ) -> Result<T, StoreError> {
        let (database, permits) = (Arc::clone(&self.0.database), Arc::clone(&self.0.read_permits));
        let reopen_count = database.reopen_count();
        let outcome = timeout(READ_DEADLINE, async move {
            let permit = permits.acquire_owned().await;
            let reading = spawn_blocking(move || {
                let _permit = permit;
                read(&database.messages()?, database.retention)
            });
            reading.await.unwrap_or_else(|error| {
                Err(Failure::Disk(redb::StorageError::Corrupted(format!("reading panicked: {error}")).into()))
            })
        });
        let outcome = outcome.await.map_err(|_| StoreError::Deadline)?;
        if let (Err(Failure::Disk(_) | Failure::Closed), Some(jobs)) = (&outcome, &self.0.jobs) {
            // If the queue is full, the writer will soon notice the failure itself.
            let _ = jobs.try_send(Job::Reopen { reopen_count });
        }
        Ok(outcome?)
    }

    /// Reads the log of a room.
    async fn read_log<T: Send + 'static>(
        &self,
        room: &RoomId,
        read: impl FnOnce(&Log<'_, ReadOnlyTable<Key, Value>>) -> Result<T, Failure> + Send + 'static,
    ) -> Result<T, StoreError> {
        let room = room.clone();
        self.read(move |table, retention| read(&Log { table, room: &room, retention, now: Timestamp::now() })).await
    }
}

#[async_trait]
impl Store for Embedded {
    async fn append(&self, room: &RoomId, append: Append) -> Result<Appended, StoreError> {
        let (answer, answered) = oneshot::channel();
        let append = QueuedAppend {
            room: room.clone(),
            append,
            runtime: Handle::current(),
            deadline: Instant::now() + APPEND_DEADLINE,
            answer,
            _waiting: metrics::Waiting::new(),
        };
        let closed = || Failure::Closed.into();
        let jobs = self.0.jobs.as_ref().ok_or_else(closed)?;
        jobs.try_send(Job::Append(Box::new(append))).map_err(|error| match error {
            TrySendError::Full(_) => StoreError::Busy,
            TrySendError::Disconnected(_) => closed(),
        })?;
        match timeout(APPEND_DEADLINE, answered).await {
            Ok(answer) => answer.unwrap_or_else(|_| Err(closed())),
            Err(_) => Err(StoreError::Deadline),
        }
    }

    async fn after(&self, room: &RoomId, cursor: &Cursor, limit: usize) -> Result<Replay, StoreError> {
        let cursor = cursor.clone();
        self.read_log(room, move |log| log.replay(&cursor, limit)).await
    }

    async fn latest(&self, room: &RoomId, limit: usize) -> Result<Page, StoreError> {
        self.read_log(room, move |log| log.latest(limit)).await
    }

    async fn before(&self, room: &RoomId, id: &MessageId, limit: usize) -> Result<Page, StoreError> {
        let id = id.clone();
        self.read_log(room, move |log| log.before(&id, limit)).await
    }

    async fn rooms(&self) -> Result<Arc<[Activity]>, StoreError> {
        let until = Instant::now() + ROOM_LIST_TIMEOUT;
        self.read(move |table, retention| read::rooms(table, retention, Timestamp::now(), until)).await
    }

    async fn check(&self) -> Result<(), StoreError> {
        self.message_count().await.map(drop)
    }
}

// === impl EmbeddedOptions ===

impl Default for EmbeddedOptions {
    fn default() -> Self {
        Self { max_batch: MAX_BATCH, sweep_interval: SWEEP_INTERVAL }
    }
}

// === impl Threads ===

impl Drop for Threads {
    fn drop(&mut self) {
        // The sweeper has a sender of the queue too, and the writer runs until all senders are dropped, so the sweeper
        // must stop first. A panic of a thread was already reported where it happened.
        drop(self.stop.take());
        let _ = self.sweeper.take().map(JoinHandle::join);
        drop(self.jobs.take());
        let _ = self.writer.take().map(JoinHandle::join);
        self.database.close();
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;
    use crate::chat::{Author, Draft, Text};

    /// A blocking announcement, which the contract forbids, simulates a disk that hangs.
    #[tokio::test(start_paused = true)]
    async fn an_append_ends_at_its_deadline_while_the_writer_hangs() {
        let folder = tempfile::tempdir().unwrap();
        let store = Embedded::open(folder.path(), Retention::FOREVER).unwrap();
        let draft = || Draft {
            provisional_id: Uuid::new_v4(),
            from: Author::parse("Ada").unwrap(),
            text: Text::parse("Hello").unwrap(),
            date: Timestamp::now(),
        };
        let room = RoomId::parse("a").unwrap();
        let (resume, blocked) = channel::<()>();
        let announce = Box::new(move |_: &_| blocked.recv().unwrap_or_default());
        for announce in [announce as crate::store::Announce, Box::new(|_| {})] {
            let started = tokio::time::Instant::now();
            let outcome = store.append(&room, Append { announce, ..Append::new(draft()) }).await;
            assert!(matches!(outcome, Err(StoreError::Deadline)), "{outcome:?}");
            let took = started.elapsed();
            assert!(took >= APPEND_DEADLINE && took < APPEND_DEADLINE + Duration::from_millis(10), "{took:?}");
        }
        drop(resume);
    }
}
