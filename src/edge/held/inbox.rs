//! What a shard is told, and the way it hears of it.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use tokio::{
    net::TcpStream,
    sync::{Notify, OwnedSemaphorePermit, mpsc},
};

use super::{Listener, Response, Stream, instructions::Then};
use crate::edge::items::{Frame, Item};

pub(in crate::edge) type SessionId = u64;

/// Commands that may wait for a shard before publishers wait.
const MOST_WAITING: usize = 4_096;

/// What a shard is told.
pub(in crate::edge) enum Command {
    Hold {
        id: SessionId,
        held: Held,
        behind: bool,
    },
    /// A stream's head is written, and the connection is the shard's from here on. The permit counts it.
    Connect {
        id: SessionId,
        socket: TcpStream,
        permit: OwnedSemaphorePermit,
    },
    /// The client is gone.
    Gone(SessionId),
    /// A reader that was full takes more.
    Writable(SessionId),
    Item(Arc<Item>),
    /// The streams of this channel are to ask their next links, if they have not done so yet.
    Recheck(Arc<str>),
    RecheckAll,
    /// The answer of a next link.
    Answered {
        ids: Vec<SessionId>,
        answer: Arc<Answer>,
    },
    /// The next link was not answered; it is to be asked again then.
    Unanswered {
        ids: Vec<SessionId>,
        again: Instant,
    },
    /// Everything is to end, now and from now on.
    Drain(Drain),
}

/// What a next link answered, for any number of streams.
#[derive(Debug)]
pub(in crate::edge) struct Answer {
    pub(in crate::edge) body: Option<Frame>,
    pub(in crate::edge) then: Then,
}

/// How streams are to end.
#[derive(Clone, Debug)]
pub(in crate::edge) struct Drain {
    /// All have ended after this time, of which each shard makes the best.
    pub(in crate::edge) window: Duration,
    /// How many shards do so at the same time.
    pub(in crate::edge) shards: usize,
    /// Dropped once the shard has ended its last one.
    pub(in crate::edge) done: mpsc::Sender<()>,
}

/// A held request.
pub(in crate::edge) enum Held {
    Stream(Box<Stream>),
    Response(Response),
}

/// The way to a shard.
#[derive(Clone)]
pub(in crate::edge) struct ShardHandle {
    commands: mpsc::UnboundedSender<Command>,
    backlog: Arc<Backlog>,
}

#[derive(Default)]
struct Backlog {
    waiting: AtomicUsize,
    shrunk: Notify,
}

/// A shard before it has a hub.
pub(in crate::edge) struct Inbox {
    commands: mpsc::UnboundedReceiver<Command>,
    /// For those who wait for something on the shard's behalf.
    pub(in crate::edge) handle: ShardHandle,
}

impl Held {
    pub(in crate::edge) fn listener(&self) -> &Listener {
        match self {
            Self::Stream(stream) => &stream.terms.listener,
            Self::Response(response) => &response.listener,
        }
    }

    pub(in crate::edge) fn listener_mut(&mut self) -> &mut Listener {
        match self {
            Self::Stream(stream) => &mut stream.terms.listener,
            Self::Response(response) => &mut response.listener,
        }
    }
}

impl ShardHandle {
    pub(in crate::edge) fn new() -> (Self, Inbox) {
        let (sender, commands) = mpsc::unbounded_channel();
        let handle = Self { commands: sender, backlog: Arc::default() };
        (handle.clone(), Inbox { commands, handle })
    }

    pub(in crate::edge) fn send(&self, command: Command) {
        self.backlog.waiting.fetch_add(1, Ordering::Relaxed);
        // The shard is only gone when the edge is.
        let _ = self.commands.send(command);
    }

    /// Waits until the shard has caught up with what it was told.
    pub(in crate::edge) async fn has_room(&self) {
        let is_full = || self.backlog.waiting.load(Ordering::Relaxed) >= MOST_WAITING;
        while is_full() {
            // Made before the second look, so that no word between the two is missed.
            let shrunk = self.backlog.shrunk.notified();
            if is_full() {
                shrunk.await;
            }
        }
    }
}

impl Inbox {
    /// Takes what has gathered, up to so many; waits for the first.
    pub(in crate::edge) async fn take(&mut self, commands: &mut Vec<Command>, most: usize) {
        let taken = self.commands.recv_many(commands, most).await;
        let before = self.handle.backlog.waiting.fetch_sub(taken, Ordering::Relaxed);
        if before >= MOST_WAITING {
            self.handle.backlog.shrunk.notify_waiters();
        }
    }
}
