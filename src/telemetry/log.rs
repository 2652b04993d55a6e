//! The log.

use std::io::{IsTerminal as _, stderr};

use tracing::Level;
use tracing_subscriber::{EnvFilter, filter::filter_fn, layer::SubscriberExt as _, util::SubscriberInitExt as _};

use super::metrics;

/// How to log.
#[derive(Debug)]
pub struct Log {
    /// One JSON object a line, for machines.
    pub json: bool,
    /// What is logged.
    pub filter: EnvFilter,
}

/// Logs to standard error from now on; standard output is for what the user asked for. The metrics begin at zero.
///
/// Called once, at the start; a second call would have no effect.
pub fn start(config: Log) {
    metrics::start();
    // At this level the AWS SDK and hyper log what they send and get: messages, and who wrote them.
    let no_bodies =
        filter_fn(|metadata| *metadata.level() != Level::TRACE || metadata.target().starts_with("gripchat"));
    let registry = tracing_subscriber::registry().with(config.filter).with(no_bodies);
    let outcome = if config.json {
        let lines = tracing_subscriber::fmt::layer().json().flatten_event(true).with_writer(stderr);
        registry.with(lines).try_init()
    } else {
        let lines = tracing_subscriber::fmt::layer().with_ansi(stderr().is_terminal()).with_writer(stderr);
        registry.with(lines).try_init()
    };
    if outcome.is_err() {
        tracing::debug!("the log was started already");
    }
}
