//! What the edge runs with.

use std::{fmt, str::FromStr, time::Duration};

use http::uri::{Authority, Scheme, Uri};

use crate::{
    forwarded::TrustedProxies,
    grip::{Signer, Verifier},
};

/// What the edge runs with.
#[derive(Clone)]
pub struct Config {
    /// Where requests are forwarded to.
    pub backend: BackendUrl,
    /// Signs `Grip-Sig`, on every request to the backend.
    pub signer: Signer,
    /// Whose tokens the control port asks for; without it everybody who reaches the port may publish.
    pub publishers: Option<Verifier>,
    /// Client connections at a time; more are answered 503 and closed.
    pub max_connections: usize,
    /// Held requests of one client at a time; 0 for no limit. More are answered 429.
    pub max_streams_per_address: usize,
    /// Whose word on a client's address is believed.
    pub trusted: TrustedProxies,
    /// The longest request body that is forwarded, in bytes.
    pub max_body: u64,
    /// The longest wait for the head of a backend's answer.
    pub backend_timeout: Duration,
    /// How long streams are ended for, one after the other, once the edge stops.
    pub drain_window: Duration,
}

/// A backend's address: `http://host:port`, nothing behind it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BackendUrl(Authority);

/// A text that is no backend's address.
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
    fn a_backends_address_is_a_scheme_a_host_and_a_port() {
        for good in ["http://127.0.0.1:3000", "http://localhost:3000/", "http://[::1]:3000", "http://backend"] {
            assert!(good.parse::<BackendUrl>().is_ok(), "{good}");
        }
        for bad in ["", "localhost:3000", "https://localhost", "http://a/b", "http://u:p@a/", "http://a/?q", "/a"] {
            assert_eq!(bad.parse::<BackendUrl>(), Err(BackendUrlError), "{bad}");
        }
    }
}
