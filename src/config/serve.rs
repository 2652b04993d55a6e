//! `gripchat serve`: the backend alone.

use std::time::Duration;

use clap::Args;

use super::{
    backend::Backend,
    log::LogFlags,
    store::Store,
    values::{MAX_CONNECTIONS, SHUTDOWN_DELAY, checked, duration, number},
};
use crate::{features, grip::GripUrl};

/// clap would take a `Vec` for a flag that may be repeated.
type GripUrls = Vec<GripUrl>;

/// The settings of `gripchat serve`.
#[derive(Args, Clone)]
pub struct Serve {
    #[command(flatten)]
    pub(crate) backend: Backend,

    /// GRIP proxies to publish to: URLs, separated by spaces or commas
    #[arg(
        long,
        env = "GRIP_URL",
        default_value = "http://localhost:5561",
        value_name = "URLS",
        hide_env_values = true,
        value_parser = checked(grip_urls)
    )]
    pub grip_url: GripUrls,

    #[command(flatten)]
    pub(crate) store: Store,

    /// Maximum number of connections: 1 to 1000000
    #[arg(
        long,
        env = "MAX_CONNECTIONS",
        default_value = "10000",
        value_name = "NUMBER",
        value_parser = number(MAX_CONNECTIONS)
    )]
    pub max_connections: usize,

    // Not 0: a load balancer checks readiness every few seconds only, and its clients would be refused until then.
    /// Delay from SIGTERM, when readiness fails, until no new request is accepted: 0s to 10m
    #[arg(
        long,
        env = "SHUTDOWN_DELAY",
        default_value = "5s",
        value_name = "DURATION",
        value_parser = duration(SHUTDOWN_DELAY)
    )]
    pub shutdown_delay: Duration,

    #[command(flatten)]
    pub(crate) log: LogFlags,
}

fn grip_urls(text: &str) -> Result<GripUrls, String> {
    let urls = GripUrl::parse_list(text).map_err(|error| error.to_string())?;
    match urls.iter().find(|url| url.is_https()) {
        Some(url) if !features::TLS.is_built_in() => Err(format!("{url} needs TLS; {}", features::TLS.missing())),
        _ => Ok(urls),
    }
}
