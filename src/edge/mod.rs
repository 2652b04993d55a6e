//! A GRIP proxy for one machine: it holds the connections of clients in front of any GRIP backend.

mod config;

use std::future::Future;

use tokio::net::TcpListener;

pub use config::{BackendUrl, BackendUrlError, Config};

/// Serves clients and the control port on bound listeners until `shutdown` is done.
pub async fn serve(
    _clients: TcpListener,
    _control: TcpListener,
    _config: Config,
    shutdown: impl Future<Output = ()> + Send + 'static,
) -> std::io::Result<()> {
    shutdown.await;
    Ok(())
}
