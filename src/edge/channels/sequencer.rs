//! The order of a channel's items: what comes out of turn waits a while for what goes before it.
//!
//! Pure, and as Pushpin has it (`handler/sequencer.cpp`).

use std::{
    collections::{HashSet, VecDeque},
    mem,
    sync::Arc,
    time::{Duration, Instant},
};

use crate::edge::items::{Id, Item};

/// An item that came before its turn waits for so long (`message_wait`).
pub(in crate::edge) const WAIT: Duration = Duration::from_secs(5);
/// The most items of a channel that wait; one more is dropped, and recovered by the streams.
const MOST_PARKED: usize = 100;

/// An item with an id that came lately is a repetition, and dropped (`id_cache_ttl`).
const SEEN_FOR: Duration = Duration::from_secs(60);
/// The most ids that are remembered: some thirty megabytes. The oldest are forgotten first.
const MOST_SEEN: usize = 200_000;

/// Where one channel stands.
#[derive(Debug, Default)]
pub(in crate::edge) struct Sequencer {
    /// The id of the last item that was delivered, if that is known.
    last: Option<Id>,
    parked: VecDeque<Parked>,
}

#[derive(Debug)]
struct Parked {
    item: Arc<Item>,
    since: Instant,
}

impl Sequencer {
    pub(in crate::edge) fn last(&self) -> Option<&Id> {
        self.last.as_ref()
    }

    /// Streams that saw something else were recovered from elsewhere: the next item is right, whatever it is.
    pub(in crate::edge) fn forget(&mut self) {
        self.last = None;
    }

    /// Takes an item; gives what is to be delivered now, in order. Tells whether the item waits.
    pub(in crate::edge) fn offer(&mut self, item: Arc<Item>, now: Instant, due: &mut Vec<Arc<Item>>) -> bool {
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
        let waits = !known && self.parked.len() < MOST_PARKED;
        if waits {
            self.parked.push_back(Parked { item, since: now });
        }
        waits
    }

    /// Gives what has waited long enough, and what follows it.
    pub(in crate::edge) fn overdue(&mut self, now: Instant, due: &mut Vec<Arc<Item>>) {
        while self.parked.front().is_some_and(|parked| now.duration_since(parked.since) >= WAIT) {
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
                let place = self.parked.iter().position(|parked| parked.item.prev_id.as_ref() == Some(last));
                next = place.and_then(|place| self.parked.remove(place)).map(|parked| parked.item);
            }
        }
    }
}

/// The ids of all channels that came lately, in two generations: the older one goes when the younger is full or old
/// enough, so that an id is remembered for at least [`SEEN_FOR`] unless there are too many.
#[derive(Debug)]
pub(in crate::edge) struct Seen {
    young: HashSet<(Arc<str>, Id)>,
    old: HashSet<(Arc<str>, Id)>,
    turned: Instant,
}

impl Seen {
    pub(in crate::edge) fn new(now: Instant) -> Self {
        Self { young: HashSet::new(), old: HashSet::new(), turned: now }
    }

    /// Notes an item; tells whether its id was there already.
    pub(in crate::edge) fn note(&mut self, item: &Item, now: Instant) -> bool {
        let Some(id) = &item.id else { return false };
        if now.duration_since(self.turned) >= SEEN_FOR || self.young.len() >= MOST_SEEN / 2 {
            self.old = mem::take(&mut self.young);
            self.turned = now;
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
    fn what_comes_early_waits_for_what_goes_before_it() {
        let mut sequencer = Sequencer::default();
        let now = Instant::now();
        assert_eq!(offer(&mut sequencer, &[1], now), ["1"]);
        assert_eq!(offer(&mut sequencer, &[3], now), [""; 0]);
        assert_eq!(offer(&mut sequencer, &[5, 4], now), [""; 0]);
        assert_eq!(offer(&mut sequencer, &[2], now), ["2", "3", "4", "5"]);
    }

    #[test]
    fn the_first_item_is_right_whatever_it_is() {
        assert_eq!(offer(&mut Sequencer::default(), &[7], Instant::now()), ["7"]);
    }

    #[test]
    fn what_never_comes_is_waited_for_no_longer_than_five_seconds() {
        let mut sequencer = Sequencer::default();
        let now = Instant::now();
        offer(&mut sequencer, &[1, 3, 4], now);
        let mut due = Vec::new();
        sequencer.overdue(now + WAIT - Duration::from_millis(1), &mut due);
        assert_eq!(ids(&due), [""; 0]);
        sequencer.overdue(now + WAIT, &mut due);
        assert_eq!(ids(&due), ["3", "4"]);
        assert_eq!(offer(&mut sequencer, &[5], now), ["5"]);
    }

    #[test]
    fn an_item_without_ids_passes_and_leaves_nothing_known() {
        let mut sequencer = Sequencer::default();
        let now = Instant::now();
        offer(&mut sequencer, &[1], now);
        let mut due = Vec::new();
        sequencer.offer(item("", None), now, &mut due);
        assert_eq!(ids(&due), ["-"]);
        assert_eq!(sequencer.last(), None);
    }

    #[test]
    fn an_id_is_seen_once_a_minute() {
        let now = Instant::now();
        let mut seen = Seen::new(now);
        assert!(!seen.note(&item("1", None), now));
        assert!(seen.note(&item("1", None), now + SEEN_FOR - Duration::from_secs(1)));
        assert!(!seen.note(&item("", None), now) && !seen.note(&item("", None), now));
        assert!(!seen.note(&item("2", None), now + SEEN_FOR));
        assert!(!seen.note(&item("1", None), now + SEEN_FOR * 3));
    }

    proptest! {
        #[test]
        fn whatever_the_order_all_come_out_once_and_in_order(order in Just((2u32..40).collect::<Vec<_>>()).prop_shuffle()) {
            let mut sequencer = Sequencer::default();
            let now = Instant::now();
            let mut delivered = offer(&mut sequencer, &[1], now);
            delivered.extend(offer(&mut sequencer, &order, now));
            prop_assert_eq!(delivered, (1..40).map(|n| n.to_string()).collect::<Vec<_>>());
        }
    }
}
