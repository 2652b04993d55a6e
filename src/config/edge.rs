//! What the edge runs with, and `gripchat edge`.

use std::{net::SocketAddr, ops::RangeInclusive, time::Duration};

use clap::Args;

use super::{LogArgs, Problems, TrustedArgs, address, duration, max_connections, shutdown_delay};
use crate::{
    edge,
    forwarded::TrustedProxies,
    grip::{Signer, Verifier},
};

/// What Pushpin signs with as it is packaged, so that either proxy fits the `GRIP_URL` of the other.
const DEFAULT_SIG_KEY: &str = "changeme";

/// Below a tenth of a second a busy backend would seem dead; for an hour nobody waits.
const BACKEND_TIMEOUT: RangeInclusive<Duration> = Duration::from_millis(100)..=Duration::from_secs(3600);

/// Longer than any restart may take.
const DRAIN_WINDOW: RangeInclusive<Duration> = Duration::ZERO..=Duration::from_secs(600);

/// What concerns the edge, alone and beside the backend, as text.
#[derive(Args, Clone, Debug)]
pub struct ProxyArgs {
    /// Address of the edge's control port, which takes what is published; port 0 takes a free one
    #[arg(long, env = "CONTROL_LISTEN", default_value = "127.0.0.1:5561", value_name = "IP:PORT")]
    pub control_listen: String,

    /// Issuer that Grip-Sig names
    #[arg(long, env = "SIG_ISS", default_value = "pushpin", value_name = "NAME")]
    pub sig_iss: String,

    /// Key of the tokens that the control port asks for; without it whoever reaches the port may publish
    #[arg(long, env = "CONTROL_KEY", value_name = "KEY", hide_env_values = true)]
    pub control_key: Option<String>,

    /// Issuer that tokens for the control port must name; without it any will do
    #[arg(long, env = "CONTROL_ISS", value_name = "NAME")]
    pub control_iss: Option<String>,

    /// Most connections of clients at a time: 1 to 1000000
    #[arg(long, env = "MAX_CONNECTIONS", default_value = "50000", value_name = "NUMBER")]
    pub max_connections: String,

    /// Most requests of a client that are held at a time: 1 to 1000000, or 0 for no limit
    #[arg(long, env = "MAX_STREAMS_PER_ADDRESS", default_value = "1000", value_name = "NUMBER")]
    pub max_streams_per_address: String,

    /// Longest body of a request: bytes, or a number with KiB, MiB or GiB
    #[arg(long, env = "MAX_BODY", default_value = "10MiB", value_name = "SIZE")]
    pub max_body: String,

    /// Longest wait for the head of a backend's answer: 100ms to 1h
    #[arg(long, env = "BACKEND_TIMEOUT", default_value = "30s", value_name = "DURATION")]
    pub backend_timeout: String,

    /// At SIGTERM streams are ended over this time, or 10 ms for each if that is less: 0s to 10m
    #[arg(long, env = "DRAIN_WINDOW", default_value = "5s", value_name = "DURATION")]
    pub drain_window: String,
}

/// What concerns `gripchat edge`, as text.
#[derive(Args, Clone, Debug)]
pub struct EdgeArgs {
    /// Address the edge listens on for clients; port 0 takes a free one
    #[arg(long, env = "LISTEN", default_value = "127.0.0.1:7999", value_name = "IP:PORT")]
    pub listen: String,

    /// Backend that requests are forwarded to
    #[arg(long, env = "BACKEND", default_value = "http://127.0.0.1:3000", value_name = "URL")]
    pub backend: String,

    /// Key that Grip-Sig is signed with, in a form that GRIP_URL takes
    #[arg(long, env = "SIG_KEY", default_value = DEFAULT_SIG_KEY, value_name = "KEY", hide_env_values = true)]
    pub sig_key: String,

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

/// What `gripchat edge` runs with.
#[derive(Clone)]
pub struct Edge {
    /// Where clients come.
    pub listen: SocketAddr,
    /// Where publishers come.
    pub control_listen: SocketAddr,
    /// Everything else.
    pub config: edge::Config,
    /// Whether it signs with a key that everybody knows.
    pub signs_with_default: bool,
    /// From the signal, when readiness fails, to the end of new streams.
    pub shutdown_delay: Duration,
}

/// What of the edge does not depend on whom it stands in front of.
#[derive(Clone)]
pub(super) struct Proxy {
    pub(super) control_listen: SocketAddr,
    pub(super) publishers: Option<Verifier>,
    pub(super) max_connections: usize,
    pub(super) max_streams_per_address: usize,
    pub(super) trusted: TrustedProxies,
    pub(super) max_body: u64,
    pub(super) backend_timeout: Duration,
    pub(super) drain_window: Duration,
}

impl ProxyArgs {
    pub(super) fn parse(&self, trusted: Option<TrustedProxies>, problems: &mut Problems) -> Option<Proxy> {
        let control_listen = problems.check("CONTROL_LISTEN", address(&self.control_listen));
        let publishers = self.publishers(problems);
        let max_connections = problems.check("MAX_CONNECTIONS", max_connections(&self.max_connections));
        let streams = max_streams(&self.max_streams_per_address);
        let streams = problems.check("MAX_STREAMS_PER_ADDRESS", streams);
        let max_body = size(&self.max_body).ok_or("must be a number of bytes, or one with KiB, MiB or GiB, as 10MiB");
        let max_body = problems.check("MAX_BODY", max_body);
        let timeout = duration(&self.backend_timeout, BACKEND_TIMEOUT);
        let timeout =
            problems.check("BACKEND_TIMEOUT", timeout.ok_or("must be a duration of 100ms to 1h, such as 30s"));
        let window = duration(&self.drain_window, DRAIN_WINDOW).ok_or("must be a duration of 0s to 10m, such as 5s");
        let window = problems.check("DRAIN_WINDOW", window);
        Some(Proxy {
            control_listen: control_listen?,
            publishers: publishers?,
            max_connections: max_connections?,
            max_streams_per_address: streams?,
            trusted: trusted?,
            max_body: max_body?,
            backend_timeout: timeout?,
            drain_window: window?,
        })
    }

    fn publishers(&self, problems: &mut Problems) -> Option<Option<Verifier>> {
        match (&self.control_key, self.control_iss.as_deref()) {
            (Some(key), iss) => problems.check("CONTROL_KEY", Verifier::parse(iss, key)).map(Some),
            (None, None) => Some(None),
            (None, Some(_)) => {
                problems.add("CONTROL_ISS", "names an issuer of tokens, which are asked for only with CONTROL_KEY");
                None
            }
        }
    }
}

impl Proxy {
    /// In front of this backend.
    pub(super) fn config(&self, backend: edge::BackendUrl, signer: Signer) -> edge::Config {
        edge::Config {
            backend,
            signer,
            publishers: self.publishers.clone(),
            max_connections: self.max_connections,
            max_streams_per_address: self.max_streams_per_address,
            trusted: self.trusted.clone(),
            max_body: self.max_body,
            backend_timeout: self.backend_timeout,
            drain_window: self.drain_window,
        }
    }
}

impl EdgeArgs {
    /// Checks them all.
    pub fn parse(&self, problems: &mut Problems) -> Option<Edge> {
        let listen = problems.check("LISTEN", address(&self.listen));
        let backend = problems.check("BACKEND", self.backend.parse());
        let signer = problems.check("SIG_KEY", Signer::parse(&self.proxy.sig_iss, &self.sig_key));
        let shutdown_delay = problems.check("SHUTDOWN_DELAY", shutdown_delay(&self.shutdown_delay));
        let trusted = self.trusted.parse(problems);
        let proxy = self.proxy.parse(trusted, problems)?;
        Some(Edge {
            listen: listen?,
            control_listen: proxy.control_listen,
            config: proxy.config(backend?, signer?),
            signs_with_default: self.sig_key == DEFAULT_SIG_KEY,
            shutdown_delay: shutdown_delay?,
        })
    }
}

fn max_streams(text: &str) -> Result<usize, &'static str> {
    if text == "0" { Ok(0) } else { max_connections(text).map_err(|_| "must be a number of 0 to 1000000") }
}

/// Bytes, or a number of a binary unit.
pub(super) fn size(text: &str) -> Option<u64> {
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let shift = match unit.trim_start() {
        "" | "B" => 0,
        "KiB" => 10,
        "MiB" => 20,
        "GiB" => 30,
        _ => return None,
    };
    number.parse::<u64>().ok()?.checked_mul(1 << shift)
}
