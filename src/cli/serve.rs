//! `gripchat serve`: the backend alone.

use tracing::info;

use super::{
    process::{bind, raise_descriptor_limit, start_log},
    shutdown::on_signal,
    store,
};
use crate::{
    config::{Problems, Serve},
    serve,
};

pub(super) async fn run(config: Serve, mut problems: Problems) -> anyhow::Result<()> {
    let settings = store::settings(&config.store, &mut problems).await;
    let settings = start_log(&config.log, settings, problems)?;

    let backend = config.backend;
    let listener = bind(backend.listen, "--listen").await?;
    let opened = store::open(settings, &backend)?;
    let stop = on_signal(config.shutdown_delay)?;
    let max_connections = raise_descriptor_limit(config.max_connections);
    println!("gripchat listening on http://{}", listener.local_addr()?);
    let served = serve::serve(listener, &backend, max_connections, config.grip_url, opened.store.clone(), stop).await;
    opened.close().await;
    served?;
    info!("stopped");
    Ok(())
}
