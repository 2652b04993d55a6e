//! Connections to the backend that report when they are closed.
//!
//! hyper 1.12 can leave a request that is given to a connection just as that is closed in a queue that is no longer
//! read, and then its sender waits forever. It happens about once in a hundred thousand connections that are reset at
//! once (hyperium/hyper#4122). So each request also watches its connection.

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

/// How long after the end of a connection its last response, or another attempt at the request, may take to arrive.
const GRACE: Duration = Duration::from_secs(1);

/// Connects over TCP.
pub(super) type Connector = MapResponse<HttpConnector, fn(TokioIo<TcpStream>) -> WatchedStream>;

pub(super) fn connector(tcp: HttpConnector) -> Connector {
    MapResponse::new(tcp, WatchedStream::new)
}

/// A connection that reports when it is dropped.
pub(super) struct WatchedStream {
    io: TokioIo<TcpStream>,
    closed: CancellationToken,
    _closes: DropGuard,
}

impl WatchedStream {
    fn new(io: TokioIo<TcpStream>) -> Self {
        let closed = CancellationToken::new();
        Self { io, _closes: closed.clone().drop_guard(), closed }
    }
}

/// Part of a connection's metadata: cancelled when the connection is closed.
#[derive(Clone)]
struct Closed(CancellationToken);

/// Watches the connection that a request is given to.
pub(super) struct ConnectionWatch(CaptureConnection);

impl ConnectionWatch {
    /// Must be called before the request is sent.
    pub(super) fn new<B>(request: &mut Request<B>) -> Self {
        Self(capture_connection(request))
    }

    /// Waits until no response can arrive any more, because the connection has been closed. Never returns if the request
    /// got no connection.
    pub(super) async fn closed(mut self) {
        let mut last = self.next().await;
        loop {
            last.cancelled().await;
            sleep(GRACE).await;
            // If it had not been sent, the request may have been given to another connection.
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
        extensions.remove().map_or_else(CancellationToken::new, |Closed(token)| token)
    }
}

impl Connection for WatchedStream {
    fn connected(&self) -> Connected {
        self.io.connected().extra(Closed(self.closed.clone()))
    }
}

impl Read for WatchedStream {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: ReadBufCursor<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_read(cx, buf)
    }
}

impl Write for WatchedStream {
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
    async fn a_watch_ends_with_its_connection_and_not_earlier() {
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
        let watch = ConnectionWatch::new(&mut request);
        client.request(request).await.unwrap();
        let closed = watch.closed();
        tokio::pin!(closed);
        assert!(timeout(2 * GRACE, &mut closed).await.is_err(), "the connection is still open");
        drop(peer.await.unwrap());
        timeout(10 * GRACE, closed).await.expect("the watch does not end");
    }
}
