//! The response headers that make a proxy hold a stream or request another page.

use std::{fmt, fmt::Write as _, time::Duration};

use http::{HeaderMap, HeaderName, HeaderValue};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use super::escape;

/// All characters except those that never need encoding (RFC 3986, section 2.3).
const RESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// A channel's name: `<kind>-<percent-encoded name>`.
///
/// `Grip-Channel` has no way to quote a comma or a semicolon, so an unencoded name could subscribe to any other channel.
/// The proxy decodes nothing: headers and published items contain the same encoded name.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Channel(String);

impl Channel {
    /// Creates the channel of a kind for a name.
    pub fn new(kind: &'static str, name: &str) -> Self {
        debug_assert!(kind.bytes().all(|b| b.is_ascii_alphabetic()), "a kind has only letters");
        Self(format!("{kind}-{}", utf8_percent_encode(name, RESERVED)))
    }

    /// The encoded name, as headers and published items contain it.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Channel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A channel that a held stream is subscribed to.
#[derive(Clone, Debug)]
pub struct HoldChannel {
    /// The channel.
    pub channel: Channel,
    /// The id of the last item that the client received. It makes the channel reliable. It must consist of token
    /// characters, because proxies send it back unquoted.
    pub prev_id: Option<String>,
}

/// Tells a proxy to hold a stream open after the response that has these headers.
#[derive(Clone, Debug)]
pub struct Hold {
    /// The subscriptions. Pushpin accepts at most 20 (`connection_subscription_max`).
    pub channels: Vec<HoldChannel>,
    /// The text that is sent when nothing else was sent for [`keep_alive_after`](Self::keep_alive_after).
    pub keep_alive: String,
    /// The silence after which `keep_alive` is sent, in whole seconds, at least one.
    pub keep_alive_after: Duration,
    /// The path that the proxy requests when it missed an item, and once in every `recheck`. Percent-encoded.
    pub next: String,
    /// The interval of requests for `next`, in whole seconds, at least one: zero would make the proxy send ten requests
    /// a second.
    pub recheck: Duration,
}

/// Tells a proxy to send this response, and to continue it at once with the response of another path.
#[derive(Clone, Debug)]
pub struct NextPage {
    /// The path of the next page. Percent-encoded.
    pub next: String,
}

impl Hold {
    /// Returns the headers. The response of every next link must repeat all of them.
    pub fn headers(&self) -> HeaderMap {
        let mut channels = String::new();
        for HoldChannel { channel, prev_id } in &self.channels {
            let separator = if channels.is_empty() { "" } else { ", " };
            // Writing to a String cannot fail.
            let _ = write!(channels, "{separator}{channel}");
            if let Some(id) = prev_id {
                let _ = write!(channels, "; prev-id={id}");
            }
        }
        let keep_alive = format!(
            "{}; format=cstring; timeout={}",
            escape::encode_cstring(&self.keep_alive),
            self.keep_alive_after.as_secs().max(1)
        );
        let link = format!("<{}>; rel=next; timeout={}", self.next, self.recheck.as_secs().max(1));
        headers([
            ("grip-hold", "stream".to_owned()),
            ("grip-channel", channels),
            ("grip-keep-alive", keep_alive),
            ("grip-link", link),
        ])
    }
}

impl NextPage {
    /// Returns the header.
    pub fn headers(&self) -> HeaderMap {
        headers([("grip-link", format!("<{}>; rel=next", self.next))])
    }
}

fn headers<const N: usize>(fields: [(&'static str, String); N]) -> HeaderMap {
    fields
        .into_iter()
        .map(|(name, value)| {
            // Names and paths are percent-encoded, ids are cursors, and the keep-alive is a cstring: all of them are
            // visible ASCII.
            let value = HeaderValue::try_from(value).expect("GRIP headers are visible ASCII");
            (HeaderName::from_static(name), value)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::grip::{Instructions, list};
    use proptest::prelude::*;

    fn hold(name: &str, keep_alive: &str) -> Hold {
        Hold {
            channels: vec![
                HoldChannel { channel: Channel::new("messages", name), prev_id: Some("e-57".into()) },
                HoldChannel { channel: Channel::new("provisional", name), prev_id: None },
            ],
            keep_alive: keep_alive.to_owned(),
            keep_alive_after: Duration::from_secs(20),
            next: "/rooms/a/recover/".into(),
            recheck: Duration::from_secs(60),
        }
    }

    #[test]
    fn a_hold_has_channels_a_keep_alive_and_a_next_link() {
        let headers = hold("a", "event: keep-alive\ndata: {}\n\n").headers();
        assert_eq!(headers["grip-hold"], "stream");
        assert_eq!(headers["grip-channel"], "messages-a; prev-id=e-57, provisional-a");
        assert_eq!(headers["grip-keep-alive"], r"event: keep-alive\ndata: {}\n\n; format=cstring; timeout=20");
        assert_eq!(headers["grip-link"], "</rooms/a/recover/>; rel=next; timeout=60");
    }

    #[test]
    fn a_page_has_a_link_and_no_hold() {
        let headers = NextPage { next: "/p/".into() }.headers();
        assert_eq!(headers.len(), 1);
        assert_eq!(headers["grip-link"], "</p/>; rel=next");
    }

    #[test]
    fn a_keep_alive_keeps_the_spaces_at_its_ends() {
        for data in [" ", "  a  b  ", "\t"] {
            let parsed = Instructions::parse(&hold("a", data).headers()).unwrap().keep_alive.unwrap();
            assert_eq!(parsed.data, data);
        }
    }

    proptest! {
        #[test]
        fn a_name_subscribes_only_to_its_own_channels(name in any::<String>()) {
            let headers = hold(&name, "k").headers();
            let line = headers["grip-channel"].to_str().unwrap().to_owned();
            let entries: Vec<_> = list::parse(&line).collect();
            let messages = Channel::new("messages", &name);
            let provisional = Channel::new("provisional", &name);
            prop_assert_eq!(entries.len(), 2);
            prop_assert_eq!(entries[0].token, messages.as_str());
            prop_assert_eq!(entries[0].param("prev-id"), Some("e-57"));
            prop_assert_eq!(entries[1].token, provisional.as_str());
            prop_assert!(entries[1].params.is_empty());
        }

        #[test]
        fn different_names_have_different_channels(a in any::<String>(), b in any::<String>()) {
            prop_assert_eq!(a == b, Channel::new("messages", &a) == Channel::new("messages", &b));
        }

        #[test]
        fn any_keep_alive_fits_its_header(data in any::<String>()) {
            let headers = hold("a", &data).headers();
            let value = headers["grip-keep-alive"].to_str().unwrap();
            prop_assert_eq!(value.matches(';').count(), 2);
        }
    }
}
