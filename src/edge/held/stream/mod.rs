//! A held stream: what it has sent, and what an item or an answer of the next link means to it.
//!
//! Pure except for the [`WriteQueue`] at its end. Everything else to be done is returned as [`Effects`].
//!
//! An item of a reliable channel names the item before it, so a stream notices that it misses one. It then requests the
//! next link, and holds back what follows until the answer has arrived:
//!
//! ```text
//!   Live ──── gap ────► Gap ──── request ────► Requested
//!    ▲                                             │
//!    └───────────── answer, failure ───────────────┘
//! ```
//!
//! | state | event | next state |
//! |---|---|---|
//! | Live | an item is missing | Gap |
//! | Live, Gap | the write queue is full | Lagging |
//! | Lagging | the reader has caught up | Gap if items are held back, else Live |
//! | Live, Gap, Lagging | the next link is requested | Requested |
//! | Requested | the answer is a page, so that another request follows | Gap |
//! | Requested | the answer is complete, or the request has failed | Live |
//! | any | an item, the backend or the edge closes the stream | Closing |
//!
//! After an answer the items that it contained are discarded, and the others are sent. After a failed request Live, Gap
//! and Lagging remember when it was, and request nothing until the pause is over.

mod recover;
mod state;

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use http::HeaderValue;
use tokio::net::TcpStream;

use self::state::State;
use super::{
    client_limits::ClientSlot,
    settings::{KeepAlive, Link, Settings},
    subscriber::{Subscriber, Subscription},
    write_queue::{Flushed, WriteQueue},
};
use crate::{
    edge::items::{Action, Item},
    telemetry::metrics::edge::{Drop, dropped},
};

/// A held stream.
#[derive(Debug)]
pub(crate) struct HeldStream {
    settings: Settings,
    queue: WriteQueue,
    /// The `Host` of the client's request.
    host: HeaderValue,
    /// The link to post to when the client has gone.
    gone_link: Option<Arc<str>>,
    /// When something was last written.
    last_sent: Instant,
    state: State,
    /// Whether the next link has been answered since the stream's channels last changed.
    is_rechecked: bool,
    /// Counts the stream among those of its client for as long as it is held.
    _client_slot: Option<Arc<ClientSlot>>,
}

/// How soon a next link is requested (Pushpin: `httpsession.cpp`, high and low priority).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Priority {
    /// After a short wait for other streams that need the same answer.
    Low,
    /// At once.
    High,
}

/// What must be done for a stream beyond writing its queue.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Effects {
    /// Request the next link.
    pub(crate) request: Option<Priority>,
    /// Forget the last id of this channel: the stream expected another one.
    pub(crate) forget: Option<Arc<str>>,
    /// Shorten the pause after a failed request: an item after a missing one shows that the publisher, which is the
    /// backend, runs again.
    pub(crate) retry_soon: bool,
}

impl HeldStream {
    pub(crate) fn new(
        settings: Settings,
        queue: WriteQueue,
        host: HeaderValue,
        gone_link: Option<Arc<str>>,
        client_slot: Option<Arc<ClientSlot>>,
    ) -> Self {
        Self {
            settings,
            queue,
            host,
            gone_link,
            last_sent: Instant::now(),
            state: State::Live { failed: None },
            is_rechecked: false,
            _client_slot: client_slot,
        }
    }

    pub(crate) fn subscriber(&self) -> &Subscriber {
        &self.settings.subscriber
    }

    pub(crate) fn subscriber_mut(&mut self) -> &mut Subscriber {
        &mut self.settings.subscriber
    }

    pub(crate) fn link(&self) -> Option<&Link> {
        self.settings.link.as_ref()
    }

    /// The `Host` of the client's request.
    pub(crate) fn host(&self) -> &HeaderValue {
        &self.host
    }

    /// Whether the next link has been answered since the stream's channels last changed.
    pub(crate) fn is_rechecked(&self) -> bool {
        self.is_rechecked
    }

    /// Takes over the client's connection, to which the head of the response has been written.
    pub(crate) fn connect(&mut self, socket: Arc<TcpStream>, now: Instant) {
        self.queue.connect(socket);
        self.last_sent = now;
    }

    /// The client's connection, once it has been taken over.
    pub(crate) fn socket(&self) -> Option<&Arc<TcpStream>> {
        self.queue.socket()
    }

    /// Writes as much of the queue as the socket takes now.
    pub(crate) fn flush(&mut self, now: Instant) -> Flushed {
        if !self.queue.is_empty() {
            self.last_sent = now;
        }
        self.queue.flush(now)
    }

    /// Since when the reader has read nothing, if something waits for it.
    pub(crate) fn blocked_since(&self) -> Option<Instant> {
        self.queue.blocked_since()
    }

    /// Handles an item of the channel at this index of its subscriptions.
    pub(crate) fn offer(&mut self, subscription: usize, item: &Arc<Item>, effects: &mut Effects) {
        if self.is_closing() || item.stream.is_none() {
            return;
        }
        let Subscription { prev_id, channel, .. } = &self.settings.subscriber.subscriptions[subscription];
        let Some(prev_id) = prev_id else {
            // Nothing could recover an unreliable channel, so a slow reader skips the item.
            if self.settings.subscriber.accepts(subscription, item) && !self.perform(item, effects) {
                dropped(Drop::Skipped);
            }
            return;
        };
        match &self.state {
            State::Live { .. } if item.prev_id.as_ref() == Some(prev_id) => {
                self.send_next(subscription, item, effects);
            }
            State::Live { failed } => {
                effects.retry_soon = failed.is_some();
                effects.forget = Some(Arc::clone(channel));
                effects.request.get_or_insert(Priority::Low);
                self.state.hold_back(item);
            }
            State::Gap { .. } | State::Requested { .. } => {
                effects.retry_soon = self.state.failed().is_some();
                self.state.hold_back(item);
            }
            State::Lagging { .. } | State::Closing => {}
        }
    }

    /// Sends the next item of a reliable channel. An item without an id ends the channel's reliability.
    fn send_next(&mut self, subscription: usize, item: &Arc<Item>, effects: &mut Effects) {
        if self.settings.subscriber.accepts(subscription, item) && !self.perform(item, effects) {
            self.lag();
            return;
        }
        self.settings.subscriber.subscriptions[subscription].prev_id.clone_from(&item.id);
    }

    /// Performs an item's action. Returns `false` if the write queue is full.
    fn perform(&mut self, item: &Item, effects: &mut Effects) -> bool {
        match &item.stream {
            Some(Action::Send(Some(frame))) => return self.queue.push(frame),
            Some(Action::Close) => self.close(),
            Some(Action::Hint) => effects.request = Some(Priority::High),
            Some(Action::Send(None)) | None => {}
        }
        true
    }

    fn lag(&mut self) {
        if self.state.lag() {
            dropped(Drop::Lagging);
        }
    }

    /// Ends the stream after what is queued.
    pub(crate) fn close(&mut self) {
        self.state = State::Closing;
        self.queue.end();
    }

    /// Whether it ends after what is queued.
    pub(crate) fn is_closing(&self) -> bool {
        self.state.is_closing()
    }

    /// Ends the stream because the edge stops. The client of an event stream is sent this retry delay.
    pub(crate) fn drain(&mut self, retry_after: Duration) {
        if !self.is_closing() {
            self.queue.push_retry(retry_after);
            self.close();
        }
    }

    /// The link to post to when the client has gone; `None` if the stream has been ended from this side.
    pub(crate) fn gone_link(&self) -> Option<Arc<str>> {
        self.gone_link.clone().filter(|_| !self.is_closing())
    }

    /// Returns when the next keep-alive is due. `armed` is when it was due before the settings were replaced: new settings
    /// do not restart the time for which the stream has been silent.
    pub(crate) fn keep_alive_at(&self, armed: Option<Instant>, now: Instant) -> Option<Instant> {
        let KeepAlive { after, periodic, .. } = self.settings.keep_alive.as_ref()?;
        Some(if *periodic { armed.unwrap_or(now + *after) } else { self.last_sent + *after })
    }

    /// Queues the keep-alive if it is due, and returns when the next one is. Nothing is queued for a reader that is behind,
    /// nor, unless the keep-alive is periodic, if something else is about to be written.
    pub(crate) fn keep_alive(&mut self, now: Instant) -> Option<Instant> {
        let KeepAlive { frame, after, periodic } = self.settings.keep_alive.as_ref()?;
        let due = if *periodic { now } else { self.last_sent + *after };
        if due > now {
            return Some(due);
        }
        let is_needed = if *periodic { self.queue.blocked_since().is_none() } else { self.queue.is_empty() };
        if is_needed && !self.state.is_closing() {
            self.queue.push_unbounded(frame);
        }
        Some(now + *after)
    }
}

#[cfg(any(test, fuzzing))]
pub(crate) mod model;
#[cfg(test)]
mod tests;
