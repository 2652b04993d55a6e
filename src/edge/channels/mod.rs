//! Channels: which shards have subscribers of each, and the order of its items.
//!
//! | module | what it is | imports |
//! |---|---|---|
//! | `sequencer` | the order of a channel's items | nothing |
//! | `hub` | all channels and their subscribers | `sequencer` |

mod hub;
mod sequencer;

pub(crate) use self::hub::{HoldGuard, Hub};
#[cfg(any(test, fuzzing))]
pub(crate) use self::sequencer::{MAX_WAIT, Sequencer};
