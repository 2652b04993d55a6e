//! Metrics of streams as the backend sees them: opened, replayed, reset, recovered.

use prometheus_client::metrics::counter::Counter;

use super::{
    ALL,
    catalogue::{By, Catalogue, Label as _, values},
};

values!(
    /// How a client's stream starts.
    Opening {
        /// The client sent no cursor: the stream starts with the newest messages.
        Fresh = "fresh",
        /// The stream starts after the client's cursor.
        Resumed = "resumed",
        /// What follows the client's cursor is unknown, so the stream starts at a new cursor.
        Reset = "reset",
    }
);

values!(
    /// The answer to a proxy that requested what a stream had missed.
    Recovery {
        /// The missed messages, or the next page of them.
        Served = "served",
        /// What was missed is unknown: a reset with a new cursor.
        Reset = "reset",
        /// The store could not be read: the proxy requests it again later.
        Later = "later",
    }
);

pub(super) struct Metrics {
    openings: By<Counter, 1>,
    recoveries: By<Counter, 1>,
    resets: By<Counter, 1>,
    replayed: Counter,
}

impl Metrics {
    pub(super) fn new(catalogue: &mut Catalogue) -> Self {
        Self {
            openings: catalogue
                .counters("gripchat_stream_openings_total", &["kind"], "Streams that clients opened")
                .initialized_with_all::<Opening>(),
            recoveries: catalogue
                .counters(
                    "gripchat_stream_recoveries_total",
                    &["outcome"],
                    "Responses to proxies that requested what streams had missed; each can serve many streams",
                )
                .initialized_with_all::<Recovery>(),
            resets: catalogue
                .counters(
                    "gripchat_stream_resets_total",
                    &["reason"],
                    "Invalid or outdated cursors, of clients and of proxies",
                )
                .initialized([["expired"], ["ahead"], ["epoch"], ["malformed"]]),
            replayed: catalogue.counter(
                "gripchat_stream_replayed_messages_total",
                "Messages sent after a cursor, to clients that reconnected and to proxies; not those of a fresh stream",
            ),
        }
    }
}

/// Records a stream that a client opened.
pub fn opened(kind: Opening) {
    ALL.streams.openings.get([kind.as_str()]).inc();
}

/// Records an answer to a proxy that requested what a stream had missed.
pub fn recovered(outcome: Recovery) {
    ALL.streams.recoveries.get([outcome.as_str()]).inc();
}

/// Records a cursor from which a stream could not resume.
pub fn reset(reason: &'static str) {
    ALL.streams.resets.get([reason]).inc();
}

/// Records messages that were replayed after a cursor.
pub fn replayed(messages: usize) {
    ALL.streams.replayed.inc_by(messages as u64);
}
