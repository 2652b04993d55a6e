//! The commands of shards: what they are, the handle by which other tasks send them, and the inbox that receives them.

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

use super::{
    held::{Held, NextStep, SessionId},
    items::{Frame, Item},
};

/// When a shard has this many commands waiting, publishers wait.
const MAX_BACKLOG: usize = 4_096;

/// A command to a shard.
pub(crate) enum Command {
    /// Hold a request. `is_behind`: an item was published on one of its channels after the response was made.
    Hold { id: SessionId, held: Held, is_behind: bool },
    /// Take over a stream's connection, on which the head of the response has been written. The permit counts the
    /// connection.
    Connect { id: SessionId, socket: TcpStream, permit: OwnedSemaphorePermit },
    /// Remove a request, whose client has gone.
    ClientGone(SessionId),
    /// Write to a stream again, whose socket was full.
    Writable(SessionId),
    /// Deliver an item to its channel.
    Item(Arc<Item>),
    /// Request the next links of a channel's streams, except of those that have been answered already.
    Recheck(Arc<str>),
    /// Request the next links of all streams.
    RecheckAll,
    /// Apply the answer of a next link to these streams.
    Recovered { ids: Vec<SessionId>, answer: Arc<Answer> },
    /// The request for a next link has failed. These streams repeat it at this time.
    RecoveryFailed { ids: Vec<SessionId>, retry_at: Instant },
    /// End everything that is held, and each request that is to be held later.
    Drain(Drain),
}

/// The answer of a next link, for any number of streams.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) body: Option<Frame>,
    pub(crate) next: NextStep,
}

/// How held requests are ended when the edge stops.
#[derive(Clone, Debug)]
pub(crate) struct Drain {
    /// The time over which the ends are spread, at most.
    pub(crate) window: Duration,
    /// The number of shards that drain at the same time.
    pub(crate) shards: usize,
    /// Dropped by the shard when it has ended its last stream.
    pub(crate) done: mpsc::Sender<()>,
}

/// Sends commands to a shard.
#[derive(Clone)]
pub(crate) struct ShardHandle {
    commands: mpsc::UnboundedSender<Command>,
    backlog: Arc<Backlog>,
}

#[derive(Default)]
struct Backlog {
    waiting: AtomicUsize,
    shrunk: Notify,
}

/// Receives the commands of a shard.
pub(crate) struct Inbox {
    commands: mpsc::UnboundedReceiver<Command>,
    /// For tasks that wait on the shard's behalf.
    pub(crate) handle: ShardHandle,
}

impl ShardHandle {
    pub(crate) fn new() -> (Self, Inbox) {
        #[expect(clippy::disallowed_methods, reason = "publishers wait in `has_room`; other commands must not wait")]
        let (sender, commands) = mpsc::unbounded_channel();
        let handle = Self { commands: sender, backlog: Arc::default() };
        (handle.clone(), Inbox { commands, handle })
    }

    pub(crate) fn send(&self, command: Command) {
        self.backlog.waiting.fetch_add(1, Ordering::Relaxed);
        // The shard ends only with the edge.
        let _ = self.commands.send(command);
    }

    /// Waits until the shard's backlog is below its limit.
    pub(crate) async fn has_room(&self) {
        let is_full = || self.backlog.waiting.load(Ordering::Relaxed) >= MAX_BACKLOG;
        while is_full() {
            // Created before the second check, so that no notification between the two is missed.
            let shrunk = self.backlog.shrunk.notified();
            if is_full() {
                shrunk.await;
            }
        }
    }
}

impl Inbox {
    /// Receives up to `max` commands that are waiting. Waits for the first.
    pub(crate) async fn receive(&mut self, commands: &mut Vec<Command>, max: usize) {
        let received = self.commands.recv_many(commands, max).await;
        let before = self.handle.backlog.waiting.fetch_sub(received, Ordering::Relaxed);
        if before >= MAX_BACKLOG {
            self.handle.backlog.shrunk.notify_waiters();
        }
    }
}
