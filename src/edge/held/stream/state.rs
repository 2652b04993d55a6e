//! The states of a held stream and the transitions between them. They concern its reliable channels: items of other
//! channels are sent in every state except Closing.

use std::{collections::VecDeque, mem, sync::Arc, time::Instant};

use crate::edge::items::Item;

/// The maximum number of items that a stream holds back. Items beyond it are recovered by another request.
pub(super) const MAX_HELD_BACK: usize = 100;

/// What a stream does with the items of its reliable channels. The parent module lists the transitions.
#[derive(Debug)]
pub(super) enum State {
    /// Sends each item that follows the one before it.
    Live { failed: Failed },
    /// Misses an item and holds back what follows, until the next link can be requested.
    Gap { failed: Failed, held_back: HeldBack },
    /// The reader is too slow: drops items until it has read everything, and recovers them then.
    Lagging { failed: Failed, held_back: HeldBack },
    /// The next link is being requested: holds back items, since the answer may contain them too.
    Requested { held_back: HeldBack },
    /// Ends when what is queued has been written.
    Closing,
}

/// When the last request for the next link failed. `None` when it may be repeated, and if it did not fail.
pub(super) type Failed = Option<Instant>;

/// Items that wait until it is known what comes before them.
#[derive(Debug, Default)]
pub(super) struct HeldBack {
    pub(super) items: VecDeque<Arc<Item>>,
    /// Whether the next link must be requested once more after its answer: an item was dropped, or a hint came, after
    /// the request, so the answer may be too old.
    pub(super) again: bool,
}

impl State {
    pub(super) fn is_closing(&self) -> bool {
        matches!(self, Self::Closing)
    }

    pub(super) fn failed(&self) -> Failed {
        match self {
            Self::Live { failed } | Self::Gap { failed, .. } | Self::Lagging { failed, .. } => *failed,
            Self::Requested { .. } | Self::Closing => None,
        }
    }

    /// The pause after a failed request is over.
    pub(super) fn retry(&mut self) {
        match self {
            Self::Live { failed } | Self::Gap { failed, .. } | Self::Lagging { failed, .. } => *failed = None,
            Self::Requested { .. } | Self::Closing => {}
        }
    }

    /// Live → Gap, with this item. In Gap and Requested the item joins those held back; elsewhere it is dropped.
    pub(super) fn hold_back(&mut self, item: &Arc<Item>) {
        if let Self::Live { failed } = *self {
            *self = Self::Gap { failed, held_back: HeldBack::default() };
        }
        if let Self::Gap { held_back, .. } | Self::Requested { held_back } = self {
            held_back.push(item);
        }
    }

    /// Live, Gap → Lagging. Returns whether the state has changed.
    pub(super) fn lag(&mut self) -> bool {
        let (failed, held_back) = match self {
            Self::Live { failed } => (*failed, HeldBack::default()),
            Self::Gap { failed, held_back } => (*failed, mem::take(held_back)),
            Self::Lagging { .. } | Self::Requested { .. } | Self::Closing => return false,
        };
        *self = Self::Lagging { failed, held_back };
        true
    }

    /// Lagging → Live, or Gap if items are held back. Returns whether the state has changed.
    pub(super) fn catch_up(&mut self) -> bool {
        let Self::Lagging { failed, held_back } = self else { return false };
        let (failed, held_back) = (*failed, mem::take(held_back));
        *self = if held_back.is_empty() { Self::Live { failed } } else { Self::Gap { failed, held_back } };
        true
    }

    /// Live, Gap, Lagging → Requested, unless a failed request still has to wait. Items that were dropped before are in
    /// the answer. Returns whether the state has changed.
    pub(super) fn request(&mut self) -> bool {
        let held_back = match self {
            Self::Live { failed: None } => HeldBack::default(),
            Self::Gap { failed: None, held_back } | Self::Lagging { failed: None, held_back } => mem::take(held_back),
            _ => return false,
        };
        *self = Self::Requested { held_back };
        true
    }

    /// Requested → Gap: the answer was a page, and the next one is to be requested.
    pub(super) fn turn_page(&mut self) {
        if let Self::Requested { held_back } = self {
            *self = Self::Gap { failed: None, held_back: mem::take(held_back) };
        }
    }

    /// Requested → Live: the link was answered (`None`), or the request failed at this time. Returns what was held
    /// back, which the caller offers again.
    pub(super) fn resume(&mut self, failed: Failed) -> HeldBack {
        let next = if self.is_closing() { Self::Closing } else { Self::Live { failed } };
        match mem::replace(self, next) {
            Self::Gap { held_back, .. } | Self::Lagging { held_back, .. } | Self::Requested { held_back } => held_back,
            Self::Live { .. } | Self::Closing => HeldBack::default(),
        }
    }
}

impl HeldBack {
    fn push(&mut self, item: &Arc<Item>) {
        if self.items.len() < MAX_HELD_BACK {
            self.items.push_back(Arc::clone(item));
        } else {
            self.again = true;
        }
    }

    fn is_empty(&self) -> bool {
        self.items.is_empty() && !self.again
    }
}

#[cfg(test)]
mod tests {
    use super::{super::model::message, *};

    fn live() -> State {
        State::Live { failed: None }
    }

    fn gap() -> State {
        let mut state = live();
        state.hold_back(&message(2));
        assert!(matches!(state, State::Gap { failed: None, .. }));
        state
    }

    fn lagging() -> State {
        let mut state = live();
        assert!(state.lag());
        state
    }

    fn requested() -> State {
        let mut state = live();
        assert!(state.request());
        state
    }

    #[test]
    fn every_open_state_without_a_failure_can_be_requested_once() {
        for mut state in [live(), gap(), lagging()] {
            assert!(state.request(), "{state:?}");
            assert!(matches!(state, State::Requested { .. }));
            assert!(!state.request(), "it is under way");
        }
        assert!(!State::Closing.request());
    }

    #[test]
    fn after_a_failure_nothing_is_requested_until_the_pause_is_over() {
        let now = Instant::now();
        let mut state = requested();
        state.resume(Some(now));
        assert!(state.failed() == Some(now) && !state.request(), "{state:?}");
        state.hold_back(&message(2));
        assert!(state.failed() == Some(now) && !state.request(), "{state:?}");
        assert!(state.lag());
        assert!(state.failed() == Some(now) && !state.request(), "{state:?}");
        state.retry();
        assert_eq!(state.failed(), None);
        assert!(state.request());
    }

    #[test]
    fn what_is_held_back_survives_a_slow_reader_and_a_request() {
        let mut state = gap();
        assert!(state.lag() && !state.lag());
        state.hold_back(&message(3));
        assert!(state.catch_up() && !state.catch_up());
        assert!(matches!(state, State::Gap { .. }));
        state.hold_back(&message(4));
        assert!(state.request());
        state.hold_back(&message(5));
        state.turn_page();
        assert!(matches!(state, State::Gap { .. }));
        assert!(state.request());
        let ids: Vec<_> = state.resume(None).items.iter().filter_map(|item| item.id.clone()).collect();
        assert_eq!(ids.iter().map(|id| &**id).collect::<Vec<_>>(), ["2", "4", "5"], "3 came while it lagged");
        assert!(matches!(state, State::Live { failed: None }));
    }

    #[test]
    fn a_reader_that_catches_up_without_a_gap_is_live() {
        let mut state = lagging();
        assert!(state.catch_up());
        assert!(matches!(state, State::Live { failed: None }));
    }

    #[test]
    fn a_request_under_way_cannot_lag() {
        let mut state = requested();
        assert!(!state.lag() && !state.catch_up());
        assert!(matches!(state, State::Requested { .. }));
    }

    #[test]
    fn an_item_beyond_the_limit_causes_another_request() {
        let mut state = requested();
        for n in 0..MAX_HELD_BACK {
            state.hold_back(&message(u32::try_from(n).unwrap() + 1));
        }
        let State::Requested { held_back } = &state else { panic!("{state:?}") };
        assert!(!held_back.again);
        state.hold_back(&message(1_000));
        let held_back = state.resume(None);
        assert!(held_back.again && held_back.items.len() == MAX_HELD_BACK);
    }

    #[test]
    fn nothing_leaves_the_last_state() {
        let mut state = State::Closing;
        state.hold_back(&message(1));
        state.turn_page();
        state.retry();
        assert!(!state.lag() && !state.catch_up() && !state.request());
        assert!(state.resume(None).is_empty() && state.resume(Some(Instant::now())).is_empty());
        assert!(state.is_closing());
    }
}
