//! `gripchat serve`: the backend alone.

use tracing::info;

use super::{
    process::{Ready, bind, print, raise_descriptor_limit, start_log},
    shutdown::on_signal,
    store,
};
use crate::{
    config::{Problems, Serve},
    serve,
    telemetry::Log,
};

pub(super) async fn check(config: Serve, problems: &mut Problems) -> Option<Ready> {
    let settings = store::settings(&config.store, problems).await;
    let log = config.log.config(problems);
    Some(Box::pin(run(config, settings?, log?)))
}

async fn run(config: Serve, settings: store::Settings, log: Log) -> anyhow::Result<()> {
    start_log(log);
    let backend = config.backend;
    let listener = bind(backend.listen, "--listen").await?;
    let opened = store::open(settings, &backend)?;
    let stop = on_signal(config.shutdown_delay)?;
    let max_connections = raise_descriptor_limit(config.max_connections);
    print(format_args!("gripchat listening on http://{}", listener.local_addr()?));
    let served = serve::serve(listener, &backend, max_connections, config.grip_url, opened.store.clone(), stop).await;
    opened.close().await;
    served?;
    info!("stopped");
    Ok(())
}
