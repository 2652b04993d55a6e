//! Proof that a trusted GRIP proxy forwarded the request.

use axum::{extract::FromRequestParts, http::request::Parts};

use crate::web::{Web, error::WebError};

/// Proof that a trusted GRIP proxy forwarded the request, so that its `Grip-*` headers are the proxy's own: proxies
/// remove those of clients.
///
/// Only a proxy can hold a connection, so `respond::stream` requires this. A handler that needs it only for some requests
/// extracts it with `request.extract_parts_with_state::<Proxied, _>(&web)`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Proxied {
    is_verified: bool,
}

impl Proxied {
    /// Whether the signature was verified. If any proxy in `GRIP_URL` has no verify key, every `Grip-Sig` is accepted,
    /// and a client that reaches the backend directly can send one too.
    pub(crate) fn is_verified(self) -> bool {
        self.is_verified
    }
}

impl FromRequestParts<Web> for Proxied {
    type Rejection = WebError;

    async fn from_request_parts(parts: &mut Parts, web: &Web) -> Result<Self, WebError> {
        web.trust.check(&parts.headers).map_err(WebError::NotProxied)?;
        Ok(Self { is_verified: web.trust.verifies() })
    }
}
