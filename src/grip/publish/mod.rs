//! Publishes items to every configured proxy, in order. A slow proxy does not delay the others.
//!
//! Each proxy has a few *lanes*. All items of one room go through one lane, which publishes them in order, one request
//! at a time: a proxy processes requests in the order in which they arrive completely, so two concurrent requests could
//! be swapped. Items that arrive during a request are published in one batch. This also saves connections, which Pushpin
//! closes after every request.
//!
//! An item with an id is retried for a minute. If it is still not published then, the proxies repair the streams: they
//! notice the gap in the ids and request the next link. An item without an id is useful only at once, so it is tried
//! once.

mod control;
mod lane;

use std::{
    hash::{DefaultHasher, Hash, Hasher},
    time::Duration,
};

use tokio::time::timeout;
use tokio_util::task::TaskTracker;
use tracing::warn;

use self::{control::Control, lane::Lane};
use super::{item::Item, url::GripUrl};

/// The number of lanes per proxy, and so of concurrent requests from this process. Pushpin accepts 128 connections on its
/// control port (`CONTROL_CONNECTIONS_MAX`), which several processes share.
const LANES: usize = 8;
/// How long the future of [`Publisher::publish`] waits, so that a hanging proxy delays a sender only a little.
const FIRST_ATTEMPT_DEADLINE: Duration = Duration::from_secs(1);

/// The outcome of the first attempt to publish an item.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use = "the streams repair an unpublished item later; count or log it"]
pub enum Outcome {
    /// Every proxy has accepted it.
    Published,
    /// A proxy refused it or has not answered in time. It may still be published.
    Unconfirmed,
}

/// The publisher could not be created.
#[derive(Debug, thiserror::Error)]
#[error("cannot set up the HTTP client for publishing")]
pub struct PublisherError(#[from] reqwest::Error);

/// Publishes items to all proxies.
pub struct Publisher {
    proxies: Vec<Proxy>,
    /// Counts the items in all lanes.
    waiting: TaskTracker,
}

struct Proxy {
    lanes: Vec<Lane>,
    control: Control,
}

impl Publisher {
    /// Starts the lanes of these proxies. Must be called within a tokio runtime.
    pub fn new(urls: Vec<GripUrl>) -> Result<Self, PublisherError> {
        let http = control::client()?;
        let proxies = urls.into_iter().map(|url| Proxy::new(Control::new(url, http.clone()))).collect();
        Ok(Self { proxies, waiting: TaskTracker::new() })
    }

    /// Publishes an item after all items that were published with the same key.
    ///
    /// The item's position in that order is fixed when this returns. The future resolves within a second, to the outcome
    /// of the first attempt; the item is published even if the future is dropped.
    pub fn publish(&self, key: &str, item: &Item) -> impl Future<Output = Outcome> + use<> {
        let lane = lane_of(key);
        let push = |proxy: &Proxy| proxy.lanes[lane].push(item.clone(), self.waiting.token());
        let attempts: Vec<_> = self.proxies.iter().map(push).collect();
        async move {
            let all = async {
                let mut outcome = Outcome::Published;
                for attempt in attempts {
                    let accepted = match attempt {
                        Some(attempt) => attempt.await.unwrap_or(false),
                        None => false,
                    };
                    if !accepted {
                        outcome = Outcome::Unconfirmed;
                    }
                }
                outcome
            };
            timeout(FIRST_ATTEMPT_DEADLINE, all).await.unwrap_or(Outcome::Unconfirmed)
        }
    }

    /// Publishes nothing to each proxy, and logs the errors of those that do not answer.
    pub fn check(&self) -> impl Future<Output = ()> + Send + use<> {
        let controls: Vec<_> = self.proxies.iter().map(|proxy| proxy.control.clone()).collect();
        async move {
            for control in controls {
                control.check().await;
            }
        }
    }

    /// Returns each proxy's address, without credentials, and a future that publishes nothing to it and returns whether it
    /// answered.
    pub fn reach(&self) -> impl Iterator<Item = (String, impl Future<Output = Result<(), String>> + Send + use<>)> {
        self.proxies.iter().map(|proxy| {
            let control = proxy.control.clone();
            (control.url().to_string(), async move { control.reach().await.map_err(|error| error.to_string()) })
        })
    }

    /// Waits until all queued items are published, up to a deadline.
    pub async fn close(&self, deadline: Duration) {
        self.waiting.close();
        if timeout(deadline, self.waiting.wait()).await.is_err() {
            let items = self.waiting.len();
            warn!(items, "stopped before everything was published; the proxies will request what is missing");
        }
    }
}

impl Proxy {
    fn new(control: Control) -> Self {
        Self { lanes: (0..LANES).map(|_| Lane::start(control.clone())).collect(), control }
    }
}

fn lane_of(key: &str) -> usize {
    let mut hasher = DefaultHasher::new();
    key.hash(&mut hasher);
    // The remainder is below LANES, so it fits.
    usize::try_from(hasher.finish() % LANES as u64).unwrap_or_default()
}
