//! `gripchat edge`: the edge alone.

use std::{net::SocketAddr, time::Duration};

use clap::Args;

use super::{
    edge_common::EdgeCommon,
    log::LogFlags,
    problems::Problems,
    trusted::Trusted,
    values::{SHUTDOWN_DELAY, address, checked, duration},
};
use crate::{edge, grip::Signer};

/// What Pushpin signs with as it is packaged, so that either proxy fits the `GRIP_URL` of the other.
const DEFAULT_SIG_KEY: &str = "changeme";

/// The settings of `gripchat edge`.
#[derive(Args, Clone)]
pub struct Edge {
    /// Address the edge listens on for clients; port 0 selects a free one
    #[arg(long, env = "LISTEN", default_value = "127.0.0.1:7999", value_name = "IP:PORT", value_parser = checked(address))]
    pub listen: SocketAddr,

    /// Backend that requests are forwarded to
    #[arg(
        long,
        env = "BACKEND",
        default_value = "http://127.0.0.1:3000",
        value_name = "URL",
        value_parser = checked(str::parse::<edge::BackendUrl>)
    )]
    pub backend: edge::BackendUrl,

    /// Key that signs Grip-Sig, in any form that GRIP_URL accepts
    #[arg(long, env = "SIG_KEY", default_value = DEFAULT_SIG_KEY, value_name = "KEY", hide_env_values = true)]
    pub sig_key: String,

    #[command(flatten)]
    pub(crate) common: EdgeCommon,

    #[command(flatten)]
    pub(crate) trusted: Trusted,

    /// Delay from SIGTERM, when readiness fails, until no new stream is accepted: 0s to 10m
    #[arg(
        long,
        env = "SHUTDOWN_DELAY",
        default_value = "0s",
        value_name = "DURATION",
        value_parser = duration(SHUTDOWN_DELAY)
    )]
    pub shutdown_delay: Duration,

    #[command(flatten)]
    pub(crate) log: LogFlags,
}

impl Edge {
    /// Checks the keys, and returns what the edge takes.
    pub fn config(&self, problems: &mut Problems) -> Option<edge::Config> {
        let signer = problems.check("SIG_KEY", Signer::parse(&self.common.sig_iss, &self.sig_key));
        let publishers = self.common.publishers(problems);
        Some(self.common.config(self.backend.clone(), signer?, publishers?, &self.trusted))
    }

    /// Whether the key is the default, with which anyone can sign.
    pub fn signs_with_default(&self) -> bool {
        self.sig_key == DEFAULT_SIG_KEY
    }
}
