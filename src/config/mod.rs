//! The whole configuration, read and checked before anything is bound.
//!
//! Values come as text from flags and variables ([`crate::cli`]) and leave as types. Whatever is
//! wrong is named at once: an operator who fixes one value should not have to start the program
//! again to hear of the next.

mod backend;
mod edge;
mod log;
mod problems;
mod run;
mod store;

use std::{net::SocketAddr, ops::RangeInclusive, time::Duration};

pub use backend::{Backend, BackendArgs, Serve, ServeArgs};
pub use edge::{Edge, EdgeArgs, ProxyArgs};
pub use log::LogArgs;
pub use problems::Problems;
pub use run::{Run, RunArgs, reachable};
pub use store::{DataArgs, Store, StoreArgs, TableArgs};

fn address(text: &str) -> Result<SocketAddr, &'static str> {
    text.parse().map_err(|_| "must be an IP address and a port, such as 127.0.0.1:3000")
}

fn duration(text: &str, range: RangeInclusive<Duration>) -> Option<Duration> {
    humantime::parse_duration(text).ok().filter(|duration| range.contains(duration))
}

#[cfg(test)]
mod tests;
