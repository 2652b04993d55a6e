//! The way out of a held stream: a bounded queue of shared bytes in front of a socket.

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

/// What a reader may be behind, beside what the kernel holds: so many frames, or so many bytes.
const MOST_FRAMES: usize = 100;
const MOST_BYTES: usize = 1 << 20;

/// Frames that go out with one system call.
const AT_ONCE: usize = 32;
/// A queue that was once longer than this gives its memory back when it is empty.
const KEPT: usize = 8;

/// Where a stream's frames go.
#[derive(Debug)]
pub(in crate::edge) struct Outlet {
    /// None until the response's head and first part have been written.
    socket: Option<Arc<TcpStream>>,
    chunked: bool,
    queue: VecDeque<Bytes>,
    /// The length of what is queued.
    bytes: usize,
    ended: bool,
    /// Of an event stream: whether it is between two events behind what is written and queued.
    between_events: Option<bool>,
    /// Since when the reader has taken nothing, if something waits for it.
    blocked: Option<Instant>,
}

/// How far writing came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::edge) enum Flushed {
    /// Everything is written, or will be when there is a socket.
    All,
    /// The reader takes no more for now.
    Blocked,
    /// Nothing more can be written: it ended as it should, or the client is gone.
    Done,
}

impl Outlet {
    /// An outlet without a socket yet. HTTP/1.0 knows no chunks. Of an event stream it is told whether what is written
    /// before ends between two events.
    pub(in crate::edge) fn new(chunked: bool, between_events: Option<bool>) -> Self {
        Self { socket: None, chunked, queue: VecDeque::new(), bytes: 0, ended: false, between_events, blocked: None }
    }

    pub(in crate::edge) fn connect(&mut self, socket: Arc<TcpStream>) {
        self.socket = Some(socket);
    }

    pub(in crate::edge) fn socket(&self) -> Option<&Arc<TcpStream>> {
        self.socket.as_ref()
    }

    /// Whether everything was written.
    pub(in crate::edge) fn is_empty(&self) -> bool {
        self.queue.is_empty()
    }

    pub(in crate::edge) fn blocked_since(&self) -> Option<Instant> {
        self.blocked
    }

    /// Queues a frame, unless the reader is too far behind.
    #[must_use = "a frame that is not taken must be recovered, or knowingly skipped"]
    pub(in crate::edge) fn push(&mut self, frame: &Frame) -> bool {
        let has_room = self.has_room();
        if has_room {
            self.push_always(frame);
        }
        has_room
    }

    /// Whether the reader is not too far behind.
    pub(in crate::edge) fn has_room(&self) -> bool {
        self.queue.len() < MOST_FRAMES && self.bytes < MOST_BYTES
    }

    /// Queues a frame whatever is queued: a recovery's answer, which nothing could recover.
    pub(in crate::edge) fn push_always(&mut self, frame: &Frame) {
        let bytes = if self.chunked { frame.chunk() } else { frame.content() };
        self.bytes += bytes.len();
        self.queue.push_back(bytes);
        if let Some(between_events) = &mut self.between_events {
            *between_events = frame.ends_event();
        }
    }

    /// Asks the client of an event stream to come back no sooner than after this time. Nothing is said where it would
    /// become a part of an event.
    pub(in crate::edge) fn ask_to_stay_away(&mut self, pause: Duration) {
        let retry = Frame::new(format!("retry: {}\n\n", pause.as_millis()).as_bytes());
        if let (Some(true), Some(retry)) = (self.between_events, retry) {
            self.push_always(&retry);
        }
    }

    /// Ends the body behind what is queued.
    pub(in crate::edge) fn end(&mut self) {
        if !mem::replace(&mut self.ended, true) && self.chunked {
            self.bytes += LAST_CHUNK.len();
            self.queue.push_back(LAST_CHUNK);
        }
    }

    /// Writes as much as the socket takes now.
    pub(in crate::edge) fn flush(&mut self, now: Instant) -> Flushed {
        let Self { socket: Some(socket), queue, bytes, blocked, .. } = self else { return Flushed::All };
        while let Some(first) = queue.front() {
            let written = if queue.len() == 1 {
                socket.try_write(first)
            } else {
                let mut slices = [IoSlice::new(&[]); AT_ONCE];
                let count = queue.len().min(AT_ONCE);
                for (slice, bytes) in slices.iter_mut().zip(&*queue) {
                    *slice = IoSlice::new(bytes);
                }
                socket.try_write_vectored(&slices[..count])
            };
            match written {
                Ok(0) => return Flushed::Done,
                Ok(count) => {
                    *blocked = None;
                    *bytes -= count;
                    advance(queue, count);
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    blocked.get_or_insert(now);
                    return Flushed::Blocked;
                }
                Err(_) => return Flushed::Done,
            }
        }
        if self.queue.capacity() > KEPT {
            self.queue = VecDeque::new();
        }
        if self.ended { Flushed::Done } else { Flushed::All }
    }
}

#[cfg(any(test, fuzzing))]
impl Outlet {
    /// What waits to be written.
    pub(in crate::edge) fn queued(&self) -> String {
        self.queue.iter().map(|bytes| String::from_utf8_lossy(bytes)).collect()
    }

    /// As if the reader had taken it all.
    pub(in crate::edge) fn clear(&mut self) {
        self.queue.clear();
        self.bytes = 0;
    }
}

impl Drop for Outlet {
    /// Others may still hold the socket, to learn that the client is gone or reads again: this ends their wait.
    fn drop(&mut self) {
        if let Some(socket) = &self.socket {
            // It fails where the client has gone, which is as good.
            let _ = SockRef::from(socket.as_ref()).shutdown(std::net::Shutdown::Both);
        }
    }
}

/// Takes what was written off the front of a queue.
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
