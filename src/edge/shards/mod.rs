//! Shards: tasks that each own a part of the held requests, feed them items and write to their clients.
//!
//! Items, clients that come and go, and answers of next links arrive as commands. A round takes what
//! has gathered, lets every session it concerns queue what it gets, and then writes to each of these
//! once: at a low rate one item a write, under load several.
//!
//! It imports `backend` for next links, `channels` to subscribe and unsubscribe, `held` and `items`.

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
    drain::Ending,
    members::Member,
    timers::{Armed, Due, Timers},
};
use crate::{
    edge::{
        backend::Recoveries,
        channels::Hub,
        held::{Command, Effects, Flushed, Held, Inbox, KeepAlive, SessionId, Stream},
        items::Item,
    },
    telemetry::metrics::edge::{End, Open, Opened, delivered, ended},
};

/// A reader that has taken nothing for so long is closed.
const STALLED: Duration = Duration::from_secs(30);
/// Commands of one round: few enough that a stream's queue takes what they bring.
const ROUND: usize = 64;
/// After so many writes other tasks get their turn: a tenth of a millisecond.
const WRITES_AT_ONCE: usize = 32;
/// A table of sessions that was once larger gives its memory back when most of them are gone.
const KEPT_SESSIONS: usize = 1_024;
struct Session {
    held: Held,
    _open: Opened,
    /// Counts the client's connection.
    permit: Option<(OwnedSemaphorePermit, Opened)>,
    armed: Armed,
    /// Whether a task waits for the reader to take more.
    awaited: bool,
}

pub(in crate::edge) struct Shard {
    index: usize,
    hub: Arc<Hub>,
    recoveries: Arc<Recoveries>,
    inbox: Inbox,
    sessions: HashMap<SessionId, Session>,
    channels: HashMap<Arc<str>, Vec<Member>>,
    timers: Timers,
    /// To be written to in this round.
    dirty: Vec<SessionId>,
    /// In this round. Counted together: a single delivery costs little else.
    delivered: usize,
    /// When this round began.
    now: Instant,
    /// Once everything ends, what comes to be held from now on too: the longest time that clients are asked to stay
    /// away.
    away: Option<Duration>,
    ending: Option<Ending>,
}

impl Shard {
    pub(in crate::edge) fn new(index: usize, hub: Arc<Hub>, recoveries: Arc<Recoveries>, inbox: Inbox) -> Self {
        Self {
            index,
            hub,
            recoveries,
            inbox,
            sessions: HashMap::new(),
            channels: HashMap::new(),
            timers: Timers::default(),
            dirty: Vec::new(),
            delivered: 0,
            now: Instant::now(),
            away: None,
            ending: None,
        }
    }

    /// Serves its sessions until it is dropped.
    pub(in crate::edge) async fn run(mut self) {
        let mut round = Vec::with_capacity(ROUND);
        loop {
            let ending = self.ending.as_ref().map(Ending::next);
            let next = self.timers.next().into_iter().chain(ending).min().unwrap_or_else(|| self.now + STALLED);
            tokio::select! {
                biased;
                () = self.inbox.take(&mut round, ROUND) => {}
                () = sleep_until(next.into()) => {}
            }
            self.now = Instant::now();
            for command in round.drain(..) {
                self.obey(command);
            }
            while let Some((id, due)) = self.timers.due(self.now) {
                self.look_at(id, due);
            }
            self.end_due();
            delivered(mem::take(&mut self.delivered));
            self.flush().await;
        }
    }

    fn obey(&mut self, command: Command) {
        match command {
            Command::Hold { id, held, behind } => self.hold(id, held, behind),
            Command::Connect { id, socket, permit } => self.connect(id, socket, permit),
            Command::Gone(id) => self.gone(id, End::Gone),
            Command::Writable(id) => {
                if let Some(session) = self.sessions.get_mut(&id) {
                    session.awaited = false;
                    self.dirty.push(id);
                }
            }
            Command::Item(item) => self.deliver(&item),
            Command::Recheck(channel) => {
                let members = self.channels.get(&channel).cloned().unwrap_or_default();
                for Member { id, .. } in members {
                    // What was asked since it is held has told what this would.
                    if self.stream(id).is_some_and(|stream| !stream.checked) {
                        self.ask(id, false);
                    }
                }
            }
            Command::RecheckAll => {
                let ids: Vec<SessionId> = self.sessions.keys().copied().collect();
                ids.into_iter().for_each(|id| self.ask(id, false));
            }
            Command::Answered { ids, answer } => ids.into_iter().for_each(|id| self.answered(id, &answer)),
            Command::Unanswered { ids, again } => ids.into_iter().for_each(|id| self.unanswered(id, again)),
            Command::Drain(drain) => self.drain(drain),
        }
    }

    fn hold(&mut self, id: SessionId, mut held: Held, behind: bool) {
        self.join(id, held.listener_mut());
        if let (Held::Response(response), true) = (&mut held, behind) {
            let verdict = response.repeat();
            response.end(verdict);
        }
        let open = Opened::new(if matches!(held, Held::Stream(_)) { Open::Stream } else { Open::Response });
        let session = Session { held, _open: open, permit: None, armed: Armed::default(), awaited: false };
        self.sessions.insert(id, session);
        if behind {
            self.ask(id, false);
        }
        if self.away.is_some() {
            self.close(id);
        }
    }

    fn connect(&mut self, id: SessionId, socket: TcpStream, permit: OwnedSemaphorePermit) {
        let Some(session) = self.sessions.get_mut(&id) else { return };
        let Held::Stream(stream) = &mut session.held else { return };
        let socket = Arc::new(socket);
        readiness::until_gone(Arc::clone(&socket), id, self.inbox.handle.clone());
        stream.outlet.connect(socket);
        stream.sent = self.now;
        session.permit = Some((permit, Opened::new(Open::Connection)));
        self.dirty.push(id);
        self.arm(id);
    }

    /// Arms what a stream's terms ask for.
    fn arm(&mut self, id: SessionId) {
        let Some(session) = self.sessions.get_mut(&id) else { return };
        let Session { held: Held::Stream(stream), armed, .. } = session else { return };
        if stream.outlet.socket().is_none() {
            return;
        }
        // The terms of a recovered stream are new; how long it has been silent is not.
        let keep_alive = stream.terms.keep_alive.as_ref().map(|KeepAlive { after, interval, .. }| match interval {
            true => armed.at(Due::KeepAlive).unwrap_or(self.now + *after),
            false => stream.sent + *after,
        });
        self.timers.arm(id, armed, Due::KeepAlive, keep_alive);
        let recheck = stream.terms.link.as_ref().map(|link| self.recoveries.recheck_at(link, self.now));
        self.timers.arm(id, armed, Due::Ask, recheck);
    }

    /// The stream of a session, if that is one.
    fn stream(&mut self, id: SessionId) -> Option<&mut Stream> {
        match &mut self.sessions.get_mut(&id)?.held {
            Held::Stream(stream) => Some(stream),
            Held::Response(_) => None,
        }
    }

    fn deliver(&mut self, item: &Arc<Item>) {
        let Some(members) = self.channels.get(&item.channel) else { return };
        self.delivered += members.len();
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

    fn look_at(&mut self, id: SessionId, due: Due) {
        let Some(session) = self.sessions.get_mut(&id) else { return };
        let Session { held: Held::Stream(stream), armed, .. } = session else { return };
        self.timers.arm(id, armed, due, None);
        match due {
            Due::Stalled => self.gone(id, End::Stalled),
            Due::Ask => {
                stream.retrying = None;
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
        let Session { held: Held::Stream(stream), armed, awaited, .. } = session else { return };
        stream.dirty = false;
        if !stream.outlet.is_empty() {
            stream.sent = self.now;
        }
        match stream.outlet.flush(self.now) {
            Flushed::Done => self.gone(id, End::Gone),
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
                    readiness::until_writable(Arc::clone(socket), id, self.inbox.handle.clone());
                }
            }
        }
    }

    /// Removes a session, whose client has gone or whose stream has ended; why, if it did not end as it should.
    fn gone(&mut self, id: SessionId, why: End) {
        let Some(mut session) = self.sessions.remove(&id) else { return };
        self.timers.disarm_all(id, &mut session.armed);
        self.leave(session.held.listener());
        let is_response = matches!(session.held, Held::Response(_));
        self.hub.unsubscribe(self.index, &session.held.listener().subs, is_response);
        if let Held::Stream(stream) = &session.held {
            ended(match stream.is_closing() {
                true if self.away.is_some() => End::Stopped,
                true => End::Closed,
                false => why,
            });
            if let Some(uri) = stream.link_when_gone() {
                self.recoveries.tell_gone(uri, stream.host.clone());
            }
        }
        if self.sessions.capacity() > KEPT_SESSIONS && self.sessions.len() < self.sessions.capacity() / 4 {
            self.sessions.shrink_to(self.sessions.len() * 2);
        }
    }
}
