//! What a backend's response headers tell a proxy to do: [`Hold`](super::Hold)'s other side.
//!
//! Read as Pushpin reads them (`handler/instruct.cpp`): a header that may repeat is a comma-separated
//! list over all its lines, and an item of it that does not parse is dropped alone; a value that must
//! be understood and is not is an error.

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, StatusCode};

use super::{escape, list};

/// Without another word a keep-alive is sent after so long (`DEFAULT_KEEPALIVE_TIMEOUT`).
const KEEP_ALIVE_AFTER: Duration = Duration::from_secs(55);
/// A response hold without a timeout of its own ends after so long, and never before the shortest.
const RESPONSE_TIMEOUT: Duration = Duration::from_secs(55);
const SHORTEST_RESPONSE_TIMEOUT: Duration = Duration::from_secs(5);
/// A next link without a timeout of its own is asked so often (`DEFAULT_NEXT_TIMEOUT`).
const RECHECK_AFTER: Duration = Duration::from_secs(120);

/// What to do with a response.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Instructions {
    /// How to hold the request, if at all.
    pub hold: Option<HoldMode>,
    /// What is delivered to it.
    pub channels: Vec<Subscription>,
    /// What is sent when nothing else is.
    pub keep_alive: Option<KeepAlive>,
    /// Where to go on: with a hold, where to ask for what was missed.
    pub next: Option<NextLink>,
    /// Where to tell that the client has gone.
    pub gone: Option<String>,
    /// How long a response is held.
    pub timeout: Option<Duration>,
    /// What filters know of the subscriber, by name.
    pub meta: Vec<(String, String)>,
    /// The status for the client, in place of the response's own.
    pub status: Option<Status>,
    /// If not empty, the only headers that reach the client, in lower case.
    pub expose: Vec<String>,
}

/// A `Grip-Status`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Status {
    /// The number.
    pub code: StatusCode,
    /// What stands behind it, if anything does.
    pub reason: Option<String>,
}

/// How a request is held.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HoldMode {
    /// The response stays open, and items are sent behind it.
    Stream,
    /// The response waits: the next item is sent in its place.
    Response,
}

/// A channel that a held request listens on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subscription {
    /// The channel's name, compared as it stands.
    pub channel: String,
    /// The id of the last item the client has; makes the channel reliable.
    pub prev_id: Option<String>,
    /// The names of the filters that items must pass.
    pub filters: Vec<String>,
}

/// What keeps a stream alive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeepAlive {
    /// What is sent.
    pub data: Bytes,
    /// After so long.
    pub after: Duration,
    /// Whether it is sent every `after`, whatever else is; otherwise only when nothing else was.
    pub interval: bool,
}

/// A `Grip-Link` with `rel=next`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NextLink {
    /// Absolute, or relative to what the response answers.
    pub uri: String,
    /// How often it is asked, with a hold.
    pub recheck: Duration,
}

/// A header that cannot be understood.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the backend's {0} cannot be understood: {1:?}")]
pub struct InstructionsError(&'static str, String);

impl Instructions {
    /// Whether a response tells a proxy anything.
    pub fn is_in(headers: &HeaderMap) -> bool {
        headers.keys().any(|name| name.as_str().starts_with("grip-"))
    }

    /// Reads the headers of a response.
    pub fn parse(headers: &HeaderMap) -> Result<Self, InstructionsError> {
        let (next, gone) = links(headers)?;
        Ok(Self {
            hold: one(headers, "grip-hold").map(hold_mode).transpose()?,
            channels: lines(headers, "grip-channel").flat_map(list::parse).map(subscription).collect(),
            keep_alive: one(headers, "grip-keep-alive").map(keep_alive).transpose()?,
            next,
            gone,
            timeout: one(headers, "grip-timeout").map(response_timeout).transpose()?,
            meta: lines(headers, "grip-set-meta").flat_map(list::parse_pairs).collect(),
            status: one(headers, "grip-status").map(status).transpose()?,
            expose: lines(headers, "grip-expose-headers")
                .flat_map(list::parse)
                .map(|item| item.token.to_ascii_lowercase())
                .collect(),
        })
    }

    /// How long a response is held.
    pub fn response_timeout(&self) -> Duration {
        self.timeout.unwrap_or(RESPONSE_TIMEOUT)
    }
}

fn lines<'a>(headers: &'a HeaderMap, name: &'static str) -> impl Iterator<Item = &'a str> {
    headers.get_all(name).iter().filter_map(|line| str::from_utf8(line.as_bytes()).ok())
}

fn one<'a>(headers: &'a HeaderMap, name: &'static str) -> Option<&'a str> {
    lines(headers, name).next()
}

fn hold_mode(value: &str) -> Result<HoldMode, InstructionsError> {
    match value.trim() {
        "stream" => Ok(HoldMode::Stream),
        "response" => Ok(HoldMode::Response),
        other => Err(InstructionsError("Grip-Hold", other.to_owned())),
    }
}

fn subscription(item: list::Item<'_>) -> Subscription {
    let prev_id = item.param("prev-id").filter(|id| !id.is_empty()).map(str::to_owned);
    let filters = item.params.iter().filter(|(name, _)| *name == "filter").map(|(_, filter)| filter.clone()).collect();
    Subscription { channel: item.token.to_owned(), prev_id, filters }
}

/// The data goes up to the first semicolon, commas and all: the value is no list.
fn keep_alive(value: &str) -> Result<KeepAlive, InstructionsError> {
    let error = || InstructionsError("Grip-Keep-Alive", value.to_owned());
    let (data, params) = value.split_once(';').unwrap_or((value, ""));
    let params = list::params(params).ok_or_else(error)?;
    let param = |name: &str| params.iter().find(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, v)| v.as_str());
    let data = data.trim();
    let data = match param("format") {
        None | Some("raw") => Some(data.as_bytes().to_vec()),
        Some("cstring") => escape::read_cstring(data),
        Some("base64") => escape::read_base64(data),
        Some(_) => None,
    };
    let interval = match param("mode") {
        None | Some("idle") => false,
        Some("interval") => true,
        Some(_) => return Err(error()),
    };
    let after = match param("timeout") {
        None => KEEP_ALIVE_AFTER,
        Some(timeout) => seconds(timeout).ok_or_else(error)?.max(Duration::from_secs(1)),
    };
    let data = data.filter(|data| !data.is_empty()).ok_or_else(error)?;
    Ok(KeepAlive { data: data.into(), after, interval })
}

/// The next link and the one for a client that has gone.
fn links(headers: &HeaderMap) -> Result<(Option<NextLink>, Option<String>), InstructionsError> {
    let (mut next, mut gone) = (None, None);
    for item in lines(headers, "grip-link").flat_map(list::parse) {
        let error = || InstructionsError("Grip-Link", item.token.to_owned());
        let uri = item.token.strip_prefix('<').and_then(|uri| uri.strip_suffix('>')).ok_or_else(error)?;
        match item.param("rel") {
            Some("next") => {
                let recheck = item.param("timeout").map(|timeout| seconds(timeout).ok_or_else(error)).transpose()?;
                next = Some(NextLink { uri: uri.to_owned(), recheck: recheck.unwrap_or(RECHECK_AFTER) });
            }
            Some("gone") => gone = Some(uri.to_owned()),
            _ => {}
        }
    }
    Ok((next, gone))
}

fn response_timeout(value: &str) -> Result<Duration, InstructionsError> {
    let timeout = seconds(value.trim()).ok_or_else(|| InstructionsError("Grip-Timeout", value.to_owned()))?;
    Ok(timeout.max(SHORTEST_RESPONSE_TIMEOUT))
}

/// `299 Ready to go`.
fn status(value: &str) -> Result<Status, InstructionsError> {
    let (code, reason) = value.trim().split_once(' ').unwrap_or((value.trim(), ""));
    let code = code.parse().map_err(|_| InstructionsError("Grip-Status", value.to_owned()))?;
    Ok(Status { code, reason: Some(reason.trim().to_owned()).filter(|reason| !reason.is_empty()) })
}

/// Whole seconds, less than the 24 days that Pushpin can count in milliseconds.
fn seconds(text: &str) -> Option<Duration> {
    let seconds: u64 = text.parse().ok()?;
    (seconds <= 2_147_483).then(|| Duration::from_secs(seconds))
}

#[cfg(test)]
mod tests;
