//! The checks of `/readyz`.

use std::sync::Arc;

use futures_util::future::{join, join_all};
use tokio_util::sync::CancellationToken;

use crate::{
    grip::Publisher,
    health::{self, CachedChecks, Check},
    store::{Store, StoreError},
};

/// Checks whether the backend can do its work.
pub struct Readiness {
    store: Arc<dyn Store>,
    publisher: Arc<Publisher>,
    stopping: CancellationToken,
    latest: CachedChecks,
}

/// The result of the checks.
pub(super) struct Report {
    pub(super) ready: bool,
    pub(super) checks: Vec<Check>,
}

impl Readiness {
    /// Creates the checks of a store and of the proxies that a publisher publishes to. They fail once `stopping` is
    /// cancelled.
    pub fn new(store: Arc<dyn Store>, publisher: Arc<Publisher>, stopping: CancellationToken) -> Self {
        Self { store, publisher, stopping, latest: CachedChecks::default() }
    }

    /// Checks the backend. It is ready if it can store messages and can publish to at least one proxy. If one
    /// of several proxies is down, the check reports it and the backend stays ready: otherwise all backends would
    /// become unready at once.
    pub(super) async fn report(&self) -> Report {
        let mut checks = self.latest.get_or_check(self.check()).await;
        // Not cached, because a probe must learn at once that the server is stopping.
        checks.insert(0, Check::running(!self.stopping.is_cancelled()));
        let (required, proxies) = checks.split_at(2);
        Report { ready: required.iter().all(Check::is_ok) && proxies.iter().any(Check::is_ok), checks }
    }

    /// Checks the store, and then each proxy.
    async fn check(&self) -> Vec<Check> {
        let store = health::within_deadline(async { self.store.check().await.map_err(|error| reason(&error)) });
        let proxies = self
            .publisher
            .reach()
            .map(async |(url, reached)| Check::new(format!("proxy {url}"), health::within_deadline(reached).await));
        let (store, proxies) = join(store, join_all(proxies)).await;
        [Check::new("store", store)].into_iter().chain(proxies).collect()
    }
}

/// Describes why the store is unusable, but not what it contains: a corrupt item is somebody's message.
fn reason(error: &StoreError) -> String {
    match error {
        StoreError::Corrupt(_) => "the store contains a corrupt item".to_owned(),
        StoreError::Unavailable(_) | StoreError::Deadline | StoreError::Busy | StoreError::Misconfigured { .. } => {
            error.to_string()
        }
    }
}
