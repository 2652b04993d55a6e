//! Connection takeover: how the socket of a held stream leaves hyper.
//!
//! hyper serves the requests of a connection, and writes the head and the first part of a held response. After that
//! the stream sends frames that many streams share, for which hyper's buffers and state machine would be a detour. So
//! the body pauses, the [`ClientSocket`] notices when everything before the pause has been written, and the connection
//! is taken apart. From then on a shard writes to the socket.

use std::{
    convert::Infallible,
    io,
    pin::Pin,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU8, Ordering},
    },
    task::{Context, Poll},
};

use bytes::Bytes;
use http_body::Frame;
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
    sync::{Notify, OwnedSemaphorePermit, mpsc},
};

use crate::{
    edge::channels::HoldGuard,
    telemetry::metrics::edge::{Open, Opened},
};

/// The body has more data.
const SENDING: u8 = 0;
/// The body has given hyper everything before the pause.
const PAUSED: u8 = 1;
/// hyper has written everything before the pause.
const WRITTEN: u8 = 2;

/// State that the body, the socket and the task of a connection share.
pub(super) struct Takeover {
    /// Counts the connection, for as long as any part of it exists.
    slot: Mutex<Option<OwnedSemaphorePermit>>,
    state: AtomicU8,
    written: Notify,
    /// Keeps the stream held. If the connection ends before the takeover, this is dropped and ends the hold.
    guard: Mutex<Option<HoldGuard>>,
    _open: Opened,
}

impl Takeover {
    pub(super) fn new(slot: OwnedSemaphorePermit) -> Self {
        Self {
            slot: Mutex::new(Some(slot)),
            state: AtomicU8::new(SENDING),
            written: Notify::new(),
            guard: Mutex::default(),
            _open: Opened::new(Open::Connection),
        }
    }

    /// Returns the permit that counts the connection, for the shard that takes it over.
    pub(super) fn take_slot(&self) -> Option<OwnedSemaphorePermit> {
        self.slot.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// Waits until the socket can be taken over, and returns the guard of the held stream.
    pub(super) async fn ready(&self) -> HoldGuard {
        loop {
            let written = self.written.notified();
            if self.state.load(Ordering::Acquire) == WRITTEN
                && let Some(guard) = self.guard.lock().unwrap_or_else(PoisonError::into_inner).take()
            {
                return guard;
            }
            written.await;
        }
    }

    /// Sets the guard of the held stream, to which the socket is to be handed over.
    pub(super) fn prepare(&self, guard: HoldGuard) {
        *self.guard.lock().unwrap_or_else(PoisonError::into_inner) = Some(guard);
    }
}

/// A part of a held response's body.
#[derive(Debug)]
pub(super) enum BodyPart {
    Bytes(Bytes),
    /// The pause: hyper sends nothing more, and the stream is taken over.
    Hold,
}

/// The body of a held response, up to the pause. Without [`BodyPart::Hold`] it ends like any other body.
pub(super) struct HeldBody {
    parts: mpsc::Receiver<BodyPart>,
    takeover: Arc<Takeover>,
}

impl HeldBody {
    pub(super) fn new(parts: mpsc::Receiver<BodyPart>, takeover: Arc<Takeover>) -> Self {
        Self { parts, takeover }
    }
}

impl http_body::Body for HeldBody {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        if self.takeover.state.load(Ordering::Acquire) != SENDING {
            return Poll::Pending;
        }
        match self.parts.poll_recv(cx) {
            Poll::Ready(Some(BodyPart::Bytes(bytes))) => Poll::Ready(Some(Ok(Frame::data(bytes)))),
            Poll::Ready(Some(BodyPart::Hold)) => {
                self.takeover.state.store(PAUSED, Ordering::Release);
                Poll::Pending
            }
            Poll::Ready(None) => Poll::Ready(None),
            Poll::Pending => Poll::Pending,
        }
    }
}

/// A client's socket, as hyper uses it.
pub(super) struct ClientSocket {
    socket: TcpStream,
    takeover: Arc<Takeover>,
}

impl ClientSocket {
    pub(super) fn new(socket: TcpStream, takeover: Arc<Takeover>) -> Self {
        Self { socket, takeover }
    }

    pub(super) fn into_socket(self) -> TcpStream {
        self.socket
    }
}

impl AsyncRead for ClientSocket {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_read(cx, buf)
    }
}

impl AsyncWrite for ClientSocket {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.socket).poll_write(cx, buf)
    }

    /// hyper flushes the socket only when its own buffer is empty. So after a flush that follows the pause, everything
    /// before the pause has been written.
    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = Pin::new(&mut self.socket).poll_flush(cx);
        if matches!(flushed, Poll::Ready(Ok(())))
            && self.takeover.state.compare_exchange(PAUSED, WRITTEN, Ordering::AcqRel, Ordering::Relaxed).is_ok()
        {
            self.takeover.written.notify_waiters();
        }
        flushed
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_shutdown(cx)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.socket).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.socket.is_write_vectored()
    }
}
