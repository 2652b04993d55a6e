//! The edge, alone or together with a backend.

use std::{net::SocketAddr, ops::RangeInclusive, time::Duration};

use clap::Args;

use super::{
    problems::Problems,
    trusted::Trusted,
    values::{MAX_CONNECTIONS, address, checked, duration, number, size},
};
use crate::{
    edge,
    grip::{Signer, Verifier},
};

/// With less than a tenth of a second a busy backend would count as down; no client waits longer than an hour.
const BACKEND_TIMEOUT: RangeInclusive<Duration> = Duration::from_millis(100)..=Duration::from_secs(3600);

/// Longer than any restart may take.
const DRAIN_WINDOW: RangeInclusive<Duration> = Duration::ZERO..=Duration::from_secs(600);

/// The settings of the edge, alone or together with a backend.
#[derive(Args, Clone)]
pub struct EdgeCommon {
    /// Address of the edge's control port, which accepts published items; port 0 selects a free one
    #[arg(
        long,
        env = "CONTROL_LISTEN",
        default_value = "127.0.0.1:5561",
        value_name = "IP:PORT",
        value_parser = checked(address)
    )]
    pub control_listen: SocketAddr,

    /// Issuer named in Grip-Sig
    #[arg(long, env = "SIG_ISS", default_value = "pushpin", value_name = "NAME")]
    pub sig_iss: String,

    /// Key of the tokens that the control port requires; without it, any client that reaches the port may publish
    #[arg(long, env = "CONTROL_KEY", value_name = "KEY", hide_env_values = true)]
    pub control_key: Option<String>,

    /// Issuer that tokens for the control port must name; by default any
    #[arg(long, env = "CONTROL_ISS", value_name = "NAME")]
    pub control_iss: Option<String>,

    /// Maximum number of client connections: 1 to 1000000
    #[arg(
        long,
        env = "MAX_CONNECTIONS",
        default_value = "50000",
        value_name = "NUMBER",
        value_parser = number(MAX_CONNECTIONS)
    )]
    pub max_connections: usize,

    /// Maximum number of held requests per client: 1 to 1000000, or 0 for no limit
    #[arg(
        long,
        env = "MAX_STREAMS_PER_ADDRESS",
        default_value = "1000",
        value_name = "NUMBER",
        value_parser = number(0..=*MAX_CONNECTIONS.end())
    )]
    pub max_streams_per_address: usize,

    /// Maximum length of a request body: bytes, or a number with KiB, MiB or GiB
    #[arg(long, env = "MAX_BODY", default_value = "10MiB", value_name = "SIZE", value_parser = checked(size))]
    pub max_body: u64,

    /// Maximum wait for the head of a backend's response: 100ms to 1h
    #[arg(
        long,
        env = "BACKEND_TIMEOUT",
        default_value = "30s",
        value_name = "DURATION",
        value_parser = duration(BACKEND_TIMEOUT)
    )]
    pub backend_timeout: Duration,

    /// Time over which streams are ended at SIGTERM, at most 10 ms per stream: 0s to 10m
    #[arg(
        long,
        env = "DRAIN_WINDOW",
        default_value = "5s",
        value_name = "DURATION",
        value_parser = duration(DRAIN_WINDOW)
    )]
    pub drain_window: Duration,
}

impl EdgeCommon {
    /// Checks the tokens of publishers; `Some(None)` if they need none.
    pub(super) fn publishers(&self, problems: &mut Problems) -> Option<Option<Verifier>> {
        match (&self.control_key, self.control_iss.as_deref()) {
            (Some(key), iss) => problems.check("CONTROL_KEY", Verifier::parse(iss, key)).map(Some),
            (None, None) => Some(None),
            (None, Some(_)) => {
                problems.add("CONTROL_ISS", "has no effect without CONTROL_KEY; set that too, or unset this");
                None
            }
        }
    }

    /// Returns the edge's configuration with this backend and these keys.
    pub(super) fn config(
        &self,
        backend: edge::BackendUrl,
        signer: Signer,
        publishers: Option<Verifier>,
        trusted: &Trusted,
    ) -> edge::Config {
        edge::Config {
            backend,
            signer,
            publishers,
            max_connections: self.max_connections,
            max_streams_per_address: self.max_streams_per_address,
            trusted: trusted.trusted_proxies.clone(),
            max_body: self.max_body,
            backend_timeout: self.backend_timeout,
            drain_window: self.drain_window,
        }
    }
}
