//! The log.

use clap::Args;
use tracing_subscriber::EnvFilter;

use super::{problems::Problems, values::checked};
use crate::telemetry::Log;

/// The settings of the log.
#[derive(Args, Clone, Debug)]
pub struct LogFlags {
    /// Format of the log on standard error: text or json
    #[arg(
        long = "log-format",
        env = "LOG_FORMAT",
        default_value = "text",
        value_name = "FORMAT",
        action = clap::ArgAction::Set,
        value_parser = checked(is_json)
    )]
    pub json: bool,

    // Text until `config`: clap clones values, and an `EnvFilter` cannot be cloned.
    /// What to log: a level, or levels by module
    #[arg(long, env = "RUST_LOG", default_value = "info", value_name = "FILTER")]
    pub log_filter: String,
}

impl LogFlags {
    /// Checks the filter, and returns what the log takes.
    pub fn config(&self, problems: &mut Problems) -> Option<Log> {
        let filter = EnvFilter::try_new(&self.log_filter).map_err(|e| format!("{e}; try info or gripchat=debug"));
        Some(Log { json: self.json, filter: problems.check("RUST_LOG", filter)? })
    }
}

fn is_json(format: &str) -> Result<bool, &'static str> {
    match format {
        "text" => Ok(false),
        "json" => Ok(true),
        _ => Err("must be text or json"),
    }
}
