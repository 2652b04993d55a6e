//! The GRIP proxy of a stack, one or the other.

use std::net::SocketAddr;

use super::Kind;
use crate::support::{edge::Edge, pushpin::Pushpin};

/// Both take the same clients, publishers and keys.
#[derive(Debug)]
pub(crate) enum Proxy {
    Pushpin(Pushpin),
    Edge(Edge),
}

impl Proxy {
    /// The one of this kind of stack, in front of a backend that need not listen yet.
    pub(crate) async fn start(kind: Kind, backend: SocketAddr) -> anyhow::Result<Self> {
        match kind {
            Kind::PushpinDynamoDb => Pushpin::start(backend).await.map(Self::Pushpin),
            Kind::EdgeDynamoDb | Kind::EdgeEmbedded => Edge::start(backend).await.map(Self::Edge),
        }
    }

    /// Ends it; [`Proxy::restart`] brings it back.
    pub(crate) async fn stop(&mut self) -> anyhow::Result<()> {
        match self {
            Self::Pushpin(pushpin) => pushpin.stop().await,
            Self::Edge(edge) => edge.stop().await,
        }
    }

    /// Ends it and starts it again on the same ports. Held streams break, and all it knew of channels and ids is gone.
    pub(crate) async fn restart(&mut self) -> anyhow::Result<()> {
        match self {
            Self::Pushpin(pushpin) => pushpin.restart().await,
            Self::Edge(edge) => edge.restart().await,
        }
    }

    pub(crate) fn http_addr(&self) -> SocketAddr {
        match self {
            Self::Pushpin(pushpin) => pushpin.http_addr(),
            Self::Edge(edge) => edge.http_addr(),
        }
    }

    pub(crate) fn control_addr(&self) -> SocketAddr {
        match self {
            Self::Pushpin(pushpin) => pushpin.control_addr(),
            Self::Edge(edge) => edge.control_addr(),
        }
    }

    /// Where clients connect, without a slash at the end.
    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.http_addr())
    }
}
