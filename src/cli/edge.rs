//! `gripchat edge`: the edge alone, so that backends can be redeployed while it holds the streams.

use tracing::{info, warn};

use super::{
    process::{Ready, bind, print, raise_descriptor_limit, start_log},
    shutdown::{edge_stop, on_signal},
};
use crate::{
    config::{Edge, Problems},
    edge,
    telemetry::Log,
};

pub(super) fn check(config: Edge, problems: &mut Problems) -> Option<Ready> {
    let edge_config = config.config(problems);
    let log = config.log.config(problems);
    Some(Box::pin(run(config, edge_config?, log?)))
}

async fn run(config: Edge, edge_config: edge::Config, log: Log) -> anyhow::Result<()> {
    start_log(log);
    let clients = bind(config.listen, "--listen").await?;
    let control = bind(config.common.control_listen, "--control-listen").await?;
    let stop = edge_stop(on_signal(config.shutdown_delay)?);
    // No backend in this process waits until the clients are gone to publish its last items.
    stop.released.cancel();
    let max_connections = raise_descriptor_limit(edge_config.max_connections);
    if config.signs_with_default() {
        warn!("SIG_KEY is the default, which is public; set it here, and as verify-key in the backend's GRIP_URL");
    }
    print(format_args!("gripchat edge listening on http://{}", clients.local_addr()?));
    print(format_args!("gripchat control port on http://{}", control.local_addr()?));
    edge::serve(clients, control, edge::Config { max_connections, ..edge_config }, stop).await;
    info!("stopped");
    Ok(())
}
