//! A shard: its state, its loop, and which command calls what.

use std::{
    collections::HashMap,
    mem,
    sync::Arc,
    time::{Duration, Instant},
};

use tokio::{sync::OwnedSemaphorePermit, time::sleep_until};

use super::{
    drain_queue::DrainQueue,
    members::{Member, Members},
    timers::{SessionTimers, TimerQueue},
};
use crate::{
    edge::{
        backend::Recoveries,
        channels::Hub,
        commands::{Command, Inbox},
        held::{Held, HeldStream, Priority, SessionId},
    },
    telemetry::metrics::edge::{End, Opened, delivered},
};

/// A reader that has read nothing for this long is closed.
pub(super) const STALL_TIMEOUT: Duration = Duration::from_secs(30);
/// Commands of one round: few enough that the write queue of a stream has room for what they send.
const MAX_COMMANDS_PER_ROUND: usize = 64;

/// A held request, and what the shard needs to drive it.
pub(super) struct Session {
    pub(super) held: Held,
    pub(super) _open: Opened,
    /// Counts the client's connection.
    pub(super) permit: Option<(OwnedSemaphorePermit, Opened)>,
    pub(super) timers: SessionTimers,
    /// Whether the shard writes to it in this round.
    pub(super) is_dirty: bool,
    /// Whether a task waits until the socket is writable.
    pub(super) awaits_writable: bool,
}

/// A part of the held requests.
pub(crate) struct Shard {
    pub(super) index: usize,
    pub(super) hub: Arc<Hub>,
    pub(super) recoveries: Arc<Recoveries>,
    pub(super) inbox: Inbox,
    pub(super) sessions: HashMap<SessionId, Session>,
    pub(super) members: Members,
    pub(super) timers: TimerQueue,
    /// The streams to write to in this round.
    pub(super) dirty: Vec<SessionId>,
    /// Deliveries of this round. They are counted together, since a single delivery costs little else.
    pub(super) delivered: usize,
    /// When this round started.
    pub(super) now: Instant,
    /// Set when the shard drains: the longest retry delay for clients of event streams. Requests that come to be held
    /// later are ended at once.
    pub(super) max_retry_after: Option<Duration>,
    pub(super) drain_queue: Option<DrainQueue>,
}

impl Shard {
    pub(crate) fn new(index: usize, hub: Arc<Hub>, recoveries: Arc<Recoveries>, inbox: Inbox) -> Self {
        Self {
            index,
            hub,
            recoveries,
            inbox,
            sessions: HashMap::new(),
            members: Members::default(),
            timers: TimerQueue::default(),
            dirty: Vec::new(),
            delivered: 0,
            now: Instant::now(),
            max_retry_after: None,
            drain_queue: None,
        }
    }

    /// Serves its sessions until it is dropped.
    pub(crate) async fn run(mut self) {
        let mut commands = Vec::with_capacity(MAX_COMMANDS_PER_ROUND);
        loop {
            let drain = self.drain_queue.as_ref().map(DrainQueue::next);
            let next = self.timers.next().into_iter().chain(drain).min().unwrap_or_else(|| self.now + STALL_TIMEOUT);
            tokio::select! {
                biased;
                () = self.inbox.receive(&mut commands, MAX_COMMANDS_PER_ROUND) => {}
                () = sleep_until(next.into()) => {}
            }
            self.now = Instant::now();
            for command in commands.drain(..) {
                self.handle(command);
            }
            while let Some((id, timer)) = self.timers.due(self.now) {
                self.handle_timer(id, timer);
            }
            self.close_due();
            delivered(mem::take(&mut self.delivered));
            self.flush().await;
        }
    }

    pub(super) fn handle(&mut self, command: Command) {
        match command {
            Command::Hold { id, held, is_behind } => self.hold(id, held, is_behind),
            Command::Connect { id, socket, permit } => self.connect(id, socket, permit),
            Command::ClientGone(id) => self.remove(id, End::Gone),
            Command::Writable(id) => {
                if let Some(session) = self.sessions.get_mut(&id) {
                    session.awaits_writable = false;
                    self.dirty.push(id);
                }
            }
            Command::Item(item) => self.deliver(&item),
            Command::Recheck(channel) => {
                for Member { id, .. } in self.members.of(&channel).to_vec() {
                    // An answer since the stream is held contained what this one would.
                    if self.stream(id).is_some_and(|stream| !stream.is_rechecked()) {
                        self.request(id, Priority::Low);
                    }
                }
            }
            Command::RecheckAll => {
                let ids: Vec<SessionId> = self.sessions.keys().copied().collect();
                ids.into_iter().for_each(|id| self.request(id, Priority::Low));
            }
            Command::Recovered { ids, answer } => ids.into_iter().for_each(|id| self.recovered(id, &answer)),
            Command::RecoveryFailed { ids, retry_at } => {
                ids.into_iter().for_each(|id| self.recovery_failed(id, retry_at));
            }
            Command::Drain(drain) => self.drain(drain),
        }
    }

    /// Returns the stream of a session, if it is one.
    pub(super) fn stream(&mut self, id: SessionId) -> Option<&mut HeldStream> {
        match &mut self.sessions.get_mut(&id)?.held {
            Held::Stream(stream) => Some(stream),
            Held::Response(_) => None,
        }
    }
}
