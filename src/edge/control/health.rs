//! `/healthz` and `/readyz`, on the control port: on the clients' port every path is the backend's.

use axum::response::Response;
use tokio::net::TcpStream;
use tokio_util::sync::CancellationToken;

use crate::{
    edge::config::BackendUrl,
    health::{self, Check, Latest},
};

/// What the edge needs to do its work.
pub(in crate::edge) struct Health {
    backend: BackendUrl,
    stopping: CancellationToken,
    latest: Latest,
}

impl Health {
    pub(in crate::edge) fn new(backend: BackendUrl, stopping: CancellationToken) -> Self {
        Self { backend, stopping, latest: Latest::default() }
    }

    /// Whether clients may be sent here, and if not why.
    pub(in crate::edge) async fn readiness(&self) -> Response {
        let look = async { vec![Check::new("backend", health::within_deadline(self.connect()).await)] };
        let mut checks = self.latest.get_or_check(look).await;
        // Looked at anew, since it is what a probe must hear of at once.
        checks.insert(0, Check::running(!self.stopping.is_cancelled()));
        health::readiness(checks.iter().all(Check::is_ok), checks)
    }

    /// A connection says that somebody listens, and asks the backend for nothing.
    async fn connect(&self) -> std::io::Result<()> {
        let authority = self.backend.authority();
        let port = authority.port_u16().unwrap_or(80);
        // Brackets are a URL's way to write an IPv6 address.
        let host = authority.host().trim_start_matches('[').trim_end_matches(']');
        TcpStream::connect((host, port)).await.map(drop)
    }
}
