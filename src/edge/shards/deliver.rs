//! Delivery: items and keep-alives are queued, and at the end of a round the queues are written.

use std::{mem, sync::Arc};

use tokio::task::yield_now;

use super::{
    members::Member,
    readiness,
    shard::{STALL_TIMEOUT, Session, Shard},
    timers::Timer,
};
use crate::{
    edge::{
        held::{Effects, Flushed, Held, Priority, SessionId},
        items::Item,
    },
    telemetry::metrics::edge::End,
};

/// After this many writes, which take a tenth of a millisecond, other tasks get their turn.
const WRITES_BEFORE_YIELD: usize = 32;

impl Shard {
    pub(super) fn deliver(&mut self, item: &Arc<Item>) {
        let members = self.members.of(&item.channel);
        self.delivered += members.len();
        let mut all_effects = Vec::new();
        for Member { id, subscription } in members {
            let Some(session) = self.sessions.get_mut(id) else { continue };
            match &mut session.held {
                Held::Response(response) => response.offer(*subscription, item),
                Held::Stream(stream) => {
                    let mut effects = Effects::default();
                    stream.offer(*subscription, item, &mut effects);
                    if effects != Effects::default() {
                        all_effects.push((*id, effects));
                    }
                    if !mem::replace(&mut session.is_dirty, true) {
                        self.dirty.push(*id);
                    }
                }
            }
        }
        all_effects.into_iter().for_each(|(id, effects)| self.apply(id, effects));
    }

    pub(super) fn handle_timer(&mut self, id: SessionId, timer: Timer) {
        let Some(session) = self.sessions.get_mut(&id) else { return };
        let Session { held: Held::Stream(stream), timers, .. } = session else { return };
        self.timers.arm(id, timers, timer, None);
        match timer {
            Timer::Stalled => self.remove(id, End::Stalled),
            Timer::Recover => {
                stream.retry();
                self.request(id, Priority::Low);
            }
            Timer::KeepAlive => {
                let next = stream.keep_alive(self.now);
                self.timers.arm(id, timers, Timer::KeepAlive, next);
                self.dirty.push(id);
            }
        }
    }

    /// Writes what the streams of this round have queued.
    pub(super) async fn flush(&mut self) {
        let mut dirty = mem::take(&mut self.dirty);
        for (count, id) in dirty.iter().enumerate() {
            self.write(*id);
            if count % WRITES_BEFORE_YIELD == WRITES_BEFORE_YIELD - 1 {
                yield_now().await;
            }
        }
        dirty.clear();
        // Writing may have marked further streams. They are for the next round.
        dirty.append(&mut self.dirty);
        self.dirty = dirty;
    }

    fn write(&mut self, id: SessionId) {
        let Some(session) = self.sessions.get_mut(&id) else { return };
        session.is_dirty = false;
        let Session { held: Held::Stream(stream), timers, awaits_writable, .. } = session else { return };
        match stream.flush(self.now) {
            Flushed::Done => self.remove(id, End::Gone),
            Flushed::All => {
                self.timers.arm(id, timers, Timer::Stalled, None);
                if stream.catch_up() {
                    self.request(id, Priority::Low);
                }
            }
            Flushed::Blocked => {
                let stalled = stream.blocked_since().map(|since| since + STALL_TIMEOUT);
                self.timers.arm(id, timers, Timer::Stalled, stalled);
                if let (Some(socket), false) = (stream.socket(), mem::replace(awaits_writable, true)) {
                    readiness::notify_when_writable(Arc::clone(socket), id, self.inbox.handle.clone());
                }
            }
        }
    }
}
