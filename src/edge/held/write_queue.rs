//! The write queue of a held stream: a bounded queue of shared bytes before a socket.

use std::{
    collections::VecDeque,
    io::{self, IoSlice},
    mem,
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::{Buf as _, Bytes};
use socket2::SockRef;
use tokio::net::TcpStream;

use crate::edge::items::{Frame, LAST_CHUNK};

/// Frames that may wait for a slow reader, in addition to what the kernel buffers.
const MAX_FRAMES: usize = 100;
/// Bytes that may wait for a slow reader.
const MAX_BYTES: usize = 1 << 20;

/// Frames that are written with one system call.
const FRAMES_PER_WRITE: usize = 32;
/// A queue that was once longer than this frees its memory when it is empty.
const KEPT_CAPACITY: usize = 8;

/// Where a stream's frames wait to be written.
#[derive(Debug)]
pub(crate) struct WriteQueue {
    /// None until the head and the first part of the response have been written.
    socket: Option<Arc<TcpStream>>,
    chunked: bool,
    queue: VecDeque<Bytes>,
    /// The length of what is queued.
    bytes: usize,
    has_ended: bool,
    /// For an event stream: whether everything written and queued ends between two events.
    between_events: Option<bool>,
    /// Since when the reader has read nothing, if something waits for it.
    blocked_since: Option<Instant>,
}

/// The result of writing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Flushed {
    /// Everything is written, or will be when there is a socket.
    All,
    /// The socket takes no more for now.
    Blocked,
    /// Nothing more can be written: the stream has ended, or the client has gone.
    Done,
}

impl WriteQueue {
    /// Creates a queue that has no socket yet. `chunked` is false for HTTP/1.0, which has no chunks. `between_events` is
    /// `None` unless it is an event stream, and otherwise whether the response so far ends between two events.
    pub(crate) fn new(chunked: bool, between_events: Option<bool>) -> Self {
        Self {
            socket: None,
            chunked,
            queue: VecDeque::new(),
            bytes: 0,
            has_ended: false,
            between_events,
            blocked_since: None,
        }
    }

    pub(crate) fn connect(&mut self, socket: Arc<TcpStream>) {
        self.socket = Some(socket);
    }

    pub(crate) fn socket(&self) -> Option<&Arc<TcpStream>> {
        self.socket.as_ref()
    }

    /// Whether everything has been written.
    pub(crate) fn is_empty(&self) -> bool {
        self.queue.is_empty()
    }

    pub(crate) fn blocked_since(&self) -> Option<Instant> {
        self.blocked_since
    }

    /// Queues a frame. Returns `false`, and queues nothing, if the queue is full.
    #[must_use = "a frame that is not queued must be recovered, or knowingly skipped"]
    pub(crate) fn push(&mut self, frame: &Frame) -> bool {
        let has_room = self.has_room();
        if has_room {
            self.push_unbounded(frame);
        }
        has_room
    }

    /// Whether the queue is not full.
    pub(crate) fn has_room(&self) -> bool {
        self.queue.len() < MAX_FRAMES && self.bytes < MAX_BYTES
    }

    /// Queues a frame even if the queue is full. For the answer of a recovery, which nothing could recover.
    pub(crate) fn push_unbounded(&mut self, frame: &Frame) {
        let bytes = if self.chunked { frame.chunk() } else { frame.content() };
        self.bytes += bytes.len();
        self.queue.push_back(bytes);
        if let Some(between_events) = &mut self.between_events {
            *between_events = frame.ends_event();
        }
    }

    /// Tells the client of an event stream to reconnect no sooner than after this time. Queues nothing where it would
    /// become a part of an event.
    pub(crate) fn push_retry(&mut self, retry_after: Duration) {
        let retry = Frame::new(format!("retry: {}\n\n", retry_after.as_millis()).as_bytes());
        if let (Some(true), Some(retry)) = (self.between_events, retry) {
            self.push_unbounded(&retry);
        }
    }

    /// Ends the body after what is queued.
    pub(crate) fn end(&mut self) {
        if !mem::replace(&mut self.has_ended, true) && self.chunked {
            self.bytes += LAST_CHUNK.len();
            self.queue.push_back(LAST_CHUNK);
        }
    }

    /// Writes as much as the socket takes now.
    pub(crate) fn flush(&mut self, now: Instant) -> Flushed {
        let Self { socket: Some(socket), queue, bytes, blocked_since, .. } = self else { return Flushed::All };
        while let Some(first) = queue.front() {
            let written = if queue.len() == 1 {
                socket.try_write(first)
            } else {
                let mut slices = [IoSlice::new(&[]); FRAMES_PER_WRITE];
                let count = queue.len().min(FRAMES_PER_WRITE);
                for (slice, bytes) in slices.iter_mut().zip(&*queue) {
                    *slice = IoSlice::new(bytes);
                }
                socket.try_write_vectored(&slices[..count])
            };
            match written {
                Ok(0) => return Flushed::Done,
                Ok(count) => {
                    *blocked_since = None;
                    *bytes -= count;
                    advance(queue, count);
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    blocked_since.get_or_insert(now);
                    return Flushed::Blocked;
                }
                Err(_) => return Flushed::Done,
            }
        }
        if self.queue.capacity() > KEPT_CAPACITY {
            self.queue = VecDeque::new();
        }
        if self.has_ended { Flushed::Done } else { Flushed::All }
    }
}

#[cfg(any(test, fuzzing))]
impl WriteQueue {
    /// What waits to be written.
    pub(super) fn queued(&self) -> String {
        self.queue.iter().map(|bytes| String::from_utf8_lossy(bytes)).collect()
    }

    /// Empties the queue, as if the reader had read everything.
    pub(super) fn clear(&mut self) {
        self.queue.clear();
        self.bytes = 0;
    }
}

impl Drop for WriteQueue {
    /// Tasks may still hold the socket, to wait until the client goes or reads again. This ends their wait.
    fn drop(&mut self) {
        if let Some(socket) = &self.socket {
            // It fails if the client has gone, which ends the wait as well.
            let _ = SockRef::from(socket.as_ref()).shutdown(std::net::Shutdown::Both);
        }
    }
}

/// Removes bytes that were written from the front of a queue.
fn advance(queue: &mut VecDeque<Bytes>, mut written: usize) {
    while let Some(first) = queue.front_mut() {
        if written < first.len() {
            first.advance(written);
            return;
        }
        written -= first.len();
        queue.pop_front();
    }
}
