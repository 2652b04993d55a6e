//! What the tests share: real parts, a proxy that makes them fail on demand, and clients that report what they receive.
//!
//! - [`trials`] runs the tests, and skips those whose parts are not installed; [`schedule`] decides which run together
//! - [`stack`]: a complete chat system, which most tests start with
//! - [`pushpin`], [`dynamodb`]: the real proxy and the real store, as processes
//! - [`backend`], [`edge`], [`gripchat`]: the program, as a process
//! - [`proxy`]: either of the two GRIP proxies, Pushpin or the program's edge
//! - [`scripted`]: a backend that responds by a script and records the requests
//! - [`fault`]: a TCP proxy that fails on demand; [`balancer`]: one that distributes connections over several backends
//! - [`clock`], [`disk`]: a wall clock that jumps, a disk that is full
//! - [`memory`]: a store that fails on demand
//! - [`sse`], [`browser`]: a Server-Sent Events client, and scenarios in Chromium
//! - [`wire`]: an HTTP client that records each piece of a response when it arrives, based on [`http1`]
//! - [`metrics`]: a parser of `/metrics`
//! - [`process`], [`ports`], [`eventually`]: the basics of these

pub(crate) mod backend;
pub(crate) mod balancer;
pub(crate) mod browser;
pub(crate) mod clock;
pub(crate) mod disk;
pub(crate) mod dynamodb;
pub(crate) mod edge;
pub(crate) mod eventually;
pub(crate) mod fault;
pub(crate) mod gripchat;
pub(crate) mod http1;
pub(crate) mod memory;
pub(crate) mod metrics;
pub(crate) mod ports;
pub(crate) mod process;
pub(crate) mod proxy;
pub(crate) mod pushpin;
pub(crate) mod schedule;
pub(crate) mod scripted;
pub(crate) mod sse;
pub(crate) mod stack;
pub(crate) mod trials;
pub(crate) mod wire;
