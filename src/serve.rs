//! The server: wire the parts together, run until told to stop, finish what was begun.

use std::{future::Future, sync::Arc, time::Duration};

use anyhow::Context as _;
use tokio::{net::TcpListener, sync::oneshot, time::timeout};
use tracing::{info, warn};

use crate::{
    app::App,
    config::Backend,
    grip::{GripUrl, Publisher},
    store::{Shared, Store, StoreError},
    web::{self, Web},
};

/// How long requests that are under way may take once the server stops: the longest post, and then some.
const DRAIN: Duration = Duration::from_secs(10);
/// How often a store that was unreachable at the start is looked at again.
const CHECK_EVERY: Duration = Duration::from_secs(5);

/// Serves on a bound listener until `shutdown` is done, then ends within a deadline.
///
/// A store or a proxy that is not there is warned of, and used once it is.
pub async fn serve(
    listener: TcpListener,
    config: &Backend,
    grip: Vec<GripUrl>,
    store: Arc<dyn Store>,
    shutdown: impl Future<Output = ()> + Send + 'static,
) -> anyhow::Result<()> {
    let trust = GripUrl::trust(&grip);
    if !trust.verifies() {
        warn!(
            "GRIP_URL has no verify-key, so whoever reaches this server directly can pass for a proxy; \
             add verify-iss and verify-key before others can reach it"
        );
    }
    let publisher = Publisher::new(grip)?;
    // Beside the server: a proxy that hangs must hold up no request.
    let checks = [tokio::spawn(check(Arc::clone(&store))), tokio::spawn(publisher.check())];

    let store = Arc::new(Shared::new(store));
    let app = Arc::new(App::new(store, publisher, config.recheck));
    let web = Web { app: Arc::clone(&app), trust: Arc::new(trust) };
    let router = web::router(web, &config.cors);

    let (stopping, stopped) = oneshot::channel();
    let server = axum::serve(listener, router).with_graceful_shutdown(async move {
        shutdown.await;
        info!("stopping: requests under way are finished");
        // The receiver is only gone when the server is.
        let _ = stopping.send(());
    });
    let mut server = tokio::spawn(async move { server.await });
    tokio::select! {
        ended = &mut server => ended?.context("the server failed")?,
        _ = stopped => {
            // Held streams are the proxy's, but an idle keep-alive connection may stay open for ever.
            if timeout(DRAIN, &mut server).await.is_err() {
                warn!("requests were still under way after {DRAIN:?}");
                server.abort();
            }
        }
    }
    checks.iter().for_each(tokio::task::JoinHandle::abort);
    app.close(DRAIN).await;
    info!("stopped");
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
