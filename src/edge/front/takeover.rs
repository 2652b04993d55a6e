//! How a held stream leaves hyper.
//!
//! hyper serves a connection's requests and writes the head and the first part of a held response.
//! What follows are frames that many streams share, and a connection's buffers and state machine would
//! only be in their way: so the body ends in a pause, the [`Wire`] notices when everything before the
//! pause has been written, and the connection is taken apart. The socket goes on alone.

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
    edge::channels::Ticket,
    telemetry::metrics::edge::{Open, Opened},
};

/// The body has more to say.
const SPEAKING: u8 = 0;
/// The body has given hyper all it has.
const PAUSED: u8 = 1;
/// And hyper has written it.
const WRITTEN: u8 = 2;

/// What passes between a body, its wire and the task of its connection.
pub(in crate::edge) struct Handover {
    /// Counts the connection, as long as anything of it is left.
    slot: Mutex<Option<OwnedSemaphorePermit>>,
    state: AtomicU8,
    written: Notify,
    /// The stream's place in its shard. If the connection ends before it is handed over, so does the place.
    ticket: Mutex<Option<Ticket>>,
    _open: Opened,
}

impl Handover {
    pub(in crate::edge) fn new(slot: OwnedSemaphorePermit) -> Self {
        Self {
            slot: Mutex::new(Some(slot)),
            state: AtomicU8::new(SPEAKING),
            written: Notify::new(),
            ticket: Mutex::default(),
            _open: Opened::new(Open::Connection),
        }
    }

    /// What counts the connection, for whoever takes it over.
    pub(in crate::edge) fn take_slot(&self) -> Option<OwnedSemaphorePermit> {
        self.slot.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// Ends when a stream is to be taken over, and gives its place.
    pub(in crate::edge) async fn ready(&self) -> Ticket {
        loop {
            let written = self.written.notified();
            if self.state.load(Ordering::Acquire) == WRITTEN
                && let Some(ticket) = self.ticket.lock().unwrap_or_else(PoisonError::into_inner).take()
            {
                return ticket;
            }
            written.await;
        }
    }

    pub(in crate::edge) fn reserve(&self, ticket: Ticket) {
        *self.ticket.lock().unwrap_or_else(PoisonError::into_inner) = Some(ticket);
    }
}

/// A part of a held response's body.
#[derive(Debug)]
pub(in crate::edge) enum Part {
    Bytes(Bytes),
    /// Nothing more before the stream is handed over.
    Hold,
}

/// The body of a held response, up to where it is held; without [`Part::Hold`] it ends like any other.
pub(in crate::edge) struct HeldBody {
    parts: mpsc::Receiver<Part>,
    handover: Arc<Handover>,
}

impl HeldBody {
    pub(in crate::edge) fn new(parts: mpsc::Receiver<Part>, handover: Arc<Handover>) -> Self {
        Self { parts, handover }
    }
}

impl http_body::Body for HeldBody {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        if self.handover.state.load(Ordering::Acquire) != SPEAKING {
            return Poll::Pending;
        }
        match self.parts.poll_recv(cx) {
            Poll::Ready(Some(Part::Bytes(bytes))) => Poll::Ready(Some(Ok(Frame::data(bytes)))),
            Poll::Ready(Some(Part::Hold)) => {
                self.handover.state.store(PAUSED, Ordering::Release);
                Poll::Pending
            }
            Poll::Ready(None) => Poll::Ready(None),
            Poll::Pending => Poll::Pending,
        }
    }
}

/// A client's socket, as hyper sees it.
pub(in crate::edge) struct Wire {
    socket: TcpStream,
    handover: Arc<Handover>,
}

impl Wire {
    pub(in crate::edge) fn new(socket: TcpStream, handover: Arc<Handover>) -> Self {
        Self { socket, handover }
    }

    pub(in crate::edge) fn into_socket(self) -> TcpStream {
        self.socket
    }
}

impl AsyncRead for Wire {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_read(cx, buf)
    }
}

impl AsyncWrite for Wire {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.socket).poll_write(cx, buf)
    }

    /// hyper flushes the wire once its own buffer is empty, and only then: so this is where everything that the body
    /// gave before it paused has been written.
    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = Pin::new(&mut self.socket).poll_flush(cx);
        if matches!(flushed, Poll::Ready(Ok(())))
            && self.handover.state.compare_exchange(PAUSED, WRITTEN, Ordering::AcqRel, Ordering::Relaxed).is_ok()
        {
            self.handover.written.notify_waiters();
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
