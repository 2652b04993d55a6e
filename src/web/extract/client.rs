//! The address of the client that sent a request.

use std::{
    convert::Infallible,
    net::{IpAddr, Ipv4Addr, SocketAddr},
};

use axum::{
    extract::{ConnectInfo, FromRequestParts},
    http::request::Parts,
};

use super::proxied::Proxied;
use crate::web::Web;

/// The address of the client that sent a request, or `None` if a GRIP proxy forwarded it without the client's address.
pub(super) struct ClientAddr(pub(super) Option<IpAddr>);

impl FromRequestParts<Web> for ClientAddr {
    type Rejection = Infallible;

    /// The address in `X-Forwarded-For` is trusted if the peer has a verified signature or a trusted address.
    async fn from_request_parts(parts: &mut Parts, web: &Web) -> Result<Self, Infallible> {
        let peer = parts.extensions.get::<ConnectInfo<SocketAddr>>().map(|ConnectInfo(peer)| peer.ip());
        // Every connection has a peer. If one had none, all such requests would count as one client's.
        let peer = peer.unwrap_or(Ipv4Addr::UNSPECIFIED.into());
        let proxied = Proxied::from_request_parts(parts, web).await.ok();
        if !(proxied.is_some_and(Proxied::is_verified) || web.trusted_proxies.contains(peer)) {
            return Ok(Self(Some(peer)));
        }
        let named = web.trusted_proxies.forwarded_client(&parts.headers);
        // A trusted proxy that is not a GRIP proxy can be a client itself. A GRIP proxy never is, and if its address
        // were used, all its clients would share it.
        Ok(Self(if proxied.is_some() { named } else { Some(named.unwrap_or(peer)) }))
    }
}
