//! Channels: which shards have subscribers of each, and the order of its items.
//!
//! It may import `held`, to whose shards it sends items and requests to hold, and `items`.
//!
//! | module | is | imports |
//! |---|---|---|
//! | `sequencer` | the order of a channel's items | nothing |
//! | `hub` | all channels and their subscribers | `sequencer` |

mod hub;
mod sequencer;

pub(in crate::edge) use self::hub::{HoldGuard, Hub};
#[cfg(any(test, fuzzing))]
pub(in crate::edge) use self::sequencer::{MAX_WAIT, Sequencer};
