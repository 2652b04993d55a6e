//! Coalescing: requests for the same value that arrive together are answered together.
//!
//! A request that arrives while a batch is being served is not added to that batch, because the batch may return data
//! older than something the requester already knows. It waits for the next batch. A batch starts when the previous one
//! is served or has run for [`MAX_PAUSE`], and not before the pause that the number of waiting requests calls for.

use std::{
    collections::{HashMap, hash_map::Entry},
    future::Future,
    hash::Hash,
    mem,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::time::{Instant, sleep, sleep_until};

/// The time from the start of a batch to the start of the next, per request of the batch after the first. So requests
/// wait only if more than a hundred per second ask for the same; a single request never waits.
const PAUSE_PER_REQUEST: Duration = Duration::from_millis(10);
/// The longest time from the start of a batch to the start of the next. A storm of ten seconds then takes ten batches, and
/// the few before the pause has grown.
const MAX_PAUSE: Duration = Duration::from_secs(1);
/// Storms come in waves, so the pause does not drop with one small batch: it shrinks by at most this much per batch.
const PAUSE_DECREASE: Duration = Duration::from_millis(100);

/// Requests by the value they ask for, which is identified by a key. Clones share the same state.
///
/// A key has an entry while its requests wait or are served, or while the pause after its last batch lasts. The number of
/// waiting requests is not limited; cancelled requests are dropped when their batch starts.
pub(super) struct RequestCoalescer<K, R> {
    waiting: Arc<Mutex<HashMap<K, Vec<R>>>>,
}

/// A request that waits for its answer.
pub(super) trait Request: Send + 'static {
    /// Whether the caller has stopped waiting.
    fn is_cancelled(&self) -> bool;
}

impl<K, R> Clone for RequestCoalescer<K, R> {
    fn clone(&self) -> Self {
        Self { waiting: Arc::clone(&self.waiting) }
    }
}

impl<K, R> Default for RequestCoalescer<K, R> {
    fn default() -> Self {
        Self { waiting: Arc::default() }
    }
}

impl<K: Clone + Eq + Hash + Send + 'static, R: Request> RequestCoalescer<K, R> {
    /// Adds a request to the next batch of its key, which is passed to `serve`. All requests with the same key must
    /// bring an equivalent function.
    pub(super) fn add<Served>(&self, key: K, request: R, serve: impl Fn(Vec<R>) -> Served + Send + 'static)
    where
        Served: Future<Output = ()> + Send + 'static,
    {
        match self.lock().entry(key.clone()) {
            Entry::Occupied(mut waiting) => waiting.get_mut().push(request),
            Entry::Vacant(entry) => {
                entry.insert(vec![request]);
                // A task of its own, because the first caller may stop waiting before the others.
                tokio::spawn(self.clone().run(key, serve));
            }
        }
    }

    async fn run<Served>(self, key: K, serve: impl Fn(Vec<R>) -> Served)
    where
        Served: Future<Output = ()> + Send + 'static,
    {
        let mut pause = Duration::ZERO;
        while let Some(batch) = self.next_batch(&key) {
            let started = Instant::now();
            pause = next_pause(batch.len(), pause);
            // The batch keeps running if it takes too long for the next batch to wait for it.
            let served = tokio::spawn(serve(batch));
            tokio::select! {
                // If it panics, the callers notice that their channels are closed.
                _ = served => {}
                () = sleep(MAX_PAUSE) => {}
            }
            sleep_until(started + pause).await;
        }
    }

    /// Takes the waiting requests. If there are none, removes the key, so that the next request starts a new task.
    fn next_batch(&self, key: &K) -> Option<Vec<R>> {
        let mut waiting = self.lock();
        let mut batch = waiting.get_mut(key).map(mem::take).unwrap_or_default();
        batch.retain(|request| !request.is_cancelled());
        if batch.is_empty() {
            waiting.remove(key);
            return None;
        }
        Some(batch)
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<K, Vec<R>>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The number of keys.
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.lock().len()
    }
}

/// The time from the start of a batch of this size to the start of the next, given the pause before this batch.
fn next_pause(batch: usize, previous: Duration) -> Duration {
    let others = u32::try_from(batch - 1).unwrap_or(u32::MAX);
    PAUSE_PER_REQUEST.saturating_mul(others).max(previous.saturating_sub(PAUSE_DECREASE)).min(MAX_PAUSE)
}
