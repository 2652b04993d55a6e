//! One publish: its outcome is counted and logged, also if nothing waits for it.

use std::time::Duration;

use tokio::time::Instant;
use tracing::{debug, warn};

use crate::{
    chat::RoomId,
    grip::{Item, Outcome, Publisher},
    telemetry::metrics::publish::{self, Kind},
};

/// A publish that takes this long is logged as a warning. No sender waits longer for it.
const SLOW_PUBLISH: Duration = Duration::from_secs(1);

/// A publish in progress. Dropping it counts its outcome; without an outcome it counts as unconfirmed.
struct Publishing {
    room: RoomId,
    kind: Kind,
    started: Instant,
    outcome: Outcome,
}

/// Publishes an item. Its position in the order of the room's items is fixed when this function returns. The future ends
/// with the first attempt.
pub(super) fn publish(
    publisher: &Publisher,
    room: &RoomId,
    kind: Kind,
    item: &Item,
) -> impl Future<Output = ()> + use<> {
    let publishing = Publishing { room: room.clone(), kind, started: Instant::now(), outcome: Outcome::Unconfirmed };
    let outcome = publisher.publish(room.as_str(), item);
    async move { publishing.finish(outcome.await) }
}

impl Publishing {
    fn finish(mut self, outcome: Outcome) {
        self.outcome = outcome;
    }
}

impl Drop for Publishing {
    fn drop(&mut self) {
        let Self { room, kind, started, outcome } = self;
        let took = started.elapsed();
        publish::finished(*kind, *outcome == Outcome::Published, took);
        match outcome {
            _ if took >= SLOW_PUBLISH => warn!(
                room.id = %room,
                item = kind.name(),
                duration_ms = took.as_millis() as u64,
                "publishing takes long; the sender no longer waits for it"
            ),
            Outcome::Published => {}
            Outcome::Unconfirmed => debug!(room.id = %room, "the first attempt to publish an item failed"),
        }
    }
}
