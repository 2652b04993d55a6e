//! `gripchat run`: backend, edge and embedded store in one process.

use std::{net::SocketAddr, time::Duration};

use anyhow::Context as _;
use tokio::{net::TcpListener, task::JoinHandle, time::timeout};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use super::{
    process::{Ready, bind, print, raise_descriptor_limit, start_log},
    shutdown::{edge_stop, on_signal},
    store,
};
use crate::{
    config::{Keys, Problems, Run, reachable},
    edge,
    serve::{self, Stop},
    telemetry::Log,
};

/// How long the edge may take to stop after the backend has stopped.
const EDGE_STOP_TIMEOUT: Duration = Duration::from_secs(5);
/// Connections that the backend accepts in addition to one for each client of the edge: for recoveries, for probes, and
/// from clients that connect directly.
const EXTRA_CONNECTIONS: usize = 256;

pub(super) fn check(config: Run, problems: &mut Problems) -> Option<Ready> {
    let keys = config.keys(problems);
    let log = config.log.config(problems);
    Some(Box::pin(run(config, keys?, log?)))
}

async fn run(config: Run, keys: Keys, log: Log) -> anyhow::Result<()> {
    start_log(log);
    // Everything that fails for lack of a port or a folder comes before anything is started or printed.
    let backend = bind(config.backend.listen, "--listen").await?;
    let clients = bind(config.edge_listen, "--edge-listen").await?;
    let control = bind(config.edge.control_listen, "--control-listen").await?;
    let store = store::open_embedded(&config.folder.data, config.backend.message_retention)?;
    let stop = on_signal(config.shutdown_delay)?;
    let max_connections = raise_descriptor_limit(config.edge.max_connections);
    let edge_config = config.edge_config(&keys, backend.local_addr()?)?;
    let edge_config = edge::Config { max_connections, ..edge_config };
    let grip_urls = keys.grip_urls(control.local_addr()?)?;
    print_addresses(&config, backend.local_addr()?, clients.local_addr()?, control.local_addr()?);

    let (edge, stop) = RunningEdge::start(clients, control, edge_config, stop);
    let max_connections = max_connections.saturating_add(EXTRA_CONNECTIONS);
    let served = serve::serve(backend, &config.backend, max_connections, grip_urls, store, stop).await;
    edge.stop().await?;
    served?;
    info!("stopped");
    Ok(())
}

fn print_addresses(config: &Run, backend: SocketAddr, clients: SocketAddr, control: SocketAddr) {
    print(format_args!(
        "gripchat runs: backend on http://{backend}, edge on http://{clients}, control port on \
         http://{control}, messages in {}",
        config.folder.data.display()
    ));
    print(format_args!("open http://{}/", browser_address(clients)));
    print(
        "this is the one-machine mode; beyond one machine, run \"gripchat serve\" with DynamoDB behind Pushpin or Fanout",
    );
}

/// The address to enter into a browser on this machine.
fn browser_address(clients: SocketAddr) -> String {
    let clients = reachable(clients);
    if clients.ip().is_loopback() { format!("localhost:{}", clients.port()) } else { clients.to_string() }
}

/// The edge, while it runs in this process.
struct RunningEdge {
    task: JoinHandle<()>,
    released: CancellationToken,
}

impl RunningEdge {
    /// Starts the edge. Also returns the shutdown of the backend, which starts when the edge has no client left: until
    /// then clients send requests, which would fail without a backend. The edge's control port stays open after that,
    /// for what the backend publishes last.
    fn start(clients: TcpListener, control: TcpListener, config: edge::Config, stop: Stop) -> (Self, Stop) {
        let edge_stop = edge_stop(stop.clone());
        let backend_stop = Stop { announced: stop.announced, started: edge_stop.drained.clone() };
        let released = edge_stop.released.clone();
        // The backend stops as well if the edge panics.
        let drained = edge_stop.drained.clone().drop_guard();
        let task = tokio::spawn(async move {
            let _drained = drained;
            edge::serve(clients, control, config, edge_stop).await;
        });
        (Self { task, released }, backend_stop)
    }

    /// Stops the edge after the backend has published its last item.
    async fn stop(mut self) -> anyhow::Result<()> {
        self.released.cancel();
        match timeout(EDGE_STOP_TIMEOUT, &mut self.task).await {
            Ok(ended) => ended.context("the edge failed"),
            Err(_) => {
                warn!("the edge did not stop within {EDGE_STOP_TIMEOUT:?}");
                self.task.abort();
                Ok(())
            }
        }
    }
}
