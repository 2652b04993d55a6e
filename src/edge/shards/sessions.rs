//! Sessions: how a request comes to be held, gets its connection, and is removed.

use std::sync::Arc;

use tokio::{net::TcpStream, sync::OwnedSemaphorePermit};

use super::{
    readiness,
    shard::{Session, Shard},
    timers::{SessionTimers, Timer},
};
use crate::{
    edge::held::{Held, Priority, SessionId, Subscriber},
    telemetry::metrics::edge::{End, Open, Opened, ended},
};

/// A table of sessions that was once larger than this shrinks when most of it is empty.
const KEPT_SESSIONS: usize = 1_024;

impl Shard {
    pub(super) fn hold(&mut self, id: SessionId, mut held: Held, is_behind: bool) {
        self.members.join(id, held.subscriber_mut());
        if let (Held::Response(response), true) = (&mut held, is_behind) {
            response.repeat();
        }
        let open = Opened::new(if matches!(held, Held::Stream(_)) { Open::Stream } else { Open::Response });
        let timers = SessionTimers::default();
        let session = Session { held, _open: open, permit: None, timers, is_dirty: false, awaits_writable: false };
        self.sessions.insert(id, session);
        if is_behind {
            self.request(id, Priority::Low);
        }
        if self.max_retry_after.is_some() {
            self.close(id);
        }
    }

    pub(super) fn connect(&mut self, id: SessionId, socket: TcpStream, permit: OwnedSemaphorePermit) {
        let Some(session) = self.sessions.get_mut(&id) else { return };
        let Held::Stream(stream) = &mut session.held else { return };
        let socket = Arc::new(socket);
        readiness::notify_when_closed(Arc::clone(&socket), id, self.inbox.handle.clone());
        stream.connect(socket, self.now);
        session.permit = Some((permit, Opened::new(Open::Connection)));
        self.dirty.push(id);
        self.arm(id);
    }

    /// Arms the timers that a stream's settings require.
    pub(super) fn arm(&mut self, id: SessionId) {
        let Some(session) = self.sessions.get_mut(&id) else { return };
        let Session { held: Held::Stream(stream), timers, .. } = session else { return };
        if stream.socket().is_none() {
            return;
        }
        let keep_alive = stream.keep_alive_at(timers.at(Timer::KeepAlive), self.now);
        self.timers.arm(id, timers, Timer::KeepAlive, keep_alive);
        // After a failure the timer is armed for the end of the pause, and the stream requests nothing before.
        if stream.failed().is_none() {
            let recheck = stream.link().map(|link| self.recoveries.recheck_at(link, self.now));
            self.timers.arm(id, timers, Timer::Recover, recheck);
        }
    }

    /// Removes a session from the members of its channels.
    pub(super) fn leave(&mut self, subscriber: &Subscriber) {
        for subscription in &subscriber.subscriptions {
            if let Some(moved) = self.members.leave(subscription)
                && let Some(session) = self.sessions.get_mut(&moved.id)
            {
                session.held.subscriber_mut().subscriptions[moved.subscription].slot = subscription.slot;
            }
        }
    }

    /// Removes a session whose client has gone or whose stream has ended. `why` counts unless the stream was closed
    /// from this side.
    pub(super) fn remove(&mut self, id: SessionId, why: End) {
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
                self.recoveries.notify_gone(uri, stream.host().clone());
            }
        }
        if self.sessions.capacity() > KEPT_SESSIONS && self.sessions.len() < self.sessions.capacity() / 4 {
            self.sessions.shrink_to(self.sessions.len() * 2);
        }
    }
}
