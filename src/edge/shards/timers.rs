//! When a shard has to act on a session without a command.

use std::{collections::BTreeSet, mem, time::Instant};

use crate::edge::held::SessionId;

/// What is due for a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Timer {
    /// A keep-alive must be sent.
    KeepAlive,
    /// The next link must be requested.
    Recover,
    /// The reader has read nothing for too long.
    Stalled,
}

/// When each timer of one session is due, if it is armed.
#[derive(Debug, Default)]
pub(super) struct SessionTimers([Option<Instant>; 3]);

impl SessionTimers {
    pub(super) fn at(&self, timer: Timer) -> Option<Instant> {
        self.0[timer as usize]
    }
}

/// The timers of all sessions of a shard, in order of time. Sessions that are removed leave no entry behind.
#[derive(Debug, Default)]
pub(super) struct TimerQueue(BTreeSet<(Instant, SessionId, Timer)>);

impl TimerQueue {
    /// Arms a timer of a session, or disarms it with `None`. Replaces what was armed before.
    pub(super) fn arm(&mut self, id: SessionId, timers: &mut SessionTimers, timer: Timer, at: Option<Instant>) {
        let known = &mut timers.0[timer as usize];
        if *known == at {
            return;
        }
        if let Some(before) = mem::replace(known, at) {
            self.0.remove(&(before, id, timer));
        }
        if let Some(at) = at {
            self.0.insert((at, id, timer));
        }
    }

    pub(super) fn disarm_all(&mut self, id: SessionId, timers: &mut SessionTimers) {
        for timer in [Timer::KeepAlive, Timer::Recover, Timer::Stalled] {
            self.arm(id, timers, timer, None);
        }
    }

    /// Returns the earliest time.
    pub(super) fn next(&self) -> Option<Instant> {
        self.0.first().map(|(at, ..)| *at)
    }

    /// Returns the earliest timer, if it is due. The caller must disarm it or arm it anew.
    pub(super) fn due(&self, now: Instant) -> Option<(SessionId, Timer)> {
        self.0.first().filter(|(at, ..)| *at <= now).map(|(_, id, timer)| (*id, *timer))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn timers_are_due_in_order_and_arming_again_replaces() {
        let (mut queue, mut one, mut two) = (TimerQueue::default(), SessionTimers::default(), SessionTimers::default());
        let now = Instant::now();
        let after = |seconds| Some(now + Duration::from_secs(seconds));
        queue.arm(1, &mut one, Timer::Recover, after(9));
        queue.arm(2, &mut two, Timer::KeepAlive, after(5));
        queue.arm(1, &mut one, Timer::Recover, after(3));
        assert_eq!(queue.next(), after(3));
        assert_eq!(queue.due(now), None);
        assert_eq!(queue.due(now + Duration::from_secs(4)), Some((1, Timer::Recover)));
        queue.disarm_all(1, &mut one);
        assert_eq!(queue.due(now + Duration::from_secs(9)), Some((2, Timer::KeepAlive)));
        queue.disarm_all(2, &mut two);
        assert_eq!(queue.next(), None);
    }
}
