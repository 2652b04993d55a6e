//! Publishing to every configured proxy, in order, without one holding back another.
//!
//! Each proxy has a few *lanes*. What is said of one thing (a room) goes through one lane, where it
//! leaves in the order it was published, one request at a time: a proxy orders requests by when they
//! arrive whole, so two at once may swap. What gathers while a request is under way goes out in one
//! batch, which also spares the connections that Pushpin closes after every request.
//!
//! An item with an id is retried for a minute; what is then still not published is repaired by the
//! proxies, which see the gap in the ids and ask the next link. An item without an id is worth
//! something now or never: it is tried once.

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

/// Lanes of a proxy: the most requests it gets at once from one process. Pushpin takes 128
/// connections on its control port (`CONTROL_CONNECTIONS_MAX`), and several processes share it.
const LANES: usize = 8;
/// How long [`Publisher::publish`] is waited for: so that a hanging proxy delays a sender little.
const WAIT_FOR_FIRST_TRY: Duration = Duration::from_secs(1);

/// What became of an item at the first try.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use = "an item that was not published is repaired by the streams, which somebody should know"]
pub enum Outcome {
    /// Every proxy took it.
    Published,
    /// A proxy did not take it, or has not said so in time. It may still do.
    Unconfirmed,
}

/// A publisher could not be made.
#[derive(Debug, thiserror::Error)]
#[error("cannot set up the HTTP client for publishing")]
pub struct PublisherError(#[from] reqwest::Error);

/// Publishes items to all proxies.
pub struct Publisher {
    proxies: Vec<Proxy>,
    /// Counts the items that wait in any lane.
    waiting: TaskTracker,
}

struct Proxy {
    lanes: Vec<Lane>,
    control: Control,
}

impl Publisher {
    /// Starts publishing to these proxies. Must be called within a tokio runtime.
    pub fn new(urls: Vec<GripUrl>) -> Result<Self, PublisherError> {
        let http = control::client()?;
        let proxies = urls.into_iter().map(|url| Proxy::new(Control::new(url, http.clone()))).collect();
        Ok(Self { proxies, waiting: TaskTracker::new() })
    }

    /// Publishes an item behind all that was published under the same key.
    ///
    /// The item has its place as soon as this returns; the future tells what became of the first
    /// try, within a second, and need not be waited for.
    pub fn publish(&self, key: &str, item: &Item) -> impl Future<Output = Outcome> + use<> {
        let lane = lane_of(key);
        let push = |proxy: &Proxy| proxy.lanes[lane].push(item.clone(), self.waiting.token());
        let tries: Vec<_> = self.proxies.iter().map(push).collect();
        async move {
            let all = async {
                let mut outcome = Outcome::Published;
                for tried in tries {
                    let took_it = match tried {
                        Some(tried) => tried.await.unwrap_or(false),
                        None => false,
                    };
                    if !took_it {
                        outcome = Outcome::Unconfirmed;
                    }
                }
                outcome
            };
            timeout(WAIT_FOR_FIRST_TRY, all).await.unwrap_or(Outcome::Unconfirmed)
        }
    }

    /// Asks every proxy to publish nothing, and logs what is wrong with those that do not answer.
    pub fn check(&self) -> impl Future<Output = ()> + Send + use<> {
        let controls: Vec<_> = self.proxies.iter().map(|proxy| proxy.control.clone()).collect();
        async move {
            for control in controls {
                control.check().await;
            }
        }
    }

    /// Every proxy's address, without credentials, and whether it answers: asked to publish nothing when that is
    /// waited for.
    pub fn reach(&self) -> impl Iterator<Item = (String, impl Future<Output = Result<(), String>> + Send + use<>)> {
        self.proxies.iter().map(|proxy| {
            let control = proxy.control.clone();
            (control.url().to_string(), async move { control.reach().await.map_err(|error| error.to_string()) })
        })
    }

    /// Waits until nothing waits to be published, up to a deadline.
    pub async fn close(&self, deadline: Duration) {
        self.waiting.close();
        if timeout(deadline, self.waiting.wait()).await.is_err() {
            let items = self.waiting.len();
            warn!(items, "stopped before everything was published; the proxies will ask for what is missing");
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
