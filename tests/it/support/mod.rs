//! The stand of the tests: real parts, a proxy that breaks them on demand, and clients that say what they see.
//!
//! - [`trials`] runs the tests, and skips those whose parts are not installed
//! - [`stack`]: all of it together, which is what most tests begin with
//! - [`pushpin`], [`dynamodb`]: the real proxy and the real store, as processes
//! - [`backend`], [`edge`], [`gripchat`]: the program, as a process
//! - [`proxy`]: either of the two GRIP proxies, Pushpin or the program's edge
//! - [`scripted`]: a backend that answers by script and remembers what it was asked
//! - [`fault`]: a TCP proxy that fails on demand; [`balancer`]: one that spreads connections over several backends
//! - [`clock`], [`disk`]: a wall clock that jumps, a disk that is full
//! - [`memory`]: a store that fails on demand
//! - [`sse`], [`browser`]: a Server-Sent Events client, and scenarios in Chromium
//! - [`wire`]: an HTTP client that shows what comes, as it comes; with [`http1`] below it
//! - [`figures`]: what `/metrics` tells
//! - [`process`], [`ports`], [`eventually`]: what these are made of

pub(crate) mod backend;
pub(crate) mod balancer;
pub(crate) mod browser;
pub(crate) mod clock;
pub(crate) mod disk;
pub(crate) mod dynamodb;
pub(crate) mod edge;
pub(crate) mod eventually;
pub(crate) mod fault;
pub(crate) mod figures;
pub(crate) mod gripchat;
pub(crate) mod http1;
pub(crate) mod memory;
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
