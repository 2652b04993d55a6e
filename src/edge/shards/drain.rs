//! The end of a shard's held requests when the edge stops: spread over time, so that clients do not reconnect all at
//! once.

use std::time::{Duration, Instant};

use rand::seq::SliceRandom as _;
use tokio::sync::mpsc;

use super::Shard;
use crate::edge::held::{Drain, Held, SessionId};

/// The longest time between two ends. A few streams may reconnect at once, and need no window.
const MAX_INTERVAL: Duration = Duration::from_millis(10);
/// The shortest retry delay for clients of event streams.
const MIN_RETRY_AFTER: Duration = Duration::from_secs(1);
/// How long a restart takes after the window in which streams end.
const RESTART_TIME: Duration = Duration::from_secs(5);

/// The streams that are still to be ended, one after the other.
pub(super) struct DrainQueue {
    left: Vec<SessionId>,
    next: Instant,
    interval: Duration,
    _done: mpsc::Sender<()>,
}

impl DrainQueue {
    pub(super) fn next(&self) -> Instant {
        self.next
    }
}

impl Shard {
    /// Starts to end everything that is held. Held responses are sent at once: their clients wait for nothing else.
    pub(super) fn drain(&mut self, Drain { window, shards, done }: Drain) {
        self.max_retry_after = Some(window + RESTART_TIME);
        let (mut streams, mut responses) = (Vec::new(), Vec::new());
        for (id, session) in &self.sessions {
            match session.held {
                Held::Stream(_) => streams.push(*id),
                Held::Response(_) => responses.push(*id),
            }
        }
        responses.into_iter().for_each(|id| self.close(id));
        streams.shuffle(&mut rand::rng());
        let count = u32::try_from(streams.len()).unwrap_or(u32::MAX).max(1);
        let shards = u32::try_from(shards).unwrap_or(u32::MAX);
        let interval = (window / count).min(MAX_INTERVAL.saturating_mul(shards));
        self.drain_queue = Some(DrainQueue { left: streams, next: self.now, interval, _done: done });
        self.close_due();
    }

    /// Ends the streams whose time has come.
    pub(super) fn close_due(&mut self) {
        while let Some(queue) = &mut self.drain_queue {
            // After the last one there is nothing to wait for, and nothing that would wake the shard.
            if queue.left.is_empty() {
                self.drain_queue = None;
                return;
            }
            if queue.next > self.now {
                return;
            }
            queue.next += queue.interval;
            if let Some(id) = queue.left.pop() {
                self.close(id);
            }
        }
    }

    /// Ends a held request.
    pub(super) fn close(&mut self, id: SessionId) {
        let max = self.max_retry_after.unwrap_or(MIN_RETRY_AFTER).max(MIN_RETRY_AFTER);
        match self.sessions.get_mut(&id).map(|session| &mut session.held) {
            Some(Held::Stream(stream)) => {
                stream.drain(rand::random_range(MIN_RETRY_AFTER..=max));
                self.dirty.push(id);
            }
            Some(Held::Response(response)) => response.release(),
            None => {}
        }
    }
}
