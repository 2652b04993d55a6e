//! Ports, bound before anything is said or started.

use std::net::SocketAddr;

use anyhow::Context as _;
use tokio::net::TcpListener;

/// Binds an address that came from this flag.
pub(super) async fn bind(addr: SocketAddr, flag: &str) -> anyhow::Result<TcpListener> {
    let variable = flag.trim_start_matches('-').replace('-', "_").to_uppercase();
    TcpListener::bind(addr)
        .await
        .with_context(|| format!("cannot listen on {addr}; choose another address with {flag} or {variable}"))
}
