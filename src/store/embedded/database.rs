//! The open file, which all threads share, and which is closed and reopened when the disk fails.

use std::{
    path::PathBuf,
    sync::{
        PoisonError, RwLock, RwLockReadGuard,
        atomic::{AtomicU64, Ordering},
    },
};

use redb::{Database, ReadOnlyTable, ReadableDatabase as _};
use tracing::debug;

use super::{
    failure::Failure,
    record::{Key, MESSAGES, Value},
};
use crate::store::Retention;

pub(super) struct SharedDatabase {
    pub(super) path: PathBuf,
    pub(super) retention: Retention,
    /// `None` if the file could not be reopened after the disk had failed.
    database: RwLock<Option<Database>>,
    /// How often the file was reopened.
    reopen_count: AtomicU64,
    /// How often the file was synced for messages.
    pub(super) commits: AtomicU64,
}

impl SharedDatabase {
    pub(super) fn new(path: PathBuf, retention: Retention, database: Database) -> Self {
        Self {
            path,
            retention,
            database: RwLock::new(Some(database)),
            reopen_count: AtomicU64::new(0),
            commits: AtomicU64::new(0),
        }
    }

    pub(super) fn database(&self) -> RwLockReadGuard<'_, Option<Database>> {
        self.database.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// The messages at one point in time.
    pub(super) fn messages(&self) -> Result<ReadOnlyTable<Key, Value>, Failure> {
        let transaction = self.database().as_ref().ok_or(Failure::Closed)?.begin_read()?;
        Ok(transaction.open_table(MESSAGES)?)
    }

    pub(super) fn is_open(&self) -> bool {
        self.database().is_some()
    }

    /// How often the file was reopened so far.
    pub(super) fn reopen_count(&self) -> u64 {
        self.reopen_count.load(Ordering::Acquire)
    }

    /// Closes the file and releases its lock, even while it is being read. Those reads then fail.
    pub(super) fn close(&self) {
        let database = self.database.write().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(Err(error)) = database.map(Database::close) {
            // Nothing is lost: the last commit is found when the file is opened.
            debug!(cause = %error, "the file of messages was not closed cleanly");
        }
    }

    /// Sets the database after the file was reopened.
    pub(super) fn set_reopened(&self, database: Database) {
        *self.database.write().unwrap_or_else(PoisonError::into_inner) = Some(database);
        self.reopen_count.fetch_add(1, Ordering::Release);
    }
}
