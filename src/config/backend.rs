//! The backend, with any proxy and any store.

use std::{net::SocketAddr, num::NonZeroU32, ops::RangeInclusive, time::Duration};

use clap::{ArgAction, Args};
use http::HeaderValue;

use super::{
    trusted::Trusted,
    values::{address, checked, duration, number, on_or_off},
};
use crate::{
    store::Retention,
    web::{CorsOrigins, PostRate},
};

/// At least a second because a proxy counts whole seconds, and because every recheck of a room costs one read.
const RECHECK: RangeInclusive<Duration> = Duration::from_secs(1)..=Duration::from_secs(3600);

/// A higher limit would be no limit.
const MAX_POSTS: NonZeroU32 = NonZeroU32::new(1_000_000).expect("not zero");

/// The settings of the backend, with any proxy and any store.
#[derive(Args, Clone, Debug)]
pub struct Backend {
    /// Address the backend listens on; port 0 selects a free one
    #[arg(long, env = "LISTEN", default_value = "127.0.0.1:3000", value_name = "IP:PORT", value_parser = checked(address))]
    pub listen: SocketAddr,

    /// How long messages are kept: at least 1h, or 0 to keep them forever
    #[arg(
        long,
        env = "MESSAGE_RETENTION",
        default_value = "30d",
        value_name = "DURATION",
        value_parser = checked(str::parse::<Retention>)
    )]
    pub message_retention: Retention,

    /// Interval at which a proxy checks whether a stream has missed messages: 1s to 1h
    #[arg(
        long,
        env = "RECHECK_INTERVAL",
        default_value = "2m",
        value_name = "DURATION",
        value_parser = duration(RECHECK)
    )]
    pub recheck_interval: Duration,

    /// Origins whose pages may use the API, separated by spaces or commas; * for all
    #[arg(long, env = "CORS_ORIGINS", default_value = "", value_name = "ORIGINS", value_parser = checked(cors))]
    pub cors_origins: CorsOrigins,

    /// Whether GET /rooms/ lists the rooms: on or off
    #[arg(
        long,
        env = "ROOM_LIST",
        default_value = "on",
        value_name = "on|off",
        action = ArgAction::Set,
        value_parser = checked(on_or_off)
    )]
    pub room_list: bool,

    /// Posts per second that a client may send after its burst: 0 to 1000000; 0 for no limit
    #[arg(
        long,
        env = "POST_RATE",
        default_value = "10",
        value_name = "NUMBER",
        value_parser = number(0..=MAX_POSTS.get())
    )]
    pub post_rate: u32,

    /// Posts that a client may send in a burst: 1 to 1000000
    #[arg(
        long,
        env = "POST_BURST",
        default_value = "50",
        value_name = "NUMBER",
        value_parser = number(NonZeroU32::MIN..=MAX_POSTS)
    )]
    pub post_burst: NonZeroU32,

    #[command(flatten)]
    pub(crate) trusted: Trusted,
}

impl Backend {
    /// How often a client may post, if that is limited.
    pub fn post_limit(&self) -> Option<PostRate> {
        NonZeroU32::new(self.post_rate).map(|rate| PostRate { rate, burst: self.post_burst })
    }
}

fn cors(text: &str) -> Result<CorsOrigins, String> {
    let origins: Vec<&str> = text.split(|c: char| c == ',' || c.is_whitespace()).filter(|o| !o.is_empty()).collect();
    match origins[..] {
        [] => Ok(CorsOrigins::SameOrigin),
        ["*"] => Ok(CorsOrigins::Any),
        _ => origins.into_iter().map(origin).collect::<Result<_, _>>().map(CorsOrigins::Listed),
    }
}

/// An origin as browsers send it: a scheme, a host, a port unless it is the scheme's own, and nothing else.
fn origin(text: &str) -> Result<HeaderValue, String> {
    let exact = url::Url::parse(text).ok().map(|url| url.origin().ascii_serialization()).filter(|o| o == text);
    exact
        .and_then(|origin| HeaderValue::try_from(origin).ok())
        .ok_or_else(|| format!("{text:?} is not an origin; write it as browsers do, such as https://example.com"))
}
