//! Publishing to every configured proxy, in order, without one holding back another.
//!
//! Each proxy has a few *lanes*. What is said of one thing (a room) goes through one lane, where it
//! leaves in the order it was published, one request at a time: a proxy orders requests by when they
//! arrive whole, so two at once may swap. What gathers while a request is under way goes out in one
//! batch, which also spares the connections that Pushpin closes after every request.
//!
//! An item with an id is retried for [`RETRY_FOR`]; what is then still not published is repaired by
//! the proxies, which see the gap in the ids and ask the next link. An item without an id is worth
//! something now or never: it is tried once.

use std::{
    collections::VecDeque,
    hash::{DefaultHasher, Hash, Hasher},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant, SystemTime},
};

use http::{StatusCode, header};
use serde::Serialize;
use tokio::{
    sync::{mpsc, oneshot},
    time::timeout,
};
use tokio_util::task::{TaskTracker, task_tracker::TaskTrackerToken};
use tracing::{debug, info, warn};

use super::{
    hold::Channel,
    url::{Auth, GripUrl},
};

/// Lanes of a proxy: the most requests it gets at once from one process. Pushpin takes 128
/// connections on its control port (`CONTROL_CONNECTIONS_MAX`), and several processes share it.
const LANES: usize = 8;
/// Items that may wait in a lane. More means the proxy has been away for long; what does not fit is
/// dropped and repaired as described above.
const LANE_QUEUE: usize = 4_096;
/// A batch stays well below the 1,000,000 bytes of a control port's request body.
const BATCH_BYTES: usize = 256 * 1024;
/// One request, from connecting to its answer. A control port answers within milliseconds.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(3);
/// How long [`Publisher::publish`] is waited for: so that a hanging proxy delays a sender little.
const WAIT_FOR_FIRST_TRY: Duration = Duration::from_secs(1);
/// First and longest pause between tries.
const RETRY_PAUSE: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(5));
/// An item with an id is retried for so long. The proxies recheck their streams in this time anyway.
const RETRY_FOR: Duration = Duration::from_secs(60);

/// Something to deliver on a channel to every held stream.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Item {
    channel: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    prev_id: Option<String>,
    formats: Formats,
}

#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
struct Formats {
    http_stream: HttpStream,
}

#[derive(Clone, Debug, Serialize)]
struct HttpStream {
    content: String,
}

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
    lanes: Vec<mpsc::Sender<Job>>,
    control: Control,
}

struct Job {
    item: Item,
    since: Instant,
    tried: Option<oneshot::Sender<bool>>,
    _waiting: TaskTrackerToken,
}

/// A proxy's control port.
#[derive(Clone)]
struct Control {
    url: Arc<GripUrl>,
    http: reqwest::Client,
    /// Whether the last request was answered well. While it was not, nobody waits for this proxy.
    healthy: Arc<AtomicBool>,
}

#[derive(Debug, thiserror::Error)]
enum RequestError {
    #[error("cannot sign the request")]
    Sign(#[from] jsonwebtoken::errors::Error),
    #[error("{}", root_cause(.0))]
    Http(#[from] reqwest::Error),
    #[error("it answered {0}{hint}", hint = hint(*.0))]
    Status(StatusCode),
}

// === impl Item ===

impl Item {
    /// An item that is delivered now or never.
    pub fn ephemeral(channel: &Channel, content: String) -> Self {
        Self::new(channel, None, None, content)
    }

    /// An item in the sequence of its channel. All items of such a channel must be.
    pub fn sequenced(channel: &Channel, id: String, prev_id: String, content: String) -> Self {
        Self::new(channel, Some(id), Some(prev_id), content)
    }

    fn new(channel: &Channel, id: Option<String>, prev_id: Option<String>, content: String) -> Self {
        let formats = Formats { http_stream: HttpStream { content } };
        Self { channel: channel.as_str().to_owned(), id, prev_id, formats }
    }
}

// === impl Publisher ===

impl Publisher {
    /// Starts publishing to these proxies. Must be called within a tokio runtime.
    pub fn new(urls: Vec<GripUrl>) -> Result<Self, PublisherError> {
        let http = reqwest::Client::builder()
            .timeout(REQUEST_TIMEOUT)
            // A redirect would turn the POST into a GET that publishes nothing.
            .redirect(reqwest::redirect::Policy::none())
            .build()?;
        let proxies = urls
            .into_iter()
            .map(|url| {
                let control =
                    Control { url: Arc::new(url), http: http.clone(), healthy: Arc::new(AtomicBool::new(true)) };
                let lanes = (0..LANES)
                    .map(|_| {
                        let (lane, jobs) = mpsc::channel(LANE_QUEUE);
                        // It ends with the publisher, when the last sender is gone.
                        tokio::spawn(run_lane(control.clone(), jobs));
                        lane
                    })
                    .collect();
                Proxy { lanes, control }
            })
            .collect();
        Ok(Self { proxies, waiting: TaskTracker::new() })
    }

    /// Publishes an item behind all that was published under the same key.
    ///
    /// The item has its place as soon as this returns; the future tells what became of the first
    /// try, within a second, and need not be waited for.
    pub fn publish(&self, key: &str, item: &Item) -> impl Future<Output = Outcome> + use<> {
        let lane = lane_of(key);
        let tries: Vec<_> =
            self.proxies.iter().map(|proxy| proxy.enqueue(lane, item.clone(), self.waiting.token())).collect();
        async move {
            let all_took_it = async {
                for tried in tries {
                    let Some(tried) = tried else { return Outcome::Unconfirmed };
                    if !tried.await.unwrap_or(false) {
                        return Outcome::Unconfirmed;
                    }
                }
                Outcome::Published
            };
            timeout(WAIT_FOR_FIRST_TRY, all_took_it).await.unwrap_or(Outcome::Unconfirmed)
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

    /// Waits until nothing waits to be published, up to a deadline.
    pub async fn close(&self, deadline: Duration) {
        self.waiting.close();
        if timeout(deadline, self.waiting.wait()).await.is_err() {
            warn!("stopped before everything was published; the proxies will ask for what is missing");
        }
    }
}

fn lane_of(key: &str) -> usize {
    let mut hasher = DefaultHasher::new();
    key.hash(&mut hasher);
    // The remainder is below LANES, so it fits.
    usize::try_from(hasher.finish() % LANES as u64).unwrap_or_default()
}

impl Proxy {
    /// `None` when there is nothing to wait for: no place in the lane, or a proxy known to be away.
    fn enqueue(&self, lane: usize, item: Item, waiting: TaskTrackerToken) -> Option<oneshot::Receiver<bool>> {
        let (tried, outcome) = oneshot::channel();
        let wait = self.control.healthy.load(Ordering::Relaxed);
        let job = Job { item, since: Instant::now(), tried: wait.then_some(tried), _waiting: waiting };
        if self.lanes[lane].try_send(job).is_err() {
            warn!(grip.url = %self.control.url, "too much waits to be published; an item was dropped");
            return None;
        }
        wait.then_some(outcome)
    }
}

// === impl Job ===

impl Job {
    fn settle(&mut self, published: bool) {
        if let Some(tried) = self.tried.take() {
            // Whoever published it may have stopped waiting.
            let _ = tried.send(published);
        }
    }

    /// Whether it is worth another try.
    fn lasts(&self) -> bool {
        self.item.id.is_some() && self.since.elapsed() < RETRY_FOR
    }
}

/// Publishes the jobs of one lane, in order, until there are no more and nobody can send any.
async fn run_lane(control: Control, mut jobs: mpsc::Receiver<Job>) {
    let mut waiting = VecDeque::new();
    let mut pause = RETRY_PAUSE.0;
    loop {
        if waiting.is_empty() {
            match jobs.recv().await {
                Some(job) => waiting.push_back(job),
                None => return,
            }
        }
        while waiting.len() < LANE_QUEUE
            && let Ok(job) = jobs.try_recv()
        {
            waiting.push_back(job);
        }
        let batch = batch(&waiting);
        let items: Vec<&Item> = waiting.iter().take(batch).map(|job| &job.item).collect();
        match control.post(&items).await {
            Ok(()) => {
                control.answered();
                waiting.drain(..batch).for_each(|mut job| job.settle(true));
                pause = RETRY_PAUSE.0;
            }
            Err(error) => {
                control.failed(&error);
                waiting.iter_mut().for_each(|job| job.settle(false));
                if error.is_final() {
                    waiting.drain(..batch);
                }
                waiting.retain(Job::lasts);
                tokio::time::sleep(pause.mul_f64(rand::random_range(0.5..1.0))).await;
                pause = (pause * 2).min(RETRY_PAUSE.1);
            }
        }
    }
}

/// How many of the waiting jobs go into one request: at least one.
fn batch(waiting: &VecDeque<Job>) -> usize {
    let mut bytes = 0;
    let fits = |job: &&Job| {
        bytes += job.item.formats.http_stream.content.len();
        bytes <= BATCH_BYTES
    };
    waiting.iter().take_while(fits).count().max(1)
}

// === impl Control ===

impl Control {
    async fn check(&self) {
        match self.post(&[]).await {
            Ok(()) => debug!(grip.url = %self.url, "the GRIP proxy answers"),
            // It is there, and some publishing services refuse an empty list.
            Err(RequestError::Status(StatusCode::BAD_REQUEST)) => {}
            Err(error) => warn!(
                grip.url = %self.url,
                "cannot publish to the GRIP proxy: {error}; messages are stored, and delivered once it answers"
            ),
        }
    }

    async fn post(&self, items: &[&Item]) -> Result<(), RequestError> {
        #[derive(Serialize)]
        struct Body<'a> {
            items: &'a [&'a Item],
        }
        let body = serde_json::to_vec(&Body { items }).expect("strings serialize");
        let mut request =
            self.http.post(self.url.publish.clone()).header(header::CONTENT_TYPE, "application/json").body(body);
        match &self.url.auth {
            Auth::None => {}
            Auth::Fixed(authorization) => request = request.header(header::AUTHORIZATION, authorization),
            Auth::Jwt(signer) => request = request.bearer_auth(signer.token(SystemTime::now())?),
        }
        match request.send().await?.status() {
            status if status.is_success() => Ok(()),
            status => Err(RequestError::Status(status)),
        }
    }

    fn answered(&self) {
        if !self.healthy.swap(true, Ordering::Relaxed) {
            info!(grip.url = %self.url, "the GRIP proxy answers again");
        }
    }

    fn failed(&self, error: &RequestError) {
        if self.healthy.swap(false, Ordering::Relaxed) {
            warn!(grip.url = %self.url, "cannot publish to the GRIP proxy: {error}; retrying");
        } else {
            debug!(grip.url = %self.url, "still cannot publish to the GRIP proxy: {error}");
        }
    }
}

// === impl RequestError ===

impl RequestError {
    /// Whether the same request would fail again: retrying it would only hold back what follows.
    fn is_final(&self) -> bool {
        match self {
            Self::Sign(_) => true,
            Self::Http(_) => false,
            Self::Status(status) => {
                status.is_client_error()
                    && ![StatusCode::REQUEST_TIMEOUT, StatusCode::TOO_MANY_REQUESTS].contains(status)
            }
        }
    }
}

/// The cause at the bottom: "Connection refused" says more than "error sending request".
fn root_cause(error: &reqwest::Error) -> String {
    if error.is_timeout() {
        return format!("no answer within {REQUEST_TIMEOUT:?}");
    }
    let mut cause: &dyn std::error::Error = error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    cause.to_string()
}

fn hint(status: StatusCode) -> &'static str {
    match status {
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => "; check the key in GRIP_URL",
        StatusCode::NOT_FOUND => "; check the path in GRIP_URL",
        _ => "",
    }
}
