//! Why a transaction failed.

use std::sync::Arc;

use crate::store::StoreError;

/// Why a transaction failed.
#[derive(Debug, thiserror::Error)]
pub(super) enum Failure {
    /// The disk failed, or the file is damaged.
    #[error(transparent)]
    Disk(redb::Error),
    /// One entry is invalid.
    #[error(transparent)]
    Entry(#[from] StoreError),
    /// The file is closed, because the disk failed earlier.
    #[error("the file could not be reopened")]
    Closed,
}

impl From<Failure> for StoreError {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Entry(error) => error,
            failure => Self::Unavailable(Arc::new(failure)),
        }
    }
}

/// redb has an error type for each step, and `redb::Error` for all of them.
macro_rules! disk_failures {
    ($($error:ident),*) => {
        $(impl From<redb::$error> for Failure {
            fn from(error: redb::$error) -> Self {
                Self::Disk(error.into())
            }
        })*
    };
}
disk_failures!(CommitError, StorageError, TableError, TransactionError);
