//! `/readyz`. It is on the control port, since on the clients' port every path belongs to the backend.

use axum::response::Response;
use tokio::net::TcpStream;
use tokio_util::sync::CancellationToken;

use crate::{
    edge::config::BackendUrl,
    health::{self, CachedChecks, Check},
};

/// Checks whether the edge can do its work.
pub(crate) struct Health {
    backend: BackendUrl,
    stopping: CancellationToken,
    latest: CachedChecks,
}

impl Health {
    pub(crate) fn new(backend: BackendUrl, stopping: CancellationToken) -> Self {
        Self { backend, stopping, latest: CachedChecks::default() }
    }

    /// Answers whether clients may be sent to this edge, and if not, why.
    pub(crate) async fn readiness(&self) -> Response {
        let check = async { vec![Check::new("backend", health::within_deadline(self.connect()).await)] };
        let mut checks = self.latest.get_or_check(check).await;
        // Never cached, since a probe must notice at once that the edge stops.
        checks.insert(0, Check::running(!self.stopping.is_cancelled()));
        health::readiness(checks.iter().all(Check::is_ok), checks)
    }

    /// Checks that the backend accepts connections. It sends no request.
    async fn connect(&self) -> std::io::Result<()> {
        let authority = self.backend.authority();
        let port = authority.port_u16().unwrap_or(80);
        // In a URL an IPv6 address is in brackets.
        let host = authority.host().trim_start_matches('[').trim_end_matches(']');
        TcpStream::connect((host, port)).await.map(drop)
    }
}
