//! The list of rooms, cached for some seconds.

use std::sync::Arc;

use tokio::{
    sync::Mutex,
    time::{Duration, Instant},
};

use crate::store::{Activity, Store, StoreError};

/// How long a list is reused. It is read whole, which is too expensive for every request, and it is accurate to a minute
/// anyway.
const MIN_REUSE: Duration = Duration::from_secs(5);
/// A list that took long to read is reused longer, so that at most a twentieth of the time is spent reading ...
const REUSE_FACTOR: u32 = 20;
/// ... but no list is used for longer than this.
const MAX_REUSE: Duration = Duration::from_secs(60);
/// The shortest and the longest time that a failure is reused, so that not every waiting request repeats the read. If
/// failing takes long, at most a third of the time is spent on it.
const FAILURE_REUSE: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(10));

/// A cache of the list of rooms.
#[derive(Default)]
pub(super) struct RoomListCache {
    /// Locked while the list is read, so that concurrent requests wait for the same read.
    cached: Arc<Mutex<Option<Cached>>>,
}

/// The result of the last read, and how long it is reused.
struct Cached {
    read_at: Instant,
    valid_until: Instant,
    rooms: Result<Arc<[Activity]>, StoreError>,
}

impl RoomListCache {
    pub(super) async fn rooms(&self, store: &Arc<dyn Store>) -> Result<Arc<[Activity]>, StoreError> {
        let mut cached = Arc::clone(&self.cached).lock_owned().await;
        let started = Instant::now();
        if let Some(cached) = cached.as_ref().filter(|cached| started < cached.valid_until) {
            return cached.rooms.clone();
        }
        let store = Arc::clone(store);
        // A task of its own, because the first caller may stop waiting before the others.
        let read = tokio::spawn(async move {
            let (mut rooms, mut read_at) = (store.rooms().await, started);
            let (shortest, longest) = if rooms.is_ok() { (MIN_REUSE, MAX_REUSE) } else { FAILURE_REUSE };
            let reuse = (started.elapsed() * REUSE_FACTOR).clamp(shortest, longest);
            // After a failure, an older list is better than none.
            if let (Err(_), Some(Cached { read_at: previous, rooms: Ok(known), .. })) = (&rooms, cached.take())
                && previous.elapsed() < MAX_REUSE
            {
                (rooms, read_at) = (Ok(known), previous);
            }
            *cached = Some(Cached { read_at, valid_until: Instant::now() + reuse, rooms: rooms.clone() });
            rooms
        });
        read.await.unwrap_or_else(|interrupted| Err(StoreError::Unavailable(Arc::new(interrupted))))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::Ordering::Relaxed;

    use futures_util::future::join_all;
    use tokio::time::{sleep, timeout};

    use super::*;
    use crate::store::coalesced::tests::{Model, coalesced, log};

    #[tokio::test(start_paused = true)]
    async fn concurrent_requests_for_the_list_of_rooms_share_one_read() {
        let model = Model::holding(log(9, 0, 0));
        model.millis.store(1_000, Relaxed);
        let store = coalesced(&model);
        let lists = join_all((0..100).map(|_| store.rooms())).await;
        assert!(lists.iter().all(|list| list.as_ref().is_ok_and(|rooms| rooms.len() == 1)));
        assert_eq!(model.reads(), 1);
        // The read took a second.
        sleep(REUSE_FACTOR * Duration::from_secs(1) - Duration::from_millis(1)).await;
        store.rooms().await.unwrap();
        assert_eq!(model.reads(), 1);
        model.millis.store(0, Relaxed);
        sleep(Duration::from_millis(1)).await;
        store.rooms().await.unwrap();
        assert_eq!(model.reads(), 2);
        sleep(MIN_REUSE).await;
        store.rooms().await.unwrap();
        assert_eq!(model.reads(), 3);
    }

    #[tokio::test(start_paused = true)]
    async fn a_cancelled_request_does_not_cancel_the_read_of_the_list_of_rooms() {
        let model = Model::holding(log(9, 0, 0));
        model.millis.store(1_000, Relaxed);
        let store = coalesced(&model);
        assert!(timeout(Duration::from_millis(500), store.rooms()).await.is_err());
        let started = Instant::now();
        assert_eq!(store.rooms().await.unwrap().len(), 1);
        assert_eq!((started.elapsed(), model.reads()), (Duration::from_millis(500), 1));
    }

    #[tokio::test(start_paused = true)]
    async fn a_failed_read_of_the_list_of_rooms_is_repeated_once_for_all_requests() {
        let model = Model::holding(log(9, 0, 0));
        let store = coalesced(&model);
        model.failing.store(true, Relaxed);
        let lists = join_all((0..100).map(|_| store.rooms())).await;
        assert!(lists.iter().all(|list| matches!(list, Err(StoreError::Busy))));
        assert_eq!(model.reads(), 1);
        model.failing.store(false, Relaxed);
        sleep(FAILURE_REUSE.0).await;
        assert_eq!(store.rooms().await.unwrap().len(), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn the_last_list_of_rooms_is_returned_while_it_cannot_be_read() {
        let model = Model::holding(log(9, 0, 0));
        let store = coalesced(&model);
        store.rooms().await.unwrap();
        model.failing.store(true, Relaxed);
        let started = Instant::now();
        let mut reads = model.reads();
        sleep(MIN_REUSE).await;
        while started.elapsed() < MAX_REUSE {
            assert_eq!(store.rooms().await.unwrap().len(), 1, "after {:?}", started.elapsed());
            reads += 1;
            assert_eq!(model.reads(), reads);
            sleep(FAILURE_REUSE.0).await;
        }
        assert!(matches!(store.rooms().await, Err(StoreError::Busy)));
    }

    #[tokio::test(start_paused = true)]
    async fn a_list_of_rooms_that_takes_long_to_fail_is_read_a_third_of_the_time() {
        let model = Model::holding(log(9, 0, 0));
        // It fails after half of this.
        model.millis.store(10_000, Relaxed);
        model.failing.store(true, Relaxed);
        let store = coalesced(&model);
        let started = Instant::now();
        while started.elapsed() < Duration::from_secs(150) {
            assert!(store.rooms().await.is_err());
            sleep(Duration::from_millis(100)).await;
        }
        assert!((9..=11).contains(&model.reads()), "{}", model.reads());
    }
}
