//! Channels: who subscribes to each, and the order of its items.
//!
//! It imports `held`, to whose shards it sends items and requests to hold, and `items`.

mod hub;
mod sequencer;

pub(in crate::edge) use self::hub::{Hub, Ticket};
#[cfg(any(test, fuzzing))]
pub(in crate::edge) use self::sequencer::{Sequencer, WAIT};
