//! The edge: a GRIP proxy for one machine, in front of any GRIP backend.
//!
//! It does what Pushpin does: it forwards requests and, if the response says so, holds the client's connection and
//! sends what is published. It knows nothing of chat, only bytes.
//!
//! ```text
//! client ──► front ──► backend                       a request is forwarded, and so is its response
//!              │ Grip-Hold
//!              └─────► channels ──► shards            the connection leaves hyper and is held
//!
//! publisher ──► control ──► channels ──► shards ──► client
//!                           in order      │ an id is missing
//!                                         └──► backend   one request for all streams that miss the same
//! ```
//!
//! | module | what it is | imports |
//! |---|---|---|
//! | `config` | the configuration | nothing |
//! | `body` | bodies that pass the edge | nothing |
//! | `items` | what is published | nothing |
//! | `held` | held requests: their state and queues | `items` |
//! | `commands` | the commands of shards, and the handles that send them | `held`, `items` |
//! | `backend` | requests to the backend, and next links | `body`, `commands`, `config`, `held`, `items` |
//! | `channels` | the subscribers of channels, and the order of items | `commands`, `held`, `items` |
//! | `shards` | the tasks that deliver items and write to clients | `backend`, `channels`, `commands`, `held`, `items` |
//! | `control` | the control port | `channels`, `config`, `items` |
//! | `front` | connections and requests of clients | `backend`, `body`, `channels`, `held`, `items` |
//!
//! [`serve`] connects them: two listeners, a few shards, one pool of connections to the backend.
//!
//! Every queue is bounded: that of a reader (`held::write_queue`: a reliable channel is recovered later, an unreliable
//! one skips items), that of items held back during a recovery (`held::stream`: what exceeds it is recovered again),
//! that of a channel's early items (`channels::sequencer`), and that of a shard's commands (publishers wait).

mod backend;
mod body;
mod channels;
mod commands;
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
    commands::ShardHandle,
    control::{Control, Health},
    front::Front,
    held::ClientLimits,
    shards::Shard,
};
use crate::server;
pub use config::{BackendUrl, BackendUrlError, Config};

/// After the last stream has ended, requests under way and clients that still read get this long to finish.
const FINISH_TIMEOUT: Duration = Duration::from_secs(10);
/// Connections to the control port at a time: a few for each backend, and those of probes.
const MAX_CONTROL_CONNECTIONS: usize = 1_024;
/// How long requests to the control port may take at the end.
const CONTROL_FINISH_TIMEOUT: Duration = Duration::from_secs(1);

/// The steps by which the edge stops, in order.
#[derive(Clone, Debug, Default)]
pub struct Stop {
    /// Readiness fails. Everything else continues.
    pub announced: CancellationToken,
    /// Streams are ended, and there are no new ones.
    pub started: CancellationToken,
    /// Cancelled by the edge: all clients have gone. The control port continues.
    pub drained: CancellationToken,
    /// Nothing more will be published. May be cancelled from the start.
    pub released: CancellationToken,
}

/// Serves clients and the control port on bound listeners, until `stop`. Then ends within a deadline.
pub async fn serve(clients: TcpListener, control: TcpListener, config: Config, stop: Stop) {
    let backend = Backend::new(&config);
    let shards = available_parallelism().map_or(1, usize::from);
    let (handles, inboxes): (Vec<_>, Vec<_>) = (0..shards).map(|_| ShardHandle::new()).unzip();
    let handles: Arc<[ShardHandle]> = handles.into();
    let recoveries = Arc::new(Recoveries::new(backend.clone(), Arc::clone(&handles)));
    let hub = Arc::new(Hub::new(handles));
    // They end when this is dropped, at the end of the function.
    let mut tasks = JoinSet::new();
    for (index, inbox) in inboxes.into_iter().enumerate() {
        tasks.spawn(Shard::new(index, Arc::clone(&hub), Arc::clone(&recoveries), inbox).run());
    }

    let slots = Arc::new(Semaphore::new(config.max_connections));
    let (draining, end) = (CancellationToken::new(), CancellationToken::new());
    let front = Front {
        backend,
        hub: Arc::clone(&hub),
        max_body: config.max_body,
        limits: Arc::new(ClientLimits::new(config.max_streams_per_address)),
        trusted: config.trusted,
        draining: draining.clone(),
        stop: end.clone(),
    };
    tasks.spawn(front::serve(clients, Arc::new(front), Arc::clone(&slots), end.clone()));
    let publishers = config.publishers.map(Arc::new);
    let health = Arc::new(Health::new(config.backend, stop.announced));
    let router = control::router(Control { hub: Arc::clone(&hub), publishers, health });
    let control_end = CancellationToken::new();
    let control = tokio::spawn(server::serve(control, router, MAX_CONTROL_CONNECTIONS, control_end.clone()));

    stop.started.cancelled().await;
    let window = config.drain_window;
    info!("stopping: ending all streams within {window:?}");
    draining.cancel();
    // Requests are served until the last stream has ended: its client may still need them.
    hub.drain(window).await;
    end.cancel();
    let all = u32::try_from(config.max_connections).unwrap_or(u32::MAX);
    // A client that reads no more must not delay the end.
    let _ = timeout(FINISH_TIMEOUT, slots.acquire_many(all)).await;
    stop.drained.cancel();
    stop.released.cancelled().await;
    control_end.cancel();
    let _ = timeout(CONTROL_FINISH_TIMEOUT, control).await;
}
