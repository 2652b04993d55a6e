//! The store: what every store is asked, and what is DynamoDB's or the embedded store's own.

use std::{sync::atomic::AtomicU64, time::Duration};

use prometheus_client::metrics::{counter::Counter, gauge::Gauge, histogram::Histogram};

use super::{
    ALL, amounts,
    catalogue::{By, Catalogue, Label as _, values},
    seconds,
};

values!(
    /// Which store.
    Kind {
        /// A table of DynamoDB.
        DynamoDb = "dynamodb",
        /// A file.
        Embedded = "embedded",
    }
);

values!(
    /// What a store is asked to read.
    Read {
        /// What follows a cursor.
        After = "after",
        /// The newest messages.
        Latest = "latest",
        /// Those before one.
        Before = "before",
        /// Which rooms there are.
        Rooms = "rooms",
        /// Whether it answers.
        Check = "check",
        /// Whether an idempotency key is there already, as a part of an append.
        KeySearch = "key_search",
    }
);

values!(
    /// Why a message was written once more.
    Retry {
        /// Another process has taken the number.
        Conflict = "conflict",
        /// Nobody knows whether the write was done.
        Unclear = "unclear",
        /// DynamoDB was asked too much.
        Throttled = "throttled",
    }
);

impl Read {
    /// The word for it.
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
                "From an append to its answer, the wait for the room's turn included",
                seconds,
            ),
            read: catalogue.histograms(
                "gripchat_store_read_duration_seconds",
                &["store", "operation"],
                "From a read to its answer",
                seconds,
            ),
            errors: catalogue.counters(
                "gripchat_store_errors_total",
                &["store", "operation", "kind"],
                "What the store was asked for and did not do",
            ),
            retries: catalogue
                .counters(
                    "gripchat_store_append_retries_total",
                    &["reason"],
                    "Writes to DynamoDB that did not store their message, which is written again or found",
                )
                .beginning_with_all::<Retry>(),
            consumed: catalogue
                .counters_f64(
                    "gripchat_dynamodb_consumed_units_total",
                    &["kind"],
                    "Capacity units that DynamoDB has counted for this process",
                )
                .beginning_with([["read"], ["write"]]),
            commit: catalogue.histogram(
                "gripchat_embedded_commit_duration_seconds",
                "Transactions of the embedded store, the sync of the file included",
                seconds,
            ),
            batch: catalogue.histogram(
                "gripchat_embedded_commit_appends",
                "Appends that one transaction of the embedded store held",
                amounts,
            ),
            waiting: catalogue.gauge("gripchat_embedded_queue_appends", "Appends that wait for the embedded store"),
            file_bytes: catalogue
                .gauge("gripchat_embedded_file_bytes", "Length of the embedded store's file at its last commit"),
        }
    }
}

/// An append was answered: `stored`, `duplicate` or `failed`.
pub fn appended(store: Kind, outcome: &'static str, took: Duration) {
    ALL.store.append.get([store.as_str(), outcome]).observe(took.as_secs_f64());
}

/// A read was answered, well or not.
pub fn read(store: Kind, read: Read, took: Duration) {
    ALL.store.read.get([store.as_str(), read.as_str()]).observe(took.as_secs_f64());
}

/// An operation failed, by an error of this kind.
pub fn failed(store: Kind, operation: &'static str, kind: &'static str) {
    ALL.store.errors.get([store.as_str(), operation, kind]).inc();
}

/// A write did not store its message.
pub fn retried(reason: Retry) {
    ALL.store.retries.get([reason.as_str()]).inc();
}

/// DynamoDB has counted these units.
pub fn consumed(read: f64, write: f64) {
    ALL.store.consumed.get(["read"]).inc_by(read);
    ALL.store.consumed.get(["write"]).inc_by(write);
}

/// A transaction of the embedded store was synced; the file has this length now, if that is known.
pub fn committed(appends: usize, took: Duration, length: Option<u64>) {
    ALL.store.commit.observe(took.as_secs_f64());
    ALL.store.batch.observe(appends as f64);
    if let Some(length) = length {
        ALL.store.file_bytes.set(i64::try_from(length).unwrap_or(i64::MAX));
    }
}

/// An append that waits for the embedded store, until it is dropped.
pub struct Waiting(());

impl Waiting {
    /// One more.
    #[expect(clippy::new_without_default, reason = "it counts, and no default does that")]
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
