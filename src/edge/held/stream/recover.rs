//! How a held stream recovers what it has missed: when it requests its next link, and what the answer does to it.

use std::{collections::BTreeMap, sync::Arc, time::Instant};

use super::{
    Effects, HeldStream, Priority,
    state::{HeldBack, State},
};
use crate::edge::{
    held::settings::{Link, Settings},
    items::{Frame, Item},
};

impl HeldStream {
    /// Starts a request for the next link and returns its URI, or `None` if there is no link, a request is under way or
    /// has failed a short while ago. If the write queue is full the request is left until the reader has caught up,
    /// since the answer would not fit in.
    pub(crate) fn request(&mut self, priority: Priority) -> Option<Arc<str>> {
        match &mut self.state {
            // The answer may be older than the reason for this request.
            State::Requested { held_back } => {
                held_back.again |= priority == Priority::High;
                return None;
            }
            State::Closing => return None,
            state if state.failed().is_some() => return None,
            State::Live { .. } | State::Gap { .. } | State::Lagging { .. } => {}
        }
        let uri = Arc::clone(&self.settings.link.as_ref()?.uri);
        if !self.queue.has_room() {
            self.lag();
            return None;
        }
        self.state.request().then_some(uri)
    }

    /// Queues the body of an answer of the next link. Returns `false`, and queues nothing, if the stream is closing:
    /// nothing may follow the end of its body, which is queued already.
    #[must_use = "an answer that is not queued must be ignored"]
    pub(crate) fn push_answer(&mut self, body: Option<&Frame>) -> bool {
        if self.is_closing() {
            return false;
        }
        if let Some(frame) = body {
            self.queue.push_unbounded(frame);
        }
        true
    }

    /// Handles an answer that is a page: the rest follows at this link.
    pub(crate) fn turn_page(&mut self, link: Link) {
        self.state.turn_page();
        self.settings.link = Some(link);
    }

    /// Handles a failed request for the next link. Items that were held back are sent as far as none is missing; after
    /// a gap they are held back again until the link is requested again.
    pub(crate) fn resume_after_failure(&mut self, now: Instant, effects: &mut Effects) {
        // The next request is newer than these items, so its answer needs no other request after it.
        let HeldBack { items, again: _ } = self.state.resume(Some(now));
        for item in items {
            if let Some(subscription) = self.subscription_of(&item) {
                self.offer(subscription, &item, effects);
            }
        }
        // They were published before the failure.
        effects.retry_soon = false;
    }

    /// Handles an answer of the next link that holds the stream with these settings. Items that the answer contained are
    /// discarded; the others are sent.
    pub(crate) fn resume(&mut self, settings: Settings, has_new_channels: bool, effects: &mut Effects) {
        self.settings = settings;
        // The answer was made before the stream subscribed to its new channels.
        self.is_rechecked = !has_new_channels;
        let HeldBack { items, again } = self.state.resume(None);
        // The last discarded item of each channel.
        let mut discarded: BTreeMap<usize, Arc<Item>> = BTreeMap::new();
        for item in items {
            let Some(subscription) = self.subscription_of(&item) else { continue };
            match &self.settings.subscriber.subscriptions[subscription].prev_id {
                Some(prev_id) if item.prev_id.as_ref() != Some(prev_id) => drop(discarded.insert(subscription, item)),
                _ => {
                    // It follows the answer, so what was discarded before it was in the answer.
                    discarded.remove(&subscription);
                    self.offer(subscription, &item, effects);
                }
            }
        }
        // Ids have no order: only another request shows whether the answer contained the last of these, or ended
        // before it.
        let subscriptions = &self.settings.subscriber.subscriptions;
        if again || discarded.iter().any(|(subscription, item)| subscriptions[*subscription].prev_id != item.id) {
            effects.request.get_or_insert(Priority::Low);
        }
    }

    /// Handles that the reader has read everything that was queued. Returns whether it has missed something meanwhile.
    pub(crate) fn catch_up(&mut self) -> bool {
        self.state.catch_up()
    }

    /// When the last request for the next link failed, if it has not been repeated since.
    pub(crate) fn failed(&self) -> Option<Instant> {
        self.state.failed()
    }

    /// Ends the pause after a failed request.
    pub(crate) fn retry(&mut self) {
        self.state.retry();
    }

    pub(super) fn subscription_of(&self, item: &Item) -> Option<usize> {
        self.settings.subscriber.subscriptions.iter().position(|known| known.channel == item.channel)
    }
}
