//! Shards: tasks that each own a part of the held requests, deliver items to them and write to their clients.
//!
//! Items, clients that come and go, and answers of next links arrive as commands. A round receives the commands that
//! are waiting, lets each session they concern queue its bytes, and then writes once to each of these sessions: one
//! item per write at a low rate, several under load.
//!
//! It may import `backend` for next links, `channels` to subscribe and unsubscribe, `held` and `items`.
//!
//! | module | is | imports |
//! |---|---|---|
//! | `members` | the members of each channel | nothing |
//! | `timers` | when a session is due | nothing |
//! | `readiness` | waits until a socket is closed or writable | nothing |
//! | `drain` | the end of all held requests, spread over time | nothing |
//! | `recover` | requests for next links and their answers | `timers` |

mod drain;
mod members;
mod readiness;
mod recover;
mod timers;

use std::{
    collections::HashMap,
    mem,
    sync::Arc,
    time::{Duration, Instant},
};

use tokio::{net::TcpStream, sync::OwnedSemaphorePermit, task::yield_now, time::sleep_until};

use self::{
    drain::DrainQueue,
    members::Member,
    timers::{SessionTimers, Timer, TimerQueue},
};
use crate::{
    edge::{
        backend::Recoveries,
        channels::Hub,
        held::{Command, Effects, Flushed, Held, HeldStream, Inbox, KeepAlive, Priority, SessionId},
        items::Item,
    },
    telemetry::metrics::edge::{End, Open, Opened, delivered, ended},
};

/// A reader that has read nothing for this long is closed.
const STALL_TIMEOUT: Duration = Duration::from_secs(30);
/// Commands of one round: few enough that the write queue of a stream has room for what they send.
const MAX_COMMANDS_PER_ROUND: usize = 64;
/// After this many writes, which take a tenth of a millisecond, other tasks get their turn.
const WRITES_BEFORE_YIELD: usize = 32;
/// A table of sessions that was once larger than this shrinks when most of it is empty.
const KEPT_SESSIONS: usize = 1_024;

/// A held request, and what the shard needs to drive it.
struct Session {
    held: Held,
    _open: Opened,
    /// Counts the client's connection.
    permit: Option<(OwnedSemaphorePermit, Opened)>,
    timers: SessionTimers,
    /// Whether a task waits until the socket is writable.
    awaits_writable: bool,
}

/// A part of the held requests.
pub(crate) struct Shard {
    index: usize,
    hub: Arc<Hub>,
    recoveries: Arc<Recoveries>,
    inbox: Inbox,
    sessions: HashMap<SessionId, Session>,
    channels: HashMap<Arc<str>, Vec<Member>>,
    timers: TimerQueue,
    /// The streams to write to in this round.
    dirty: Vec<SessionId>,
    /// Deliveries of this round. They are counted together, since a single delivery costs little else.
    delivered: usize,
    /// When this round started.
    now: Instant,
    /// Set when the shard drains: the longest retry delay for clients of event streams. Requests that come to be held
    /// later are ended at once.
    max_retry_after: Option<Duration>,
    drain_queue: Option<DrainQueue>,
}

impl Shard {
    pub(crate) fn new(index: usize, hub: Arc<Hub>, recoveries: Arc<Recoveries>, inbox: Inbox) -> Self {
        Self {
            index,
            hub,
            recoveries,
            inbox,
            sessions: HashMap::new(),
            channels: HashMap::new(),
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

    fn handle(&mut self, command: Command) {
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
                let members = self.channels.get(&channel).cloned().unwrap_or_default();
                for Member { id, .. } in members {
                    // An answer since the stream is held contained what this one would.
                    if self.stream(id).is_some_and(|stream| !stream.is_rechecked) {
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

    fn hold(&mut self, id: SessionId, mut held: Held, is_behind: bool) {
        self.join(id, held.subscriber_mut());
        if let (Held::Response(response), true) = (&mut held, is_behind) {
            response.repeat();
        }
        let open = Opened::new(if matches!(held, Held::Stream(_)) { Open::Stream } else { Open::Response });
        let timers = SessionTimers::default();
        let session = Session { held, _open: open, permit: None, timers, awaits_writable: false };
        self.sessions.insert(id, session);
        if is_behind {
            self.request(id, Priority::Low);
        }
        if self.max_retry_after.is_some() {
            self.close(id);
        }
    }

    fn connect(&mut self, id: SessionId, socket: TcpStream, permit: OwnedSemaphorePermit) {
        let Some(session) = self.sessions.get_mut(&id) else { return };
        let Held::Stream(stream) = &mut session.held else { return };
        let socket = Arc::new(socket);
        readiness::notify_when_closed(Arc::clone(&socket), id, self.inbox.handle.clone());
        stream.queue.connect(socket);
        stream.last_sent = self.now;
        session.permit = Some((permit, Opened::new(Open::Connection)));
        self.dirty.push(id);
        self.arm(id);
    }

    /// Arms the timers that a stream's settings require.
    fn arm(&mut self, id: SessionId) {
        let Some(session) = self.sessions.get_mut(&id) else { return };
        let Session { held: Held::Stream(stream), timers, .. } = session else { return };
        if stream.queue.socket().is_none() {
            return;
        }
        // New settings do not restart the time for which a stream has been silent.
        let keep_alive = stream.settings.keep_alive.as_ref().map(|KeepAlive { after, periodic, .. }| match periodic {
            true => timers.at(Timer::KeepAlive).unwrap_or(self.now + *after),
            false => stream.last_sent + *after,
        });
        self.timers.arm(id, timers, Timer::KeepAlive, keep_alive);
        // After a failure the timer is armed for the end of the pause, and the stream requests nothing before.
        if stream.failed().is_none() {
            let recheck = stream.settings.link.as_ref().map(|link| self.recoveries.recheck_at(link, self.now));
            self.timers.arm(id, timers, Timer::Recover, recheck);
        }
    }

    /// Returns the stream of a session, if it is one.
    fn stream(&mut self, id: SessionId) -> Option<&mut HeldStream> {
        match &mut self.sessions.get_mut(&id)?.held {
            Held::Stream(stream) => Some(stream),
            Held::Response(_) => None,
        }
    }

    fn deliver(&mut self, item: &Arc<Item>) {
        let Some(members) = self.channels.get(&item.channel) else { return };
        self.delivered += members.len();
        let mut all_effects = Vec::new();
        for Member { id, subscription } in members {
            let Some(session) = self.sessions.get_mut(id) else { continue };
            match &mut session.held {
                Held::Response(response) => response.offer(*subscription, item),
                Held::Stream(stream) => {
                    let mut effects = Effects::default();
                    stream.offer(*subscription, item, &mut effects);
                    if effects != Effects::default() {
                        all_effects.push((*id, effects));
                    }
                    if !mem::replace(&mut stream.is_dirty, true) {
                        self.dirty.push(*id);
                    }
                }
            }
        }
        all_effects.into_iter().for_each(|(id, effects)| self.apply(id, effects));
    }

    fn handle_timer(&mut self, id: SessionId, timer: Timer) {
        let Some(session) = self.sessions.get_mut(&id) else { return };
        let Session { held: Held::Stream(stream), timers, .. } = session else { return };
        self.timers.arm(id, timers, timer, None);
        match timer {
            Timer::Stalled => self.remove(id, End::Stalled),
            Timer::Recover => {
                stream.retry();
                self.request(id, Priority::Low);
            }
            Timer::KeepAlive => {
                let next = stream.keep_alive(self.now);
                self.timers.arm(id, timers, Timer::KeepAlive, next);
                self.dirty.push(id);
            }
        }
    }

    /// Writes what the streams of this round have queued.
    async fn flush(&mut self) {
        let mut dirty = mem::take(&mut self.dirty);
        for (count, id) in dirty.iter().enumerate() {
            self.write(*id);
            if count % WRITES_BEFORE_YIELD == WRITES_BEFORE_YIELD - 1 {
                yield_now().await;
            }
        }
        dirty.clear();
        // Writing may have marked further streams. They are for the next round.
        dirty.append(&mut self.dirty);
        self.dirty = dirty;
    }

    fn write(&mut self, id: SessionId) {
        let Some(session) = self.sessions.get_mut(&id) else { return };
        let Session { held: Held::Stream(stream), timers, awaits_writable, .. } = session else { return };
        stream.is_dirty = false;
        if !stream.queue.is_empty() {
            stream.last_sent = self.now;
        }
        match stream.queue.flush(self.now) {
            Flushed::Done => self.remove(id, End::Gone),
            Flushed::All => {
                self.timers.arm(id, timers, Timer::Stalled, None);
                if stream.catch_up() {
                    self.request(id, Priority::Low);
                }
            }
            Flushed::Blocked => {
                let stalled = stream.queue.blocked_since().map(|since| since + STALL_TIMEOUT);
                self.timers.arm(id, timers, Timer::Stalled, stalled);
                if let (Some(socket), false) = (stream.queue.socket(), mem::replace(awaits_writable, true)) {
                    readiness::notify_when_writable(Arc::clone(socket), id, self.inbox.handle.clone());
                }
            }
        }
    }

    /// Removes a session whose client has gone or whose stream has ended. `why` counts unless the stream was closed
    /// from this side.
    fn remove(&mut self, id: SessionId, why: End) {
        let Some(mut session) = self.sessions.remove(&id) else { return };
        self.timers.disarm_all(id, &mut session.timers);
        self.leave(session.held.subscriber());
        let is_response = matches!(session.held, Held::Response(_));
        self.hub.unsubscribe(self.index, &session.held.subscriber().subscriptions, is_response);
        if let Held::Stream(stream) = &session.held {
            ended(match stream.is_closing() {
                true if self.max_retry_after.is_some() => End::Stopped,
                true => End::Closed,
                false => why,
            });
            if let Some(uri) = stream.gone_link() {
                self.recoveries.notify_gone(uri, stream.host.clone());
            }
        }
        if self.sessions.capacity() > KEPT_SESSIONS && self.sessions.len() < self.sessions.capacity() / 4 {
            self.sessions.shrink_to(self.sessions.len() * 2);
        }
    }
}
