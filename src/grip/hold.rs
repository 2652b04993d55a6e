//! The response headers that make a proxy hold a stream, page a long answer, and come back.

use std::{fmt, fmt::Write as _, time::Duration};

use http::{HeaderMap, HeaderName, HeaderValue};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use super::escape;

/// RFC 3986, section 2.3: the characters that need no encoding anywhere.
const RESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// A channel's name: `<kind>-<percent-encoded name>`.
///
/// No quoting rescues a comma or a semicolon in `Grip-Channel`, and the proxy decodes nothing: a raw
/// name there could subscribe to any other channel. Both sides use the encoded name as it stands.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Channel(String);

impl Channel {
    /// The channel of one kind for one name.
    pub fn new(kind: &'static str, name: &str) -> Self {
        debug_assert!(kind.bytes().all(|b| b.is_ascii_alphabetic()), "a kind is a plain word");
        Self(format!("{kind}-{}", utf8_percent_encode(name, RESERVED)))
    }

    /// The name, as it stands in headers and publish items.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Channel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A channel of a held stream.
#[derive(Clone, Debug)]
pub struct HoldChannel {
    /// Which one.
    pub channel: Channel,
    /// The id of the last item the client has: what makes the channel reliable. Token characters
    /// only, since proxies send it back unquoted.
    pub prev_id: Option<String>,
}

/// A stream to be held open behind the response it comes with.
#[derive(Clone, Debug)]
pub struct Hold {
    /// What is delivered to it. A proxy takes 20 at most (`connection_subscription_max`).
    pub channels: Vec<HoldChannel>,
    /// Sent to the client after [`keep_alive_after`](Self::keep_alive_after) without anything else.
    pub keep_alive: String,
    /// Whole seconds, at least one.
    pub keep_alive_after: Duration,
    /// The path that the proxy asks when it misses something, and every `recheck`. Percent-encoded.
    pub next: String,
    /// Whole seconds. Zero would make the proxy ask ten times a second.
    pub recheck: Duration,
}

/// A response that the proxy sends without holding, to go on at once with that of another path.
#[derive(Clone, Debug)]
pub struct NextPage {
    /// The path of what follows. Percent-encoded.
    pub next: String,
}

impl Hold {
    /// The headers. They must be repeated whole on the answer of every next link.
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
            escape::cstring(&self.keep_alive),
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
    /// The header.
    pub fn headers(&self) -> HeaderMap {
        headers([("grip-link", format!("<{}>; rel=next", self.next))])
    }
}

fn headers<const N: usize>(fields: [(&'static str, String); N]) -> HeaderMap {
    fields
        .into_iter()
        .map(|(name, value)| {
            // Names, ids and paths are percent-encoded or cursors, the keep-alive is a cstring:
            // nothing but visible ASCII is left.
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
    fn a_hold_names_channels_keep_alive_and_next_link() {
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
    fn a_keep_alive_keeps_the_blanks_at_its_ends() {
        for data in [" ", "  a  b  ", "\t"] {
            let told = Instructions::parse(&hold("a", data).headers()).unwrap().keep_alive.unwrap();
            assert_eq!(told.data, data);
        }
    }

    proptest! {
        #[test]
        fn no_name_subscribes_to_anything_but_its_own_channels(name in any::<String>()) {
            let headers = hold(&name, "k").headers();
            let line = headers["grip-channel"].to_str().unwrap().to_owned();
            let items: Vec<_> = list::parse(&line).collect();
            let messages = Channel::new("messages", &name);
            let provisional = Channel::new("provisional", &name);
            prop_assert_eq!(items.len(), 2);
            prop_assert_eq!(items[0].token, messages.as_str());
            prop_assert_eq!(items[0].param("prev-id"), Some("e-57"));
            prop_assert_eq!(items[1].token, provisional.as_str());
            prop_assert!(items[1].params.is_empty());
        }

        #[test]
        fn two_names_never_share_a_channel(a in any::<String>(), b in any::<String>()) {
            prop_assert_eq!(a == b, Channel::new("messages", &a) == Channel::new("messages", &b));
        }

        #[test]
        fn no_keep_alive_breaks_its_header(data in any::<String>()) {
            let headers = hold("a", &data).headers();
            let value = headers["grip-keep-alive"].to_str().unwrap();
            prop_assert_eq!(value.matches(';').count(), 2);
        }
    }
}
