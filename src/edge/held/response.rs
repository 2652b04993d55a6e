//! A held response: the first item ends it.

use std::sync::Arc;

use tokio::sync::oneshot;

use super::subscriber::Subscriber;
use crate::edge::items::{Action, Id, Item, PublishedResponse};

/// A held response.
#[derive(Debug)]
pub(crate) struct HeldResponse {
    pub(crate) subscriber: Subscriber,
    outcome: Option<oneshot::Sender<Outcome>>,
}

/// How a held response ends. If it ends without an outcome, the backend's own response is sent.
#[derive(Debug)]
pub(crate) enum Outcome {
    /// This response is sent instead.
    Respond(PublishedResponse),
    /// It missed an item: the request is repeated with this `Grip-Last`.
    Repeat(Vec<(Arc<str>, Id)>),
}

impl HeldResponse {
    pub(crate) fn new(subscriber: Subscriber, outcome: oneshot::Sender<Outcome>) -> Self {
        Self { subscriber, outcome: Some(outcome) }
    }

    /// Handles an item of the channel at this index of its subscriptions.
    pub(crate) fn offer(&mut self, subscription: usize, item: &Item) {
        let Some(action) = &item.response else { return };
        let prev_id = &self.subscriber.subscriptions[subscription].prev_id;
        match action {
            _ if prev_id.is_some() && *prev_id != item.prev_id => self.repeat(),
            _ if !self.subscriber.accepts(subscription, item) => {
                if prev_id.is_some() {
                    self.subscriber.subscriptions[subscription].prev_id.clone_from(&item.id);
                }
            }
            Action::Send(response) => self.end(Outcome::Respond(response.clone())),
            Action::Hint => self.repeat(),
            Action::Close => {}
        }
    }

    /// Has the request repeated.
    pub(crate) fn repeat(&mut self) {
        self.end(Outcome::Repeat(self.subscriber.last_ids()));
    }

    /// Has the backend's own response sent.
    pub(crate) fn release(&mut self) {
        self.outcome = None;
    }

    fn end(&mut self, outcome: Outcome) {
        if let Some(sender) = self.outcome.take() {
            // Nobody receives it if the client has gone.
            let _ = sender.send(outcome);
        }
    }
}
