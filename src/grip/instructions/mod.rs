//! The response headers that tell a proxy what to do, as a proxy reads them. [`Hold`](super::Hold) writes them.
//!
//! They are read like Pushpin reads them (`handler/instruct.cpp`). A header that may repeat is a comma-separated list
//! over all its lines; an entry that does not parse is dropped, and the other entries are kept. A header with a single
//! value that does not parse is an error.

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, StatusCode};

use super::{escape, list};

/// The default time before a keep-alive is sent (Pushpin's `DEFAULT_KEEPALIVE_TIMEOUT`).
const KEEP_ALIVE_AFTER: Duration = Duration::from_secs(55);
/// The default time that a response is held, as in Pushpin.
const RESPONSE_TIMEOUT: Duration = Duration::from_secs(55);
/// The minimum time that a response is held, as in Pushpin.
const MIN_RESPONSE_TIMEOUT: Duration = Duration::from_secs(5);
/// The default interval at which a next link is requested (Pushpin's `DEFAULT_NEXT_TIMEOUT`).
const RECHECK_INTERVAL: Duration = Duration::from_secs(120);

/// What a proxy does with a response.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Instructions {
    /// How to hold the request, if at all.
    pub hold: Option<HoldMode>,
    /// The channels that the request is subscribed to.
    pub channels: Vec<Subscription>,
    /// The content that is sent when a stream has been silent.
    pub keep_alive: Option<KeepAlive>,
    /// The next page; with a hold, the link from which missed items are recovered.
    pub next: Option<NextLink>,
    /// The link that is requested when the client has disconnected.
    pub gone: Option<String>,
    /// How long a response is held, if the backend sets it.
    pub timeout: Option<Duration>,
    /// The subscriber's properties that filters read, as names and values.
    pub meta: Vec<(String, String)>,
    /// The status for the client, instead of the response's own.
    pub status: Option<Status>,
    /// The names of the only headers that reach the client, in lower case. Empty: all headers reach it.
    pub expose: Vec<String>,
}

/// A `Grip-Status`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Status {
    /// The status code.
    pub code: StatusCode,
    /// The reason phrase, if there is one.
    pub reason: Option<String>,
}

/// How a request is held.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HoldMode {
    /// The response stays open, and items are appended to it.
    Stream,
    /// The response waits, and the next item is sent instead of it.
    Response,
}

/// A subscription of a held request to a channel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subscription {
    /// The channel's name, compared byte by byte.
    pub channel: String,
    /// The id of the last item that the client received. It makes the channel reliable.
    pub prev_id: Option<String>,
    /// The names of the filters that decide which items are delivered.
    pub filters: Vec<String>,
}

/// The content that is sent when a stream has been silent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeepAlive {
    /// The bytes that are sent.
    pub data: Bytes,
    /// The time after which they are sent.
    pub after: Duration,
    /// Whether they are sent regularly. Otherwise they are sent only if nothing else was sent during `after`.
    pub interval: bool,
}

/// A `Grip-Link` with `rel=next`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NextLink {
    /// A URI, absolute or relative to the URI of the request.
    pub uri: String,
    /// The interval at which the link is requested while the stream is held.
    pub recheck: Duration,
}

/// A header that cannot be parsed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the backend's {0} cannot be understood: {1:?}")]
pub struct InstructionsError(&'static str, String);

impl Instructions {
    /// Returns whether a response has any instructions.
    pub fn is_in(headers: &HeaderMap) -> bool {
        headers.keys().any(|name| name.as_str().starts_with("grip-"))
    }

    /// Parses the headers of a response.
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
                .map(|entry| entry.token.to_ascii_lowercase())
                .collect(),
        })
    }

    /// Returns how long a response is held.
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

fn subscription(entry: list::Entry<'_>) -> Subscription {
    let prev_id = entry.param("prev-id").filter(|id| !id.is_empty()).map(str::to_owned);
    let filters = entry.params.iter().filter(|(name, _)| *name == "filter").map(|(_, filter)| filter.clone()).collect();
    Subscription { channel: entry.token.to_owned(), prev_id, filters }
}

/// Parses a keep-alive. The data ends at the first semicolon and may contain commas, because the value is not a list.
fn keep_alive(value: &str) -> Result<KeepAlive, InstructionsError> {
    let error = || InstructionsError("Grip-Keep-Alive", value.to_owned());
    let (data, params) = value.split_once(';').unwrap_or((value, ""));
    let params = list::params(params).ok_or_else(error)?;
    let param = |name: &str| params.iter().find(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, v)| v.as_str());
    let data = data.trim();
    let data = match param("format") {
        None | Some("raw") => Some(data.as_bytes().to_vec()),
        Some("cstring") => escape::decode_cstring(data),
        Some("base64") => escape::decode_base64(data),
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

/// Returns the next link, and the link for a client that has disconnected.
fn links(headers: &HeaderMap) -> Result<(Option<NextLink>, Option<String>), InstructionsError> {
    let (mut next, mut gone) = (None, None);
    for entry in lines(headers, "grip-link").flat_map(list::parse) {
        let error = || InstructionsError("Grip-Link", entry.token.to_owned());
        let uri = entry.token.strip_prefix('<').and_then(|uri| uri.strip_suffix('>')).ok_or_else(error)?;
        match entry.param("rel") {
            Some("next") => {
                let recheck = entry.param("timeout").map(|timeout| seconds(timeout).ok_or_else(error)).transpose()?;
                next = Some(NextLink { uri: uri.to_owned(), recheck: recheck.unwrap_or(RECHECK_INTERVAL) });
            }
            Some("gone") => gone = Some(uri.to_owned()),
            _ => {}
        }
    }
    Ok((next, gone))
}

fn response_timeout(value: &str) -> Result<Duration, InstructionsError> {
    let timeout = seconds(value.trim()).ok_or_else(|| InstructionsError("Grip-Timeout", value.to_owned()))?;
    Ok(timeout.max(MIN_RESPONSE_TIMEOUT))
}

/// Parses a code and a reason, such as `299 Ready to go`.
fn status(value: &str) -> Result<Status, InstructionsError> {
    let (code, reason) = value.trim().split_once(' ').unwrap_or((value.trim(), ""));
    let code = code.parse().map_err(|_| InstructionsError("Grip-Status", value.to_owned()))?;
    Ok(Status { code, reason: Some(reason.trim().to_owned()).filter(|reason| !reason.is_empty()) })
}

/// Parses whole seconds, up to the 24 days that Pushpin can count in milliseconds.
fn seconds(text: &str) -> Option<Duration> {
    let seconds: u64 = text.parse().ok()?;
    (seconds <= 2_147_483).then(|| Duration::from_secs(seconds))
}

#[cfg(test)]
mod tests;
