//! Who listens on a channel. Joining and leaving take the same time in a large room as in a small one.

use std::sync::Arc;

use super::Shard;
use crate::edge::held::{Listener, SessionId, Sub};

/// One listener of a channel: a session, and which of its subscriptions it is.
#[derive(Clone, Copy)]
pub(in crate::edge) struct Member {
    pub(in crate::edge) id: SessionId,
    pub(in crate::edge) sub: usize,
}

impl Shard {
    pub(in crate::edge) fn join(&mut self, id: SessionId, listener: &mut Listener) {
        for (sub, subscription) in listener.subs.iter_mut().enumerate() {
            let members = self.channels.entry(Arc::clone(&subscription.channel)).or_default();
            subscription.slot = members.len();
            members.push(Member { id, sub });
        }
    }

    pub(in crate::edge) fn leave(&mut self, listener: &Listener) {
        for Sub { channel, slot, .. } in &listener.subs {
            let Some(members) = self.channels.get_mut(channel) else { continue };
            members.swap_remove(*slot);
            let moved = members.get(*slot).copied();
            if members.is_empty() {
                self.channels.remove(channel);
            }
            if let Some(Member { id, sub }) = moved
                && let Some(session) = self.sessions.get_mut(&id)
            {
                session.held.listener_mut().subs[sub].slot = *slot;
            }
        }
    }
}
