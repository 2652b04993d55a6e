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

#[cfg(test)]
mod tests {
    use std::{future::pending, time::Duration};

    use tokio::{net::TcpListener, time::Instant};

    use super::*;
    use crate::{
        chat::{Cursor, MessageId, RoomId},
        grip::GripUrl,
        store::{Activity, Append, Appended, Page, Replay},
    };

    /// A store that never answers.
    struct HangingStore;

    #[async_trait::async_trait]
    impl Store for HangingStore {
        async fn append(&self, _: &RoomId, _: Append) -> Result<Appended, StoreError> {
            pending().await
        }

        async fn after(&self, _: &RoomId, _: &Cursor, _: usize) -> Result<Replay, StoreError> {
            pending().await
        }

        async fn latest(&self, _: &RoomId, _: usize) -> Result<Page, StoreError> {
            pending().await
        }

        async fn before(&self, _: &RoomId, _: &MessageId, _: usize) -> Result<Page, StoreError> {
            pending().await
        }

        async fn rooms(&self) -> Result<Arc<[Activity]>, StoreError> {
            pending().await
        }

        async fn check(&self) -> Result<(), StoreError> {
            pending().await
        }
    }

    /// By default, a Kubernetes probe waits one second.
    #[tokio::test(start_paused = true)]
    async fn a_probe_is_answered_within_a_second_if_the_store_and_the_proxies_hang() {
        // The backlog accepts connections, and nothing ever answers them.
        let hanging = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/", hanging.local_addr().unwrap());
        let publisher = Publisher::new(GripUrl::parse_list(&format!("{url},{url}")).unwrap()).unwrap();
        let readiness = Readiness::new(Arc::new(HangingStore), Arc::new(publisher), CancellationToken::new());
        let started = Instant::now();
        let report = readiness.report().await;
        assert!(started.elapsed() < Duration::from_secs(1), "{:?}", started.elapsed());
        let failed = report.checks.iter().filter(|check| !check.is_ok()).count();
        assert_eq!((report.ready, failed), (false, 3), "{:?}", report.checks);
    }
}
