//! Streams, as the backend answers them: opened, replayed, reset, recovered.

use prometheus_client::metrics::counter::Counter;

use super::{
    ALL,
    catalogue::{By, Catalogue, Label as _, values},
};

values!(
    /// How a client's stream begins.
    Opening {
        /// Without a cursor: with the newest messages.
        Fresh = "fresh",
        /// Behind the client's cursor.
        Resumed = "resumed",
        /// Anew, since what follows the client's cursor cannot be told.
        Reset = "reset",
    }
);

values!(
    /// How a proxy was answered that asked what a stream had missed.
    Recovery {
        /// With all of it, or the next page.
        Served = "served",
        /// That it cannot be told, and where the stream goes on.
        Reset = "reset",
        /// To ask again: the store did not tell.
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
                .counters("gripchat_stream_openings_total", &["kind"], "Streams that clients have opened")
                .beginning_with_all::<Opening>(),
            recoveries: catalogue
                .counters(
                    "gripchat_stream_recoveries_total",
                    &["outcome"],
                    "Answers to proxies that asked what streams had missed; each may be for many streams",
                )
                .beginning_with_all::<Recovery>(),
            resets: catalogue
                .counters(
                    "gripchat_stream_resets_total",
                    &["reason"],
                    "Cursors that did not hold, of clients and of proxies",
                )
                .beginning_with([["expired"], ["ahead"], ["epoch"], ["malformed"]]),
            replayed: catalogue.counter(
                "gripchat_stream_replayed_messages_total",
                "Messages sent behind a cursor, to clients that came back and to proxies; not those of a fresh stream",
            ),
        }
    }
}

/// A client has opened a stream.
pub fn opened(kind: Opening) {
    ALL.streams.openings.get([kind.as_str()]).inc();
}

/// A proxy was told what a stream has missed.
pub fn recovered(outcome: Recovery) {
    ALL.streams.recoveries.get([outcome.as_str()]).inc();
}

/// A cursor did not hold.
pub fn reset(reason: &'static str) {
    ALL.streams.resets.get([reason]).inc();
}

/// So many messages follow a cursor.
pub fn replayed(messages: usize) {
    ALL.streams.replayed.inc_by(messages as u64);
}
