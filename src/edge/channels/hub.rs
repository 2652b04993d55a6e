//! The hub: which shards have subscribers of which channels, and the order of each channel's items.
//!
//! The held requests themselves belong to shards, each of which is a task, so that all cores of the machine write to
//! clients. Everything that depends on order happens under one lock: an item is sent to the shards before the next one
//! is, and a request subscribes at an exact position between two items.

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

use super::sequencer::{self, SeenIds, Sequencer};
use crate::{
    edge::{
        commands::{Command, Drain, ShardHandle},
        held::{Held, HeldResponse, HeldStream, SessionId, Subscription},
        items::Item,
    },
    telemetry::metrics::edge::{self as metrics, Open, Opened},
};

/// This long after a channel got its first subscriber, all its streams request their next links: the hub does not know
/// whether something was published shortly before they subscribed (Pushpin: `handlerengine.cpp`).
const FIRST_RECHECK: Duration = Duration::from_secs(1);
/// How long a channel's order is remembered after its last held response, since a client that polls comes back.
const LINGER: Duration = Duration::from_secs(60);

/// All channels, and the shards of their subscribers.
pub(crate) struct Hub {
    channels: Mutex<Channels>,
    shards: Arc<[ShardHandle]>,
    next_session: AtomicU64,
}

struct Channels {
    by_name: HashMap<Arc<str>, Channel>,
    seen: SeenIds,
}

/// A channel that has subscribers, or had some recently.
struct Channel {
    sequencer: Sequencer,
    /// The number of subscribers, by shard.
    subscribers: Box<[usize]>,
    /// Held responses that ended less than [`LINGER`] ago.
    lingering: usize,
    _open: Opened,
}

/// Keeps a request held, until it is dropped or has handed the connection over.
pub(crate) struct HoldGuard {
    hub: Arc<Hub>,
    shard: usize,
    id: SessionId,
    is_connected: bool,
}

impl Hub {
    pub(crate) fn new(shards: Arc<[ShardHandle]>) -> Self {
        let channels = Channels { by_name: HashMap::new(), seen: SeenIds::new(Instant::now()) };
        Self { channels: Mutex::new(channels), shards, next_session: AtomicU64::new(0) }
    }

    /// Holds a stream. What is sent to it is queued until its socket is handed over.
    pub(crate) fn hold_stream(self: &Arc<Self>, stream: HeldStream) -> HoldGuard {
        self.hold(Held::Stream(Box::new(stream)))
    }

    /// Holds a response.
    pub(crate) fn hold_response(self: &Arc<Self>, response: HeldResponse) -> HoldGuard {
        self.hold(Held::Response(response))
    }

    fn hold(self: &Arc<Self>, held: Held) -> HoldGuard {
        let id = self.next_session.fetch_add(1, Ordering::Relaxed);
        // The remainder is below the number of shards, which is a usize.
        let shard = usize::try_from(id % self.shards.len() as u64).unwrap_or_default();
        let mut channels = self.lock();
        // Under the lock, so that every item that is published later finds the subscriber in its shard.
        let is_behind = self.subscribe_locked(&mut channels, shard, &held.subscriber().subscriptions);
        self.shards[shard].send(Command::Hold { id, held, is_behind });
        HoldGuard { hub: Arc::clone(self), shard, id, is_connected: false }
    }

    /// Adds a shard's subscriber to channels. Returns whether one of them has had items after the subscriber's last one.
    pub(crate) fn subscribe(self: &Arc<Self>, shard: usize, subscriptions: &[Subscription]) -> bool {
        self.subscribe_locked(&mut self.lock(), shard, subscriptions)
    }

    fn subscribe_locked(
        self: &Arc<Self>,
        channels: &mut Channels,
        shard: usize,
        subscriptions: &[Subscription],
    ) -> bool {
        let mut is_behind = false;
        for subscription in subscriptions {
            let channel = match channels.by_name.entry(Arc::clone(&subscription.channel)) {
                Entry::Occupied(entry) => entry.into_mut(),
                Entry::Vacant(entry) => {
                    self.recheck_later(&subscription.channel);
                    entry.insert(Channel::new(self.shards.len()))
                }
            };
            channel.subscribers[shard] += 1;
            is_behind |= match (channel.sequencer.last(), &subscription.prev_id) {
                (Some(last), Some(prev_id)) => last != prev_id,
                _ => false,
            };
        }
        is_behind
    }

    /// Removes a shard's subscriber from channels. With `linger` their order is remembered for a while.
    pub(crate) fn unsubscribe(self: &Arc<Self>, shard: usize, subscriptions: &[Subscription], linger: bool) {
        let mut channels = self.lock();
        for subscription in subscriptions {
            let Entry::Occupied(mut entry) = channels.by_name.entry(Arc::clone(&subscription.channel)) else {
                continue;
            };
            let channel = entry.get_mut();
            channel.subscribers[shard] = channel.subscribers[shard].saturating_sub(1);
            if linger {
                channel.lingering += 1;
                self.stop_lingering_later(&subscription.channel);
            } else if channel.is_unused() {
                entry.remove();
            }
        }
    }

    /// Publishes items in order. Waits while a shard has too many commands waiting.
    pub(crate) async fn publish(self: &Arc<Self>, items: Vec<Item>) {
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
        if seen.insert(&item, now) {
            return metrics::published(metrics::Item::Repeated);
        }
        let Some(channel) = by_name.get_mut(&item.channel) else {
            return metrics::published(metrics::Item::NoSubscribers);
        };
        metrics::published(metrics::Item::Accepted);
        let name = Arc::clone(&item.channel);
        let mut due = Vec::new();
        if channel.sequencer.offer(item, now, &mut due) {
            self.release_later(name);
        }
        self.deliver(channel, due);
    }

    /// Sends items to every shard that has subscribers. Called under the lock, which keeps the order.
    fn deliver(&self, channel: &Channel, due: Vec<Arc<Item>>) {
        for item in due {
            let shards = self.shards.iter().zip(&channel.subscribers);
            for (shard, _) in shards.filter(|(_, subscribers)| **subscribers > 0) {
                shard.send(Command::Item(Arc::clone(&item)));
            }
        }
    }

    /// Forgets the last id of a channel, so that its next item is delivered at once.
    pub(crate) fn forget(&self, channel: &str) {
        if let Some(channel) = self.lock().by_name.get_mut(channel) {
            channel.sequencer.forget();
        }
    }

    /// Has every stream request its next link, and forgets the last ids of all channels.
    pub(crate) fn recover_all(&self) {
        for channel in self.lock().by_name.values_mut() {
            channel.sequencer.forget();
        }
        self.send_to_all(|| Command::RecheckAll);
    }

    /// Ends everything that is held, over this time, and waits until it has ended.
    pub(crate) async fn drain(&self, window: Duration) {
        let (done, mut all_done) = mpsc::channel(1);
        let drain = Drain { window, shards: self.shards.len(), done };
        self.send_to_all(|| Command::Drain(drain.clone()));
        drop(drain);
        // Nothing is ever sent: the channel closes when the last shard drops its sender.
        let _ = all_done.recv().await;
    }

    fn send_to_all(&self, command: impl Fn() -> Command) {
        for shard in &*self.shards {
            shard.send(command());
        }
    }

    fn recheck_later(self: &Arc<Self>, channel: &Arc<str>) {
        let (hub, channel) = (Arc::clone(self), Arc::clone(channel));
        tokio::spawn(async move {
            sleep(FIRST_RECHECK).await;
            hub.send_to_all(|| Command::Recheck(Arc::clone(&channel)));
        });
    }

    fn release_later(self: &Arc<Self>, channel: Arc<str>) {
        let hub = Arc::clone(self);
        tokio::spawn(async move {
            sleep(sequencer::MAX_WAIT).await;
            let mut due = Vec::new();
            if let Some(channel) = hub.lock().by_name.get_mut(&channel) {
                channel.sequencer.release_overdue(Instant::now(), &mut due);
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
                if channel.is_unused() {
                    entry.remove();
                }
            }
        });
    }

    fn lock(&self) -> MutexGuard<'_, Channels> {
        // Nothing that could panic leaves the channels half changed.
        self.channels.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Channel {
    fn new(shards: usize) -> Self {
        Self {
            sequencer: Sequencer::default(),
            subscribers: vec![0; shards].into(),
            lingering: 0,
            _open: Opened::new(Open::Channel),
        }
    }

    fn is_unused(&self) -> bool {
        self.lingering == 0 && self.subscribers.iter().all(|subscribers| *subscribers == 0)
    }
}

impl HoldGuard {
    /// Hands over the client's connection, on which the head and the first part of the response have been written. From
    /// now on the shard notices when the client goes.
    pub(crate) fn connect(mut self, socket: TcpStream, permit: OwnedSemaphorePermit) {
        self.is_connected = true;
        self.hub.shards[self.shard].send(Command::Connect { id: self.id, socket, permit });
    }
}

impl Drop for HoldGuard {
    fn drop(&mut self) {
        if !self.is_connected {
            self.hub.shards[self.shard].send(Command::ClientGone(self.id));
        }
    }
}
