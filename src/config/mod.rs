//! The whole configuration, read and checked before anything is bound.
//!
//! Values come as text from flags and variables ([`crate::cli`]) and leave as types. Whatever is
//! wrong is named at once: an operator who fixes one value should not have to start the program
//! again to hear of the next.

mod backend;
mod edge;
mod limits;
mod log;
mod problems;
mod run;
mod store;

use std::{net::SocketAddr, ops::RangeInclusive, time::Duration};

pub use backend::{Backend, BackendArgs, Serve, ServeArgs};
pub use edge::{Edge, EdgeArgs, ProxyArgs};
pub use limits::{PostArgs, TrustedArgs};
pub use log::LogArgs;
pub use problems::Problems;
pub use run::{Run, RunArgs, reachable};
pub use store::{DataArgs, Store, StoreArgs, TableArgs};

fn address(text: &str) -> Result<SocketAddr, &'static str> {
    text.parse().map_err(|_| "must be an IP address and a port, such as 127.0.0.1:3000")
}

/// More than the descriptors of any one process.
const MAX_CONNECTIONS: RangeInclusive<usize> = 1..=1_000_000;

fn max_connections(text: &str) -> Result<usize, &'static str> {
    text.parse().ok().filter(|n| MAX_CONNECTIONS.contains(n)).ok_or("must be a number of 1 to 1000000")
}

/// Longer than anything that looks at readiness takes to look again.
const SHUTDOWN_DELAY: RangeInclusive<Duration> = Duration::ZERO..=Duration::from_secs(600);

fn shutdown_delay(text: &str) -> Result<Duration, &'static str> {
    duration(text, SHUTDOWN_DELAY).ok_or("must be a duration of 0s to 10m, such as 5s")
}

fn duration(text: &str, range: RangeInclusive<Duration>) -> Option<Duration> {
    humantime::parse_duration(text).ok().filter(|duration| range.contains(duration))
}

#[cfg(test)]
mod tests;
