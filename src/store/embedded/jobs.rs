//! The jobs of the writer.

use std::{sync::mpsc::SyncSender, time::Instant};

use tokio::{runtime::Handle, sync::oneshot};

use crate::{
    chat::RoomId,
    store::{Append, Appended, StoreError},
    telemetry::metrics::store as metrics,
};

/// A job for the writer.
pub(super) enum Job {
    Append(Box<QueuedAppend>),
    /// Deletes expired messages, by room and number.
    Delete {
        expired: Vec<(String, u64)>,
        /// Receives whether they were deleted.
        done: SyncSender<bool>,
    },
    /// Reopens the file after a failed read, unless it was reopened since then.
    Reopen {
        /// How often the file had been reopened when the read started.
        reopen_count: u64,
    },
}

/// An append that waits for the writer.
pub(super) struct QueuedAppend {
    pub(super) room: RoomId,
    pub(super) append: Append,
    /// The runtime of the caller. The announcement runs in it, because it may spawn a task.
    pub(super) runtime: Handle,
    /// When the caller stops waiting and reports that the message was not stored in time.
    pub(super) deadline: Instant,
    pub(super) answer: oneshot::Sender<Result<Appended, StoreError>>,
    /// Counts the append as waiting.
    pub(super) _waiting: metrics::Waiting,
}
