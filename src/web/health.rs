//! `/healthz` and `/readyz`.

use std::sync::Arc;

use axum::{extract::State, http::HeaderMap, response::Response};
use futures_util::future::{join, join_all};
use tokio_util::sync::CancellationToken;

use super::Web;
use crate::{
    grip::{GRIP_SIG, Publisher},
    health::{self, Check, Latest},
    store::{Store, StoreError},
};

/// What the backend needs to do its work.
pub struct Readiness {
    store: Arc<dyn Store>,
    publisher: Arc<Publisher>,
    stopping: CancellationToken,
    latest: Latest,
}

impl Readiness {
    /// Over the store and the proxies; `stopping` once work should go elsewhere.
    pub fn new(store: Arc<dyn Store>, publisher: Arc<Publisher>, stopping: CancellationToken) -> Self {
        Self { store, publisher, stopping, latest: Latest::default() }
    }

    async fn look(&self) -> Vec<Check> {
        let store = health::within_deadline(async { self.store.check().await.map_err(|error| reason(&error)) });
        let proxies = self
            .publisher
            .reach()
            .map(async |(url, answers)| Check::new(format!("proxy {url}"), health::within_deadline(answers).await));
        let (store, proxies) = join(store, join_all(proxies)).await;
        [Check::new("store", store)].into_iter().chain(proxies).collect()
    }
}

/// What the store lacks. Not what it holds: a broken item is somebody's message.
fn reason(error: &StoreError) -> String {
    match error {
        StoreError::Corrupt(_) => "the store holds a broken item".to_owned(),
        StoreError::Unavailable(_) | StoreError::Deadline | StoreError::Busy | StoreError::Misconfigured { .. } => {
            error.to_string()
        }
    }
}

/// GET: whether work may be sent here. Ready is who can store and has a proxy to publish to: that one of several
/// proxies is away is told, but must not take every backend out of the other's service.
///
/// What comes through a proxy may come from anybody, and gets the status alone.
pub(super) async fn ready(State(web): State<Web>, headers: HeaderMap) -> Response {
    let readiness = &web.readiness;
    let mut checks = readiness.latest.get_or_check(readiness.look()).await;
    // Looked at anew, since it is what a probe must hear of at once.
    checks.insert(0, Check::running(!readiness.stopping.is_cancelled()));
    let (needed, proxies) = checks.split_at(2);
    let ready = needed.iter().all(Check::is_ok) && proxies.iter().any(Check::is_ok);
    if headers.contains_key(GRIP_SIG) {
        checks.clear();
    }
    health::readiness(ready, checks)
}
