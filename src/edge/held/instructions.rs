//! From a response's instructions to what is done with it.

use std::sync::Arc;

use http::HeaderValue;
use url::Url;

use super::stream::{KeepAlive, Link, Listener, Terms};
use crate::edge::items::Frame;
use crate::grip::{HoldMode, Instructions, NextLink, Subscription};

/// What to do behind a response's body.
#[derive(Debug)]
pub(in crate::edge) enum Then {
    /// Nothing: it is all.
    End,
    /// Go on at once with what this link answers.
    Page(Link),
    /// Keep the stream open.
    Hold(Conditions),
}

/// What a stream is held under. Many streams may be, so these are [`Terms`] to be had any number of times.
#[derive(Debug)]
pub(in crate::edge) struct Conditions {
    channels: Vec<Subscription>,
    meta: Vec<(String, String)>,
    keep_alive: Option<KeepAlive>,
    link: Option<Link>,
}

/// A link that the edge does not follow.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the backend's Grip-Link leads elsewhere: {0:?}; only links to the host that was asked are followed")]
pub(in crate::edge) struct LinkError(String);

/// What a response answered: the base of its relative links.
#[derive(Clone, Debug)]
pub(in crate::edge) struct Base<'a> {
    /// The `Host` that was asked for.
    pub(in crate::edge) host: &'a HeaderValue,
    /// Path and query.
    pub(in crate::edge) uri: &'a str,
    /// The backend's own address, which it may give in place of the host.
    pub(in crate::edge) backend: &'a str,
}

impl Then {
    /// What a stream's response says. A hold that is reliable and has no link to recover from ends, as Pushpin ends it.
    pub(in crate::edge) fn new(instruct: Instructions, base: &Base<'_>) -> Result<Self, LinkError> {
        let Instructions { hold, channels, meta, keep_alive, next, .. } = instruct;
        let link = next.map(|next| base.resolve(next)).transpose()?;
        match (hold, link) {
            (Some(HoldMode::Stream), link) => {
                let reliable = channels.iter().any(|channel| channel.prev_id.is_some());
                if reliable && link.is_none() {
                    return Ok(Self::End);
                }
                let keep_alive = keep_alive.and_then(|keep_alive| {
                    let frame = Frame::new(&keep_alive.data)?;
                    Some(KeepAlive { frame, after: keep_alive.after, interval: keep_alive.interval })
                });
                Ok(Self::Hold(Conditions { channels, meta, keep_alive, link }))
            }
            (None, Some(link)) => Ok(Self::Page(link)),
            (Some(HoldMode::Response), _) | (None, None) => Ok(Self::End),
        }
    }
}

impl Conditions {
    pub(in crate::edge) fn terms(&self) -> Terms {
        Terms {
            listener: Listener::new(self.channels.clone(), &self.meta),
            keep_alive: self.keep_alive.clone(),
            link: self.link.clone(),
        }
    }
}

impl Base<'_> {
    fn resolve(&self, next: NextLink) -> Result<Link, LinkError> {
        let uri = self.path(&next.uri)?;
        Ok(Link { uri, recheck: next.recheck })
    }

    /// The path and query of a link, which may be relative to this.
    pub(in crate::edge) fn path(&self, link: &str) -> Result<Arc<str>, LinkError> {
        let error = || LinkError(link.to_owned());
        let host = self.host.to_str().map_err(|_| error())?;
        let base = Url::parse(&format!("http://{host}{}", self.uri)).map_err(|_| error())?;
        let url = base.join(link).map_err(|_| error())?;
        let same = |other: &Url| (url.host_str(), url.port()) == (other.host_str(), other.port());
        let backend = Url::parse(&format!("http://{}", self.backend));
        // A URL of any other scheme need not have a path.
        let is_http = ["http", "https"].contains(&url.scheme());
        if !is_http || (!same(&base) && !backend.is_ok_and(|backend| same(&backend))) {
            return Err(error());
        }
        Ok(url[url::Position::BeforePath..url::Position::AfterQuery].into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(link: &str) -> Option<String> {
        let host = HeaderValue::from_static("chat.example:7999");
        let base = Base { host: &host, uri: "/rooms/a/messages/?x=1", backend: "127.0.0.1:3000" };
        base.path(link).ok().map(|path| path.to_string())
    }

    #[test]
    fn links_are_relative_to_what_was_asked() {
        assert_eq!(path("/p?q").as_deref(), Some("/p?q"));
        assert_eq!(path("p2").as_deref(), Some("/rooms/a/messages/p2"));
        assert_eq!(path("?q=1").as_deref(), Some("/rooms/a/messages/?q=1"));
        assert_eq!(path("http://chat.example:7999/p").as_deref(), Some("/p"));
        assert_eq!(path("http://127.0.0.1:3000/p").as_deref(), Some("/p"));
    }

    #[test]
    fn links_of_another_scheme_are_not_followed() {
        assert_eq!(path("ftp://chat.example:7999/p"), None);
        // It has no path, only a query.
        assert_eq!(path("other://chat.example:7999?q"), None);
    }

    #[test]
    fn links_to_other_hosts_are_not_followed() {
        for link in
            ["http://elsewhere.example/p", "//elsewhere.example/p", "http://chat.example:1/", "file:///etc/passwd"]
        {
            assert_eq!(path(link), None, "{link}");
        }
    }
}
