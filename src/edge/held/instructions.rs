//! What a response's instructions tell the edge to do after its body.

use std::sync::Arc;

use http::HeaderValue;
use url::Url;

use super::{
    settings::{KeepAlive, Link, Settings},
    subscriber::Subscriber,
};
use crate::{
    edge::items::Frame,
    grip::{HoldMode, Instructions, NextLink, Subscription},
};

/// What follows the body of a response.
#[derive(Debug)]
pub(crate) enum NextStep {
    /// Nothing: the response is complete.
    End,
    /// The body of this link's response, requested at once.
    Page(Link),
    /// Published items, on a stream that is kept open.
    Hold(HoldInstructions),
}

/// How to hold a stream. One response may be for many streams, each of which gets its own [`Settings`] from this.
#[derive(Debug)]
pub(crate) struct HoldInstructions {
    channels: Vec<Subscription>,
    meta: Vec<(String, String)>,
    keep_alive: Option<KeepAlive>,
    link: Option<Link>,
}

/// A link that the edge does not follow.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "the backend's Grip-Link {0:?} leads to another host; only links to the requested host or the backend are followed"
)]
pub(crate) struct LinkError(String);

/// The request that a response answers, as the base of the response's links.
#[derive(Clone, Debug)]
pub(crate) struct LinkBase<'a> {
    /// The request's `Host`.
    pub(crate) host: &'a HeaderValue,
    /// The request's path and query.
    pub(crate) uri: &'a str,
    /// The backend's own address, which links may name instead of the host.
    pub(crate) backend: &'a str,
}

impl NextStep {
    /// Reads the instructions for a stream. A reliable hold without a link to recover from ends, as in Pushpin.
    pub(crate) fn new(instructions: Instructions, base: &LinkBase<'_>) -> Result<Self, LinkError> {
        let Instructions { hold, channels, meta, keep_alive, next, .. } = instructions;
        let link = next.map(|next| base.resolve(next)).transpose()?;
        match (hold, link) {
            (Some(HoldMode::Stream), link) => {
                let reliable = channels.iter().any(|channel| channel.prev_id.is_some());
                if reliable && link.is_none() {
                    return Ok(Self::End);
                }
                let keep_alive = keep_alive.and_then(|keep_alive| {
                    let frame = Frame::new(&keep_alive.data)?;
                    Some(KeepAlive { frame, after: keep_alive.after, periodic: keep_alive.interval })
                });
                Ok(Self::Hold(HoldInstructions { channels, meta, keep_alive, link }))
            }
            (None, Some(link)) => Ok(Self::Page(link)),
            (Some(HoldMode::Response), _) | (None, None) => Ok(Self::End),
        }
    }
}

impl HoldInstructions {
    /// Returns the settings of one stream.
    pub(crate) fn settings(&self) -> Settings {
        Settings {
            subscriber: Subscriber::new(self.channels.clone(), &self.meta),
            keep_alive: self.keep_alive.clone(),
            link: self.link.clone(),
        }
    }
}

impl LinkBase<'_> {
    fn resolve(&self, next: NextLink) -> Result<Link, LinkError> {
        let uri = self.path(&next.uri)?;
        Ok(Link { uri, recheck_after: next.recheck })
    }

    /// Returns the path and query of a link, which may be relative.
    pub(crate) fn path(&self, link: &str) -> Result<Arc<str>, LinkError> {
        let error = || LinkError(link.to_owned());
        let host = self.host.to_str().map_err(|_| error())?;
        let base = Url::parse(&format!("http://{host}{}", self.uri)).map_err(|_| error())?;
        let url = base.join(link).map_err(|_| error())?;
        let same = |other: &Url| (url.host_str(), url.port()) == (other.host_str(), other.port());
        let backend = Url::parse(&format!("http://{}", self.backend));
        // URLs of other schemes may have no path.
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
        let base = LinkBase { host: &host, uri: "/rooms/a/messages/?x=1", backend: "127.0.0.1:3000" };
        base.path(link).ok().map(|path| path.to_string())
    }

    #[test]
    fn links_are_relative_to_the_request() {
        assert_eq!(path("/p?q").as_deref(), Some("/p?q"));
        assert_eq!(path("p2").as_deref(), Some("/rooms/a/messages/p2"));
        assert_eq!(path("?q=1").as_deref(), Some("/rooms/a/messages/?q=1"));
        assert_eq!(path("http://chat.example:7999/p").as_deref(), Some("/p"));
        assert_eq!(path("http://127.0.0.1:3000/p").as_deref(), Some("/p"));
    }

    #[test]
    fn links_of_other_schemes_are_not_followed() {
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
