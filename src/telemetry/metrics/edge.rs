//! The edge: connections, held streams, items, recoveries.

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
        /// A channel that somebody listens on, or did lately.
        Channel = "channel",
    }
);

values!(
    /// What became of a published item.
    Item {
        /// It went to those who listen, or waits for the one before it.
        Accepted = "accepted",
        /// Its id was published within the last minute.
        Repeated = "repeated",
        /// Nobody listens on its channel.
        Unheard = "unheard",
    }
);

values!(
    /// What happened to a reader that is too slow.
    Drop {
        /// It skips an item of an unreliable channel.
        Skipped = "skipped",
        /// It gets no more of its reliable channels until it has caught up, and is then recovered.
        Lagging = "lagging",
    }
);

values!(
    /// Why a stream was ended.
    End {
        /// The client has gone.
        Gone = "gone",
        /// The client has taken nothing for too long.
        Stalled = "stalled",
        /// The backend has ended it.
        Closed = "closed",
        /// The edge stops.
        Stopped = "stopped",
    }
);

values!(
    /// What the backend was asked for.
    Purpose {
        /// What a client has asked for.
        Client = "client",
        /// What streams have missed.
        Recovery = "recovery",
        /// The next page of an answer.
        Page = "page",
        /// Nothing: it was told that a client has gone.
        Gone = "gone",
    }
);

values!(
    /// How the backend answered.
    Answer {
        /// With anything below 500.
        Answered = "answered",
        /// With 500 or above.
        Failed = "failed",
        /// Not in time.
        Timeout = "timeout",
        /// It cannot be reached, or broke off.
        Unreachable = "unreachable",
        /// It was not asked: the request could not be made.
        Unsent = "unsent",
    }
);

values!(
    /// Why a client was refused.
    Refusal {
        /// There are as many connections as are allowed.
        Full = "full",
        /// As much is held for its address as is allowed.
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
        // In the order of `Open` and `Drop`: without a look-up where it is counted.
        let open = [
            catalogue.gauge("gripchat_edge_open_connections", "Connections of clients, those of held streams included"),
            catalogue.gauge("gripchat_edge_open_streams", "Held streams"),
            catalogue.gauge("gripchat_edge_open_responses", "Held responses, of clients that poll"),
            catalogue
                .gauge("gripchat_edge_channels", "Channels that somebody listens on, or did within the last minute"),
        ];
        let drops = catalogue.counters(
            "gripchat_edge_queue_drops_total",
            &["kind"],
            "What slow readers did not get: items skipped, and streams that lag and are recovered",
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
                .counters("gripchat_edge_items_total", &["outcome"], "Items that were published to the edge")
                .initialized_with_all::<Item>(),
            deliveries: catalogue
                .counter("gripchat_edge_deliveries_total", "Items times the held requests that they were handed to"),
            drops: [drops.get([Drop::Skipped.as_str()]), drops.get([Drop::Lagging.as_str()])],
            ended: catalogue
                .counters("gripchat_edge_streams_ended_total", &["reason"], "Held streams that have ended")
                .initialized_with_all::<End>(),
            recoveries: catalogue
                .counters(
                    "gripchat_edge_recoveries_total",
                    &["outcome"],
                    "Next links that were asked for streams that may have missed something",
                )
                .initialized([["answered"], ["failed"]]),
            recovered: catalogue.histogram(
                "gripchat_edge_recovery_streams",
                "Streams that one answer of a next link was for",
                amounts,
            ),
            backend: catalogue.histograms(
                "gripchat_edge_backend_request_duration_seconds",
                &["purpose", "outcome"],
                "From a request to the backend to the head of its answer",
                seconds,
            ),
        }
    }
}

/// Something that is open, until it is dropped.
#[derive(Debug)]
pub struct Opened(Open);

impl Opened {
    /// One more.
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

/// A client was refused.
pub fn refused(reason: Refusal) {
    ALL.edge.refused.get([reason.as_str()]).inc();
}

/// An item was published.
pub fn published(outcome: Item) {
    ALL.edge.items.get([outcome.as_str()]).inc();
}

/// Items were handed to so many held requests. To be told once for many: a delivery costs little else.
pub fn delivered(times: usize) {
    if times > 0 {
        ALL.edge.deliveries.inc_by(times as u64);
    }
}

/// A reader was too slow.
pub fn dropped(what: Drop) {
    ALL.edge.drops[what as usize].inc();
}

/// A stream has ended.
pub fn ended(reason: End) {
    ALL.edge.ended.get([reason.as_str()]).inc();
}

/// A next link was asked for so many streams, and answered or not.
pub fn recovered(answered: bool, streams: usize) {
    ALL.edge.recoveries.get([if answered { "answered" } else { "failed" }]).inc();
    if answered {
        ALL.edge.recovered.observe(streams as f64);
    }
}

/// The backend was asked.
pub fn asked(purpose: Purpose, outcome: Answer, took: Duration) {
    ALL.edge.backend.get([purpose.as_str(), outcome.as_str()]).observe(took.as_secs_f64());
}
