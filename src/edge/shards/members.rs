//! The members of a channel in a shard. Joining and leaving take constant time, however many members there are.

use std::sync::Arc;

use super::Shard;
use crate::edge::held::{SessionId, Subscriber, Subscription};

/// A session that subscribes to a channel, and the index of that subscription.
#[derive(Clone, Copy)]
pub(super) struct Member {
    pub(super) id: SessionId,
    pub(super) subscription: usize,
}

impl Shard {
    pub(super) fn join(&mut self, id: SessionId, subscriber: &mut Subscriber) {
        for (index, subscription) in subscriber.subscriptions.iter_mut().enumerate() {
            let members = self.channels.entry(Arc::clone(&subscription.channel)).or_default();
            subscription.slot = members.len();
            members.push(Member { id, subscription: index });
        }
    }

    pub(super) fn leave(&mut self, subscriber: &Subscriber) {
        for Subscription { channel, slot, .. } in &subscriber.subscriptions {
            let Some(members) = self.channels.get_mut(channel) else { continue };
            members.swap_remove(*slot);
            let moved = members.get(*slot).copied();
            if members.is_empty() {
                self.channels.remove(channel);
            }
            if let Some(Member { id, subscription }) = moved
                && let Some(session) = self.sessions.get_mut(&id)
            {
                session.held.subscriber_mut().subscriptions[subscription].slot = *slot;
            }
        }
    }
}
