//! The members of each channel in a shard. Joining and leaving take constant time, however many members there are.

use std::{collections::HashMap, sync::Arc};

use crate::edge::held::{SessionId, Subscriber, Subscription};

/// A session that subscribes to a channel, and the index of that subscription.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Member {
    pub(super) id: SessionId,
    pub(super) subscription: usize,
}

/// The members of each channel.
#[derive(Debug, Default)]
pub(super) struct Members(HashMap<Arc<str>, Vec<Member>>);

impl Members {
    /// The members of a channel.
    pub(super) fn of(&self, channel: &str) -> &[Member] {
        self.0.get(channel).map_or(&[], Vec::as_slice)
    }

    /// Adds a session to its channels, and sets the slots of its subscriptions.
    pub(super) fn join(&mut self, id: SessionId, subscriber: &mut Subscriber) {
        for (index, subscription) in subscriber.subscriptions.iter_mut().enumerate() {
            let members = self.0.entry(Arc::clone(&subscription.channel)).or_default();
            subscription.slot = members.len();
            members.push(Member { id, subscription: index });
        }
    }

    /// Removes a subscription. Returns the member that has its slot now, if there is one: the caller must set it.
    #[must_use = "the slot of the member that was moved must be set"]
    pub(super) fn leave(&mut self, Subscription { channel, slot, .. }: &Subscription) -> Option<Member> {
        let members = self.0.get_mut(channel)?;
        members.swap_remove(*slot);
        let moved = members.get(*slot).copied();
        if members.is_empty() {
            self.0.remove(channel);
        }
        moved
    }
}
