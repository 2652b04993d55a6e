//! Next links: when a stream asks, and what the answer does to it.

use std::{mem, time::Instant};

use super::{Session, Shard, timers::Due};
use crate::edge::{
    backend::{Ask, SHORTEST_PAUSE},
    held::{Answer, Effects, Held, SessionId, Terms, Then},
};

impl Shard {
    pub(in crate::edge) fn apply(&mut self, id: SessionId, effects: Effects) {
        if let Some(channel) = effects.forget {
            self.hub.forget(&channel);
        }
        if let Some(urgent) = effects.ask {
            self.ask(id, urgent);
        }
        if effects.soon {
            self.ask_soon(id);
        }
    }

    /// Lets a stream whose next link was not answered ask sooner than it would.
    fn ask_soon(&mut self, id: SessionId) {
        let Some(session) = self.sessions.get_mut(&id) else { return };
        let Session { held: Held::Stream(stream), armed, .. } = session else { return };
        if let (Some(unanswered), Some(at)) = (stream.retrying, armed.at(Due::Ask)) {
            self.timers.arm(id, armed, Due::Ask, Some(at.min(unanswered + SHORTEST_PAUSE)));
        }
    }

    /// Has a stream's next link asked, if it has one and is not being asked already.
    pub(in crate::edge) fn ask(&mut self, id: SessionId, urgent: bool) {
        let Some(stream) = self.stream(id) else { return };
        let Some(uri) = stream.begin_to_ask(urgent) else { return };
        let ask = Ask { uri, host: stream.host.clone(), last: stream.terms.listener.last_ids() };
        self.recoveries.ask(ask, self.index, id, urgent);
    }

    pub(in crate::edge) fn answered(&mut self, id: SessionId, answer: &Answer) {
        let Some(stream) = self.stream(id) else { return };
        if let Some(frame) = &answer.body {
            stream.outlet.push_always(frame);
        }
        match &answer.then {
            Then::End => stream.close(),
            Then::Page(link) => {
                stream.turn_page(link.clone());
                self.ask(id, true);
            }
            Then::Hold(conditions) => self.renew(id, conditions.terms()),
        }
        self.dirty.push(id);
    }

    /// Holds a stream on under new terms.
    fn renew(&mut self, id: SessionId, mut terms: Terms) {
        let (mut effects, mut renewed) = (Effects::default(), false);
        let Some(stream) = self.stream(id) else { return };
        if !terms.listener.takes_the_places_of(&stream.terms.listener) {
            let before = mem::take(&mut stream.terms.listener);
            self.leave(&before);
            self.join(id, &mut terms.listener);
            // The new ones first, so that what is known of a channel in both is not lost in between.
            let behind = self.hub.subscribe(self.index, &terms.listener.subs);
            self.hub.unsubscribe(self.index, &before.subs, false);
            effects.ask = behind.then_some(false);
            renewed = true;
        }
        let Some(stream) = self.stream(id) else { return };
        stream.terms = terms;
        stream.go_on(&mut effects);
        // Of a channel that it listens on only now, the answer could not know.
        stream.checked = !renewed;
        self.arm(id);
        self.apply(id, effects);
    }

    pub(in crate::edge) fn unanswered(&mut self, id: SessionId, again: Instant) {
        let Some(session) = self.sessions.get_mut(&id) else { return };
        let Session { held: Held::Stream(stream), armed, .. } = session else { return };
        let mut effects = Effects::default();
        stream.go_on_unanswered(self.now, &mut effects);
        self.timers.arm(id, armed, Due::Ask, Some(again));
        self.dirty.push(id);
        self.apply(id, effects);
    }
}
