//! Requests to the backend: a pool of connections, and next links, requested once for all streams that miss the same.
//!
//! | module | what it is | imports |
//! |---|---|---|
//! | `connector` | connections that report when they are closed | nothing |
//! | `pool` | signed requests with deadlines | `connector` |
//! | `recovery` | next links, coalesced | `pool` |

mod connector;
mod pool;
mod recovery;

pub(crate) use self::{
    pool::{Backend, FetchError, add_grip_last},
    recovery::{MIN_RETRY_PAUSE, Recoveries, RecoveryRequest},
};
