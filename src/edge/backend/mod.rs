//! Requests to the backend: a pool of connections, and next links, requested once for all streams that miss the same.
//!
//! It imports `held`, whose shards get what next links answer, and `items`.

mod connector;
mod pool;
mod recovery;

pub(in crate::edge) use self::{
    pool::{Backend, FetchError, add_grip_last},
    recovery::{Ask, Recoveries, SHORTEST_PAUSE},
};
