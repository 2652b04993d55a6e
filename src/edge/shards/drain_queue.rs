//! The streams that are still to be ended, and when.

use std::time::{Duration, Instant};

use tokio::sync::mpsc;

use crate::edge::{commands::Drain, held::SessionId};

/// The longest time between two ends. A few streams may reconnect at once, and need no window.
const MAX_INTERVAL: Duration = Duration::from_millis(10);

/// The streams that are still to be ended, one after the other.
pub(super) struct DrainQueue {
    left: Vec<SessionId>,
    next: Instant,
    interval: Duration,
    _done: mpsc::Sender<()>,
}

impl DrainQueue {
    /// The first stream ends now.
    pub(super) fn new(streams: Vec<SessionId>, now: Instant, drain: Drain) -> Self {
        let count = u32::try_from(streams.len()).unwrap_or(u32::MAX).max(1);
        let shards = u32::try_from(drain.shards).unwrap_or(u32::MAX);
        let interval = (drain.window / count).min(MAX_INTERVAL.saturating_mul(shards));
        Self { left: streams, next: now, interval, _done: drain.done }
    }

    /// When the next stream is to be ended.
    pub(super) fn next(&self) -> Instant {
        self.next
    }

    pub(super) fn is_empty(&self) -> bool {
        self.left.is_empty()
    }

    /// Removes a stream and returns it, if one is to be ended by now.
    pub(super) fn pop_due(&mut self, now: Instant) -> Option<SessionId> {
        if self.next > now {
            return None;
        }
        self.next += self.interval;
        self.left.pop()
    }
}
