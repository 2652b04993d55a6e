//! `gripchat serve`: the backend alone.

use std::{sync::Arc, time::Duration};

use tracing::info;

use super::{aws, descriptors, listen::bind, shutdown::signalled};
use crate::{
    config::{self, Problems, ServeArgs},
    serve,
    store::{DynamoDb, Embedded, Instrumented, Store},
    telemetry::{self, metrics::store::Kind},
};

/// How long rooms that had their last message just before may take to be listed.
const LISTED_WITHIN: Duration = Duration::from_secs(1);

pub(super) async fn run(args: ServeArgs) -> anyhow::Result<()> {
    let mut problems = Problems::default();
    let log = args.log.parse(&mut problems);
    let config = args.parse(&mut problems);
    let aws = match config.as_ref().map(|config| &config.store) {
        Some(config::Store::Embedded(_)) => None,
        // Whatever else is wrong, the region is named with it.
        Some(config::Store::DynamoDb(_)) | None => Some(aws::config(&mut problems).await),
    };
    let (Some(log), Some(config), true) = (log, config, problems.is_empty()) else {
        return Err(problems.into());
    };
    telemetry::start(log);

    let config::Serve { backend, grip, store, max_connections, shutdown_delay } = config;
    let listener = bind(backend.listen, "--listen").await?;
    let mut dynamodb = None;
    let store: Arc<dyn Store> = match (store, aws) {
        (config::Store::Embedded(folder), _) => {
            Arc::new(Instrumented::new(Kind::Embedded, Embedded::open(&folder, backend.retention)?))
        }
        (config::Store::DynamoDb(table), Some(aws)) => {
            let store = DynamoDb::new(aws_sdk_dynamodb::Client::new(&aws), table, backend.retention);
            let store = if backend.room_list { store } else { store.without_room_list() };
            dynamodb = Some(store.clone());
            Arc::new(Instrumented::new(Kind::DynamoDb, store))
        }
        (config::Store::DynamoDb(_), None) => unreachable!("the settings were read for this store above"),
    };
    let stop = signalled(shutdown_delay)?;
    let max_connections = descriptors::raise(max_connections);
    println!("gripchat listening on http://{}", listener.local_addr()?);
    let served = serve::serve(listener, &backend, max_connections, grip, store, stop).await;
    if let Some(dynamodb) = dynamodb {
        dynamodb.finish_room_list(LISTED_WITHIN).await;
    }
    served?;
    info!("stopped");
    Ok(())
}
