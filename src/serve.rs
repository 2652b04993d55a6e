//! The backend: connects its parts, serves until shutdown starts, and finishes the requests in progress.

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

/// How long requests under way may take after the shutdown has started: a little more than the longest post.
const REQUESTS_TIMEOUT: Duration = Duration::from_secs(10);
/// How long the whole shutdown may take from its start, with what waits to be published; rooms that are being listed
/// get one second more. Kubernetes allows 30 s, of which the delay before the start is a part.
const SHUTDOWN_TIMEOUT: Duration = Duration::from_secs(14);
/// How often a store that could not be used at the start is checked again.
const CHECK_INTERVAL: Duration = Duration::from_secs(5);

/// Tells a server to shut down, in two steps.
#[derive(Clone, Debug, Default)]
pub struct Stop {
    /// Readiness fails, so that load balancers choose another backend. Requests are served as before.
    pub announced: CancellationToken,
    /// No new connection is accepted, and the requests under way are finished.
    pub started: CancellationToken,
}

/// Serves on a bound listener until the shutdown starts, then returns within a deadline.
///
/// A store or a proxy that cannot be reached is logged as a warning, and is used as soon as it can be reached.
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
            "GRIP_URL has no verify-key, so any client that reaches this server directly can pass for a proxy; \
             add verify-iss and verify-key before other machines can reach it"
        );
    }
    let publisher = Arc::new(Publisher::new(grip)?);
    // In tasks of their own: a proxy that hangs must not delay any request.
    let checks = [tokio::spawn(check(Arc::clone(&store))), tokio::spawn(publisher.check())];

    let readiness = Readiness::new(Arc::clone(&store), Arc::clone(&publisher), stop.announced.clone());
    let store = Arc::new(Coalesced::new(store));
    let app = App::new(store, publisher, config.recheck_interval);
    let app = Arc::new(if config.room_list { app } else { app.without_room_list() });
    let web = Web {
        app: Arc::clone(&app),
        trust: Arc::new(trust),
        trusted_proxies: Arc::new(config.trusted.trusted_proxies.clone()),
        readiness: Arc::new(readiness),
        post_limit: config.post_limit().map(|rate| Arc::new(PostLimit::new(rate))),
    };
    let router = web::router(web, &config.cors_origins);
    let mut server = tokio::spawn(server::serve(listener, router, max_connections, stop.started.clone()));
    tokio::select! {
        // First, because the server ends too when the shutdown starts.
        biased;
        () = stop.started.cancelled() => {}
        ended = &mut server => ended.context("the server failed")?,
    }

    info!("stopping: finishing the requests under way");
    let started = Instant::now();
    // This waits for responses only: the proxy holds the streams, and idle connections are closed.
    if timeout_at(started + REQUESTS_TIMEOUT, &mut server).await.is_err() {
        warn!("requests were still under way after {REQUESTS_TIMEOUT:?}");
        server.abort();
    }
    checks.iter().for_each(tokio::task::JoinHandle::abort);
    app.close(SHUTDOWN_TIMEOUT.saturating_sub(started.elapsed())).await;
    Ok(())
}

/// Checks the store until it can be used, and logs a warning if it cannot.
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
        tokio::time::sleep(CHECK_INTERVAL).await;
    }
    if warned {
        info!("the store can be used now");
    }
}

fn root_cause(error: &dyn std::error::Error) -> String {
    let last = std::iter::successors(Some(error), |error| error.source()).last();
    last.unwrap_or(error).to_string()
}
