//! Held requests: what a backend's response says about one, what items do to it, and what waits to be written to it.
//!
//! Nothing here runs by itself. Tasks in `shards` own held requests and drive them; others reach them through
//! a [`ShardHandle`]. It imports `items`.

mod client_limits;
mod filter;
mod inbox;
mod instructions;
mod response;
mod stream;
mod write_queue;

#[cfg(any(test, fuzzing))]
pub(in crate::edge) use self::stream::model;
pub(in crate::edge) use self::{
    client_limits::{Addresses, Place},
    inbox::{Answer, Command, Drain, Held, Inbox, SessionId, ShardHandle},
    instructions::{Base, Conditions, LinkError, Then},
    response::{Response, Verdict},
    stream::{Effects, KeepAlive, Link, Listener, Stream, Sub, Terms},
    write_queue::{Flushed, Outlet},
};
