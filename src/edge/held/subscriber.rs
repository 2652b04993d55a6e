//! A held request as a subscriber: its channels, the last item it has of each, and the filters that items must pass.

use std::sync::Arc;

use super::filter::Filter;
use crate::{
    edge::items::{Id, Item},
    grip,
};

/// A request subscribes to at most this many channels; the rest are ignored (`connection_subscription_max`).
const MAX_SUBSCRIPTIONS: usize = 20;

/// One channel of a held request.
#[derive(Debug)]
pub(crate) struct Subscription {
    pub(crate) channel: Arc<str>,
    /// The id of the last item that the client has, if the channel is reliable.
    pub(crate) prev_id: Option<Id>,
    pub(crate) filters: Box<[Filter]>,
    /// The index in the shard's list of the channel's members.
    pub(crate) slot: usize,
}

/// The channels of a held request, and the name by which filters know it.
#[derive(Debug, Default)]
pub(crate) struct Subscriber {
    pub(crate) subscriptions: Vec<Subscription>,
    user: Option<Box<str>>,
}

impl Subscriber {
    /// If a channel is named twice, the last entry counts.
    pub(crate) fn new(channels: Vec<grip::Subscription>, meta: &[(String, String)]) -> Self {
        let mut subscriptions: Vec<Subscription> = Vec::with_capacity(channels.len());
        for grip::Subscription { channel, prev_id, filters } in channels {
            let filters = filters.iter().filter_map(|name| Filter::parse(name)).collect();
            let new =
                Subscription { channel: channel.into(), prev_id: prev_id.map(Id::from), filters, slot: usize::MAX };
            match subscriptions.iter_mut().find(|known| known.channel == new.channel) {
                Some(known) => *known = new,
                None => subscriptions.push(new),
            }
        }
        subscriptions.truncate(MAX_SUBSCRIPTIONS);
        let user = meta.iter().find(|(name, _)| name == "user").map(|(_, user)| user.as_str().into());
        Self { subscriptions, user }
    }

    /// The content of `Grip-Last`, sorted, so that subscribers with the same last ids send the same request.
    pub(crate) fn last_ids(&self) -> Vec<(Arc<str>, Id)> {
        let reliable = self.subscriptions.iter();
        let reliable = reliable.filter_map(|known| Some((Arc::clone(&known.channel), known.prev_id.clone()?)));
        let mut last: Vec<_> = reliable.collect();
        last.sort();
        last
    }

    /// Takes over the slots of another subscriber. Returns `false`, and takes none, if its channels differ.
    pub(crate) fn take_slots_of(&mut self, other: &Self) -> bool {
        let same = self.subscriptions.len() == other.subscriptions.len()
            && self.subscriptions.iter().zip(&other.subscriptions).all(|(new, old)| new.channel == old.channel);
        if same {
            self.subscriptions.iter_mut().zip(&other.subscriptions).for_each(|(new, old)| new.slot = old.slot);
        }
        same
    }

    /// Whether an item of the channel at this index passes its filters.
    pub(super) fn accepts(&self, subscription: usize, item: &Item) -> bool {
        let subscribed = |channel: &str| self.subscriptions.iter().any(|known| &*known.channel == channel);
        let mut filters = self.subscriptions[subscription].filters.iter();
        filters.all(|filter| filter.passes(&item.meta, self.user.as_deref(), subscribed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn channel(name: &str, prev_id: Option<&str>) -> grip::Subscription {
        grip::Subscription { channel: name.to_owned(), prev_id: prev_id.map(str::to_owned), filters: Vec::new() }
    }

    #[test]
    fn the_last_entry_of_a_channel_counts() {
        let subscriber =
            Subscriber::new(vec![channel("a", Some("1")), channel("b", None), channel("a", Some("2"))], &[]);
        assert_eq!(subscriber.subscriptions.len(), 2);
        assert_eq!(subscriber.last_ids(), [("a".into(), "2".into())]);
    }

    #[test]
    fn channels_beyond_the_limit_are_ignored() {
        let channels = (0..30).map(|n| channel(&n.to_string(), None)).collect();
        assert_eq!(Subscriber::new(channels, &[]).subscriptions.len(), MAX_SUBSCRIPTIONS);
    }

    #[test]
    fn slots_are_taken_over_only_between_equal_lists_of_channels() {
        let mut old = Subscriber::new(vec![channel("a", Some("1")), channel("b", None)], &[]);
        old.subscriptions.iter_mut().enumerate().for_each(|(index, known)| known.slot = index + 7);
        let mut new = Subscriber::new(vec![channel("a", Some("2")), channel("b", None)], &[]);
        assert!(new.take_slots_of(&old));
        assert_eq!(new.subscriptions.iter().map(|known| known.slot).collect::<Vec<_>>(), [7, 8]);
        let mut other = Subscriber::new(vec![channel("b", None), channel("a", Some("2"))], &[]);
        assert!(!other.take_slots_of(&old));
        assert!(other.subscriptions.iter().all(|known| known.slot == usize::MAX));
    }
}
