//! What `gripchat run` runs with: backend, edge and store on one machine.

use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    path::PathBuf,
    time::Duration,
};

use base64::{Engine as _, prelude::BASE64_STANDARD};
use clap::Args;
use url::Url;

use super::{
    Backend, BackendArgs, DataArgs, LogArgs, Problems, ProxyArgs, TrustedArgs, address, edge::Proxy, shutdown_delay,
};
use crate::{
    edge,
    grip::{GripUrl, GripUrlError, Signer, Verifier},
};

/// In whose name the backend publishes where nobody named an issuer.
const PUBLISHER: &str = "gripchat";

/// What concerns `gripchat run`, as text.
#[derive(Args, Clone, Debug)]
pub struct RunArgs {
    /// Address the edge listens on for clients; port 0 takes a free one
    #[arg(long, env = "EDGE_LISTEN", default_value = "127.0.0.1:7999", value_name = "IP:PORT")]
    pub edge_listen: String,

    #[command(flatten)]
    #[expect(missing_docs, reason = "a doc comment here would become a heading in --help")]
    pub data: DataArgs,

    #[command(flatten)]
    #[expect(missing_docs, reason = "a doc comment here would become a heading in --help")]
    pub backend: BackendArgs,

    /// Secret that Grip-Sig is signed with; a random one unless given
    #[arg(long, env = "SIG_KEY", value_name = "KEY", hide_env_values = true)]
    pub sig_key: Option<String>,

    #[command(flatten)]
    #[expect(missing_docs, reason = "a doc comment here would become a heading in --help")]
    pub proxy: ProxyArgs,

    #[command(flatten)]
    #[expect(missing_docs, reason = "a doc comment here would become a heading in --help")]
    pub trusted: TrustedArgs,

    /// From SIGTERM, when readiness fails, to the end of new streams: 0s to 10m
    #[arg(long, env = "SHUTDOWN_DELAY", default_value = "0s", value_name = "DURATION")]
    pub shutdown_delay: String,

    #[command(flatten)]
    #[expect(missing_docs, reason = "a doc comment here would become a heading in --help")]
    pub log: LogArgs,
}

/// What `gripchat run` runs with.
#[derive(Clone)]
pub struct Run {
    /// The backend.
    pub backend: Backend,
    /// Where clients come.
    pub edge_listen: SocketAddr,
    /// Where the messages are.
    pub data: PathBuf,
    /// From the signal, when readiness fails, to the end of new streams.
    pub shutdown_delay: Duration,
    proxy: Proxy,
    sig: Credentials,
    control: Option<Credentials>,
    signer: Signer,
}

/// A name, and the key that proves it.
#[derive(Clone)]
struct Credentials {
    iss: String,
    key: String,
}

impl RunArgs {
    /// Checks them all.
    pub fn parse(&self, problems: &mut Problems) -> Option<Run> {
        let trusted = self.trusted.parse(problems);
        let backend = self.backend.parse(trusted.clone(), problems);
        let edge_listen = problems.check("EDGE_LISTEN", address(&self.edge_listen));
        let data = self.data.parse(problems);
        let key = self.sig_key.clone().unwrap_or_else(random_key);
        let sig = Credentials { iss: self.proxy.sig_iss.clone(), key };
        let signer = sig.both_ways("SIG_KEY", problems);
        let proxy = self.proxy.parse(trusted, problems);
        let shutdown_delay = problems.check("SHUTDOWN_DELAY", shutdown_delay(&self.shutdown_delay));
        let control = self.proxy.control_key.as_ref().map(|key| {
            let iss = self.proxy.control_iss.clone().unwrap_or_else(|| PUBLISHER.to_owned());
            Credentials { iss, key: key.clone() }
        });
        // What the edge cannot check with is named already.
        if proxy.is_some() {
            control.as_ref().and_then(|control| control.both_ways("CONTROL_KEY", problems));
        }
        Some(Run {
            backend: backend?,
            edge_listen: edge_listen?,
            data: data?,
            shutdown_delay: shutdown_delay?,
            proxy: proxy?,
            sig,
            control,
            signer: signer?,
        })
    }
}

impl Run {
    /// Where publishers come.
    pub fn control_listen(&self) -> SocketAddr {
        self.proxy.control_listen
    }

    /// How many clients may be connected at a time.
    pub fn max_connections(&self) -> usize {
        self.proxy.max_connections
    }

    /// What the edge runs with in front of a backend that is bound to this address.
    pub fn edge(&self, backend: SocketAddr) -> Result<edge::Config, edge::BackendUrlError> {
        let backend = format!("http://{}", reachable(backend)).parse()?;
        Ok(self.proxy.config(backend, self.signer.clone()))
    }

    /// Whom the backend publishes to and believes: the edge whose control port is bound to this
    /// address, over HTTP as it would any other proxy.
    pub fn grip(&self, control: SocketAddr) -> Result<Vec<GripUrl>, GripUrlError> {
        let mut query = vec![("verify-iss", &self.sig.iss), ("verify-key", &self.sig.key)];
        query.extend(self.control.iter().flat_map(|control| [("iss", &control.iss), ("key", &control.key)]));
        let url = format!("http://{}/", reachable(control));
        let url = Url::parse_with_params(&url, query).map_err(|error| GripUrlError::Url(1, error))?;
        // Blanks and commas, which would end it, are encoded.
        GripUrl::parse_list(url.as_str())
    }
}

impl Credentials {
    /// One process signs and checks here, so that the key must do for both.
    fn both_ways(&self, variable: &'static str, problems: &mut Problems) -> Option<Signer> {
        let signer = problems.check(variable, Signer::parse(&self.iss, &self.key))?;
        let verifier = Verifier::parse(Some(&self.iss), &self.key);
        problems.check(variable, verifier.map_err(|_| "must be a secret or an \"oct\" JWK"))?;
        Some(signer)
    }
}

/// Nobody outside of this process has to know it. The text is the secret: of random bytes one in 256 would begin as a
/// JWK does.
pub(super) fn random_key() -> String {
    BASE64_STANDARD.encode(rand::random::<[u8; 32]>())
}

/// Where this machine reaches what is bound to an address: all addresses are no address to connect to.
pub fn reachable(bound: SocketAddr) -> SocketAddr {
    let ip = match bound.ip() {
        IpAddr::V4(Ipv4Addr::UNSPECIFIED) => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(Ipv6Addr::UNSPECIFIED) => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    SocketAddr::new(ip, bound.port())
}
