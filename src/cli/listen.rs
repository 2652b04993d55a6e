//! Ports, bound before anything is said or started.

use std::{io, net::SocketAddr};

use anyhow::Context as _;
use tokio::net::{TcpListener, TcpSocket};

/// Connections that may wait to be accepted; the system allows fewer (`net.core.somaxconn`, 4,096 with Linux). A client
/// that finds no place tries again after one second, then after three, seven and fifteen: so with the usual 1,024 most
/// of a storm of reconnects waits for nothing.
const BACKLOG: u32 = 65_535;

/// Binds an address that came from this flag.
pub(super) async fn bind(addr: SocketAddr, flag: &str) -> anyhow::Result<TcpListener> {
    let variable = flag.trim_start_matches('-').replace('-', "_").to_uppercase();
    listen(addr).with_context(|| format!("cannot listen on {addr}; choose another address with {flag} or {variable}"))
}

fn listen(addr: SocketAddr) -> io::Result<TcpListener> {
    let socket = if addr.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    // As tokio has it: a program that was stopped a moment ago does not keep the port.
    if cfg!(unix) {
        socket.set_reuseaddr(true)?;
    }
    socket.bind(addr)?;
    socket.listen(BACKLOG)
}
