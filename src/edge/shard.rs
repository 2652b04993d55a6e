//! A part of the held requests, and the task that writes to them.
//!
//! Items, clients that come and go, and answers of next links arrive as commands. A round takes what
//! has gathered, lets every session it concerns queue what it gets, and then writes to each of these
//! once: at a low rate one item a write, under load several.

use std::{
    collections::HashMap,
    mem,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use tokio::{
    net::TcpStream,
    sync::{Notify, OwnedSemaphorePermit, mpsc},
    task::yield_now,
    time::sleep_until,
};

use super::{
    hub::Hub,
    item::Item,
    outlet::Flushed,
    recovery::{Answer, Ask, Recoveries},
    session::{Effects, Listener, Response, Stream, Sub, Terms},
    terms::Then,
    timers::{Armed, Due, Timers},
    watch,
};

pub(super) type SessionId = u64;

/// A reader that has taken nothing for so long is closed.
const STALLED: Duration = Duration::from_secs(30);
/// Commands of one round: few enough that a stream's queue takes what they bring.
const ROUND: usize = 64;
/// After so many writes other tasks get their turn: half a millisecond.
const WRITES_AT_ONCE: usize = 128;
/// A table of sessions that was once larger gives its memory back when most of them are gone.
const KEPT_SESSIONS: usize = 1_024;
/// Commands that may wait for a shard before publishers wait.
const MOST_WAITING: usize = 4_096;

/// What a shard is told.
pub(super) enum Command {
    Hold {
        id: SessionId,
        held: Box<Held>,
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
    /// All streams of this channel are to ask their next links.
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
    CloseAll,
}

/// A held request.
pub(super) enum Held {
    Stream(Stream),
    Response(Response),
}

/// The way to a shard.
pub(super) struct ShardHandle {
    commands: mpsc::UnboundedSender<Command>,
    backlog: Arc<Backlog>,
}

#[derive(Default)]
struct Backlog {
    waiting: AtomicUsize,
    shrunk: Notify,
}

/// A shard before it has a hub.
pub(super) struct Inbox {
    commands: mpsc::UnboundedReceiver<Command>,
    sender: mpsc::UnboundedSender<Command>,
    backlog: Arc<Backlog>,
}

/// One listener of a channel: a session, and which of its subscriptions it is.
#[derive(Clone, Copy)]
struct Member {
    id: SessionId,
    sub: usize,
}

struct Session {
    held: Held,
    /// Counts the client's connection.
    permit: Option<OwnedSemaphorePermit>,
    armed: Armed,
    /// Whether a task waits for the reader to take more.
    awaited: bool,
}

pub(super) struct Shard {
    index: usize,
    hub: Arc<Hub>,
    recoveries: Arc<Recoveries>,
    inbox: Inbox,
    sessions: HashMap<SessionId, Box<Session>>,
    channels: HashMap<Arc<str>, Vec<Member>>,
    timers: Timers,
    /// To be written to in this round.
    dirty: Vec<SessionId>,
    /// When this round began.
    now: Instant,
}

impl Held {
    pub(super) fn listener(&self) -> &Listener {
        match self {
            Self::Stream(stream) => &stream.terms.listener,
            Self::Response(response) => &response.listener,
        }
    }

    fn listener_mut(&mut self) -> &mut Listener {
        match self {
            Self::Stream(stream) => &mut stream.terms.listener,
            Self::Response(response) => &mut response.listener,
        }
    }
}

impl ShardHandle {
    pub(super) fn new() -> (Self, Inbox) {
        let (sender, commands) = mpsc::unbounded_channel();
        let backlog = Arc::<Backlog>::default();
        let inbox = Inbox { commands, sender: sender.clone(), backlog: Arc::clone(&backlog) };
        (Self { commands: sender, backlog }, inbox)
    }

    pub(super) fn send(&self, command: Command) {
        self.backlog.waiting.fetch_add(1, Ordering::Relaxed);
        // The shard is only gone when the edge is.
        let _ = self.commands.send(command);
    }

    /// Waits until the shard has caught up with what it was told.
    pub(super) async fn has_room(&self) {
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

impl Shard {
    pub(super) fn new(index: usize, hub: Arc<Hub>, recoveries: Arc<Recoveries>, inbox: Inbox) -> Self {
        Self {
            index,
            hub,
            recoveries,
            inbox,
            sessions: HashMap::new(),
            channels: HashMap::new(),
            timers: Timers::default(),
            dirty: Vec::new(),
            now: Instant::now(),
        }
    }

    /// Serves its sessions until it is dropped.
    pub(super) async fn run(mut self) {
        let mut round = Vec::with_capacity(ROUND);
        loop {
            let next = self.timers.next().unwrap_or_else(|| self.now + STALLED);
            tokio::select! {
                biased;
                _ = self.inbox.commands.recv_many(&mut round, ROUND) => {}
                () = sleep_until(next.into()) => {}
            }
            self.now = Instant::now();
            self.inbox.backlog.shrink(round.len());
            for command in round.drain(..) {
                self.obey(command);
            }
            while let Some((id, due)) = self.timers.due(self.now) {
                self.look_at(id, due);
            }
            self.flush().await;
        }
    }

    fn obey(&mut self, command: Command) {
        match command {
            Command::Hold { id, held, behind } => self.hold(id, *held, behind),
            Command::Connect { id, socket, permit } => self.connect(id, socket, permit),
            Command::Gone(id) => self.gone(id),
            Command::Writable(id) => {
                if let Some(session) = self.sessions.get_mut(&id) {
                    session.awaited = false;
                    self.dirty.push(id);
                }
            }
            Command::Item(item) => self.deliver(&item),
            Command::Recheck(channel) => {
                let members = self.channels.get(&channel).cloned().unwrap_or_default();
                members.into_iter().for_each(|member| self.ask(member.id, false));
            }
            Command::RecheckAll => {
                let ids: Vec<SessionId> = self.sessions.keys().copied().collect();
                ids.into_iter().for_each(|id| self.ask(id, false));
            }
            Command::Answered { ids, answer } => ids.into_iter().for_each(|id| self.answered(id, &answer)),
            Command::Unanswered { ids, again } => ids.into_iter().for_each(|id| self.unanswered(id, again)),
            Command::CloseAll => self.close_all(),
        }
    }

    fn hold(&mut self, id: SessionId, mut held: Held, behind: bool) {
        self.join(id, held.listener_mut());
        if let (Held::Response(response), true) = (&mut held, behind) {
            let verdict = response.repeat();
            response.end(verdict);
        }
        let session = Session { held, permit: None, armed: Armed::default(), awaited: false };
        self.sessions.insert(id, Box::new(session));
        if behind {
            self.ask(id, false);
        }
    }

    fn connect(&mut self, id: SessionId, socket: TcpStream, permit: OwnedSemaphorePermit) {
        let Some(session) = self.sessions.get_mut(&id) else { return };
        let Held::Stream(stream) = &mut session.held else { return };
        let socket = Arc::new(socket);
        watch::until_gone(Arc::clone(&socket), id, self.inbox.sender.clone());
        stream.outlet.connect(socket);
        stream.sent = self.now;
        session.permit = Some(permit);
        self.dirty.push(id);
        self.arm(id);
    }

    /// Arms what a stream's terms ask for.
    fn arm(&mut self, id: SessionId) {
        let Some(session) = self.sessions.get_mut(&id) else { return };
        let Session { held: Held::Stream(stream), armed, .. } = &mut **session else { return };
        if stream.outlet.socket().is_none() {
            return;
        }
        let keep_alive = stream.terms.keep_alive.as_ref().map(|keep_alive| self.now + keep_alive.after);
        self.timers.arm(id, armed, Due::KeepAlive, keep_alive);
        let recheck = stream.terms.link.as_ref().map(|link| self.recoveries.recheck_at(link, self.now));
        self.timers.arm(id, armed, Due::Ask, recheck);
    }

    fn deliver(&mut self, item: &Arc<Item>) {
        let Some(members) = self.channels.get(&item.channel) else { return };
        let mut effects = Vec::new();
        for Member { id, sub } in members {
            let Some(session) = self.sessions.get_mut(id) else { continue };
            match &mut session.held {
                Held::Response(response) => response.offer(*sub, item),
                Held::Stream(stream) => {
                    let mut effect = Effects::default();
                    stream.offer(*sub, item, &mut effect);
                    if effect != Effects::default() {
                        effects.push((*id, effect));
                    }
                    if !mem::replace(&mut stream.dirty, true) {
                        self.dirty.push(*id);
                    }
                }
            }
        }
        effects.into_iter().for_each(|(id, effects)| self.apply(id, effects));
    }

    fn apply(&mut self, id: SessionId, effects: Effects) {
        if let Some(channel) = effects.forget {
            self.hub.forget(&channel);
        }
        if let Some(urgent) = effects.ask {
            self.ask(id, urgent);
        }
    }

    /// Has a stream's next link asked, if it has one and is not being asked already.
    fn ask(&mut self, id: SessionId, urgent: bool) {
        let Some(session) = self.sessions.get_mut(&id) else { return };
        let Held::Stream(stream) = &mut session.held else { return };
        let Some(uri) = stream.begin_to_ask(urgent) else { return };
        let ask = Ask { uri, host: stream.host.clone(), last: stream.terms.listener.last_ids() };
        self.recoveries.ask(ask, self.index, id, urgent);
    }

    fn answered(&mut self, id: SessionId, answer: &Answer) {
        let Some(session) = self.sessions.get_mut(&id) else { return };
        let Held::Stream(stream) = &mut session.held else { return };
        if let Some(frame) = &answer.body {
            stream.outlet.push_always(frame);
        }
        self.dirty.push(id);
        match &answer.then {
            Then::End => stream.close(),
            Then::Page(link) => {
                stream.turn_page(link.clone());
                self.ask(id, true);
            }
            Then::Hold(conditions) => self.renew(id, conditions.terms()),
        }
    }

    /// Holds a stream on under new terms.
    fn renew(&mut self, id: SessionId, mut terms: Terms) {
        let Some(session) = self.sessions.get_mut(&id) else { return };
        let Held::Stream(stream) = &mut session.held else { return };
        let mut effects = Effects::default();
        if terms.listener.takes_the_places_of(&stream.terms.listener) {
            stream.terms = terms;
        } else {
            let before = mem::take(&mut stream.terms.listener);
            self.leave(&before);
            self.join(id, &mut terms.listener);
            // The new ones first, so that what is known of a channel in both is not lost in between.
            let behind = self.hub.subscribe(self.index, &terms.listener.subs);
            self.hub.unsubscribe(self.index, &before.subs, false);
            effects.ask = behind.then_some(false);
            let Some(session) = self.sessions.get_mut(&id) else { return };
            let Held::Stream(stream) = &mut session.held else { return };
            stream.terms = terms;
        }
        if let Some(Session { held: Held::Stream(stream), .. }) =
            self.sessions.get_mut(&id).map(|session| &mut **session)
        {
            stream.go_on(&mut effects);
        }
        self.arm(id);
        self.apply(id, effects);
    }

    fn unanswered(&mut self, id: SessionId, again: Instant) {
        let Some(session) = self.sessions.get_mut(&id) else { return };
        let Session { held: Held::Stream(stream), armed, .. } = &mut **session else { return };
        let mut effects = Effects::default();
        stream.go_on_unanswered(&mut effects);
        self.timers.arm(id, armed, Due::Ask, Some(again));
        self.dirty.push(id);
        self.apply(id, effects);
    }

    fn look_at(&mut self, id: SessionId, due: Due) {
        let Some(session) = self.sessions.get_mut(&id) else { return };
        let Session { held: Held::Stream(stream), armed, .. } = &mut **session else { return };
        self.timers.arm(id, armed, due, None);
        match due {
            Due::Stalled => self.gone(id),
            Due::Ask => {
                stream.retrying = false;
                self.ask(id, false);
            }
            Due::KeepAlive => {
                let again = stream.keep_alive(self.now);
                self.timers.arm(id, armed, Due::KeepAlive, again);
                self.dirty.push(id);
            }
        }
    }

    /// Writes what the streams of this round have queued.
    async fn flush(&mut self) {
        let mut dirty = mem::take(&mut self.dirty);
        for (count, id) in dirty.iter().enumerate() {
            self.write(*id);
            if count % WRITES_AT_ONCE == WRITES_AT_ONCE - 1 {
                yield_now().await;
            }
        }
        dirty.clear();
        // What a reader that has caught up asks for is done in the next round.
        dirty.append(&mut self.dirty);
        self.dirty = dirty;
    }

    fn write(&mut self, id: SessionId) {
        let Some(session) = self.sessions.get_mut(&id) else { return };
        let Session { held: Held::Stream(stream), armed, awaited, .. } = &mut **session else { return };
        stream.dirty = false;
        if !stream.outlet.is_empty() {
            stream.sent = self.now;
        }
        match stream.outlet.flush(self.now) {
            Flushed::Done => self.gone(id),
            Flushed::All => {
                self.timers.arm(id, armed, Due::Stalled, None);
                if stream.caught_up() {
                    self.ask(id, false);
                }
            }
            Flushed::Blocked => {
                let stalled = stream.outlet.blocked_since().map(|since| since + STALLED);
                self.timers.arm(id, armed, Due::Stalled, stalled);
                if let (Some(socket), false) = (stream.outlet.socket(), mem::replace(awaited, true)) {
                    watch::until_writable(Arc::clone(socket), id, self.inbox.sender.clone());
                }
            }
        }
    }

    fn close_all(&mut self) {
        for (id, session) in &mut self.sessions {
            match &mut session.held {
                Held::Stream(stream) => {
                    stream.close();
                    self.dirty.push(*id);
                }
                // The response that is held is sent.
                Held::Response(response) => drop(response.answer.take()),
            }
        }
    }

    /// Removes a session, whose client has gone or whose stream has ended.
    fn gone(&mut self, id: SessionId) {
        let Some(mut session) = self.sessions.remove(&id) else { return };
        self.timers.disarm_all(id, &mut session.armed);
        self.leave(session.held.listener());
        let is_response = matches!(session.held, Held::Response(_));
        self.hub.unsubscribe(self.index, &session.held.listener().subs, is_response);
        if let Held::Stream(Stream { gone: Some(uri), host, .. }) = &session.held {
            self.recoveries.tell_gone(Arc::clone(uri), host.clone());
        }
        if self.sessions.capacity() > KEPT_SESSIONS && self.sessions.len() < self.sessions.capacity() / 4 {
            self.sessions.shrink_to(self.sessions.len() * 2);
        }
    }

    fn join(&mut self, id: SessionId, listener: &mut Listener) {
        for (sub, subscription) in listener.subs.iter_mut().enumerate() {
            let members = self.channels.entry(Arc::clone(&subscription.channel)).or_default();
            subscription.slot = members.len();
            members.push(Member { id, sub });
        }
    }

    fn leave(&mut self, listener: &Listener) {
        for Sub { channel, slot, .. } in &listener.subs {
            let Some(members) = self.channels.get_mut(channel) else { continue };
            members.swap_remove(*slot);
            let moved = members.get(*slot).copied();
            if members.is_empty() {
                self.channels.remove(channel);
            }
            if let Some(Member { id, sub }) = moved
                && let Some(session) = self.sessions.get_mut(&id)
            {
                session.held.listener_mut().subs[sub].slot = *slot;
            }
        }
    }
}

impl Backlog {
    fn shrink(&self, taken: usize) {
        let before = self.waiting.fetch_sub(taken, Ordering::Relaxed);
        if before >= MOST_WAITING {
            self.shrunk.notify_waiters();
        }
    }
}
