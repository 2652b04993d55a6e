//! The edge: a GRIP proxy for one machine, in front of any GRIP backend.
//!
//! It does what Pushpin does: it forwards requests, and where a response says so it holds the client's
//! connection and sends what is published. It knows no chat; it moves bytes.
//!
//! ```text
//! client ──► proxy ──► exchange ──► backend         a request, forwarded and answered
//!                         │ Grip-Hold
//!               wire ─────┴──► hub ──► shard         the connection leaves hyper and is held
//!
//! publisher ──► control ──► hub ──► shard ──► outlet ──► client
//!                            │         │ a gap in the ids
//!                       sequencer   recovery ──► backend    asked once for all who miss the same
//! ```
//!
//! - [`serve`] wires it: two listeners, a few shards, one pool of connections to the backend.
//! - `proxy`, `exchange`, `forward`, `refusal`, `upgrade`, `pager`, `backend`, `connector`: requests and responses.
//! - `wire`: how a held stream leaves hyper. `terms`: what a response's instructions mean.
//! - `hub`, `sequencer`: channels, their listeners and their order. `control`, `item`, `patch`: publishing.
//!   `health`: what probes are told.
//! - `shard`, `session`, `outlet`, `frame`, `timers`, `watch`, `filter`: held requests.
//! - `recovery`: next links. `addresses`: how much one client has held.
//!
//! Every queue has a bound: a reader's (`outlet`: a reliable channel is recovered later, an unreliable
//! one skips), a recovery's (`session`: what is too much is recovered again), a channel's early items
//! (`sequencer`), and a shard's (publishers wait).

mod backend;
mod body;
mod channels;
mod config;
mod control;
mod front;
#[cfg(any(test, fuzzing))]
pub mod fuzzing;
mod held;
mod items;
mod shards;

use std::{sync::Arc, thread::available_parallelism, time::Duration};

use tokio::{net::TcpListener, sync::Semaphore, task::JoinSet, time::timeout};
use tokio_util::sync::CancellationToken;
use tracing::info;

use self::{
    backend::{Backend, Recoveries},
    channels::Hub,
    control::{Control, Health},
    front::Edge,
    held::{Addresses, ShardHandle},
    shards::Shard,
};
use crate::server;
pub use config::{BackendUrl, BackendUrlError, Config};

/// How long requests under way may take once streams have ended, and clients to read what is written for them.
const DRAIN: Duration = Duration::from_secs(10);
/// Connections of publishers, of which each backend has a few, and of probes.
const MOST_PUBLISHERS: usize = 1_024;
/// What a publisher's request may take at the very end.
const CONTROL_STOPS_WITHIN: Duration = Duration::from_secs(1);

/// When the edge stops, step by step.
#[derive(Clone, Debug, Default)]
pub struct Stop {
    /// Readiness fails, and all goes on.
    pub announced: CancellationToken,
    /// Streams are ended, and there are no new ones.
    pub begun: CancellationToken,
    /// Told by the edge: no client is left. The control port goes on.
    pub drained: CancellationToken,
    /// Nobody has anything more to publish. It may be told from the beginning on.
    pub released: CancellationToken,
}

/// Serves clients and the control port on bound listeners until it is to stop, then ends within a deadline.
pub async fn serve(clients: TcpListener, control: TcpListener, config: Config, stop: Stop) {
    let backend = Backend::new(&config);
    let shards = available_parallelism().map_or(1, usize::from);
    let (handles, inboxes): (Vec<_>, Vec<_>) = (0..shards).map(|_| ShardHandle::new()).unzip();
    let handles: Arc<[ShardHandle]> = handles.into();
    let recoveries = Arc::new(Recoveries::new(backend.clone(), Arc::clone(&handles)));
    let hub = Arc::new(Hub::new(handles));
    // They end when this is dropped, at the end.
    let mut tasks = JoinSet::new();
    for (index, inbox) in inboxes.into_iter().enumerate() {
        tasks.spawn(Shard::new(index, Arc::clone(&hub), Arc::clone(&recoveries), inbox).run());
    }

    let slots = Arc::new(Semaphore::new(config.max_connections));
    let (draining, end) = (CancellationToken::new(), CancellationToken::new());
    let edge = Edge {
        backend,
        hub: Arc::clone(&hub),
        max_body: config.max_body,
        addresses: Arc::new(Addresses::new(config.max_streams_per_address)),
        trusted: config.trusted,
        draining: draining.clone(),
        stop: end.clone(),
    };
    tasks.spawn(front::serve(clients, Arc::new(edge), Arc::clone(&slots), end.clone()));
    let publishers = config.publishers.map(Arc::new);
    let health = Arc::new(Health::new(config.backend, stop.announced));
    let router = control::router(Control { hub: Arc::clone(&hub), publishers, health });
    let control_ends = CancellationToken::new();
    let control = tokio::spawn(server::serve(control, router, MOST_PUBLISHERS, control_ends.clone()));

    stop.begun.cancelled().await;
    let window = config.drain_window;
    info!("stopping: streams are ended, over {window:?} at most");
    draining.cancel();
    // Requests are served all the while: those whose streams end last go on until then.
    hub.drain(window).await;
    end.cancel();
    let all = u32::try_from(config.max_connections).unwrap_or(u32::MAX);
    // A client that does not read to the end is not waited for.
    let _ = timeout(DRAIN, slots.acquire_many(all)).await;
    stop.drained.cancel();
    stop.released.cancelled().await;
    control_ends.cancel();
    let _ = timeout(CONTROL_STOPS_WITHIN, control).await;
}
