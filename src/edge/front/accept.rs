//! The clients' side: connections, and what each may use.

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
    exchange::{Client, Edge},
    takeover::{Handover, Wire},
};
use crate::{
    server::Refusals,
    telemetry::metrics::edge::{Refusal, refused},
};

/// A request's head comes within this time, from the connection's begin or the end of the request before it.
const HEAD_TIMEOUT: Duration = Duration::from_secs(30);
/// The longest head, or up to twice as long where it comes at once. Cookies are what makes it long.
const MOST_HEAD: usize = 64 << 10;
/// A peer that has acknowledged nothing for so long is gone: without this the kernel tries for a quarter of an hour.
const USER_TIMEOUT: Duration = Duration::from_secs(30);
/// After a failure to accept, as when the process has no descriptors left.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// What one that is refused hears.
const REFUSAL: &[u8] = b"HTTP/1.1 503 Service Unavailable\r\nRetry-After: 5\r\nContent-Type: text/plain\r\n\
    Content-Length: 39\r\nConnection: close\r\n\r\nThis proxy holds all it can; try later.";

/// Takes connections until it is told to stop, and serves them as long as they last.
pub(in crate::edge) async fn serve(
    listener: TcpListener,
    edge: Arc<Edge>,
    slots: Arc<Semaphore>,
    stop: CancellationToken,
) {
    let refusals = Refusals::new(REFUSAL);
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = stop.cancelled() => return,
        };
        match accepted {
            Ok((socket, address)) => match Arc::clone(&slots).try_acquire_owned() {
                Ok(slot) => {
                    tokio::spawn(connection(socket, address, Arc::clone(&edge), slot, stop.clone()));
                }
                Err(_) => {
                    refused(Refusal::Full);
                    refusals.refuse(socket);
                }
            },
            Err(error) => {
                warn!(%error, "cannot take a connection");
                sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

async fn connection(
    socket: TcpStream,
    address: SocketAddr,
    edge: Arc<Edge>,
    slot: OwnedSemaphorePermit,
    stop: CancellationToken,
) {
    if let Err(error) = tune(&socket) {
        return debug!(%error, "a connection ended at once");
    }
    let handover = Arc::new(Handover::new(slot));
    let service = service_fn(|request: Request<Incoming>| {
        let late = edge.draining.is_cancelled();
        let id = edge.trusted.client(address.ip(), request.headers()).into();
        let client = Client { address: address.ip(), id, handover: Arc::clone(&handover), late };
        let edge = Arc::clone(&edge);
        async move { Ok::<_, Infallible>(edge.answer(client, request).await) }
    });
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new()).header_read_timeout(HEAD_TIMEOUT).max_buf_size(MOST_HEAD);
    let wire = TokioIo::new(Wire::new(socket, Arc::clone(&handover)));
    let mut connection = http.serve_connection(wire, service).with_upgrades();
    let mut stopping = false;
    let ticket = loop {
        tokio::select! {
            ended = &mut connection => {
                return if let Err(error) = ended { debug!(%error, "a connection broke") };
            }
            ticket = handover.ready() => break ticket,
            () = stop.cancelled(), if !stopping => {
                stopping = true;
                Pin::new(&mut connection).graceful_shutdown();
            }
        }
    };
    // What the client has sent ahead is a request that will not be answered: see `watch`.
    if let (Some(parts), Some(slot)) = (connection.into_parts(), handover.take_slot()) {
        ticket.connect(parts.io.into_inner().into_socket(), slot);
    }
}

fn tune(socket: &TcpStream) -> io::Result<()> {
    socket.set_nodelay(true)?;
    SockRef::from(socket).set_tcp_user_timeout(Some(USER_TIMEOUT))
}
