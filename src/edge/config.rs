//! The configuration of the edge.

use std::{fmt, str::FromStr, time::Duration};

use http::uri::{Authority, Scheme, Uri};

use crate::{
    forwarded::TrustedProxies,
    grip::{Signer, Verifier},
};

/// The configuration of the edge.
#[derive(Clone)]
pub struct Config {
    /// The backend that requests are forwarded to.
    pub backend: BackendUrl,
    /// Signs `Grip-Sig` on every request to the backend.
    pub signer: Signer,
    /// Checks the tokens that the control port requires. Without it, any process that reaches the port may publish.
    pub publishers: Option<Verifier>,
    /// Connections of clients at a time. Others get a 503 and are closed.
    pub max_connections: usize,
    /// Held requests of one client at a time; 0 for no limit. Others get a 429.
    pub max_streams_per_address: usize,
    /// The proxies whose `X-Forwarded-For` is trusted.
    pub trusted: TrustedProxies,
    /// The longest request body, in bytes.
    pub max_body: u64,
    /// The longest wait for the head of a response of the backend.
    pub backend_timeout: Duration,
    /// The time over which streams are ended, one after the other, when the edge stops.
    pub drain_window: Duration,
}

/// The address of a backend: `http://host:port`, without a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BackendUrl(Authority);

/// The error for a text that is not the address of a backend.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("must be the address of the backend, without a path, such as http://127.0.0.1:3000")]
pub struct BackendUrlError;

impl BackendUrl {
    /// The host and the port.
    pub fn authority(&self) -> &Authority {
        &self.0
    }
}

impl FromStr for BackendUrl {
    type Err = BackendUrlError;

    fn from_str(text: &str) -> Result<Self, BackendUrlError> {
        let uri: Uri = text.parse().map_err(|_| BackendUrlError)?;
        let parts = uri.into_parts();
        let path = parts.path_and_query.as_ref().map_or("/", |path| path.as_str());
        match (parts.scheme, parts.authority) {
            (Some(scheme), Some(authority))
                if scheme == Scheme::HTTP && path == "/" && !authority.as_str().contains('@') =>
            {
                Ok(Self(authority))
            }
            _ => Err(BackendUrlError),
        }
    }
}

impl fmt::Display for BackendUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "http://{}", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_backend_url_is_a_scheme_a_host_and_a_port() {
        for good in ["http://127.0.0.1:3000", "http://localhost:3000/", "http://[::1]:3000", "http://backend"] {
            assert!(good.parse::<BackendUrl>().is_ok(), "{good}");
        }
        for bad in ["", "localhost:3000", "https://localhost", "http://a/b", "http://u:p@a/", "http://a/?q", "/a"] {
            assert_eq!(bad.parse::<BackendUrl>(), Err(BackendUrlError), "{bad}");
        }
    }
}
