//! `gripchat run`: backend, edge and embedded store in one process.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use anyhow::Context as _;
use tokio::time::timeout;
use tracing::{info, warn};

use super::{descriptors, listen::bind, shutdown::signalled};
use crate::{
    config::{Problems, RunArgs, reachable},
    edge,
    serve::{self, Stop},
    store::{Embedded, Instrumented},
    telemetry::{self, metrics::store::Kind},
};

/// How long the edge may take to end, once the backend has stopped.
const EDGE_STOPS_WITHIN: Duration = Duration::from_secs(5);
/// Connections that the backend takes beside one for each client of the edge: of recoveries, of probes, and direct ones.
const BESIDE_CLIENTS: usize = 256;

pub(super) async fn run(args: RunArgs) -> anyhow::Result<()> {
    let mut problems = Problems::default();
    let log = args.log.parse(&mut problems);
    let config = args.parse(&mut problems);
    let (Some(log), Some(config), true) = (log, config, problems.is_empty()) else {
        return Err(problems.into());
    };
    telemetry::start(log);

    // All that can fail for want of a port or a folder, before anything runs or is said.
    let listener = bind(config.backend.listen, "--listen").await?;
    let clients = bind(config.edge_listen, "--edge-listen").await?;
    let control = bind(config.control_listen(), "--control-listen").await?;
    let store = Embedded::open(&config.data, config.backend.retention)?;
    let store = Arc::new(Instrumented::new(Kind::Embedded, store));
    let stop = signalled(config.shutdown_delay)?;
    let max_connections = descriptors::raise(config.max_connections());
    let [backend_at, clients_at, control_at] = [listener.local_addr()?, clients.local_addr()?, control.local_addr()?];
    let edge_config = edge::Config { max_connections, ..config.edge(backend_at)? };
    let grip = config.grip(control_at)?;

    println!(
        "gripchat runs: backend on http://{backend_at}, edge on http://{clients_at}, control port on \
         http://{control_at}, messages in {}",
        config.data.display()
    );
    println!("open http://{}/", to_open(clients_at));
    println!(
        "this is the one-machine mode; beyond one machine, run \"gripchat serve\" with DynamoDB behind Pushpin or Fanout"
    );

    // The edge first, which goes on serving what is asked until its last stream has ended: a backend that stopped
    // before it would leave its clients with errors. Its control port stays for what the backend publishes last.
    let edge_stop = edge::Stop { announced: stop.announced.clone(), begun: stop.begun, ..edge::Stop::default() };
    // Dropped too when the edge breaks.
    let drained = edge_stop.drained.clone().drop_guard();
    let (released, backend_stop) =
        (edge_stop.released.clone(), Stop { announced: stop.announced, begun: edge_stop.drained.clone() });
    let mut edge = tokio::spawn(async move {
        let _drained = drained;
        edge::serve(clients, control, edge_config, edge_stop).await;
    });
    let most = max_connections.saturating_add(BESIDE_CLIENTS);
    let served = serve::serve(listener, &config.backend, most, grip, store, backend_stop).await;
    released.cancel();
    match timeout(EDGE_STOPS_WITHIN, &mut edge).await {
        Ok(ended) => ended.context("the edge failed")?,
        Err(_) => {
            warn!("the edge did not end within {EDGE_STOPS_WITHIN:?}");
            edge.abort();
        }
    }
    served?;
    info!("stopped");
    Ok(())
}

/// What to write into a browser on this machine.
fn to_open(clients: SocketAddr) -> String {
    let clients = reachable(clients);
    if clients.ip().is_loopback() { format!("localhost:{}", clients.port()) } else { clients.to_string() }
}
