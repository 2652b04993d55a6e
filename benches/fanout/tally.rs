//! What was delivered: to whom, in which order, how late.

use crate::{clock, stamp::Stamp};

/// The most publishers at once.
pub(crate) const MOST_LANES: usize = 8;

/// The most times a message comes to each subscriber: provisional and final.
const MOST_COPIES: usize = 2;

/// Counts deliveries, and checks that every subscriber gets every message once, in order.
///
/// A lane is what one publisher sends, one message after the answer to the one before; number n is in lane n modulo
/// their count. Between lanes there is no order. A message that comes in copies comes in its order as each of them.
pub(crate) struct Tally {
    lanes: usize,
    copies: usize,
    expected: usize,
    /// By subscriber, copy and lane: the place in the lane of what should come next.
    next: Vec<[[u32; MOST_LANES]; MOST_COPIES]>,
    /// By copy, in µs. Memory for all of them is there from the start.
    latencies: [Vec<u32>; MOST_COPIES],
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
        let place = stamp.number / self.lanes as u32;
        let next = &mut self.next[subscriber];
        let later = |copy: usize| next[copy][lane] <= place;
        // The first copy that it can be without coming twice.
        let Some(copy) = (0..self.copies).find(|copy| later(*copy)) else {
            self.misplaced += 1;
            return;
        };
        next[copy][lane] = place + 1;
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

    /// How many are missing.
    pub(crate) fn lost(&self) -> usize {
        self.expected.saturating_sub(self.delivered())
    }

    /// How many came twice, or after a later one.
    pub(crate) fn misplaced(&self) -> usize {
        self.misplaced
    }

    /// When the last one came.
    pub(crate) fn last(&self) -> u64 {
        self.last
    }

    /// The latencies of a copy.
    pub(crate) fn latencies(&mut self, copy: usize) -> Percentiles {
        Percentiles::of(&mut self.latencies[copy])
    }
}

/// In milliseconds.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Percentiles {
    pub(crate) p50: f64,
    pub(crate) p99: f64,
}

impl Percentiles {
    /// Of figures in µs, which get sorted. Of no figures there are none: not a number.
    pub(crate) fn of(figures: &mut [u32]) -> Self {
        figures.sort_unstable();
        let at = |share: usize| {
            let index = figures.len().saturating_sub(1) * share / 100;
            figures.get(index).map_or(f64::NAN, |figure| f64::from(*figure) / 1000.0)
        };
        Self { p50: at(50), p99: at(99) }
    }
}
