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
//! - `proxy`, `exchange`, `forward`, `refusal`, `upgrade`, `pager`, `backend`: requests and responses.
//! - `wire`: how a held stream leaves hyper. `terms`: what a response's instructions mean.
//! - `hub`, `sequencer`: channels, their listeners and their order. `control`, `item`, `patch`: publishing.
//! - `shard`, `session`, `outlet`, `frame`, `timers`, `watch`, `filter`: held requests.
//! - `recovery`: next links.
//!
//! Every queue has a bound: a reader's (`outlet`: a reliable channel is recovered later, an unreliable
//! one skips), a recovery's (`session`: what is too much is recovered again), a channel's early items
//! (`sequencer`), and a shard's (publishers wait).

mod backend;
mod config;
mod control;
mod exchange;
mod filter;
mod forward;
mod frame;
#[cfg(fuzzing)]
pub mod fuzzing;
mod hub;
mod item;
mod outlet;
mod pager;
mod patch;
mod proxy;
mod recovery;
mod refusal;
mod sequencer;
mod session;
mod shard;
mod terms;
mod timers;
mod upgrade;
mod watch;
mod wire;

use std::{future::Future, io, sync::Arc, thread::available_parallelism, time::Duration};

use tokio::{net::TcpListener, sync::Semaphore, task::JoinSet, time::timeout};
use tokio_util::sync::CancellationToken;
use tracing::info;

use self::{
    backend::Backend,
    control::Control,
    exchange::Edge,
    hub::Hub,
    recovery::Recoveries,
    shard::{Shard, ShardHandle},
};
pub use config::{BackendUrl, BackendUrlError, Config};

/// How long clients may take to read to the end of their streams once the edge stops.
const DRAIN: Duration = Duration::from_secs(5);

/// Serves clients and the control port on bound listeners until `shutdown` is done, then ends within a deadline.
///
/// # Errors
/// When the control port fails.
pub async fn serve(
    clients: TcpListener,
    control: TcpListener,
    config: Config,
    shutdown: impl Future<Output = ()> + Send + 'static,
) -> io::Result<()> {
    let backend = Backend::new(&config);
    let recoveries = Arc::new(Recoveries::new(backend.clone()));
    let shards = available_parallelism().map_or(1, usize::from);
    let (handles, inboxes): (Vec<_>, Vec<_>) = (0..shards).map(|_| ShardHandle::new()).unzip();
    let hub = Arc::new(Hub::new(handles.into()));
    recoveries.answer_to(&hub);
    // They end when this is dropped, at the end.
    let mut tasks = JoinSet::new();
    for (index, inbox) in inboxes.into_iter().enumerate() {
        tasks.spawn(Shard::new(index, Arc::clone(&hub), Arc::clone(&recoveries), inbox).run());
    }

    let slots = Arc::new(Semaphore::new(config.max_connections));
    let stop = CancellationToken::new();
    let edge = Arc::new(Edge { backend, hub: Arc::clone(&hub), max_body: config.max_body, stop: stop.clone() });
    tasks.spawn(proxy::serve(clients, edge, Arc::clone(&slots), stop.clone()));
    let publishers = config.publishers.map(Arc::new);
    let router = control::router(Control { hub: Arc::clone(&hub), publishers });
    tokio::select! {
        failed = axum::serve(control, router) => failed?,
        () = shutdown => {}
    }

    info!("stopping: streams are ended");
    stop.cancel();
    hub.close();
    let all = u32::try_from(config.max_connections).unwrap_or(u32::MAX);
    // A client that does not read to the end is not waited for.
    let _ = timeout(DRAIN, slots.acquire_many(all)).await;
    Ok(())
}
