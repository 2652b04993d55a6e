//! What the backend runs with, and `gripchat serve`.

use std::{net::SocketAddr, ops::RangeInclusive, time::Duration};

use axum::http::HeaderValue;
use clap::Args;

use super::{
    LogArgs, PostArgs, Problems, Store, StoreArgs, TrustedArgs, address, duration, max_connections, shutdown_delay,
};
use crate::{
    forwarded::TrustedProxies,
    grip::GripUrl,
    store::Retention,
    web::{CorsOrigins, PostRate},
};

/// Streams are rechecked at least this often: a proxy takes whole seconds, and every recheck of a
/// room costs one read.
const RECHECK: RangeInclusive<Duration> = Duration::from_secs(1)..=Duration::from_secs(3600);

/// What concerns the backend, whatever its proxy and its store, as text.
#[derive(Args, Clone, Debug)]
pub struct BackendArgs {
    /// Address the backend listens on; port 0 takes a free one
    #[arg(long, env = "LISTEN", default_value = "127.0.0.1:3000", value_name = "IP:PORT")]
    pub listen: String,

    /// How long messages are kept: at least 1h, or 0 for ever
    #[arg(long, env = "MESSAGE_RETENTION", default_value = "30d", value_name = "DURATION")]
    pub message_retention: String,

    /// Longest time until a proxy asks what a stream has missed: 1s to 1h
    #[arg(long, env = "RECHECK_INTERVAL", default_value = "2m", value_name = "DURATION")]
    pub recheck_interval: String,

    /// Origins whose pages may use the API, separated by blanks or commas; * for all
    #[arg(long, env = "CORS_ORIGINS", default_value = "", value_name = "ORIGINS")]
    pub cors_origins: String,

    /// Whether GET /rooms/ lists the rooms: on or off
    #[arg(long, env = "ROOM_LIST", default_value = "on", value_name = "on|off")]
    pub room_list: String,

    #[command(flatten)]
    #[expect(missing_docs, reason = "a doc comment here would become a heading in --help")]
    pub posts: PostArgs,
}

/// What concerns `gripchat serve`, as text.
#[derive(Args, Clone, Debug)]
pub struct ServeArgs {
    #[command(flatten)]
    #[expect(missing_docs, reason = "a doc comment here would become a heading in --help")]
    pub backend: BackendArgs,

    /// GRIP proxies to publish to: URLs separated by blanks or commas
    #[arg(
        long,
        env = "GRIP_URL",
        default_value = "http://localhost:5561",
        value_name = "URLS",
        hide_env_values = true
    )]
    pub grip_url: String,

    #[command(flatten)]
    #[expect(missing_docs, reason = "a doc comment here would become a heading in --help")]
    pub store: StoreArgs,

    #[command(flatten)]
    #[expect(missing_docs, reason = "a doc comment here would become a heading in --help")]
    pub trusted: TrustedArgs,

    /// Most connections at a time: 1 to 1000000
    #[arg(long, env = "MAX_CONNECTIONS", default_value = "10000", value_name = "NUMBER")]
    pub max_connections: String,

    // Not 0: what sends work here looks again every few seconds, and would be refused until then.
    /// From SIGTERM, when readiness fails, to the end of new requests: 0s to 10m
    #[arg(long, env = "SHUTDOWN_DELAY", default_value = "5s", value_name = "DURATION")]
    pub shutdown_delay: String,

    #[command(flatten)]
    #[expect(missing_docs, reason = "a doc comment here would become a heading in --help")]
    pub log: LogArgs,
}

/// What the backend runs with, whatever its proxy and its store.
#[derive(Clone, Debug)]
pub struct Backend {
    /// Where it listens.
    pub listen: SocketAddr,
    /// How long messages are kept.
    pub retention: Retention,
    /// The longest time between two checks of a stream.
    pub recheck: Duration,
    /// Who else may use the API.
    pub cors: CorsOrigins,
    /// Whether anybody may know which rooms there are.
    pub room_list: bool,
    /// How often a client may post, if there is a limit.
    pub posts: Option<PostRate>,
    /// Whose word on a client's address is believed.
    pub trusted: TrustedProxies,
}

/// What `gripchat serve` runs with.
#[derive(Clone, Debug)]
pub struct Serve {
    /// The backend itself.
    pub backend: Backend,
    /// Whom it publishes to and believes.
    pub grip: Vec<GripUrl>,
    /// Where the messages are.
    pub store: Store,
    /// How many connections it takes at a time.
    pub max_connections: usize,
    /// From the signal, when readiness fails, to the end of new requests.
    pub shutdown_delay: Duration,
}

impl BackendArgs {
    /// Checks them all.
    pub fn parse(&self, trusted: Option<TrustedProxies>, problems: &mut Problems) -> Option<Backend> {
        let listen = problems.check("LISTEN", address(&self.listen));
        let retention = problems.check("MESSAGE_RETENTION", self.message_retention.parse());
        let recheck = duration(&self.recheck_interval, RECHECK).ok_or("must be a duration of 1s to 1h, such as 2m");
        let recheck = problems.check("RECHECK_INTERVAL", recheck);
        let cors = problems.check("CORS_ORIGINS", cors(&self.cors_origins));
        let room_list = problems.check("ROOM_LIST", switch(&self.room_list));
        let posts = self.posts.parse(problems);
        Some(Backend {
            listen: listen?,
            retention: retention?,
            recheck: recheck?,
            cors: cors?,
            room_list: room_list?,
            posts: posts?,
            trusted: trusted?,
        })
    }
}

impl ServeArgs {
    /// Checks them all.
    pub fn parse(&self, problems: &mut Problems) -> Option<Serve> {
        let trusted = self.trusted.parse(problems);
        let backend = self.backend.parse(trusted, problems);
        let grip = problems.check("GRIP_URL", GripUrl::parse_list(&self.grip_url));
        let store = self.store.parse(problems);
        let max_connections = problems.check("MAX_CONNECTIONS", max_connections(&self.max_connections));
        let shutdown_delay = problems.check("SHUTDOWN_DELAY", shutdown_delay(&self.shutdown_delay));
        Some(Serve {
            backend: backend?,
            grip: grip?,
            store: store?,
            max_connections: max_connections?,
            shutdown_delay: shutdown_delay?,
        })
    }
}

fn switch(text: &str) -> Result<bool, &'static str> {
    match text {
        "on" => Ok(true),
        "off" => Ok(false),
        _ => Err("must be on or off"),
    }
}

pub(super) fn cors(text: &str) -> Result<CorsOrigins, String> {
    let origins: Vec<&str> = text.split(|c: char| c == ',' || c.is_whitespace()).filter(|o| !o.is_empty()).collect();
    match origins[..] {
        [] => Ok(CorsOrigins::SameOrigin),
        ["*"] => Ok(CorsOrigins::Any),
        _ => origins.into_iter().map(origin).collect::<Result<_, _>>().map(CorsOrigins::Listed),
    }
}

/// An origin as browsers send it: scheme, host and perhaps port, nothing else.
fn origin(text: &str) -> Result<HeaderValue, String> {
    let exact = url::Url::parse(text).ok().map(|url| url.origin().ascii_serialization()).filter(|o| o == text);
    exact
        .and_then(|origin| HeaderValue::try_from(origin).ok())
        .ok_or_else(|| format!("{text:?} is not an origin; write it as browsers do, such as https://example.com"))
}
