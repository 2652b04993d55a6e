//! How to log.

use clap::Args;
use tracing_subscriber::EnvFilter;

use super::Problems;
use crate::telemetry::Log;

/// What concerns logs, as text.
#[derive(Args, Clone, Debug)]
pub struct LogArgs {
    /// Form of the log on standard error: text or json
    #[arg(long, env = "LOG_FORMAT", default_value = "text", value_name = "FORMAT")]
    pub log_format: String,

    /// What is logged: a level, or levels by module
    #[arg(long, env = "RUST_LOG", default_value = "info", value_name = "FILTER")]
    pub log_filter: String,
}

impl LogArgs {
    /// Checks them.
    pub fn parse(&self, problems: &mut Problems) -> Option<Log> {
        let json = match self.log_format.as_str() {
            "text" => Ok(false),
            "json" => Ok(true),
            _ => Err("must be text or json"),
        };
        let json = problems.check("LOG_FORMAT", json);
        let filter = EnvFilter::try_new(&self.log_filter);
        let filter = problems.check("RUST_LOG", filter.map_err(|e| format!("{e}; try info or gripchat=debug")));
        Some(Log { json: json?, filter: filter? })
    }
}
