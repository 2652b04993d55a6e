//! Requests for next links, coalesced: one for all streams that need the same answer.
//!
//! Streams of one room that have the same last items send the same request and get the same answer. So there is at most
//! one request under way for each link and `Grip-Last`. A stream that needs the answer meanwhile gets that of the next
//! request, since an answer that is already on its way may be older than what the stream misses.

use std::{
    collections::{HashMap, hash_map::Entry},
    mem,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use http::HeaderValue;
use tokio::{sync::Semaphore, time::sleep};
use tracing::{Instrument as _, debug, warn};

use super::pool::{Backend, FetchError};
use crate::{
    edge::{
        commands::{Answer, Command, ShardHandle},
        held::{Link, LinkBase, LinkError, NextStep, Priority, SessionId},
        items::{Frame, Id},
    },
    grip::{Instructions, InstructionsError},
    telemetry::{
        RequestId,
        metrics::edge::{Purpose, recovered},
    },
};

/// How long a request of low priority waits for other streams. Those that miss the same item notice it within this
/// time of each other, in all shards.
const GATHER_TIME: Duration = Duration::from_millis(10);
/// Requests for next links that the backend gets at a time. Notices about clients that have gone have as many of their
/// own.
const MAX_CONCURRENT_REQUESTS: usize = 32;
/// The pause after the first failure of a link.
pub(crate) const MIN_RETRY_PAUSE: Duration = Duration::from_secs(1);
/// The pause doubles with each failure, up to this. An item after a missing one ends it early.
const MAX_RETRY_PAUSE: Duration = Duration::from_secs(16);
/// Rechecks of different links are spread over this fraction of their time, so that they do not come in one burst.
const RECHECK_SPREAD: f64 = 0.1;
/// The tables of links are cleaned when the table of rechecks has this many entries, and twice as many as the last
/// cleaning has left.
const MIN_CLEANED_LINKS: usize = 256;

/// A request for a next link. Equal requests get the same answer.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct RecoveryRequest {
    /// Path and query.
    pub(crate) uri: Arc<str>,
    pub(crate) host: HeaderValue,
    /// The content of `Grip-Last`.
    pub(crate) last: Vec<(Arc<str>, Id)>,
}

/// All requests for next links that are under way.
pub(crate) struct Recoveries {
    backend: Backend,
    /// Where answers are sent.
    shards: Arc<[ShardHandle]>,
    /// The streams that wait for the answer of each request, by shard. A key stays for as long as its task runs.
    waiting: Mutex<HashMap<RecoveryRequest, Vec<(usize, SessionId)>>>,
    links: Mutex<Links>,
    slots: Semaphore,
    /// Separate, so that many clients that disconnect at once do not delay those that stay.
    gone_slots: Semaphore,
}

#[derive(Default)]
struct Links {
    /// When the streams of each link request it next. They do so together.
    recheck_at: HashMap<Arc<str>, Instant>,
    clean_at: usize,
    /// How often each link has failed in a row.
    failures: HashMap<Arc<str>, u32>,
}

#[derive(Debug, thiserror::Error)]
enum AnswerError {
    #[error(transparent)]
    Instructions(#[from] InstructionsError),
    #[error(transparent)]
    Link(#[from] LinkError),
}

impl Recoveries {
    pub(crate) fn new(backend: Backend, shards: Arc<[ShardHandle]>) -> Self {
        Self {
            backend,
            shards,
            waiting: Mutex::default(),
            links: Mutex::default(),
            slots: Semaphore::new(MAX_CONCURRENT_REQUESTS),
            gone_slots: Semaphore::new(MAX_CONCURRENT_REQUESTS),
        }
    }

    /// Requests a next link for a stream of a shard, or lets it wait with others that need the same answer.
    pub(crate) fn request(self: &Arc<Self>, request: RecoveryRequest, shard: usize, id: SessionId, priority: Priority) {
        match lock(&self.waiting).entry(request) {
            Entry::Occupied(mut entry) => entry.get_mut().push((shard, id)),
            Entry::Vacant(entry) => {
                let request = entry.key().clone();
                entry.insert(vec![(shard, id)]);
                let recoveries = Arc::clone(self);
                let gather = match priority {
                    Priority::Low => GATHER_TIME,
                    Priority::High => Duration::ZERO,
                };
                tokio::spawn(async move { recoveries.serve(request, gather).await });
            }
        }
    }

    /// Sends a request for the streams that wait for its answer, and again as long as others have come to wait.
    async fn serve(&self, request: RecoveryRequest, gather: Duration) {
        sleep(gather).await;
        loop {
            // The semaphore is never closed. The permit is held while the request is under way.
            let _slot = self.slots.acquire().await;
            let streams = match lock(&self.waiting).entry(request.clone()) {
                Entry::Occupied(entry) if entry.get().is_empty() => {
                    entry.remove();
                    return;
                }
                Entry::Occupied(mut entry) => mem::take(entry.get_mut()),
                Entry::Vacant(_) => return,
            };
            let id = RequestId::generate();
            let fetched = self.fetch(&request, &id).instrument(id.span()).await;
            recovered(fetched.is_ok(), streams.len());
            match fetched {
                Ok(answer) => {
                    lock(&self.links).failures.remove(&request.uri);
                    let answer = Arc::new(answer);
                    self.send(streams, |ids| Command::Recovered { ids, answer: Arc::clone(&answer) });
                }
                Err(error) => {
                    let pause = self.pause_after_failure(&request.uri);
                    debug!(
                        request.id = %id, link = %request.uri, %error, ?pause,
                        "request for a next link failed; its streams stay open and repeat it"
                    );
                    let retry_at = Instant::now() + pause;
                    self.send(streams, |ids| Command::RecoveryFailed { ids, retry_at });
                }
            }
        }
    }

    async fn fetch(&self, request: &RecoveryRequest, id: &RequestId) -> Result<Answer, FetchError> {
        let RecoveryRequest { uri, host, last } = request;
        let (headers, body) = self.backend.get(Purpose::Recovery, id, uri, host, last).await?;
        let next = (|| -> Result<NextStep, AnswerError> {
            let base = LinkBase { host, uri, backend: self.backend.address() };
            Ok(NextStep::new(Instructions::parse(&headers)?, &base)?)
        })();
        let next = next.unwrap_or_else(|error| {
            warn!(link = %uri, "the answer of a next link is invalid, so its streams end: {error}");
            NextStep::End
        });
        Ok(Answer { body: Frame::new(&body), next })
    }

    fn send(&self, streams: Vec<(usize, SessionId)>, command: impl Fn(Vec<SessionId>) -> Command) {
        let mut by_shard: HashMap<usize, Vec<SessionId>> = HashMap::new();
        for (shard, id) in streams {
            by_shard.entry(shard).or_default().push(id);
        }
        for (shard, ids) in by_shard {
            self.shards[shard].send(command(ids));
        }
    }

    fn pause_after_failure(&self, uri: &Arc<str>) -> Duration {
        let mut links = lock(&self.links);
        let failures = links.failures.entry(Arc::clone(uri)).or_default();
        let pause = MIN_RETRY_PAUSE.saturating_mul(1 << (*failures).min(4)).min(MAX_RETRY_PAUSE);
        *failures += 1;
        pause + Duration::from_secs_f64(rand::random_range(0.0..1.0))
    }

    /// Returns when a stream with this link requests it without another reason: together with all others that have it.
    pub(crate) fn recheck_at(&self, link: &Link, now: Instant) -> Instant {
        let Links { recheck_at, clean_at, failures } = &mut *lock(&self.links);
        if recheck_at.len() >= (*clean_at).max(MIN_CLEANED_LINKS) {
            recheck_at.retain(|_, at| *at > now);
            failures.retain(|uri, _| recheck_at.contains_key(uri));
            *clean_at = recheck_at.len() * 2;
        }
        let latest = now + link.recheck_after;
        let at = recheck_at.entry(Arc::clone(&link.uri)).or_insert(now);
        if *at <= now || *at > latest {
            *at = now + link.recheck_after.mul_f64(1.0 - rand::random_range(0.0..RECHECK_SPREAD));
        }
        *at
    }

    /// Posts to a link that a client has gone. It is tried once.
    pub(crate) fn notify_gone(self: &Arc<Self>, uri: Arc<str>, host: HeaderValue) {
        let recoveries = Arc::clone(self);
        tokio::spawn(async move {
            // The semaphore is never closed.
            let _slot = recoveries.gone_slots.acquire().await;
            if let Err(error) = recoveries.backend.post(&uri, &host).await {
                debug!(link = %uri, %error, "failed to notify the backend that a client has gone");
            }
        });
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Nothing that could panic leaves the content half changed.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
