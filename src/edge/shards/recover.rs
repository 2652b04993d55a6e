//! Recovery of streams: when they request their next links, and what the answers do to them.

use std::{mem, time::Instant};

use super::{
    shard::{Session, Shard},
    timers::Timer,
};
use crate::edge::{
    backend::{MIN_RETRY_PAUSE, RecoveryRequest},
    commands::Answer,
    held::{Effects, Held, NextStep, Priority, SessionId, Settings},
};

impl Shard {
    pub(super) fn apply(&mut self, id: SessionId, effects: Effects) {
        if let Some(channel) = effects.forget {
            self.hub.forget(&channel);
        }
        if let Some(priority) = effects.request {
            self.request(id, priority);
        }
        if effects.retry_soon {
            self.retry_soon(id);
        }
    }

    /// Shortens a stream's pause after a failed request to the shortest one.
    fn retry_soon(&mut self, id: SessionId) {
        let Some(session) = self.sessions.get_mut(&id) else { return };
        let Session { held: Held::Stream(stream), timers, .. } = session else { return };
        if let (Some(failed), Some(at)) = (stream.failed(), timers.at(Timer::Recover)) {
            self.timers.arm(id, timers, Timer::Recover, Some(at.min(failed + MIN_RETRY_PAUSE)));
        }
    }

    /// Requests a stream's next link, unless the stream cannot or need not do so now.
    pub(super) fn request(&mut self, id: SessionId, priority: Priority) {
        let Some(stream) = self.stream(id) else { return };
        let Some(uri) = stream.request(priority) else { return };
        let request = RecoveryRequest { uri, host: stream.host().clone(), last: stream.subscriber().last_ids() };
        self.recoveries.request(request, self.index, id, priority);
    }

    pub(super) fn recovered(&mut self, id: SessionId, answer: &Answer) {
        let Some(stream) = self.stream(id) else { return };
        if !stream.push_answer(answer.body.as_ref()) {
            return;
        }
        match &answer.next {
            NextStep::End => stream.close(),
            NextStep::Page(link) => {
                stream.turn_page(link.clone());
                self.request(id, Priority::High);
            }
            NextStep::Hold(instructions) => self.resume(id, instructions.settings()),
        }
        self.dirty.push(id);
    }

    /// Continues to hold a stream, with the settings of an answer.
    fn resume(&mut self, id: SessionId, mut settings: Settings) {
        let (mut effects, mut has_new_channels) = (Effects::default(), false);
        let Some(stream) = self.stream(id) else { return };
        if !settings.subscriber.take_slots_of(stream.subscriber()) {
            let before = mem::take(stream.subscriber_mut());
            self.leave(&before);
            self.members.join(id, &mut settings.subscriber);
            // Subscribes before it unsubscribes, so that the hub keeps the order of channels in both lists.
            let is_behind = self.hub.subscribe(self.index, &settings.subscriber.subscriptions);
            self.hub.unsubscribe(self.index, &before.subscriptions, false);
            effects.request = is_behind.then_some(Priority::Low);
            has_new_channels = true;
        }
        let Some(stream) = self.stream(id) else { return };
        stream.resume(settings, has_new_channels, &mut effects);
        self.arm(id);
        self.apply(id, effects);
    }

    pub(super) fn recovery_failed(&mut self, id: SessionId, retry_at: Instant) {
        let Some(session) = self.sessions.get_mut(&id) else { return };
        let Session { held: Held::Stream(stream), timers, .. } = session else { return };
        let mut effects = Effects::default();
        stream.resume_after_failure(self.now, &mut effects);
        self.timers.arm(id, timers, Timer::Recover, Some(retry_at));
        self.dirty.push(id);
        self.apply(id, effects);
    }
}
