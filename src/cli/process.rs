//! What every long-running command does with its process: the log, the ports, the limit of open files.

use std::{
    fmt::Display,
    io::{self, Write as _},
    net::SocketAddr,
    pin::Pin,
};

use anyhow::Context as _;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::net::{TcpListener, TcpSocket};
use tracing::info;

use crate::{
    failpoint,
    telemetry::{self, Log},
};

/// A command with its checked configuration, ready to run.
pub(super) type Ready = Pin<Box<dyn Future<Output = anyhow::Result<()>>>>;

/// Descriptors in use besides the connections of clients: connections to the backend, the store, the log.
const RESERVED_DESCRIPTORS: u64 = 256;

/// Connections that may wait to be accepted; the system allows fewer (`net.core.somaxconn`, 4,096 on Linux). A client
/// that finds the queue full tries again after one second, then after three, seven and fifteen: so with the usual
/// 1,024 most of the clients that reconnect together would wait for nothing.
const BACKLOG: u32 = 65_535;

/// Starts the log.
pub(super) fn start_log(log: Log) {
    telemetry::start(log);
    // They log a warning if they are active.
    failpoint::start();
}

/// Prints a line. Unlike `println!`, it does not panic if standard output is closed, for example because `head` has read
/// enough: the program works without a reader.
pub(super) fn print(line: impl Display) {
    let _ = writeln!(io::stdout(), "{line}");
}

/// Prints a line to standard error, under the same rule.
pub(super) fn print_error(line: impl Display) {
    let _ = writeln!(io::stderr(), "{line}");
}

/// Binds the address that `flag` gives.
pub(super) async fn bind(addr: SocketAddr, flag: &str) -> anyhow::Result<TcpListener> {
    let variable = flag.trim_start_matches('-').replace('-', "_").to_uppercase();
    listen(addr).with_context(|| format!("cannot listen on {addr}; choose another address with {flag} or {variable}"))
}

fn listen(addr: SocketAddr) -> io::Result<TcpListener> {
    let socket = if addr.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    // As in tokio: a program that was stopped a moment ago does not keep the port.
    if cfg!(unix) {
        socket.set_reuseaddr(true)?;
    }
    socket.bind(addr)?;
    socket.listen(BACKLOG)
}

/// Raises the limit of open files as far as is allowed: the usual 1,024 is meant for programs that use select(2).
/// Returns how many of these connections fit.
pub(super) fn raise_descriptor_limit(connections: usize) -> usize {
    let limit = getrlimit(Resource::Nofile);
    if limit.current != limit.maximum {
        // macOS refuses its own maximum; the log line below then shows what is allowed.
        let _ = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, maximum: limit.maximum });
    }
    let Some(allowed) = getrlimit(Resource::Nofile).current else { return connections };
    let fit = usize::try_from(allowed.saturating_sub(RESERVED_DESCRIPTORS)).unwrap_or(usize::MAX).max(1);
    if fit < connections {
        info!("the limit of open files (ulimit -n) allows {fit} connections; MAX_CONNECTIONS is {connections}");
    }
    connections.min(fit)
}
