//! Connections to the backend of which it is known when they are gone.
//!
//! A request that is handed to a connection just as that breaks can be left where nobody looks any more, and its sender
//! waits for ever: hyper 1.12 does so, about once in a hundred thousand connections that are reset at once
//! (hyperium/hyper#4122). So whoever waits for an answer also watches the connection.

use std::{
    io::{self, IoSlice},
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use http::{Extensions, Request};
use hyper::rt::{Read, ReadBufCursor, Write};
use hyper_util::{
    client::legacy::connect::{CaptureConnection, Connected, Connection, HttpConnector, capture_connection},
    rt::TokioIo,
};
use tokio::{net::TcpStream, time::sleep};
use tokio_util::sync::{CancellationToken, DropGuard};
use tower::util::MapResponse;

/// What an answer, or another try, that came of the connection's last moment takes to arrive.
const GRACE: Duration = Duration::from_secs(1);

/// Connects over TCP.
pub(in crate::edge) type Connector = MapResponse<HttpConnector, fn(TokioIo<TcpStream>) -> Watched>;

pub(in crate::edge) fn connector(tcp: HttpConnector) -> Connector {
    MapResponse::new(tcp, Watched::new)
}

/// A connection that tells when it is dropped.
pub(in crate::edge) struct Watched {
    io: TokioIo<TcpStream>,
    gone: CancellationToken,
    _tells: DropGuard,
}

impl Watched {
    fn new(io: TokioIo<TcpStream>) -> Self {
        let gone = CancellationToken::new();
        Self { io, _tells: gone.clone().drop_guard(), gone }
    }
}

/// In the extensions of what is known of a connection.
#[derive(Clone)]
struct Gone(CancellationToken);

/// The connection that a request is given to.
pub(in crate::edge) struct Watch(CaptureConnection);

impl Watch {
    /// Of a request that is to be sent.
    pub(in crate::edge) fn of<B>(request: &mut Request<B>) -> Self {
        Self(capture_connection(request))
    }

    /// Waits until there will be no answer any more, since the connection is gone; for ever where there is no
    /// connection.
    pub(in crate::edge) async fn gone(mut self) {
        let mut last = self.next().await;
        loop {
            last.cancelled().await;
            sleep(GRACE).await;
            // What had not been sent may have been given to another one.
            let now = self.next().await;
            if now.is_cancelled() {
                return;
            }
            last = now;
        }
    }

    async fn next(&mut self) -> CancellationToken {
        let mut extensions = Extensions::new();
        if let Some(connected) = &*self.0.wait_for_connection_metadata().await {
            connected.get_extras(&mut extensions);
        }
        extensions.remove().map_or_else(CancellationToken::new, |Gone(token)| token)
    }
}

impl Connection for Watched {
    fn connected(&self) -> Connected {
        self.io.connected().extra(Gone(self.gone.clone()))
    }
}

impl Read for Watched {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: ReadBufCursor<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_read(cx, buf)
    }
}

impl Write for Watched {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write_vectored(cx, bufs)
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use bytes::Bytes;
    use http_body_util::Empty;
    use hyper_util::{client::legacy::Client, rt::TokioExecutor};
    use tokio::{
        io::{AsyncReadExt as _, AsyncWriteExt as _},
        net::TcpListener,
        time::timeout,
    };

    use super::*;

    #[tokio::test]
    async fn a_watch_ends_with_its_connection_and_not_before() {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let url = format!("http://{}/", listener.local_addr().unwrap());
        let peer = tokio::spawn(async move {
            let (mut socket, _) = listener.accept().await.unwrap();
            let _ = socket.read(&mut [0; 1024]).await.unwrap();
            socket.write_all(b"HTTP/1.1 204 No Content\r\n\r\n").await.unwrap();
            socket
        });
        let client = Client::builder(TokioExecutor::new()).build(connector(HttpConnector::new()));
        let mut request = Request::get(url).body(Empty::<Bytes>::new()).unwrap();
        let watch = Watch::of(&mut request);
        client.request(request).await.unwrap();
        let gone = watch.gone();
        tokio::pin!(gone);
        assert!(timeout(2 * GRACE, &mut gone).await.is_err(), "the connection is kept");
        drop(peer.await.unwrap());
        timeout(10 * GRACE, gone).await.expect("nobody says that the connection is gone");
    }
}
