//! The log.

use std::io::{IsTerminal as _, stderr};

use tracing_subscriber::{layer::SubscriberExt as _, util::SubscriberInitExt as _};

use crate::config::LogConfig;

/// Logs to standard error from now on; standard output is for what the user asked for.
///
/// Called once, at the start; a second call would have no effect.
pub fn start(config: LogConfig) {
    let registry = tracing_subscriber::registry().with(config.filter);
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
