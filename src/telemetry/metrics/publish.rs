//! Publishing: items on their way to the control ports of the proxies.

use std::time::Duration;

use prometheus_client::metrics::{counter::Counter, gauge::Gauge, histogram::Histogram};

use super::{
    ALL,
    catalogue::{By, Catalogue, Label as _, values},
    seconds,
};

values!(
    /// What an item is to those who get it.
    Kind {
        /// A message that is not stored yet.
        Provisional = "provisional",
        /// A stored message.
        Persisted = "persisted",
        /// That a provisional message will not be stored.
        Retraction = "retraction",
    }
);

values!(
    /// How a control port was asked.
    Request {
        /// It took the items.
        Published = "published",
        /// It answered with another status.
        Refused = "refused",
        /// It did not answer in time.
        Timeout = "timeout",
        /// It cannot be reached, or broke off.
        Unreachable = "unreachable",
        /// No token could be made for it.
        Unsigned = "unsigned",
    }
);

values!(
    /// Why an item was given up.
    Dropped {
        /// Too many waited.
        QueueFull = "queue_full",
        /// The control port refuses it for good.
        Refused = "refused",
        /// It is worth something now or never, and was tried.
        Ephemeral = "ephemeral",
        /// It was tried for a minute.
        Expired = "expired",
    }
);

impl Kind {
    /// The word for it.
    pub fn name(self) -> &'static str {
        self.as_str()
    }
}

pub(super) struct Metrics {
    duration: By<Histogram, 2>,
    requests: By<Counter, 1>,
    request_duration: Histogram,
    retries: Counter,
    dropped: By<Counter, 1>,
    waiting: Gauge,
}

impl Metrics {
    pub(super) fn new(catalogue: &mut Catalogue) -> Self {
        Self {
            duration: catalogue.histograms(
                "gripchat_publish_duration_seconds",
                &["item", "outcome"],
                "From an item's publishing until every proxy has taken it, or until that is waited for no longer",
                seconds,
            ),
            requests: catalogue
                .counters(
                    "gripchat_publish_requests_total",
                    &["outcome"],
                    "Requests to control ports by how they were answered",
                )
                .beginning_with_all::<Request>(),
            request_duration: catalogue.histogram(
                "gripchat_publish_request_duration_seconds",
                "From a request to a control port to its answer",
                seconds,
            ),
            retries: catalogue
                .counter("gripchat_publish_retries_total", "Items that wait for another try after a failed one"),
            dropped: catalogue
                .counters(
                    "gripchat_publish_dropped_items_total",
                    &["reason"],
                    "Items that were given up; those of stored messages the proxies miss, and ask for",
                )
                .beginning_with_all::<Dropped>(),
            waiting: catalogue.gauge("gripchat_publish_queue_items", "Items that wait to be published, by all proxies"),
        }
    }
}

/// An item was taken by all proxies, or that was waited for in vain.
pub fn finished(kind: Kind, published: bool, took: Duration) {
    let outcome = if published { "published" } else { "unconfirmed" };
    ALL.publish.duration.get([kind.as_str(), outcome]).observe(took.as_secs_f64());
}

/// A control port was asked.
pub fn requested(outcome: Request, took: Duration) {
    ALL.publish.requests.get([outcome.as_str()]).inc();
    ALL.publish.request_duration.observe(took.as_secs_f64());
}

/// So many items are to be tried again.
pub fn retried(items: usize) {
    ALL.publish.retries.inc_by(items as u64);
}

/// So many items were given up.
pub fn dropped(reason: Dropped, items: usize) {
    ALL.publish.dropped.get([reason.as_str()]).inc_by(items as u64);
}

/// An item that waits, until it is dropped.
#[derive(Debug)]
pub struct Waiting(());

impl Waiting {
    /// One more.
    #[expect(clippy::new_without_default, reason = "it counts, and no default does that")]
    pub fn new() -> Self {
        ALL.publish.waiting.inc();
        Self(())
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        ALL.publish.waiting.dec();
    }
}
