//! The order of a channel's items: an item that arrives early waits a while for the item before it.
//!
//! Pure. The rules are those of Pushpin (`handler/sequencer.cpp`).

use std::{
    collections::{HashSet, VecDeque},
    mem,
    sync::Arc,
    time::{Duration, Instant},
};

use crate::edge::items::{Id, Item};

/// How long an early item waits (`message_wait`).
pub(crate) const MAX_WAIT: Duration = Duration::from_secs(5);
/// Items of a channel that may wait. If there are more they are dropped, and the streams recover them.
const MAX_PARKED: usize = 100;

/// An item whose id was published within this time is a repetition, and is dropped (`id_cache_ttl`).
const SEEN_FOR: Duration = Duration::from_secs(60);
/// Ids that are remembered: about thirty megabytes. The oldest are forgotten first.
const MAX_SEEN: usize = 200_000;

/// The order of one channel.
#[derive(Debug, Default)]
pub(crate) struct Sequencer {
    /// The id of the last item that was delivered, if it is known.
    last: Option<Id>,
    parked: VecDeque<Parked>,
}

#[derive(Debug)]
struct Parked {
    item: Arc<Item>,
    since: Instant,
}

impl Sequencer {
    pub(crate) fn last(&self) -> Option<&Id> {
        self.last.as_ref()
    }

    /// Forgets the last id, so that the next item is delivered at once. For when streams turn out to expect another id.
    pub(crate) fn forget(&mut self) {
        self.last = None;
    }

    /// Accepts an item. Appends to `due` what is to be delivered now, in order. Returns whether the item waits.
    pub(crate) fn offer(&mut self, item: Arc<Item>, now: Instant, due: &mut Vec<Arc<Item>>) -> bool {
        if item.no_seq {
            due.push(item);
            return false;
        }
        let early = match (&self.last, &item.prev_id) {
            (Some(last), Some(prev)) => last != prev,
            _ => false,
        };
        if !early {
            self.deliver(item, due);
            return false;
        }
        let known = self.parked.iter().any(|parked| parked.item.prev_id == item.prev_id);
        let waits = !known && self.parked.len() < MAX_PARKED;
        if waits {
            self.parked.push_back(Parked { item, since: now });
        }
        waits
    }

    /// Appends to `due` the items that have waited for [`MAX_WAIT`], and those that follow them.
    pub(crate) fn release_overdue(&mut self, now: Instant, due: &mut Vec<Arc<Item>>) {
        while self.parked.front().is_some_and(|parked| now.duration_since(parked.since) >= MAX_WAIT) {
            if let Some(parked) = self.parked.pop_front() {
                self.deliver(parked.item, due);
            }
        }
    }

    fn deliver(&mut self, item: Arc<Item>, due: &mut Vec<Arc<Item>>) {
        let mut next = Some(item);
        while let Some(item) = next.take() {
            self.last = item.id.clone();
            due.push(item);
            if let Some(last) = &self.last {
                let position = self.parked.iter().position(|parked| parked.item.prev_id.as_ref() == Some(last));
                next = position.and_then(|position| self.parked.remove(position)).map(|parked| parked.item);
            }
        }
    }
}

/// The ids that were published recently on all channels, in two generations. The older one is dropped when the younger
/// is full or old enough, so an id is remembered for at least [`SEEN_FOR`] unless there are too many.
#[derive(Debug)]
pub(crate) struct SeenIds {
    young: HashSet<(Arc<str>, Id)>,
    old: HashSet<(Arc<str>, Id)>,
    rotated_at: Instant,
}

impl SeenIds {
    pub(crate) fn new(now: Instant) -> Self {
        Self { young: HashSet::new(), old: HashSet::new(), rotated_at: now }
    }

    /// Adds an item's id. Returns whether it was known already.
    pub(crate) fn insert(&mut self, item: &Item, now: Instant) -> bool {
        let Some(id) = &item.id else { return false };
        if now.duration_since(self.rotated_at) >= SEEN_FOR || self.young.len() >= MAX_SEEN / 2 {
            self.old = mem::take(&mut self.young);
            self.rotated_at = now;
        }
        let key = (Arc::clone(&item.channel), Arc::clone(id));
        self.old.contains(&key) || !self.young.insert(key)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    fn item(id: &str, prev: Option<&str>) -> Arc<Item> {
        Arc::new(Item {
            channel: "a".into(),
            id: (!id.is_empty()).then(|| id.into()),
            prev_id: prev.map(Id::from),
            no_seq: false,
            meta: BTreeMap::new(),
            stream: None,
            response: None,
        })
    }

    /// Offers items, each named by its number and preceded by the number before it.
    fn offer(sequencer: &mut Sequencer, numbers: &[u32], now: Instant) -> Vec<String> {
        let mut due = Vec::new();
        for n in numbers {
            sequencer.offer(item(&n.to_string(), Some(&(n - 1).to_string())), now, &mut due);
        }
        ids(&due)
    }

    fn ids(due: &[Arc<Item>]) -> Vec<String> {
        due.iter().map(|item| item.id.as_deref().unwrap_or("-").to_owned()).collect()
    }

    #[test]
    fn an_early_item_waits_for_the_item_before_it() {
        let mut sequencer = Sequencer::default();
        let now = Instant::now();
        assert_eq!(offer(&mut sequencer, &[1], now), ["1"]);
        assert_eq!(offer(&mut sequencer, &[3], now), [""; 0]);
        assert_eq!(offer(&mut sequencer, &[5, 4], now), [""; 0]);
        assert_eq!(offer(&mut sequencer, &[2], now), ["2", "3", "4", "5"]);
    }

    #[test]
    fn the_first_item_is_delivered_at_once() {
        assert_eq!(offer(&mut Sequencer::default(), &[7], Instant::now()), ["7"]);
    }

    #[test]
    fn a_missing_item_is_waited_for_no_longer_than_five_seconds() {
        let mut sequencer = Sequencer::default();
        let now = Instant::now();
        offer(&mut sequencer, &[1, 3, 4], now);
        let mut due = Vec::new();
        sequencer.release_overdue(now + MAX_WAIT - Duration::from_millis(1), &mut due);
        assert_eq!(ids(&due), [""; 0]);
        sequencer.release_overdue(now + MAX_WAIT, &mut due);
        assert_eq!(ids(&due), ["3", "4"]);
        assert_eq!(offer(&mut sequencer, &[5], now), ["5"]);
    }

    #[test]
    fn an_item_without_ids_is_delivered_and_clears_the_last_id() {
        let mut sequencer = Sequencer::default();
        let now = Instant::now();
        offer(&mut sequencer, &[1], now);
        let mut due = Vec::new();
        sequencer.offer(item("", None), now, &mut due);
        assert_eq!(ids(&due), ["-"]);
        assert_eq!(sequencer.last(), None);
    }

    #[test]
    fn an_id_is_remembered_for_a_minute() {
        let now = Instant::now();
        let mut seen = SeenIds::new(now);
        assert!(!seen.insert(&item("1", None), now));
        assert!(seen.insert(&item("1", None), now + SEEN_FOR - Duration::from_secs(1)));
        assert!(!seen.insert(&item("", None), now) && !seen.insert(&item("", None), now));
        assert!(!seen.insert(&item("2", None), now + SEEN_FOR));
        assert!(!seen.insert(&item("1", None), now + SEEN_FOR * 3));
    }

    proptest! {
        #[test]
        fn items_in_any_order_are_delivered_once_and_in_order(order in Just((2u32..40).collect::<Vec<_>>()).prop_shuffle()) {
            let mut sequencer = Sequencer::default();
            let now = Instant::now();
            let mut delivered = offer(&mut sequencer, &[1], now);
            delivered.extend(offer(&mut sequencer, &order, now));
            prop_assert_eq!(delivered, (1..40).map(|n| n.to_string()).collect::<Vec<_>>());
        }
    }
}
