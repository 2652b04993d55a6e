//! A held request: what it listens on, what it has seen, and what an item means to it.
//!
//! Pure but for the [`Outlet`] at its end: what else is to be done comes back as [`Effects`].

use std::{
    collections::{BTreeMap, VecDeque},
    sync::Arc,
    time::{Duration, Instant},
};

use http::HeaderValue;

use super::{client_limits::Place, filter::Filter, write_queue::Outlet};
use crate::{
    edge::items::{Action, Frame, Id, Item},
    grip::Subscription,
    telemetry::metrics::edge::{Drop, dropped},
};

/// Items that wait while a stream is being recovered. What is more is recovered in the next go.
const MOST_HELD_BACK: usize = 100;

/// A channel of a held request.
#[derive(Debug)]
pub(in crate::edge) struct Sub {
    pub(in crate::edge) channel: Arc<str>,
    /// The id of the last item the client has, where the channel is reliable.
    pub(in crate::edge) prev_id: Option<Id>,
    pub(in crate::edge) filters: Box<[Filter]>,
    /// Its place among the shard's members of the channel.
    pub(in crate::edge) slot: usize,
}

/// What filters and recoveries know of a held request.
#[derive(Debug, Default)]
pub(in crate::edge) struct Listener {
    pub(in crate::edge) subs: Vec<Sub>,
    /// The subscriber's name, for the filters.
    user: Option<Box<str>>,
}

/// The next link: where to ask for what a stream has missed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::edge) struct Link {
    /// Path and query at the backend.
    pub(in crate::edge) uri: Arc<str>,
    pub(in crate::edge) recheck: Duration,
}

/// What is sent when nothing else is.
#[derive(Clone, Debug)]
pub(in crate::edge) struct KeepAlive {
    pub(in crate::edge) frame: Frame,
    pub(in crate::edge) after: Duration,
    pub(in crate::edge) interval: bool,
}

/// How a stream is held: what the backend says, and may say anew with every recovery.
#[derive(Debug)]
pub(in crate::edge) struct Terms {
    pub(in crate::edge) listener: Listener,
    pub(in crate::edge) keep_alive: Option<KeepAlive>,
    pub(in crate::edge) link: Option<Link>,
}

/// A held stream.
#[derive(Debug)]
pub(in crate::edge) struct Stream {
    pub(in crate::edge) terms: Terms,
    pub(in crate::edge) outlet: Outlet,
    /// The `Host` that the client asked for.
    pub(in crate::edge) host: HeaderValue,
    /// Where to tell that the client has gone.
    gone: Option<Arc<str>>,
    /// When something was last sent.
    pub(in crate::edge) sent: Instant,
    /// Whether it is to be written to in this round.
    pub(in crate::edge) dirty: bool,
    /// Whether its next link is being asked.
    asked: bool,
    /// Whether it is to be asked once more after that.
    ask_again: bool,
    /// Whether a next link was answered since the stream is held.
    pub(in crate::edge) checked: bool,
    /// Since when it waits for the time to ask again: the backend did not answer.
    pub(in crate::edge) retrying: Option<Instant>,
    /// Whether reliable items are held back: because one is missing, or because an answer is on its way that may
    /// hold them too.
    holding: bool,
    held_back: VecDeque<Arc<Item>>,
    /// Whether an item was dropped because too many were held back.
    overflowed: bool,
    /// Whether a reliable item was dropped because the reader is too slow.
    lagging: bool,
    closing: bool,
    /// Counts the stream among its client's, as long as it is held.
    pub(in crate::edge) place: Option<Arc<Place>>,
}

/// What an item asks for beyond bytes in the outlet.
#[derive(Debug, Default, PartialEq, Eq)]
pub(in crate::edge) struct Effects {
    /// The next link is to be asked; `true`: without waiting for others to ask with.
    pub(in crate::edge) ask: Option<bool>,
    /// What is known of the order of this channel is not to be believed any more.
    pub(in crate::edge) forget: Option<Arc<str>>,
    /// The next link, which was not answered, need not wait for its time: an item came behind one that is missing, so that
    /// whoever publishes is there again.
    pub(in crate::edge) soon: bool,
}

impl Listener {
    /// A channel that is named twice is one; the last words about it hold.
    pub(in crate::edge) fn new(subscriptions: Vec<Subscription>, meta: &[(String, String)]) -> Self {
        let mut subs: Vec<Sub> = Vec::with_capacity(subscriptions.len());
        for Subscription { channel, prev_id, filters } in subscriptions {
            let filters = filters.iter().filter_map(|name| Filter::parse(name)).collect();
            let sub = Sub { channel: channel.into(), prev_id: prev_id.map(Id::from), filters, slot: usize::MAX };
            match subs.iter_mut().find(|known| known.channel == sub.channel) {
                Some(known) => *known = sub,
                None => subs.push(sub),
            }
        }
        subs.truncate(MOST_SUBSCRIPTIONS);
        let user = meta.iter().find(|(name, _)| name == "user").map(|(_, user)| user.as_str().into());
        Self { subs, user }
    }

    /// What `Grip-Last` tells, in an order that is the same for all who tell the same.
    pub(in crate::edge) fn last_ids(&self) -> Vec<(Arc<str>, Id)> {
        let reliable = self.subs.iter().filter_map(|sub| Some((Arc::clone(&sub.channel), sub.prev_id.clone()?)));
        let mut last: Vec<_> = reliable.collect();
        last.sort();
        last
    }

    /// Moves into the places of another listener on the same channels, if it is one.
    pub(in crate::edge) fn takes_the_places_of(&mut self, other: &Self) -> bool {
        let same = self.subs.len() == other.subs.len()
            && self.subs.iter().zip(&other.subs).all(|(sub, other)| sub.channel == other.channel);
        if same {
            self.subs.iter_mut().zip(&other.subs).for_each(|(sub, other)| sub.slot = other.slot);
        }
        same
    }

    pub(in crate::edge::held) fn passes(&self, sub: usize, item: &Item) -> bool {
        let subscribed = |channel: &str| self.subs.iter().any(|sub| &*sub.channel == channel);
        self.subs[sub].filters.iter().all(|filter| filter.passes(&item.meta, self.user.as_deref(), subscribed))
    }
}

/// A request listens on so many channels; more are dropped (`connection_subscription_max`).
const MOST_SUBSCRIPTIONS: usize = 20;

impl Stream {
    pub(in crate::edge) fn new(terms: Terms, outlet: Outlet, host: HeaderValue, gone: Option<Arc<str>>) -> Self {
        Self {
            place: None,
            terms,
            outlet,
            host,
            gone,
            sent: Instant::now(),
            dirty: false,
            asked: false,
            ask_again: false,
            checked: false,
            retrying: None,
            holding: false,
            held_back: VecDeque::new(),
            overflowed: false,
            lagging: false,
            closing: false,
        }
    }

    /// Takes an item of one of its channels.
    pub(in crate::edge) fn offer(&mut self, sub: usize, item: &Arc<Item>, effects: &mut Effects) {
        if self.closing || item.stream.is_none() {
            return;
        }
        let Sub { prev_id, channel, .. } = &self.terms.listener.subs[sub];
        let Some(prev_id) = prev_id else {
            // Nothing tells what an unreliable channel has missed, and a slow reader skips it.
            if self.terms.listener.passes(sub, item) && !self.perform(item, effects) {
                dropped(Drop::Skipped);
            }
            return;
        };
        if self.lagging {
            return;
        }
        if self.holding {
            effects.soon = self.retrying.is_some();
            return self.hold_back(item);
        }
        if item.prev_id.as_ref() != Some(prev_id) {
            effects.soon = self.retrying.is_some();
            effects.forget = Some(Arc::clone(channel));
            effects.ask.get_or_insert(false);
            self.holding = true;
            return self.hold_back(item);
        }
        self.take_in_turn(sub, item, effects);
    }

    /// What comes next on a reliable channel. An item without an id ends the channel's reliability.
    fn take_in_turn(&mut self, sub: usize, item: &Arc<Item>, effects: &mut Effects) {
        if self.terms.listener.passes(sub, item) && !self.perform(item, effects) {
            self.lag();
            return;
        }
        self.terms.listener.subs[sub].prev_id.clone_from(&item.id);
    }

    /// Does what an item says; tells whether the reader could take it.
    fn perform(&mut self, item: &Item, effects: &mut Effects) -> bool {
        match &item.stream {
            Some(Action::Send(Some(frame))) => return self.outlet.push(frame),
            Some(Action::Close) => self.close(),
            Some(Action::Hint) => effects.ask = Some(true),
            Some(Action::Send(None)) | None => {}
        }
        true
    }

    fn lag(&mut self) {
        if !std::mem::replace(&mut self.lagging, true) {
            dropped(Drop::Lagging);
        }
    }

    fn hold_back(&mut self, item: &Arc<Item>) {
        if self.held_back.len() < MOST_HELD_BACK {
            self.held_back.push_back(Arc::clone(item));
        } else {
            self.overflowed = true;
        }
    }

    /// Ends the stream behind what is queued.
    pub(in crate::edge) fn close(&mut self) {
        self.closing = true;
        self.held_back = VecDeque::new();
        self.outlet.end();
    }

    /// Whether it ends behind what is queued.
    pub(in crate::edge) fn is_closing(&self) -> bool {
        self.closing
    }

    /// Ends the stream because the edge stops: the client had better come back after this time.
    pub(in crate::edge) fn send_away(&mut self, pause: Duration) {
        if !self.closing {
            self.outlet.ask_to_stay_away(pause);
            self.close();
        }
    }

    /// Where to tell that the client has gone, if it was not the stream that ended.
    pub(in crate::edge) fn link_when_gone(&self) -> Option<Arc<str>> {
        self.gone.clone().filter(|_| !self.closing)
    }

    /// Where to ask for what the stream has missed, unless it is being asked already. From here on an answer is on its
    /// way, and what is published meanwhile may be in it. A reader that is too far behind asks once it has caught up:
    /// what it would get has no place to wait in.
    pub(in crate::edge) fn begin_to_ask(&mut self, urgent: bool) -> Option<Arc<str>> {
        if self.asked {
            // The answer may be older than what this is about.
            self.ask_again |= urgent;
            return None;
        }
        if self.retrying.is_some() || self.closing {
            return None;
        }
        let uri = Arc::clone(&self.terms.link.as_ref()?.uri);
        if !self.outlet.has_room() {
            self.lag();
            return None;
        }
        self.asked = true;
        self.holding = true;
        Some(uri)
    }

    /// The answer was a part of what is to come: the rest is at this link.
    pub(in crate::edge) fn turn_page(&mut self, link: Link) {
        self.asked = false;
        self.terms.link = Some(link);
    }

    /// Queues the keep-alive if it is time; tells when to look again. A reader that is behind needs none.
    pub(in crate::edge) fn keep_alive(&mut self, now: Instant) -> Option<Instant> {
        let KeepAlive { frame, after, interval } = self.terms.keep_alive.as_ref()?;
        let due = if *interval { now } else { self.sent + *after };
        if due > now {
            return Some(due);
        }
        if self.outlet.is_empty() && !self.closing {
            self.outlet.push_always(frame);
        }
        Some(now + *after)
    }

    /// The next link was not answered. What was held back goes on as far as nothing is missing; if something is, it
    /// waits until the link is asked again.
    pub(in crate::edge) fn go_on_unanswered(&mut self, now: Instant, effects: &mut Effects) {
        self.asked = false;
        self.retrying = Some(now);
        self.holding = false;
        for item in std::mem::take(&mut self.held_back) {
            if let Some(sub) = self.sub_of(&item) {
                self.offer(sub, &item, effects);
            }
        }
        // They came before it was not answered.
        effects.soon = false;
    }

    /// The next link was answered, and the terms are replaced. What was held back goes on behind the answer; what
    /// the answer held already is left out.
    pub(in crate::edge) fn go_on(&mut self, effects: &mut Effects) {
        self.asked = false;
        self.checked = true;
        self.holding = false;
        self.lagging = false;
        let mut incomplete = std::mem::take(&mut self.overflowed) | std::mem::take(&mut self.ask_again);
        // The last of each channel.
        let mut left_out: BTreeMap<usize, Arc<Item>> = BTreeMap::new();
        for item in std::mem::take(&mut self.held_back) {
            let Some(sub) = self.sub_of(&item) else { continue };
            match &self.terms.listener.subs[sub].prev_id {
                Some(prev_id) if item.prev_id.as_ref() != Some(prev_id) => drop(left_out.insert(sub, item)),
                _ => {
                    // It follows the answer, so what was left out before it was in the answer.
                    left_out.remove(&sub);
                    self.offer(sub, &item, effects);
                }
            }
        }
        // Ids have no order: whether the answer had the last of these, or ended before it, only asking again tells.
        incomplete |= left_out.iter().any(|(sub, item)| self.terms.listener.subs[*sub].prev_id != item.id);
        if incomplete {
            effects.ask.get_or_insert(false);
        }
    }

    /// The reader has taken everything; tells whether it missed something meanwhile.
    pub(in crate::edge) fn caught_up(&mut self) -> bool {
        std::mem::take(&mut self.lagging)
    }

    fn sub_of(&self, item: &Item) -> Option<usize> {
        self.terms.listener.subs.iter().position(|sub| sub.channel == item.channel)
    }
}

#[cfg(any(test, fuzzing))]
pub(in crate::edge) mod model;
#[cfg(test)]
mod tests;
