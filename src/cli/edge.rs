//! `gripchat edge`: the edge alone, so that backends can be redeployed under the streams it holds.

use tracing::{info, warn};

use super::{descriptors, listen::bind, shutdown::signalled};
use crate::{
    config::{EdgeArgs, Problems},
    edge,
    serve::Stop,
    telemetry,
};

pub(super) async fn run(args: EdgeArgs) -> anyhow::Result<()> {
    let mut problems = Problems::default();
    let log = args.log.parse(&mut problems);
    let config = args.parse(&mut problems);
    let (Some(log), Some(config), true) = (log, config, problems.is_empty()) else {
        return Err(problems.into());
    };
    telemetry::start(log);

    let clients = bind(config.listen, "--listen").await?;
    let control = bind(config.control_listen, "--control-listen").await?;
    let Stop { announced, begun } = signalled(config.shutdown_delay)?;
    // Nobody here waits for the clients to be gone before it publishes its last.
    let stop = edge::Stop { announced, begun, ..edge::Stop::default() };
    stop.released.cancel();
    let max_connections = descriptors::raise(config.config.max_connections);
    if config.signs_with_default {
        warn!(
            "SIG_KEY is the default, which everybody knows; set it, here and as verify-key in the backend's GRIP_URL"
        );
    }
    println!("gripchat edge listening on http://{}", clients.local_addr()?);
    println!("gripchat control port on http://{}", control.local_addr()?);
    let config = edge::Config { max_connections, ..config.config };
    edge::serve(clients, control, config, stop).await;
    info!("stopped");
    Ok(())
}
