//! Held requests: what a backend's response says about one, what items do to it, and what waits to be written to it.
//!
//! Nothing here runs by itself. The tasks in `shards` own held requests and drive them; other tasks reach a shard through
//! its `commands::ShardHandle`.
//!
//! | module | what it is | imports |
//! |---|---|---|
//! | `client_limits` | how many requests each client has held | nothing |
//! | `filter` | which items a subscription gets | nothing |
//! | `subscriber` | channels and last ids of a request | `filter` |
//! | `settings` | how a stream is held | `subscriber` |
//! | `write_queue` | the bounded queue before a socket | nothing |
//! | `stream` | a held stream and its states | `client_limits`, `settings`, `subscriber`, `write_queue` |
//! | `response` | a held response | `subscriber` |
//! | `instructions` | what follows the body of a response | `settings`, `subscriber` |
//! | `request` | a held request of either kind | `response`, `stream`, `subscriber` |

mod client_limits;
mod filter;
mod instructions;
mod request;
mod response;
mod settings;
mod stream;
mod subscriber;
mod write_queue;

#[cfg(any(test, fuzzing))]
pub(crate) use self::stream::model;
pub(crate) use self::{
    client_limits::{ClientLimits, ClientSlot},
    instructions::{HoldInstructions, LinkBase, LinkError, NextStep},
    request::{Held, SessionId},
    response::{HeldResponse, Outcome},
    settings::{Link, Settings},
    stream::{Effects, HeldStream, Priority},
    subscriber::{Subscriber, Subscription},
    write_queue::{Flushed, WriteQueue},
};
