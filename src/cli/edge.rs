//! `gripchat edge`: the edge alone, so that backends can be redeployed while it holds the streams.

use tracing::{info, warn};

use super::{
    process::{bind, raise_descriptor_limit, start_log},
    shutdown::{edge_stop, on_signal},
};
use crate::{
    config::{Edge, Problems},
    edge,
};

pub(super) async fn run(config: Edge, mut problems: Problems) -> anyhow::Result<()> {
    let edge_config = config.config(&mut problems);
    let edge_config = start_log(&config.log, edge_config, problems)?;

    let clients = bind(config.listen, "--listen").await?;
    let control = bind(config.proxy.control_listen, "--control-listen").await?;
    let stop = edge_stop(on_signal(config.shutdown_delay)?);
    // No backend in this process waits until the clients are gone to publish its last items.
    stop.released.cancel();
    let max_connections = raise_descriptor_limit(edge_config.max_connections);
    if config.signs_with_default() {
        warn!("SIG_KEY is the default, which is public; set it here, and as verify-key in the backend's GRIP_URL");
    }
    println!("gripchat edge listening on http://{}", clients.local_addr()?);
    println!("gripchat control port on http://{}", control.local_addr()?);
    edge::serve(clients, control, edge::Config { max_connections, ..edge_config }, stop).await;
    info!("stopped");
    Ok(())
}
