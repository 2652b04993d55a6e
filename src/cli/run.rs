//! `gripchat run`: backend, edge and embedded store in one process.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use anyhow::Context as _;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tracing::warn;

use super::{descriptors, listen::bind, shutdown::signalled};
use crate::{
    config::{Problems, RunArgs, reachable},
    edge, serve,
    store::{Embedded, Measured},
    telemetry::{self, metrics::store::Kind},
};

/// How long the edge may take to end its streams, once the backend has stopped.
const EDGE_STOPS_WITHIN: Duration = Duration::from_secs(10);

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
    let store = Arc::new(Measured::new(Kind::Embedded, store));
    let stop = signalled()?;
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

    let (stop_edge, edge_failed) = (CancellationToken::new(), CancellationToken::new());
    let edge_runs = edge_failed.clone().drop_guard();
    let told = stop_edge.clone().cancelled_owned();
    let mut edge = tokio::spawn(async move {
        let _runs = edge_runs;
        edge::serve(clients, control, edge_config, told).await
    });
    // The backend first: its last messages go out through the edge. It stops too when the edge has ended.
    let stop_backend = async move {
        tokio::select! {
            () = stop => {}
            () = edge_failed.cancelled_owned() => {}
        }
    };
    let served = serve::serve(listener, &config.backend, grip, store, stop_backend).await;
    stop_edge.cancel();
    match timeout(EDGE_STOPS_WITHIN, &mut edge).await {
        Ok(ended) => ended?.context("the edge failed")?,
        Err(_) => {
            warn!("the edge did not end its streams within {EDGE_STOPS_WITHIN:?}");
            edge.abort();
        }
    }
    served
}

/// What to write into a browser on this machine.
fn to_open(clients: SocketAddr) -> String {
    let clients = reachable(clients);
    if clients.ip().is_loopback() { format!("localhost:{}", clients.port()) } else { clients.to_string() }
}
