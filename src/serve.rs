//! The server: wire the parts together, run until told to stop, finish what was begun.

use std::{sync::Arc, time::Duration};

use anyhow::Context as _;
use tokio::{
    net::TcpListener,
    time::{Instant, timeout_at},
};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use crate::{
    app::App,
    config::Backend,
    grip::{GripUrl, Publisher},
    server,
    store::{Coalesced, Store, StoreError},
    web::{self, PostLimit, Readiness, Web},
};

/// How long requests that are under way may take once the server stops: the longest post, and then some.
const REQUESTS_WITHIN: Duration = Duration::from_secs(10);
/// From then on everything ends within this time, what waits to be published too; rooms that are being listed have a
/// second more. Kubernetes gives 30 s, and the delay before is a part of them.
const STOPS_WITHIN: Duration = Duration::from_secs(14);
/// How often a store that was unreachable at the start is looked at again.
const CHECK_EVERY: Duration = Duration::from_secs(5);

/// When the backend stops, in two steps.
#[derive(Clone, Debug, Default)]
pub struct Stop {
    /// Readiness fails, and all goes on: whoever sends work looks for another backend.
    pub announced: CancellationToken,
    /// Nothing new is taken, and what is under way is finished.
    pub begun: CancellationToken,
}

/// Serves on a bound listener until it is to stop, then ends within a deadline.
///
/// A store or a proxy that is not there is warned of, and used once it is.
pub async fn serve(
    listener: TcpListener,
    config: &Backend,
    max_connections: usize,
    grip: Vec<GripUrl>,
    store: Arc<dyn Store>,
    stop: Stop,
) -> anyhow::Result<()> {
    let trust = GripUrl::trust(&grip);
    if !trust.verifies() {
        warn!(
            "GRIP_URL has no verify-key, so whoever reaches this server directly can pass for a proxy; \
             add verify-iss and verify-key before others can reach it"
        );
    }
    let publisher = Arc::new(Publisher::new(grip)?);
    // Beside the server: a proxy that hangs must hold up no request.
    let checks = [tokio::spawn(check(Arc::clone(&store))), tokio::spawn(publisher.check())];

    let readiness = Readiness::new(Arc::clone(&store), Arc::clone(&publisher), stop.announced.clone());
    let store = Arc::new(Coalesced::new(store));
    let app = App::new(store, publisher, config.recheck);
    let app = Arc::new(if config.room_list { app } else { app.without_list() });
    let posts = PostLimit::new(config.posts, config.trusted.clone());
    let web =
        Web { app: Arc::clone(&app), trust: Arc::new(trust), readiness: Arc::new(readiness), posts: Arc::new(posts) };
    let router = web::router(web, &config.cors);
    let mut server = tokio::spawn(server::serve(listener, router, max_connections, stop.begun.clone()));
    tokio::select! {
        // First, since the server may have ended for it by now.
        biased;
        () = stop.begun.cancelled() => {}
        ended = &mut server => ended.context("the server failed")?,
    }

    info!("stopping: requests under way are finished");
    let begun = Instant::now();
    // Held streams are the proxy's, and idle connections are closed: this waits for answers alone.
    if timeout_at(begun + REQUESTS_WITHIN, &mut server).await.is_err() {
        warn!("requests were still under way after {REQUESTS_WITHIN:?}");
        server.abort();
    }
    checks.iter().for_each(tokio::task::JoinHandle::abort);
    app.close(STOPS_WITHIN.saturating_sub(begun.elapsed())).await;
    Ok(())
}

/// Warns of a store that cannot be used, until it can.
async fn check(store: Arc<dyn Store>) {
    let mut warned = false;
    while let Err(error) = store.check().await {
        if !warned {
            let cause = std::error::Error::source(&error).map(root_cause).unwrap_or_default();
            warn!(cause, "{error}; messages cannot be read or posted until it can be used");
            warned = true;
        }
        if matches!(error, StoreError::Corrupt(_)) {
            return;
        }
        tokio::time::sleep(CHECK_EVERY).await;
    }
    if warned {
        info!("the store can be used now");
    }
}

fn root_cause(error: &dyn std::error::Error) -> String {
    let last = std::iter::successors(Some(error), |error| error.source()).last();
    last.unwrap_or(error).to_string()
}
