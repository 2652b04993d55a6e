//! Decides which tests run at the same time.
//!
//! Most tests wait for other processes, so a machine with two cores can run many of them at once. A few keep a core
//! busy, and slow down everything else when several of them run together. Each test therefore declares its [`Load`] and
//! takes that many permits while it runs.

use std::{
    collections::BTreeMap,
    sync::{Condvar, Mutex, MutexGuard, PoisonError},
};

/// The number of permits unless `--test-threads` says otherwise: so many light tests run at once. With more than this
/// the tests do not finish earlier on two cores, because the processor is busy all the time.
pub(crate) const DEFAULT_PERMITS: usize = 12;

/// One heavy test may run for each of so many permits. The others are left to tests that only wait.
const PERMITS_PER_HEAVY: usize = 4;

/// How much of the machine a test uses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Load {
    /// It mostly waits. One permit.
    Light,
    /// It keeps a core busy for seconds: a browser, hundreds of streams, thousands of messages. Two permits.
    Heavy,
}

/// Hands out permits in the order in which tests ask for them.
#[derive(Debug)]
pub(crate) struct Scheduler {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug)]
struct State {
    permits: usize,
    free: usize,
    heavy: usize,
    next_ticket: u64,
    waiting: BTreeMap<u64, Load>,
}

impl Scheduler {
    pub(crate) fn new(permits: usize) -> Self {
        let state = State { permits, free: permits, heavy: 0, next_ticket: 0, waiting: BTreeMap::new() };
        Self { state: Mutex::new(state), changed: Condvar::new() }
    }

    /// Waits until a test with this load may run. It gives its permits back when the result is dropped.
    pub(crate) fn acquire(&self, load: Load) -> Permits<'_> {
        let mut state = self.lock();
        let ticket = state.next_ticket;
        state.next_ticket += 1;
        state.waiting.insert(ticket, load);
        while state.next() != Some(ticket) {
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        state.waiting.remove(&ticket);
        state.free -= state.weight(load);
        state.heavy += usize::from(load == Load::Heavy);
        // There may be room for one more.
        self.changed.notify_all();
        Permits { scheduler: self, load }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn weight(&self, load: Load) -> usize {
        match load {
            Load::Light => 1,
            Load::Heavy => 2.min(self.permits),
        }
    }

    /// The test that starts next, if it fits now. A test that has to wait for a heavy one to end is passed over; apart
    /// from that none is, so that many light tests cannot keep a heavy one waiting for ever.
    fn next(&self) -> Option<u64> {
        let may_start = |load: Load| match load {
            Load::Light => true,
            Load::Heavy => self.heavy < self.permits.div_ceil(PERMITS_PER_HEAVY),
        };
        let (ticket, load) = self.waiting.iter().find(|(_, load)| may_start(**load))?;
        (self.free >= self.weight(*load)).then_some(*ticket)
    }
}

/// The permits of a running test.
#[derive(Debug)]
pub(crate) struct Permits<'a> {
    scheduler: &'a Scheduler,
    load: Load,
}

impl Drop for Permits<'_> {
    fn drop(&mut self) {
        let mut state = self.scheduler.lock();
        state.free += state.weight(self.load);
        state.heavy -= usize::from(self.load == Load::Heavy);
        self.scheduler.changed.notify_all();
    }
}
