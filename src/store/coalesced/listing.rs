//! The list of rooms, read for all who want it within some seconds.

use std::sync::Arc;

use tokio::{
    sync::Mutex,
    time::{Duration, Instant},
};

use super::Unfinished;
use crate::store::{Activity, Store, StoreError};

/// The list of rooms is read whole, and so not for everybody. It is exact to the minute anyway.
const LISTED_FOR: Duration = Duration::from_secs(5);
/// A long list is read the less often: no more than a twentieth of the time is spent on it ...
const SPARING: u32 = 20;
/// ... but nothing is as old as this.
const LISTED_FOR_AT_MOST: Duration = Duration::from_secs(60);
/// Who waited for a list that could not be read does not read it once more. Where that takes long, it is tried for a third
/// of the time at most.
const FAILED_FOR: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(10));

/// What is known of the list.
#[derive(Default)]
pub(super) struct Listing {
    /// Locked while it is read, so that all who want it then wait for the same.
    listed: Arc<Mutex<Option<Listed>>>,
}

/// The list of rooms as it was last read, and how long that is good enough.
struct Listed {
    read: Instant,
    until: Instant,
    rooms: Result<Arc<[Activity]>, StoreError>,
}

impl Listing {
    pub(super) async fn rooms(&self, store: &Arc<dyn Store>) -> Result<Arc<[Activity]>, StoreError> {
        let mut listed = Arc::clone(&self.listed).lock_owned().await;
        let began = Instant::now();
        if let Some(listed) = listed.as_ref().filter(|listed| began < listed.until) {
            return listed.rooms.clone();
        }
        let store = Arc::clone(store);
        // A task of its own: whoever comes first may go first.
        let read = tokio::spawn(async move {
            let (mut rooms, mut read) = (store.rooms().await, began);
            let (shortest, longest) = if rooms.is_ok() { (LISTED_FOR, LISTED_FOR_AT_MOST) } else { FAILED_FOR };
            let good_for = (began.elapsed() * SPARING).clamp(shortest, longest);
            // One that is a little old beats none.
            if let (Err(_), Some(Listed { read: before, rooms: Ok(known), .. })) = (&rooms, listed.take())
                && before.elapsed() < LISTED_FOR_AT_MOST
            {
                (rooms, read) = (Ok(known), before);
            }
            *listed = Some(Listed { read, until: Instant::now() + good_for, rooms: rooms.clone() });
            rooms
        });
        read.await.unwrap_or_else(|_| Err(StoreError::Unavailable(Arc::new(Unfinished))))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::Ordering::Relaxed;

    use futures_util::future::join_all;
    use tokio::time::{sleep, timeout};

    use super::*;
    use crate::store::coalesced::tests::{Model, log, shared};

    #[tokio::test(start_paused = true)]
    async fn the_list_of_rooms_is_read_once_for_all_who_want_it() {
        let model = Model::holding(log(9, 0, 0));
        model.millis.store(1_000, Relaxed);
        let shared = shared(&model);
        let lists = join_all((0..100).map(|_| shared.rooms())).await;
        assert!(lists.iter().all(|list| list.as_ref().is_ok_and(|rooms| rooms.len() == 1)));
        assert_eq!(model.reads(), 1);
        // It took a second.
        sleep(SPARING * Duration::from_secs(1) - Duration::from_millis(1)).await;
        shared.rooms().await.unwrap();
        assert_eq!(model.reads(), 1);
        model.millis.store(0, Relaxed);
        sleep(Duration::from_millis(1)).await;
        shared.rooms().await.unwrap();
        assert_eq!(model.reads(), 2);
        sleep(LISTED_FOR).await;
        shared.rooms().await.unwrap();
        assert_eq!(model.reads(), 3);
    }

    #[tokio::test(start_paused = true)]
    async fn whoever_goes_away_does_not_take_the_list_of_rooms_along() {
        let model = Model::holding(log(9, 0, 0));
        model.millis.store(1_000, Relaxed);
        let shared = shared(&model);
        assert!(timeout(Duration::from_millis(500), shared.rooms()).await.is_err());
        let began = Instant::now();
        assert_eq!(shared.rooms().await.unwrap().len(), 1);
        assert_eq!((began.elapsed(), model.reads()), (Duration::from_millis(500), 1));
    }

    #[tokio::test(start_paused = true)]
    async fn a_list_of_rooms_that_could_not_be_read_is_read_again_and_not_by_everybody() {
        let model = Model::holding(log(9, 0, 0));
        let shared = shared(&model);
        model.failing.store(true, Relaxed);
        let lists = join_all((0..100).map(|_| shared.rooms())).await;
        assert!(lists.iter().all(|list| matches!(list, Err(StoreError::Busy))));
        assert_eq!(model.reads(), 1);
        model.failing.store(false, Relaxed);
        sleep(FAILED_FOR.0).await;
        assert_eq!(shared.rooms().await.unwrap().len(), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn a_list_of_rooms_that_cannot_be_read_for_a_while_is_as_it_was() {
        let model = Model::holding(log(9, 0, 0));
        let shared = shared(&model);
        shared.rooms().await.unwrap();
        model.failing.store(true, Relaxed);
        let began = Instant::now();
        let mut reads = model.reads();
        sleep(LISTED_FOR).await;
        while began.elapsed() < LISTED_FOR_AT_MOST {
            assert_eq!(shared.rooms().await.unwrap().len(), 1, "after {:?}", began.elapsed());
            reads += 1;
            assert_eq!(model.reads(), reads);
            sleep(FAILED_FOR.0).await;
        }
        assert!(matches!(shared.rooms().await, Err(StoreError::Busy)));
    }

    #[tokio::test(start_paused = true)]
    async fn a_list_of_rooms_that_takes_long_to_fail_is_not_read_all_the_time() {
        let model = Model::holding(log(9, 0, 0));
        // Half of it until it fails.
        model.millis.store(10_000, Relaxed);
        model.failing.store(true, Relaxed);
        let shared = shared(&model);
        let began = Instant::now();
        while began.elapsed() < Duration::from_secs(150) {
            assert!(shared.rooms().await.is_err());
            sleep(Duration::from_millis(100)).await;
        }
        assert!((9..=11).contains(&model.reads()), "{}", model.reads());
    }
}
