//! Counts deliveries by subscriber, with their order and latency.

use crate::{clock, plan::MAX_PUBLISHERS, stamp::Stamp};

/// The maximum number of copies of a message that a subscriber receives: provisional and final.
const MAX_COPIES: usize = 2;

/// Counts deliveries, and checks that every subscriber gets every message once, in order.
///
/// A lane is the messages of one publisher, which sends each message after the response to the one before. Message n is in
/// lane n modulo the number of lanes. Lanes have no order between them. Each copy of the messages has its own order.
pub(crate) struct Tally {
    lanes: usize,
    copies: usize,
    expected: usize,
    /// For each subscriber, copy and lane: the position of the next message in the lane.
    next: Vec<[[u32; MAX_PUBLISHERS]; MAX_COPIES]>,
    /// The latencies of each copy, in µs. The memory for all of them is allocated at the start.
    latencies: [Vec<u32>; MAX_COPIES],
    misplaced: usize,
    last: u64,
}

impl Tally {
    pub(crate) fn new(subscribers: usize, messages: u32, lanes: usize, copies: usize) -> Self {
        let expected = subscribers * messages as usize;
        let latencies = [0, 1].map(|copy| Vec::with_capacity(if copy < copies { expected } else { 0 }));
        let next = vec![Default::default(); subscribers];
        Self { lanes, copies, expected: expected * copies, next, latencies, misplaced: 0, last: 0 }
    }

    pub(crate) fn count(&mut self, subscriber: usize, stamp: Stamp, now: u64) {
        let lane = stamp.number as usize % self.lanes;
        let position = stamp.number / self.lanes as u32;
        let next = &mut self.next[subscriber];
        let later = |copy: usize| next[copy][lane] <= position;
        // The first copy for which it is not a duplicate.
        let Some(copy) = (0..self.copies).find(|copy| later(*copy)) else {
            self.misplaced += 1;
            return;
        };
        next[copy][lane] = position + 1;
        let latency = clock::between(stamp.sent, now).as_micros();
        self.latencies[copy].push(u32::try_from(latency).unwrap_or(u32::MAX));
        self.last = now;
    }

    pub(crate) fn delivered(&self) -> usize {
        self.latencies.iter().map(Vec::len).sum()
    }

    pub(crate) fn is_complete(&self) -> bool {
        self.delivered() >= self.expected
    }

    /// Returns the number of missing deliveries.
    pub(crate) fn lost(&self) -> usize {
        self.expected.saturating_sub(self.delivered())
    }

    /// Returns the number of deliveries that were duplicates or out of order.
    pub(crate) fn misplaced(&self) -> usize {
        self.misplaced
    }

    /// Returns the time of the last delivery.
    pub(crate) fn last(&self) -> u64 {
        self.last
    }

    /// Returns the latencies of a copy.
    pub(crate) fn latencies(&mut self, copy: usize) -> Percentiles {
        Percentiles::of(&mut self.latencies[copy])
    }
}

/// Percentiles of durations, in milliseconds.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Percentiles {
    pub(crate) p50: f64,
    pub(crate) p99: f64,
}

impl Percentiles {
    /// Returns the percentiles of durations in µs, and sorts them. Without durations, the percentiles are not a number.
    pub(crate) fn of(durations: &mut [u32]) -> Self {
        durations.sort_unstable();
        let at = |share: usize| {
            let index = durations.len().saturating_sub(1) * share / 100;
            durations.get(index).map_or(f64::NAN, |duration| f64::from(*duration) / 1000.0)
        };
        Self { p50: at(50), p99: at(99) }
    }
}
