//! Metrics of the store: those of every store, and those specific to DynamoDB or the embedded store.

use std::{sync::atomic::AtomicU64, time::Duration};

use prometheus_client::metrics::{counter::Counter, gauge::Gauge, histogram::Histogram};

use super::{
    ALL, amounts,
    catalogue::{By, Catalogue, Label as _, values},
    seconds,
};

values!(
    /// The kind of a store.
    Kind {
        /// A DynamoDB table.
        DynamoDb = "dynamodb",
        /// A file.
        Embedded = "embedded",
    }
);

values!(
    /// A read operation of a store.
    Read {
        /// The messages after a cursor.
        After = "after",
        /// The newest messages.
        Latest = "latest",
        /// The messages before a given one.
        Before = "before",
        /// The list of rooms.
        Rooms = "rooms",
        /// The health check.
        Check = "check",
        /// The search for an idempotency key, which is part of an append.
        KeySearch = "key_search",
    }
);

values!(
    /// Why a write was repeated.
    Retry {
        /// Another process wrote a message with the same number first.
        Conflict = "conflict",
        /// It is unknown whether the write succeeded.
        Unclear = "unclear",
        /// DynamoDB throttled the write.
        Throttled = "throttled",
    }
);

impl Read {
    /// The name of the operation, as in labels and the log.
    pub fn name(self) -> &'static str {
        self.as_str()
    }
}

pub(super) struct Metrics {
    append: By<Histogram, 2>,
    read: By<Histogram, 2>,
    errors: By<Counter, 3>,
    retries: By<Counter, 1>,
    consumed: By<Counter<f64, AtomicU64>, 1>,
    commit: Histogram,
    batch: Histogram,
    waiting: Gauge,
    file_bytes: Gauge,
}

impl Metrics {
    pub(super) fn new(catalogue: &mut Catalogue) -> Self {
        Self {
            append: catalogue.histograms(
                "gripchat_store_append_duration_seconds",
                &["store", "outcome"],
                "Duration of an append, including the wait for earlier appends to the same room",
                seconds,
            ),
            read: catalogue.histograms(
                "gripchat_store_read_duration_seconds",
                &["store", "operation"],
                "Duration of a read",
                seconds,
            ),
            errors: catalogue.counters(
                "gripchat_store_errors_total",
                &["store", "operation", "kind"],
                "Failed operations of the store",
            ),
            retries: catalogue
                .counters(
                    "gripchat_store_append_retries_total",
                    &["reason"],
                    "Writes to DynamoDB that failed or conflicted, after which the message is written again or found",
                )
                .initialized_with_all::<Retry>(),
            consumed: catalogue
                .counters_f64(
                    "gripchat_dynamodb_consumed_units_total",
                    &["kind"],
                    "Capacity units that DynamoDB reported as consumed by this process",
                )
                .initialized([["read"], ["write"]]),
            commit: catalogue.histogram(
                "gripchat_embedded_commit_duration_seconds",
                "Duration of a transaction of the embedded store, including the sync of the file",
                seconds,
            ),
            batch: catalogue.histogram(
                "gripchat_embedded_commit_appends",
                "Appends per transaction of the embedded store",
                amounts,
            ),
            waiting: catalogue.gauge("gripchat_embedded_queue_appends", "Appends waiting for the embedded store"),
            file_bytes: catalogue
                .gauge("gripchat_embedded_file_bytes", "Size of the embedded store's file at its last commit"),
        }
    }
}

/// Records an append. The outcome is `stored`, `duplicate` or `failed`.
pub fn appended(store: Kind, outcome: &'static str, took: Duration) {
    ALL.store.append.get([store.as_str(), outcome]).observe(took.as_secs_f64());
}

/// Records a read, successful or not.
pub fn read(store: Kind, read: Read, took: Duration) {
    ALL.store.read.get([store.as_str(), read.as_str()]).observe(took.as_secs_f64());
}

/// Records an operation that failed with an error of this kind.
pub fn failed(store: Kind, operation: &'static str, kind: &'static str) {
    ALL.store.errors.get([store.as_str(), operation, kind]).inc();
}

/// Records a write that has to be repeated.
pub fn retried(reason: Retry) {
    ALL.store.retries.get([reason.as_str()]).inc();
}

/// Records the capacity units that DynamoDB reported.
pub fn consumed(read: f64, write: f64) {
    ALL.store.consumed.get(["read"]).inc_by(read);
    ALL.store.consumed.get(["write"]).inc_by(write);
}

/// Records a transaction of the embedded store that was synced, and the new length of the file if it is known.
pub fn committed(appends: usize, took: Duration, length: Option<u64>) {
    ALL.store.commit.observe(took.as_secs_f64());
    ALL.store.batch.observe(appends as f64);
    if let Some(length) = length {
        ALL.store.file_bytes.set(i64::try_from(length).unwrap_or(i64::MAX));
    }
}

/// Counts an append as waiting for the embedded store until this value is dropped.
pub struct Waiting(());

impl Waiting {
    /// Counts one more waiting append.
    #[expect(clippy::new_without_default, reason = "it has a side effect, which nobody expects of a default")]
    pub fn new() -> Self {
        ALL.store.waiting.inc();
        Self(())
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        ALL.store.waiting.dec();
    }
}
