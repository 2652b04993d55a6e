//! A held response: the first item ends it.

use std::sync::Arc;

use tokio::sync::oneshot;

use super::Listener;
use crate::edge::items::{Action, HeldResponse, Id, Item};

/// A held response: the first item ends it.
#[derive(Debug)]
pub(in crate::edge) struct Response {
    pub(in crate::edge) listener: Listener,
    pub(in crate::edge) answer: Option<oneshot::Sender<Verdict>>,
}

/// What becomes of a held response.
#[derive(Debug)]
pub(in crate::edge) enum Verdict {
    /// This is sent in its place.
    Respond(HeldResponse),
    /// It missed something: the request is to be repeated, with this `Grip-Last`.
    Repeat(Vec<(Arc<str>, Id)>),
}

impl Response {
    pub(in crate::edge) fn offer(&mut self, sub: usize, item: &Item) {
        let Some(action) = &item.response else { return };
        let prev_id = &self.listener.subs[sub].prev_id;
        let verdict = match action {
            _ if prev_id.is_some() && *prev_id != item.prev_id => self.repeat(),
            _ if !self.listener.passes(sub, item) => {
                if prev_id.is_some() {
                    self.listener.subs[sub].prev_id.clone_from(&item.id);
                }
                return;
            }
            Action::Send(response) => Verdict::Respond(response.clone()),
            Action::Hint => self.repeat(),
            Action::Close => return,
        };
        self.end(verdict);
    }

    pub(in crate::edge) fn repeat(&self) -> Verdict {
        Verdict::Repeat(self.listener.last_ids())
    }

    pub(in crate::edge) fn end(&mut self, verdict: Verdict) {
        if let Some(answer) = self.answer.take() {
            // Nobody waits for it when the client has gone.
            let _ = answer.send(verdict);
        }
    }
}
