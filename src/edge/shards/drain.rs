//! The end of a shard's held requests when the edge stops: spread over time, so that clients do not reconnect all at
//! once.

use std::time::Duration;

use rand::seq::SliceRandom as _;

use super::{drain_queue::DrainQueue, shard::Shard};
use crate::edge::{
    commands::Drain,
    held::{Held, SessionId},
};

/// The shortest retry delay for clients of event streams.
const MIN_RETRY_AFTER: Duration = Duration::from_secs(1);
/// How long a restart takes after the window in which streams end.
const RESTART_TIME: Duration = Duration::from_secs(5);

impl Shard {
    /// Starts to end everything that is held. Held responses are sent at once: their clients wait for nothing else.
    pub(super) fn drain(&mut self, drain: Drain) {
        self.max_retry_after = Some(drain.window + RESTART_TIME);
        let (mut streams, mut responses) = (Vec::new(), Vec::new());
        for (id, session) in &self.sessions {
            match session.held {
                Held::Stream(_) => streams.push(*id),
                Held::Response(_) => responses.push(*id),
            }
        }
        responses.into_iter().for_each(|id| self.close(id));
        streams.shuffle(&mut rand::rng());
        self.drain_queue = Some(DrainQueue::new(streams, self.now, drain));
        self.close_due();
    }

    /// Ends the streams whose time has come.
    pub(super) fn close_due(&mut self) {
        while let Some(queue) = &mut self.drain_queue {
            // After the last one there is nothing to wait for, and nothing that would wake the shard.
            if queue.is_empty() {
                self.drain_queue = None;
                return;
            }
            let Some(id) = queue.pop_due(self.now) else { return };
            self.close(id);
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
