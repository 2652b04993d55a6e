//! Messages in one file on this machine's disk.
//!
//! The file is redb's: a B-tree in pure Rust, in one file, with transactions that survive a kill and a power cut, a lock
//! that keeps a second process out, and nothing that runs in the background to tidy up. SQLite would do as well, but
//! brings a C compiler; a log-structured engine brings many files and their compaction.
//!
//! | module | is |
//! |---|---|
//! | `open` | making, checking and opening the file |
//! | `overlay` | how a file is checked without a write |
//! | `ahead` | how a file grows without slow syncs |
//! | `record` | what the file holds |
//! | `read` | stretches of a room, and what they say of a cursor |
//! | `append` | one append within a transaction |
//! | `writer` | the thread that commits what waits |
//! | `sweeper` | the thread that finds what has expired |
//!
//! Appends go to the writer through a queue of [`WAITING`]; one that finds it full is refused with
//! [`StoreError::Busy`]. Reads run on tokio's threads for blocking work, [`READS`] at a time: mostly they find their pages
//! in memory and take microseconds, but a disk that hangs would take the runtime's own threads down with it, and nobody
//! would be left to tell the deadline.

mod ahead;
mod append;
#[cfg(any(test, fuzzing))]
pub mod fuzzing;
mod open;
mod overlay;
mod read;
mod record;
mod sweeper;
mod writer;

use std::{
    path::{Path, PathBuf},
    sync::{
        Arc, PoisonError, RwLock, RwLockReadGuard,
        atomic::{AtomicU64, Ordering},
        mpsc::{Sender, SyncSender, TrySendError, channel, sync_channel},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use async_trait::async_trait;
use redb::{Database, ReadOnlyTable, ReadableDatabase as _, ReadableTableMetadata as _};
use tokio::{
    runtime::Handle,
    sync::{Semaphore, oneshot},
    task::spawn_blocking,
    time::timeout,
};

pub use self::open::OpenError;
use self::{
    read::Log,
    record::{Key, MESSAGES, Value},
    sweeper::Sweeper,
    writer::{Job, QueuedAppend, Writer},
};
use super::{APPEND_DEADLINE, Activity, Append, Appended, Page, READ_DEADLINE, Replay, Retention, Store, StoreError};
use crate::{
    chat::{Cursor, MessageId, RoomId, Timestamp},
    telemetry::metrics::store as metrics,
};

/// Appends that may wait for the writer: 64 megabytes of the longest messages. It takes four commits to store them, so
/// that a full queue means a disk that cannot keep up.
const WAITING: usize = 4_096;
/// The most appends in one transaction: 16 megabytes of the longest messages, which are in memory until it ends.
const TOGETHER: usize = 1_024;
/// Reads that run at once. More would not make a disk faster, and each that hangs takes a thread.
const READS: usize = 64;
/// A list of rooms is not looked for any longer, in less than [`READ_DEADLINE`]: nobody waits for what comes after that, and
/// it would take the place of reads that somebody waits for.
const LISTED_WITHIN: Duration = Duration::from_secs(4);
/// Between two walks through the rooms for what has expired. In a minute little comes together, and a walk is one
/// look at each room.
const SWEEP_EVERY: Duration = Duration::from_secs(60);

/// The store over one file. It is closed when the last handle is dropped, which waits for what is being written.
///
/// A handle: clones are one store.
#[derive(Clone)]
pub struct Embedded(Arc<Threads>);

/// How the store works, for tests and measurements.
#[derive(Clone, Copy, Debug)]
pub struct EmbeddedOptions {
    /// The most appends that one commit holds.
    pub max_batch: usize,
    /// How often expired messages are looked for and deleted.
    pub sweep_interval: Duration,
}

/// What all threads use.
struct Shared {
    path: PathBuf,
    retention: Retention,
    /// None while it could not be opened again after the disk had failed.
    database: RwLock<Option<Database>>,
    /// How often it was opened again.
    opened: AtomicU64,
    commits: AtomicU64,
}

/// The threads, and the ends through which they are told what to do.
struct Threads {
    shared: Arc<Shared>,
    reads: Arc<Semaphore>,
    // Options, so that dropping can take them.
    jobs: Option<SyncSender<Job>>,
    stop: Option<Sender<()>>,
    writer: Option<JoinHandle<()>>,
    sweeper: Option<JoinHandle<()>>,
}

/// What keeps a transaction from its end.
#[derive(Debug, thiserror::Error)]
enum Failure {
    /// The disk, or what is on it.
    #[error(transparent)]
    Disk(redb::Error),
    /// One entry.
    #[error(transparent)]
    Entry(#[from] StoreError),
    /// The disk had failed before.
    #[error("the file could not be opened again")]
    Closed,
}

// === impl Embedded ===

impl Embedded {
    /// Opens the store in a folder; both are made if they are missing. Blocks while all of the file is read
    /// and checked.
    pub fn open(folder: &Path, retention: Retention) -> Result<Self, OpenError> {
        Self::open_with(folder, retention, EmbeddedOptions::default())
    }

    /// Opens it with another options than usual.
    pub fn open_with(folder: &Path, retention: Retention, options: EmbeddedOptions) -> Result<Self, OpenError> {
        let (path, database) = open::in_folder(folder)?;
        let no_thread = |cause| OpenError::File { path: path.clone(), cause };
        let shared = Arc::new(Shared {
            path: path.clone(),
            retention,
            database: RwLock::new(Some(database)),
            opened: AtomicU64::new(0),
            commits: AtomicU64::new(0),
        });
        let (jobs, waiting) = sync_channel(WAITING);
        let (stop, stopped) = channel();
        let writer = Writer {
            shared: Arc::clone(&shared),
            jobs: waiting,
            together: options.max_batch.max(1),
            expected: 1,
            reopened: None,
        };
        let sweeper =
            Sweeper { shared: Arc::clone(&shared), jobs: jobs.clone(), stop: stopped, every: options.sweep_interval };
        let thread = |name: &str| thread::Builder::new().name(name.to_owned());
        let mut threads = Threads {
            shared,
            reads: Arc::new(Semaphore::new(READS)),
            jobs: Some(jobs),
            stop: Some(stop),
            writer: None,
            sweeper: None,
        };
        threads.writer = Some(thread("store-writer").spawn(|| writer.run()).map_err(no_thread)?);
        threads.sweeper = Some(thread("store-sweeper").spawn(|| sweeper.run()).map_err(no_thread)?);
        Ok(Self(Arc::new(threads)))
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.0.shared.path
    }

    /// How often the file was synced for messages so far.
    pub fn commits(&self) -> u64 {
        self.0.shared.commits.load(Ordering::Relaxed)
    }

    /// How many messages the file holds, those included that have expired and are not deleted yet.
    pub async fn message_count(&self) -> Result<u64, StoreError> {
        self.read(|table, _| Ok(table.len()?)).await
    }

    /// Runs a read on a thread that may block.
    async fn read<T: Send + 'static>(
        &self,
        read: impl FnOnce(&ReadOnlyTable<Key, Value>, Retention) -> Result<T, Failure> + Send + 'static,
    ) -> Result<T, StoreError> {
        let (shared, reads) = (Arc::clone(&self.0.shared), Arc::clone(&self.0.reads));
        let opened = shared.opened.load(Ordering::Acquire);
        let outcome = timeout(READ_DEADLINE, async move {
            let permit = reads.acquire_owned().await;
            let reading = spawn_blocking(move || {
                let _permit = permit;
                let transaction = shared.database().as_ref().ok_or(Failure::Closed)?.begin_read()?;
                read(&transaction.open_table(MESSAGES)?, shared.retention)
            });
            reading.await.unwrap_or_else(|error| {
                Err(Failure::Disk(redb::StorageError::Corrupted(format!("reading it panicked: {error}")).into()))
            })
        });
        let outcome = outcome.await.map_err(|_| StoreError::Deadline)?;
        if let (Err(Failure::Disk(_) | Failure::Closed), Some(jobs)) = (&outcome, &self.0.jobs) {
            // If the queue is full, the writer is about to find out by itself.
            let _ = jobs.try_send(Job::Reopen { opened });
        }
        Ok(outcome?)
    }

    /// Reads of a room.
    async fn log<T: Send + 'static>(
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
        let gone = || Failure::Closed.into();
        let jobs = self.0.jobs.as_ref().ok_or_else(gone)?;
        jobs.try_send(Job::Append(Box::new(append))).map_err(|error| match error {
            TrySendError::Full(_) => StoreError::Busy,
            TrySendError::Disconnected(_) => gone(),
        })?;
        match timeout(APPEND_DEADLINE, answered).await {
            Ok(answer) => answer.unwrap_or_else(|_| Err(gone())),
            Err(_) => Err(StoreError::Deadline),
        }
    }

    async fn after(&self, room: &RoomId, cursor: &Cursor, limit: usize) -> Result<Replay, StoreError> {
        let cursor = cursor.clone();
        self.log(room, move |log| log.replay(&cursor, limit)).await
    }

    async fn latest(&self, room: &RoomId, limit: usize) -> Result<Page, StoreError> {
        self.log(room, move |log| log.latest(limit)).await
    }

    async fn before(&self, room: &RoomId, id: &MessageId, limit: usize) -> Result<Page, StoreError> {
        let id = id.clone();
        self.log(room, move |log| log.before(&id, limit)).await
    }

    async fn rooms(&self) -> Result<Arc<[Activity]>, StoreError> {
        let until = Instant::now() + LISTED_WITHIN;
        self.read(move |table, retention| read::rooms(table, retention, Timestamp::now(), until)).await
    }

    async fn check(&self) -> Result<(), StoreError> {
        self.message_count().await.map(drop)
    }
}

// === impl EmbeddedOptions ===

impl Default for EmbeddedOptions {
    fn default() -> Self {
        Self { max_batch: TOGETHER, sweep_interval: SWEEP_EVERY }
    }
}

// === impl Shared ===

impl Shared {
    fn database(&self) -> RwLockReadGuard<'_, Option<Database>> {
        self.database.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn is_open(&self) -> bool {
        self.database().is_some()
    }

    /// Closes the file and gives up its lock, also while somebody reads: what they read then fails.
    fn close(&self) {
        let database = self.database.write().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(Err(error)) = database.map(Database::close) {
            // Nothing is lost: opening it finds the last commit.
            tracing::debug!(cause = %error, "the messages were not closed in order");
        }
    }

    fn put(&self, database: Database) {
        *self.database.write().unwrap_or_else(PoisonError::into_inner) = Some(database);
        self.opened.fetch_add(1, Ordering::Release);
    }
}

// === impl Threads ===

impl Drop for Threads {
    fn drop(&mut self) {
        // The sweeper holds an end of the queue too, and the writer goes on until nobody does. A panic of theirs has
        // been told where it happened.
        drop(self.stop.take());
        let _ = self.sweeper.take().map(JoinHandle::join);
        drop(self.jobs.take());
        let _ = self.writer.take().map(JoinHandle::join);
        self.shared.close();
    }
}

// === impl Failure ===

impl From<Failure> for StoreError {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Entry(error) => error,
            failure => Self::Unavailable(Arc::new(failure)),
        }
    }
}

/// redb has an error for each of its steps, and one that is them all.
macro_rules! disk {
    ($($error:ident),*) => {
        $(impl From<redb::$error> for Failure {
            fn from(error: redb::$error) -> Self {
                Self::Disk(error.into())
            }
        })*
    };
}
disk!(CommitError, StorageError, TableError, TransactionError);
