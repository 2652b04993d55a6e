//! The end of a shard's streams: not at once, so that their clients do not come back at once.

use std::time::{Duration, Instant};

use rand::seq::SliceRandom as _;
use tokio::sync::mpsc;

use super::Shard;
use crate::edge::held::{Drain, Held, SessionId};

/// So long from one to the next at the most: few streams can come back at once, and need no time to end.
const EACH: Duration = Duration::from_millis(10);
/// The shortest time that a client is asked to stay away.
const AWAY: Duration = Duration::from_secs(1);
/// What a restart takes beyond the time in which streams end.
const RESTART: Duration = Duration::from_secs(5);

/// Streams that are to end, one after the other.
pub(in crate::edge) struct Ending {
    left: Vec<SessionId>,
    next: Instant,
    every: Duration,
    _done: mpsc::Sender<()>,
}

impl Ending {
    pub(in crate::edge) fn next(&self) -> Instant {
        self.next
    }
}

impl Shard {
    /// Begins to end what is held. Held responses are answered at once: their clients wait for nothing else.
    pub(in crate::edge) fn drain(&mut self, Drain { window, shards, done }: Drain) {
        self.away = Some(window + RESTART);
        let (mut left, mut answered) = (Vec::new(), Vec::new());
        for (id, session) in &self.sessions {
            match session.held {
                Held::Stream(_) => left.push(*id),
                Held::Response(_) => answered.push(*id),
            }
        }
        answered.into_iter().for_each(|id| self.close(id));
        left.shuffle(&mut rand::rng());
        let count = u32::try_from(left.len()).unwrap_or(u32::MAX).max(1);
        let shards = u32::try_from(shards).unwrap_or(u32::MAX);
        let every = (window / count).min(EACH.saturating_mul(shards));
        self.ending = Some(Ending { left, next: self.now, every, _done: done });
        self.end_due();
    }

    /// Ends those whose time has come.
    pub(in crate::edge) fn end_due(&mut self) {
        while let Some(ending) = &mut self.ending {
            // Behind the last one there is nothing to wait for, and nothing that would wake the shard.
            if ending.left.is_empty() {
                self.ending = None;
                return;
            }
            if ending.next > self.now {
                return;
            }
            ending.next += ending.every;
            if let Some(id) = ending.left.pop() {
                self.close(id);
            }
        }
    }

    /// Ends a held request.
    pub(in crate::edge) fn close(&mut self, id: SessionId) {
        let most = self.away.unwrap_or(AWAY).max(AWAY);
        match self.sessions.get_mut(&id).map(|session| &mut session.held) {
            Some(Held::Stream(stream)) => {
                stream.send_away(rand::random_range(AWAY..=most));
                self.dirty.push(id);
            }
            // The response that is held is sent.
            Some(Held::Response(response)) => drop(response.answer.take()),
            None => {}
        }
    }
}
