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
        let filter = filter(&self.log_filter);
        Some(Log { json: self.json, filter: problems.check("RUST_LOG", filter)? })
    }
}

/// `EnvFilter` of tracing-subscriber 0.3.23 panics on some text that is not ASCII: it cuts within a character. Targets,
/// levels and names of spans are ASCII.
fn filter(text: &str) -> Result<EnvFilter, String> {
    if !text.is_ascii() {
        return Err("must be ASCII; try info or gripchat=debug".to_owned());
    }
    EnvFilter::try_new(text).map_err(|error| format!("{error}; try info or gripchat=debug"))
}

fn is_json(format: &str) -> Result<bool, &'static str> {
    match format {
        "text" => Ok(false),
        "json" => Ok(true),
        _ => Err("must be text or json"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_filter_that_is_not_ascii_is_an_error_and_no_panic() {
        for text in ["\u{a0}꣐=", "é=debug", "ä"] {
            assert!(filter(text).unwrap_err().contains("try info"), "{text}");
        }
        filter("info,gripchat=debug").unwrap();
    }
}
