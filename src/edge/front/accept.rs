//! Connections of clients: how many there may be, and their limits.

use std::{convert::Infallible, io, net::SocketAddr, sync::Arc, time::Duration};

use http::Request;
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use socket2::SockRef;
use tokio::{
    net::{TcpListener, TcpStream},
    sync::{OwnedSemaphorePermit, Semaphore},
    time::sleep,
};
use tokio_util::sync::CancellationToken;
use tracing::{debug, warn};

use super::{
    state::{Client, Front},
    takeover::{ClientSocket, Takeover},
};
use crate::{
    server::Refusals,
    telemetry::metrics::edge::{Refusal, refused},
};

/// How long a request's head may take, from the start of the connection or the end of the previous request.
const HEAD_TIMEOUT: Duration = Duration::from_secs(30);
/// The longest head of a request; up to twice as long if it arrives at once. Long ones have many cookies.
const MAX_HEAD_BYTES: usize = 64 << 10;
/// A peer that has acknowledged nothing for this long is considered gone. By default the kernel retries for a quarter of
/// an hour.
const UNACKNOWLEDGED_TIMEOUT: Duration = Duration::from_secs(30);
/// The pause after a failed accept, for example when the process has no file descriptors left.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// The response to a connection that is refused.
const REFUSAL: &[u8] = b"HTTP/1.1 503 Service Unavailable\r\nRetry-After: 5\r\nContent-Type: text/plain\r\n\
    Content-Length: 54\r\nConnection: close\r\n\r\nAll connections of this proxy are in use; retry later.";

/// Accepts connections until `stop`. Each is served by a task of its own, which may outlast this one.
pub(crate) async fn serve(listener: TcpListener, front: Arc<Front>, slots: Arc<Semaphore>, stop: CancellationToken) {
    let refusals = Refusals::new(REFUSAL);
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = stop.cancelled() => return,
        };
        match accepted {
            Ok((socket, address)) => match Arc::clone(&slots).try_acquire_owned() {
                Ok(slot) => {
                    tokio::spawn(connection(socket, address, Arc::clone(&front), slot, stop.clone()));
                }
                Err(_) => {
                    refused(Refusal::Full);
                    refusals.refuse(socket);
                }
            },
            Err(error) => {
                warn!(%error, "cannot accept a connection");
                sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

async fn connection(
    socket: TcpStream,
    address: SocketAddr,
    front: Arc<Front>,
    slot: OwnedSemaphorePermit,
    stop: CancellationToken,
) {
    if let Err(error) = tune(&socket) {
        return debug!(%error, "connection closed before its first request");
    }
    let takeover = Arc::new(Takeover::new(slot));
    let service = service_fn(|request: Request<Incoming>| {
        let is_late = front.draining.is_cancelled();
        let id = front.trusted.client(address.ip(), request.headers()).into();
        let client = Client { address: address.ip(), id, takeover: Arc::clone(&takeover), is_late };
        let front = Arc::clone(&front);
        async move { Ok::<_, Infallible>(front.handle(client, request).await) }
    });
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new()).header_read_timeout(HEAD_TIMEOUT).max_buf_size(MAX_HEAD_BYTES);
    let socket = TokioIo::new(ClientSocket::new(socket, Arc::clone(&takeover)));
    let mut connection = http.serve_connection(socket, service).with_upgrades();
    let mut stopping = false;
    let guard = loop {
        tokio::select! {
            ended = &mut connection => {
                return if let Err(error) = ended { debug!(%error, "connection failed") };
            }
            guard = takeover.ready() => break guard,
            () = stop.cancelled(), if !stopping => {
                stopping = true;
                Pin::new(&mut connection).graceful_shutdown();
            }
        }
    };
    // What the client has sent ahead is dropped: a request after a held one is never answered (`shards::readiness`).
    if let (Some(parts), Some(slot)) = (connection.into_parts(), takeover.take_slot()) {
        guard.connect(parts.io.into_inner().into_socket(), slot);
    }
}

fn tune(socket: &TcpStream) -> io::Result<()> {
    socket.set_nodelay(true)?;
    SockRef::from(socket).set_tcp_user_timeout(Some(UNACKNOWLEDGED_TIMEOUT))
}
