//! The proxies that may name the client of a request.

use clap::Args;

use super::values::checked;
use crate::forwarded::TrustedProxies;

/// Which addresses may name the client of a request.
#[derive(Args, Clone, Debug)]
pub struct Trusted {
    // Not the private networks: a client in one of them could choose its own address.
    /// Proxies whose X-Forwarded-For is trusted: addresses and networks, separated by spaces or commas
    #[arg(
        long,
        env = "TRUSTED_PROXIES",
        default_value = "127.0.0.0/8 ::1",
        value_name = "NETWORKS",
        value_parser = checked(str::parse::<TrustedProxies>)
    )]
    pub trusted_proxies: TrustedProxies,
}
