//! `gripchat run`: backend, edge and embedded store in one process.

use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    time::Duration,
};

use base64::{Engine as _, prelude::BASE64_STANDARD};
use clap::Args;
use url::Url;

use super::{
    backend::Backend,
    edge_common::EdgeCommon,
    log::LogFlags,
    problems::Problems,
    store::DataFolder,
    values::{SHUTDOWN_DELAY, address, checked, duration},
};
use crate::{
    edge,
    grip::{GripUrl, GripUrlError, Signer, Verifier},
};

/// The issuer that the backend's tokens name unless `CONTROL_ISS` requires another.
const PUBLISHER: &str = "gripchat";

/// The settings of `gripchat run`.
#[derive(Args, Clone)]
pub struct Run {
    /// Address the edge listens on for clients; port 0 selects a free one
    #[arg(
        long,
        env = "EDGE_LISTEN",
        default_value = "127.0.0.1:7999",
        value_name = "IP:PORT",
        value_parser = checked(address)
    )]
    pub edge_listen: SocketAddr,

    #[command(flatten)]
    pub(crate) folder: DataFolder,

    #[command(flatten)]
    pub(crate) backend: Backend,

    /// Secret that signs Grip-Sig; by default a random one
    #[arg(long, env = "SIG_KEY", value_name = "KEY", hide_env_values = true)]
    pub sig_key: Option<String>,

    #[command(flatten)]
    pub(crate) edge: EdgeCommon,

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

/// The keys with which backend and edge recognise each other.
#[derive(Clone)]
pub struct Keys {
    sig: Credentials,
    signer: Signer,
    control: Option<Credentials>,
    publishers: Option<Verifier>,
}

/// An issuer's name, and the key that proves it.
#[derive(Clone)]
struct Credentials {
    iss: String,
    key: String,
}

impl Run {
    /// Checks the keys, and generates those that were not given.
    pub fn keys(&self, problems: &mut Problems) -> Option<Keys> {
        let key = self.sig_key.clone().unwrap_or_else(random_key);
        let sig = Credentials { iss: self.edge.sig_iss.clone(), key };
        let signer = sig.check("SIG_KEY", problems);
        let publishers = self.edge.publishers(problems);
        let control = self.edge.control_key.as_ref().map(|key| {
            let iss = self.edge.control_iss.clone().unwrap_or_else(|| PUBLISHER.to_owned());
            Credentials { iss, key: key.clone() }
        });
        // A key that cannot verify is a problem already.
        if publishers.is_some() {
            control.as_ref().and_then(|control| control.check("CONTROL_KEY", problems));
        }
        Some(Keys { sig, signer: signer?, control, publishers: publishers? })
    }

    /// Returns what the edge takes, for a backend that is bound to this address.
    pub fn edge_config(&self, keys: &Keys, backend: SocketAddr) -> Result<edge::Config, edge::BackendUrlError> {
        let backend = format!("http://{}", reachable(backend)).parse()?;
        Ok(self.edge.config(backend, keys.signer.clone(), keys.publishers.clone(), &self.backend.trusted))
    }
}

impl Keys {
    /// Returns the URL of the edge whose control port is bound to this address. The backend publishes to it over HTTP,
    /// as to any other proxy, and trusts its signature alone.
    pub fn grip_urls(&self, control: SocketAddr) -> Result<Vec<GripUrl>, GripUrlError> {
        let mut query = vec![("verify-iss", &self.sig.iss), ("verify-key", &self.sig.key)];
        query.extend(self.control.iter().flat_map(|control| [("iss", &control.iss), ("key", &control.key)]));
        let url = format!("http://{}/", reachable(control));
        let url = Url::parse_with_params(&url, query).map_err(|error| GripUrlError::Url(1, error))?;
        // Blanks and commas, which separate the URLs of a list, are encoded.
        GripUrl::parse_list(url.as_str())
    }
}

impl Credentials {
    /// One process signs and verifies here, so the key must be good for both.
    fn check(&self, variable: &str, problems: &mut Problems) -> Option<Signer> {
        let signer = problems.check(variable, Signer::parse(&self.iss, &self.key))?;
        let verifier = Verifier::parse(Some(&self.iss), &self.key);
        problems.check(variable, verifier.map_err(|_| "must be a secret or an \"oct\" JWK"))?;
        Some(signer)
    }
}

/// A secret that nothing outside of this process has to know. The base64 text itself is the secret: one in 256 random
/// byte strings would start with `{`, as a JWK does.
pub(super) fn random_key() -> String {
    BASE64_STANDARD.encode(rand::random::<[u8; 32]>())
}

/// Returns the address at which this machine reaches a socket that is bound to `bound`: the unspecified address, which
/// stands for all interfaces, is replaced with loopback.
pub fn reachable(bound: SocketAddr) -> SocketAddr {
    let ip = match bound.ip() {
        IpAddr::V4(Ipv4Addr::UNSPECIFIED) => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(Ipv6Addr::UNSPECIFIED) => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    SocketAddr::new(ip, bound.port())
}
