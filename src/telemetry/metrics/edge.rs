//! Metrics of the edge: connections, held streams, items, recoveries.
//!
//! The names and labels are a public interface, which dashboards and alerts use: they stay when a variant is renamed.

use std::time::Duration;

use prometheus_client::metrics::{counter::Counter, gauge::Gauge, histogram::Histogram};

use super::{
    ALL, amounts,
    catalogue::{By, Catalogue, Label as _, values},
    seconds,
};

values!(
    /// What is open.
    Open {
        /// A connection of a client, before and while something is held on it.
        Connection = "connection",
        /// A held stream.
        Stream = "stream",
        /// A held response.
        Response = "response",
        /// A channel that has subscribers, or had some recently.
        Channel = "channel",
    }
);

values!(
    /// What became of a published item.
    Item {
        /// It was delivered to subscribers, or waits for the item before it.
        Accepted = "accepted",
        /// Its id was published within the last minute.
        Repeated = "repeated",
        /// Its channel has no subscribers.
        // An older word, kept because labels are a public interface.
        NoSubscribers = "unheard",
    }
);

values!(
    /// What happened to a reader that was too slow.
    Drop {
        /// It skipped an item of an unreliable channel.
        Skipped = "skipped",
        /// It gets no items of its reliable channels until it has caught up, and is recovered then.
        Lagging = "lagging",
    }
);

values!(
    /// Why a stream ended.
    End {
        /// The client has gone.
        Gone = "gone",
        /// The client has read nothing for too long.
        Stalled = "stalled",
        /// The backend has ended it.
        Closed = "closed",
        /// The edge stops.
        Stopped = "stopped",
    }
);

values!(
    /// The purpose of a request to the backend.
    Purpose {
        /// A client's request.
        Client = "client",
        /// A next link, for what streams have missed.
        Recovery = "recovery",
        /// The next page of a response.
        Page = "page",
        /// A notice that a client has gone.
        Gone = "gone",
    }
);

values!(
    /// The outcome of a request to the backend.
    Answer {
        /// A status below 500.
        Answered = "answered",
        /// A status of 500 or above.
        Failed = "failed",
        /// No response in time.
        Timeout = "timeout",
        /// It cannot be reached, or closed the connection.
        Unreachable = "unreachable",
        /// The request could not be created, and was not sent.
        Unsent = "unsent",
    }
);

values!(
    /// Why a client was refused.
    Refusal {
        /// There are as many connections as allowed.
        Full = "full",
        /// As many requests of its address are held as allowed.
        Address = "address",
    }
);

pub(super) struct Metrics {
    open: [Gauge; 4],
    refused: By<Counter, 1>,
    items: By<Counter, 1>,
    deliveries: Counter,
    drops: [Counter; 2],
    ended: By<Counter, 1>,
    recoveries: By<Counter, 1>,
    recovered: Histogram,
    backend: By<Histogram, 2>,
}

impl Metrics {
    pub(super) fn new(catalogue: &mut Catalogue) -> Self {
        // In the order of `Open` and `Drop`, so that counting needs no lookup.
        let open = [
            catalogue
                .gauge("gripchat_edge_open_connections", "Connections of clients, including those of held streams"),
            catalogue.gauge("gripchat_edge_open_streams", "Held streams"),
            catalogue.gauge("gripchat_edge_open_responses", "Held responses, of clients that poll"),
            catalogue
                .gauge("gripchat_edge_channels", "Channels that have subscribers, or had some within the last minute"),
        ];
        let drops = catalogue.counters(
            "gripchat_edge_queue_drops_total",
            &["kind"],
            "Items that slow readers skipped, and streams that lagged and were recovered",
        );
        Self {
            open,
            refused: catalogue
                .counters(
                    "gripchat_edge_refused_total",
                    &["reason"],
                    "Connections and held requests of clients that were refused",
                )
                .initialized_with_all::<Refusal>(),
            items: catalogue
                .counters("gripchat_edge_items_total", &["outcome"], "Items published to the edge")
                .initialized_with_all::<Item>(),
            deliveries: catalogue.counter("gripchat_edge_deliveries_total", "Deliveries of items to held requests"),
            drops: [drops.get([Drop::Skipped.as_str()]), drops.get([Drop::Lagging.as_str()])],
            ended: catalogue
                .counters("gripchat_edge_streams_ended_total", &["reason"], "Held streams that have ended")
                .initialized_with_all::<End>(),
            recoveries: catalogue
                .counters(
                    "gripchat_edge_recoveries_total",
                    &["outcome"],
                    "Requests for next links, for streams that may have missed something",
                )
                .initialized([["answered"], ["failed"]]),
            recovered: catalogue.histogram(
                "gripchat_edge_recovery_streams",
                "Streams that got one answer of a next link",
                amounts,
            ),
            backend: catalogue.histograms(
                "gripchat_edge_backend_request_duration_seconds",
                &["purpose", "outcome"],
                "Time from a request to the backend to the head of its response",
                seconds,
            ),
        }
    }
}

/// Counts something as open until it is dropped.
#[derive(Debug)]
pub struct Opened(Open);

impl Opened {
    /// Counts one more.
    pub fn new(what: Open) -> Self {
        ALL.edge.open[what as usize].inc();
        Self(what)
    }
}

impl std::ops::Drop for Opened {
    fn drop(&mut self) {
        ALL.edge.open[self.0 as usize].dec();
    }
}

/// Counts a client that was refused.
pub fn refused(reason: Refusal) {
    ALL.edge.refused.get([reason.as_str()]).inc();
}

/// Counts a published item.
pub fn published(outcome: Item) {
    ALL.edge.items.get([outcome.as_str()]).inc();
}

/// Counts deliveries. To be called once for many, since a delivery costs little else.
pub fn delivered(times: usize) {
    if times > 0 {
        ALL.edge.deliveries.inc_by(times as u64);
    }
}

/// Counts a reader that was too slow.
pub fn dropped(what: Drop) {
    ALL.edge.drops[what as usize].inc();
}

/// Counts a stream that has ended.
pub fn ended(reason: End) {
    ALL.edge.ended.get([reason.as_str()]).inc();
}

/// Counts a request for a next link on behalf of this many streams.
pub fn recovered(answered: bool, streams: usize) {
    ALL.edge.recoveries.get([if answered { "answered" } else { "failed" }]).inc();
    if answered {
        ALL.edge.recovered.observe(streams as f64);
    }
}

/// Measures a request to the backend.
pub fn backend_requested(purpose: Purpose, outcome: Answer, took: Duration) {
    ALL.edge.backend.get([purpose.as_str(), outcome.as_str()]).observe(took.as_secs_f64());
}
