//! The log: one line per event on standard error, as text or JSON.

use std::io::{IsTerminal as _, stderr};

use tracing::Level;
use tracing_subscriber::{EnvFilter, filter::filter_fn, layer::SubscriberExt as _, util::SubscriberInitExt as _};

use super::metrics;

/// The settings of the log.
#[derive(Debug)]
pub struct Log {
    /// Whether each line is a JSON object, for machines.
    pub json: bool,
    /// Which events are logged.
    pub filter: EnvFilter,
}

/// Starts logging to standard error, because standard output is for the results of a command. Also starts the metrics.
///
/// Call this once, at the start. A second call has no effect.
pub fn start(config: Log) {
    metrics::start();
    // At the level TRACE the AWS SDK and hyper log what they send and receive, which includes messages and their
    // authors.
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
        tracing::debug!("the log was already started");
    }
}
