//! When a shard has to look at a session again.

use std::{collections::BTreeSet, time::Instant};

use crate::edge::held::SessionId;

/// What a session is looked at for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::edge) enum Due {
    /// Something must be sent, so that nobody takes the connection for dead.
    KeepAlive,
    /// The next link is to be asked.
    Ask,
    /// The reader has taken nothing for too long.
    Stalled,
}

/// What is armed for one session.
#[derive(Debug, Default)]
pub(in crate::edge) struct Armed([Option<Instant>; 3]);

impl Armed {
    pub(in crate::edge) fn at(&self, due: Due) -> Option<Instant> {
        self.0[due as usize]
    }
}

/// All times of a shard's sessions, in order. Nothing stays behind for a session that is gone.
#[derive(Debug, Default)]
pub(in crate::edge) struct Timers(BTreeSet<(Instant, SessionId, Due)>);

impl Timers {
    /// Arms a session's timer in place of what was armed before; `None` disarms it.
    pub(in crate::edge) fn arm(&mut self, id: SessionId, armed: &mut Armed, due: Due, at: Option<Instant>) {
        let known = &mut armed.0[due as usize];
        if *known == at {
            return;
        }
        if let Some(before) = std::mem::replace(known, at) {
            self.0.remove(&(before, id, due));
        }
        if let Some(at) = at {
            self.0.insert((at, id, due));
        }
    }

    pub(in crate::edge) fn disarm_all(&mut self, id: SessionId, armed: &mut Armed) {
        for due in [Due::KeepAlive, Due::Ask, Due::Stalled] {
            self.arm(id, armed, due, None);
        }
    }

    /// The earliest time.
    pub(in crate::edge) fn next(&self) -> Option<Instant> {
        self.0.first().map(|(at, ..)| *at)
    }

    /// What is due; the caller disarms or arms it anew.
    pub(in crate::edge) fn due(&self, now: Instant) -> Option<(SessionId, Due)> {
        self.0.first().filter(|(at, ..)| *at <= now).map(|(_, id, due)| (*id, *due))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn timers_come_in_order_and_the_last_word_holds() {
        let (mut timers, mut one, mut two) = (Timers::default(), Armed::default(), Armed::default());
        let now = Instant::now();
        let after = |seconds| Some(now + Duration::from_secs(seconds));
        timers.arm(1, &mut one, Due::Ask, after(9));
        timers.arm(2, &mut two, Due::KeepAlive, after(5));
        timers.arm(1, &mut one, Due::Ask, after(3));
        assert_eq!(timers.next(), after(3));
        assert_eq!(timers.due(now), None);
        assert_eq!(timers.due(now + Duration::from_secs(4)), Some((1, Due::Ask)));
        timers.disarm_all(1, &mut one);
        assert_eq!(timers.due(now + Duration::from_secs(9)), Some((2, Due::KeepAlive)));
        timers.disarm_all(2, &mut two);
        assert_eq!(timers.next(), None);
    }
}
