//! Asking next links: once for all the streams that ask the same.
//!
//! Streams of one room that stand at one place send the same request, and get the same answer. So
//! there is at most one request under way for each link and place; who asks meanwhile is answered by
//! the next one, since an answer on its way may be older than what they miss.

use std::{
    collections::{HashMap, hash_map::Entry},
    mem,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use http::HeaderValue;
use tokio::{sync::Semaphore, time::sleep};
use tracing::{Instrument as _, debug, warn};

use super::{Backend, FetchError};
use crate::{
    edge::{
        held::{Answer, Base, Command, Link, LinkError, SessionId, ShardHandle, Then},
        items::{Frame, Id},
    },
    grip::{Instructions, InstructionsError},
    telemetry::{
        RequestId,
        metrics::edge::{Purpose, recovered},
    },
};

/// Streams that miss the same notice it within so long of each other, in all shards.
const GATHER: Duration = Duration::from_millis(10);
/// Requests for next links that the backend gets at once, and beside them those that tell of clients that have gone.
const AT_ONCE: usize = 32;
/// After a failure the link is asked again no sooner.
pub(in crate::edge) const SHORTEST_PAUSE: Duration = Duration::from_secs(1);
/// Each time it fails the pause is twice as long, up to this; an item that comes behind a missing one ends it.
const LONGEST_PAUSE: Duration = Duration::from_secs(16);
/// Rechecks of different links are spread over this part of their time, so that they do not come in one burst.
const SPREAD: f64 = 0.1;
/// The tables of links are tidied when that of times has grown to twice what was left of it, and is longer than this.
const KEPT_TIMES: usize = 256;

/// What is asked: who sends the same gets the same answer.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(in crate::edge) struct Ask {
    /// Path and query.
    pub(in crate::edge) uri: Arc<str>,
    pub(in crate::edge) host: HeaderValue,
    /// What `Grip-Last` tells.
    pub(in crate::edge) last: Vec<(Arc<str>, Id)>,
}

/// Everything that is being asked.
pub(in crate::edge) struct Recoveries {
    backend: Backend,
    shards: Arc<[ShardHandle]>,
    /// Those that wait for an answer, by what they ask. The key stays as long as its task runs.
    waiting: Mutex<HashMap<Ask, Vec<(usize, SessionId)>>>,
    links: Mutex<Links>,
    slots: Semaphore,
    /// Of its own, so that many clients that go at once do not hold up those that stay.
    gone_slots: Semaphore,
}

#[derive(Default)]
struct Links {
    /// When the streams of a link ask next. They ask together.
    recheck: HashMap<Arc<str>, Instant>,
    tidy_at: usize,
    /// How often a link has failed in a row.
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
    pub(in crate::edge) fn new(backend: Backend, shards: Arc<[ShardHandle]>) -> Self {
        Self {
            backend,
            shards,
            waiting: Mutex::default(),
            links: Mutex::default(),
            slots: Semaphore::new(AT_ONCE),
            gone_slots: Semaphore::new(AT_ONCE),
        }
    }

    /// Asks for a stream. Unless it is urgent, waits a moment for others that ask the same.
    pub(in crate::edge) fn ask(self: &Arc<Self>, ask: Ask, shard: usize, id: SessionId, urgent: bool) {
        match lock(&self.waiting).entry(ask) {
            Entry::Occupied(mut entry) => entry.get_mut().push((shard, id)),
            Entry::Vacant(entry) => {
                let ask = entry.key().clone();
                entry.insert(vec![(shard, id)]);
                let recoveries = Arc::clone(self);
                let gather = if urgent { Duration::ZERO } else { GATHER };
                tokio::spawn(async move { recoveries.answer_all(ask, gather).await });
            }
        }
    }

    /// Answers those who wait, and those who come to wait meanwhile.
    async fn answer_all(&self, ask: Ask, gather: Duration) {
        sleep(gather).await;
        loop {
            // The semaphore is never closed; the place is held while the request is under way.
            let _slot = self.slots.acquire().await;
            let asking = match lock(&self.waiting).entry(ask.clone()) {
                Entry::Occupied(entry) if entry.get().is_empty() => {
                    entry.remove();
                    return;
                }
                Entry::Occupied(mut entry) => mem::take(entry.get_mut()),
                Entry::Vacant(_) => return,
            };
            let id = RequestId::generate();
            let fetched = self.fetch(&ask, &id).instrument(id.span()).await;
            recovered(fetched.is_ok(), asking.len());
            match fetched {
                Ok(answer) => {
                    lock(&self.links).failures.remove(&ask.uri);
                    let answer = Arc::new(answer);
                    self.tell(asking, |ids| Command::Answered { ids, answer: Arc::clone(&answer) });
                }
                Err(error) => {
                    let pause = self.pause_after_failure(&ask.uri);
                    debug!(request.id = %id, link = %ask.uri, %error, ?pause, "a next link was not answered; streams stay, and ask again");
                    let again = Instant::now() + pause;
                    self.tell(asking, |ids| Command::Unanswered { ids, again });
                }
            }
        }
    }

    async fn fetch(&self, ask: &Ask, id: &RequestId) -> Result<Answer, FetchError> {
        let (headers, body) = self.backend.get(Purpose::Recovery, id, &ask.uri, &ask.host, &ask.last).await?;
        let then = (|| -> Result<Then, AnswerError> {
            let base = Base { host: &ask.host, uri: &ask.uri, backend: self.backend.address() };
            Ok(Then::new(Instructions::parse(&headers)?, &base)?)
        })();
        let then = then.unwrap_or_else(|error| {
            warn!(link = %ask.uri, "a next link was answered with what cannot be followed, and its streams end: {error}");
            Then::End
        });
        Ok(Answer { body: Frame::new(&body), then })
    }

    fn tell(&self, asking: Vec<(usize, SessionId)>, command: impl Fn(Vec<SessionId>) -> Command) {
        let mut by_shard: HashMap<usize, Vec<SessionId>> = HashMap::new();
        for (shard, id) in asking {
            by_shard.entry(shard).or_default().push(id);
        }
        for (shard, ids) in by_shard {
            self.shards[shard].send(command(ids));
        }
    }

    fn pause_after_failure(&self, uri: &Arc<str>) -> Duration {
        let mut links = lock(&self.links);
        let failures = links.failures.entry(Arc::clone(uri)).or_default();
        let pause = SHORTEST_PAUSE.saturating_mul(1 << (*failures).min(4)).min(LONGEST_PAUSE);
        *failures += 1;
        pause + Duration::from_secs_f64(rand::random_range(0.0..1.0))
    }

    /// When a stream with this link asks it without being told to: together with all others that have it.
    pub(in crate::edge) fn recheck_at(&self, link: &Link, now: Instant) -> Instant {
        let Links { recheck, tidy_at, failures } = &mut *lock(&self.links);
        if recheck.len() >= (*tidy_at).max(KEPT_TIMES) {
            recheck.retain(|_, at| *at > now);
            failures.retain(|uri, _| recheck.contains_key(uri));
            *tidy_at = recheck.len() * 2;
        }
        let latest = now + link.recheck;
        let at = recheck.entry(Arc::clone(&link.uri)).or_insert(now);
        if *at <= now || *at > latest {
            *at = now + link.recheck.mul_f64(1.0 - rand::random_range(0.0..SPREAD));
        }
        *at
    }

    /// Tells the backend that a client has gone: once, and if it is not heard nobody says it again.
    pub(in crate::edge) fn tell_gone(self: &Arc<Self>, uri: Arc<str>, host: HeaderValue) {
        let recoveries = Arc::clone(self);
        tokio::spawn(async move {
            // The semaphore is never closed.
            let _slot = recoveries.gone_slots.acquire().await;
            if let Err(error) = recoveries.backend.post_nothing(&uri, &host).await {
                debug!(link = %uri, %error, "the backend did not hear that a client has gone");
            }
        });
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // What is in it is whole after every statement.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
