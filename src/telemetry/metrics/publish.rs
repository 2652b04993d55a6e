//! Metrics of publishing: items on their way to the control ports of the proxies.

use std::time::Duration;

use prometheus_client::metrics::{counter::Counter, gauge::Gauge, histogram::Histogram};

use super::{
    ALL,
    catalogue::{By, Catalogue, Label as _, values},
    seconds,
};

values!(
    /// The kind of an item.
    Kind {
        /// A message that is not stored yet.
        Provisional = "provisional",
        /// A stored message.
        Persisted = "persisted",
        /// The notice that a provisional message will not be stored.
        Retraction = "retraction",
    }
);

values!(
    /// The outcome of a request to a control port.
    Request {
        /// It accepted the items.
        Published = "published",
        /// It answered with an error status.
        Refused = "refused",
        /// It did not answer in time.
        Timeout = "timeout",
        /// It could not be reached, or closed the connection before it answered.
        Unreachable = "unreachable",
        /// No token could be signed for it.
        Unsigned = "unsigned",
    }
);

values!(
    /// Why an item was dropped.
    Dropped {
        /// Too many items were waiting.
        QueueFull = "queue_full",
        /// The control port refused it permanently.
        Refused = "refused",
        /// The first try failed, and the item would be useless later.
        Ephemeral = "ephemeral",
        /// All tries failed for a minute.
        Expired = "expired",
    }
);

impl Kind {
    /// The name of the kind, as in labels and the log.
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
                "Time from the publishing of an item until every proxy has accepted it, or until the wait for that ends",
                seconds,
            ),
            requests: catalogue
                .counters(
                    "gripchat_publish_requests_total",
                    &["outcome"],
                    "Requests to control ports by outcome",
                )
                .initialized_with_all::<Request>(),
            request_duration: catalogue.histogram(
                "gripchat_publish_request_duration_seconds",
                "Time from a request to a control port to its response",
                seconds,
            ),
            retries: catalogue
                .counter("gripchat_publish_retries_total", "Items scheduled for another try after a failed one"),
            dropped: catalogue
                .counters(
                    "gripchat_publish_dropped_items_total",
                    &["reason"],
                    "Items dropped before they were published; proxies notice missing stored messages and recover them",
                )
                .initialized_with_all::<Dropped>(),
            waiting: catalogue.gauge("gripchat_publish_queue_items", "Items waiting to be published, summed over all proxies"),
        }
    }
}

/// Records the end of the wait for an item. `published`: all proxies accepted it.
pub fn finished(kind: Kind, published: bool, took: Duration) {
    let outcome = if published { "published" } else { "unconfirmed" };
    ALL.publish.duration.get([kind.as_str(), outcome]).observe(took.as_secs_f64());
}

/// Records a request to a control port.
pub fn requested(outcome: Request, took: Duration) {
    ALL.publish.requests.get([outcome.as_str()]).inc();
    ALL.publish.request_duration.observe(took.as_secs_f64());
}

/// Records items that are scheduled for another try.
pub fn retried(items: usize) {
    ALL.publish.retries.inc_by(items as u64);
}

/// Records dropped items.
pub fn dropped(reason: Dropped, items: usize) {
    ALL.publish.dropped.get([reason.as_str()]).inc_by(items as u64);
}

/// Counts an item as waiting until this value is dropped.
#[derive(Debug)]
pub struct Waiting(());

impl Waiting {
    /// Counts one more waiting item.
    #[expect(clippy::new_without_default, reason = "it has a side effect, which nobody expects of a default")]
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
