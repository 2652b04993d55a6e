//! A minimal GRIP backend: it holds every request, on one channel.

use std::net::{Ipv4Addr, SocketAddr};

use axum::{Router, http::header::CONTENT_TYPE};
use tokio::net::TcpListener;

/// Serves until the runtime is dropped.
pub(super) async fn start() -> anyhow::Result<SocketAddr> {
    let hold =
        [(CONTENT_TYPE.as_str(), "text/event-stream"), ("grip-hold", "stream"), ("grip-channel", crate::CHANNEL)];
    let router = Router::new().fallback(move || async move { hold });
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    let addr = listener.local_addr()?;
    tokio::spawn(async move { axum::serve(listener, router).await });
    Ok(addr)
}
