//! All channels: who publishes meets here who listens.
//!
//! The hub orders items and knows which channels have listeners; the held requests themselves live in
//! shards, one task each, so that a machine's cores share the writing. Everything that has to be in
//! order happens under one lock: an item is handed to the shards before the next is, and a request
//! listens from one exact place between two items on.

use std::{
    collections::{HashMap, hash_map::Entry},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use tokio::{
    net::TcpStream,
    sync::{OwnedSemaphorePermit, mpsc},
    time::sleep,
};

use super::sequencer::{self, Seen, Sequencer};
use crate::{
    edge::{
        held::{Command, Drain, Held, Response, SessionId, ShardHandle, Stream, Sub},
        items::Item,
    },
    telemetry::metrics::edge::{self as metrics, Open, Opened},
};

/// So long after a channel got its first listener all its streams ask their next links: what was published before
/// they listened is in no order yet.
const FIRST_RECHECK: Duration = Duration::from_secs(1);
/// So long a channel's order is remembered after its last held response, since a client that polls comes back.
const LINGER: Duration = Duration::from_secs(60);

/// Channels and the shards of their listeners.
pub(in crate::edge) struct Hub {
    channels: Mutex<Channels>,
    shards: Arc<[ShardHandle]>,
    next_session: AtomicU64,
}

struct Channels {
    by_name: HashMap<Arc<str>, Channel>,
    seen: Seen,
}

/// A channel that somebody listens on.
struct Channel {
    sequencer: Sequencer,
    /// How many listen, by shard.
    listeners: Box<[usize]>,
    /// Held responses that left less than [`LINGER`] ago.
    lingering: usize,
    _open: Opened,
}

/// A request's place in its shard. Dropped, the request is held no longer.
pub(in crate::edge) struct Ticket {
    hub: Arc<Hub>,
    shard: usize,
    id: SessionId,
    connected: bool,
}

impl Hub {
    pub(in crate::edge) fn new(shards: Arc<[ShardHandle]>) -> Self {
        let channels = Channels { by_name: HashMap::new(), seen: Seen::new(Instant::now()) };
        Self { channels: Mutex::new(channels), shards, next_session: AtomicU64::new(0) }
    }

    /// Holds a stream. Until its socket comes, what it gets is queued.
    pub(in crate::edge) fn hold_stream(self: &Arc<Self>, stream: Stream) -> Ticket {
        self.hold(Held::Stream(Box::new(stream)))
    }

    /// Holds a response.
    pub(in crate::edge) fn hold_response(self: &Arc<Self>, response: Response) -> Ticket {
        self.hold(Held::Response(response))
    }

    fn hold(self: &Arc<Self>, held: Held) -> Ticket {
        let id = self.next_session.fetch_add(1, Ordering::Relaxed);
        // The remainder is below the number of shards, which is a usize.
        let shard = usize::try_from(id % self.shards.len() as u64).unwrap_or_default();
        let mut channels = self.lock();
        // Under the lock: what is published from here on finds the listener in its shard.
        let behind = self.subscribe_all(&mut channels, shard, &held.listener().subs);
        self.shards[shard].send(Command::Hold { id, held, behind });
        Ticket { hub: Arc::clone(self), shard, id, connected: false }
    }

    /// Listens on channels, as a shard's recovered stream does; tells whether one of them has gone on meanwhile.
    pub(in crate::edge) fn subscribe(self: &Arc<Self>, shard: usize, subs: &[Sub]) -> bool {
        self.subscribe_all(&mut self.lock(), shard, subs)
    }

    fn subscribe_all(self: &Arc<Self>, channels: &mut Channels, shard: usize, subs: &[Sub]) -> bool {
        let mut behind = false;
        for sub in subs {
            let channel = match channels.by_name.entry(Arc::clone(&sub.channel)) {
                Entry::Occupied(entry) => entry.into_mut(),
                Entry::Vacant(entry) => {
                    self.recheck_later(&sub.channel);
                    entry.insert(Channel::new(self.shards.len()))
                }
            };
            channel.listeners[shard] += 1;
            behind |= match (channel.sequencer.last(), &sub.prev_id) {
                (Some(last), Some(prev_id)) => last != prev_id,
                _ => false,
            };
        }
        behind
    }

    /// Stops listening. A held response's channels are remembered for a while.
    pub(in crate::edge) fn unsubscribe(self: &Arc<Self>, shard: usize, subs: &[Sub], linger: bool) {
        let mut channels = self.lock();
        for sub in subs {
            let Entry::Occupied(mut entry) = channels.by_name.entry(Arc::clone(&sub.channel)) else { continue };
            let channel = entry.get_mut();
            channel.listeners[shard] = channel.listeners[shard].saturating_sub(1);
            if linger {
                channel.lingering += 1;
                self.stop_lingering_later(&sub.channel);
            } else if channel.is_deserted() {
                entry.remove();
            }
        }
    }

    /// Publishes items in order. Waits while the shards are too far behind.
    pub(in crate::edge) async fn publish(self: &Arc<Self>, items: Vec<Item>) {
        for item in items {
            for shard in &*self.shards {
                shard.has_room().await;
            }
            self.publish_one(Arc::new(item));
        }
    }

    fn publish_one(self: &Arc<Self>, item: Arc<Item>) {
        let now = Instant::now();
        let mut channels = self.lock();
        let Channels { by_name, seen } = &mut *channels;
        if seen.note(&item, now) {
            return metrics::published(metrics::Item::Repeated);
        }
        let Some(channel) = by_name.get_mut(&item.channel) else {
            return metrics::published(metrics::Item::Unheard);
        };
        metrics::published(metrics::Item::Accepted);
        let name = Arc::clone(&item.channel);
        let mut due = Vec::new();
        if channel.sequencer.offer(item, now, &mut due) {
            self.release_later(name);
        }
        self.deliver(channel, due);
    }

    /// To every shard in which somebody listens; under the lock, so that the order holds.
    fn deliver(&self, channel: &Channel, due: Vec<Arc<Item>>) {
        for item in due {
            for (shard, _) in self.shards.iter().zip(&channel.listeners).filter(|(_, listeners)| **listeners > 0) {
                shard.send(Command::Item(Arc::clone(&item)));
            }
        }
    }

    /// The next item on this channel is taken as it comes.
    pub(in crate::edge) fn forget(&self, channel: &str) {
        if let Some(channel) = self.lock().by_name.get_mut(channel) {
            channel.sequencer.forget();
        }
    }

    /// Has every stream ask its next link, and takes the next item of every channel as it comes.
    pub(in crate::edge) fn recover_all(&self) {
        for channel in self.lock().by_name.values_mut() {
            channel.sequencer.forget();
        }
        self.tell_all(|| Command::RecheckAll);
    }

    /// Ends all streams over this time, and waits for it.
    pub(in crate::edge) async fn drain(&self, window: Duration) {
        let (done, mut all_done) = mpsc::channel(1);
        let drain = Drain { window, shards: self.shards.len(), done };
        self.tell_all(|| Command::Drain(drain.clone()));
        drop(drain);
        // Nothing is ever sent: it ends with the last shard's copy.
        let _ = all_done.recv().await;
    }

    pub(in crate::edge) fn tell(&self, shard: usize, command: Command) {
        self.shards[shard].send(command);
    }

    fn tell_all(&self, command: impl Fn() -> Command) {
        for shard in &*self.shards {
            shard.send(command());
        }
    }

    fn recheck_later(self: &Arc<Self>, channel: &Arc<str>) {
        let (hub, channel) = (Arc::clone(self), Arc::clone(channel));
        tokio::spawn(async move {
            sleep(FIRST_RECHECK).await;
            hub.tell_all(|| Command::Recheck(Arc::clone(&channel)));
        });
    }

    fn release_later(self: &Arc<Self>, channel: Arc<str>) {
        let hub = Arc::clone(self);
        tokio::spawn(async move {
            sleep(sequencer::WAIT).await;
            let mut due = Vec::new();
            if let Some(channel) = hub.lock().by_name.get_mut(&channel) {
                channel.sequencer.overdue(Instant::now(), &mut due);
                hub.deliver(channel, due);
            }
        });
    }

    fn stop_lingering_later(self: &Arc<Self>, channel: &Arc<str>) {
        let (hub, name) = (Arc::clone(self), Arc::clone(channel));
        tokio::spawn(async move {
            sleep(LINGER).await;
            let mut channels = hub.lock();
            if let Entry::Occupied(mut entry) = channels.by_name.entry(name) {
                let channel = entry.get_mut();
                channel.lingering = channel.lingering.saturating_sub(1);
                if channel.is_deserted() {
                    entry.remove();
                }
            }
        });
    }

    fn lock(&self) -> MutexGuard<'_, Channels> {
        // Nothing that could panic leaves this half changed.
        self.channels.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Channel {
    fn new(shards: usize) -> Self {
        Self {
            sequencer: Sequencer::default(),
            listeners: vec![0; shards].into(),
            lingering: 0,
            _open: Opened::new(Open::Channel),
        }
    }

    fn is_deserted(&self) -> bool {
        self.lingering == 0 && self.listeners.iter().all(|listeners| *listeners == 0)
    }
}

impl Ticket {
    /// Hands over the client's connection, on which the head and the first part of the response are written. From
    /// here on the shard notices when the client goes.
    pub(in crate::edge) fn connect(mut self, socket: TcpStream, permit: OwnedSemaphorePermit) {
        self.connected = true;
        self.hub.tell(self.shard, Command::Connect { id: self.id, socket, permit });
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        if !self.connected {
            self.hub.tell(self.shard, Command::Gone(self.id));
        }
    }
}
