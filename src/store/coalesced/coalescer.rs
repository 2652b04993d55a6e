//! Callers who want the same at the same time: gathered, and served together.
//!
//! Who comes while others are being served is not served with them: what they get may be older than something the
//! newcomer knows of. It waits for the next batch. A batch begins when the one before it is served, or has taken
//! [`LONGEST`], and then not sooner than the size of the crowd allows.

use std::{
    collections::{HashMap, hash_map::Entry},
    future::Future,
    hash::Hash,
    mem,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::time::{Instant, sleep, sleep_until};

/// For each caller of a batch, so long passes from its begin to that of the next: only where more than a hundred callers
/// a second want the same does anybody wait. One alone never does.
const PER_CALLER: Duration = Duration::from_millis(10);
/// The longest wait for a batch to begin: a storm of ten seconds is ten of them, and those it takes to be known as one.
const LONGEST: Duration = Duration::from_secs(1);
/// A crowd comes in waves: the wait is longer than the last batch alone would have it, and shrinks by so much a batch.
const CALMING: Duration = Duration::from_millis(100);

/// RequestCoalescer by what they want. A handle: clones are one.
///
/// A crowd is there as long as somebody of it waits or is being served, or its next batch would have to wait. It holds as
/// many callers as there are; those who have gone are left out when their turn comes.
pub(super) struct RequestCoalescer<K, C> {
    waiting: Arc<Mutex<HashMap<K, Vec<C>>>>,
}

/// Somebody who waits.
pub(super) trait Caller: Send + 'static {
    /// Whether the caller has stopped waiting.
    fn has_gone(&self) -> bool;
}

impl<K, C> Clone for RequestCoalescer<K, C> {
    fn clone(&self) -> Self {
        Self { waiting: Arc::clone(&self.waiting) }
    }
}

impl<K, C> Default for RequestCoalescer<K, C> {
    fn default() -> Self {
        Self { waiting: Arc::default() }
    }
}

impl<K: Clone + Eq + Hash + Send + 'static, C: Caller> RequestCoalescer<K, C> {
    /// Lets somebody wait for the next batch, which `serve` is called with. All callers of a crowd bring a function that
    /// does the same.
    pub(super) fn join<Served>(&self, wanted: K, caller: C, serve: impl Fn(Vec<C>) -> Served + Send + 'static)
    where
        Served: Future<Output = ()> + Send + 'static,
    {
        match self.lock().entry(wanted.clone()) {
            Entry::Occupied(mut crowd) => crowd.get_mut().push(caller),
            Entry::Vacant(place) => {
                place.insert(vec![caller]);
                // A task of its own: whoever comes first may go first.
                tokio::spawn(self.clone().run(wanted, serve));
            }
        }
    }

    async fn run<Served>(self, wanted: K, serve: impl Fn(Vec<C>) -> Served)
    where
        Served: Future<Output = ()> + Send + 'static,
    {
        let mut pause = Duration::ZERO;
        while let Some(batch) = self.next_batch(&wanted) {
            let began = Instant::now();
            pause = pause_behind(batch.len(), pause);
            // It goes on where it is too slow to be waited for.
            let served = tokio::spawn(serve(batch));
            tokio::select! {
                // A panic is told to the callers by what they wait for.
                _ = served => {}
                () = sleep(LONGEST) => {}
            }
            sleep_until(began + pause).await;
        }
    }

    /// Those who wait. Where nobody does, the crowd is no more, and the next caller begins another.
    fn next_batch(&self, wanted: &K) -> Option<Vec<C>> {
        let mut waiting = self.lock();
        let mut batch = waiting.get_mut(wanted).map(mem::take).unwrap_or_default();
        batch.retain(|caller| !caller.has_gone());
        if batch.is_empty() {
            waiting.remove(wanted);
            return None;
        }
        Some(batch)
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<K, Vec<C>>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How many crowds there are.
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.lock().len()
    }
}

/// How long after the begin of a batch the next one may begin, given how long it was before this one.
fn pause_behind(batch: usize, before: Duration) -> Duration {
    let others = u32::try_from(batch - 1).unwrap_or(u32::MAX);
    PER_CALLER.saturating_mul(others).max(before.saturating_sub(CALMING)).min(LONGEST)
}
