//! The rate limit for posts: a token bucket for each client.

use std::{
    hash::{BuildHasher as _, RandomState},
    net::IpAddr,
    num::NonZeroU32,
    sync::{
        Once,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use governor::{
    Quota, RateLimiter,
    clock::{Clock as _, DefaultClock},
    middleware::NoOpMiddleware,
    state::keyed::HashMapStateStore,
};
use tracing::warn;

use crate::forwarded::ClientId;

/// The number of buckets at which full ones are removed for the first time.
const FIRST_SWEEP: usize = 1_024;

/// The bucket of a client. There are 65,536, which bounds the memory of the table regardless of what clients do. Two of
/// very many clients can share a bucket, but no client can choose with whom, because each process has a random hash
/// function.
type Bucket = u16;

/// How often one client may post.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PostRate {
    /// The number of posts per second, on average.
    pub rate: NonZeroU32,
    /// The number of posts in immediate succession, after a pause.
    pub burst: NonZeroU32,
}

type Buckets = RateLimiter<Bucket, HashMapStateStore<Bucket>, DefaultClock, NoOpMiddleware>;

/// The rate limit for posts: a token bucket for each client.
pub struct PostLimit {
    buckets: Buckets,
    clock: DefaultClock,
    hash: RandomState,
    /// The number of buckets at which full ones are removed.
    sweep_at: AtomicUsize,
    /// The warning that some clients are not limited.
    warned: Once,
}

impl PostLimit {
    /// Creates a limit under which no client has posted yet.
    pub fn new(PostRate { rate, burst }: PostRate) -> Self {
        let clock = DefaultClock::default();
        let buckets = RateLimiter::hashmap_with_clock(Quota::per_second(rate).allow_burst(burst), clock.clone());
        let sweep_at = AtomicUsize::new(FIRST_SWEEP);
        Self { buckets, clock, hash: RandomState::new(), sweep_at, warned: Once::new() }
    }

    /// Takes a token from the client's bucket, or returns the time until there is one.
    ///
    /// A client with an unknown address, whose GRIP proxy does not send it, is not limited: with one bucket for all of
    /// them, the clients of this proxy could lock each other out.
    pub(super) fn admit(&self, client: Option<IpAddr>) -> Result<(), Duration> {
        let Some(client) = client else {
            self.warned.call_once(|| {
                warn!(
                    "a GRIP proxy does not send the addresses of its clients, so posts through it are not limited; \
                     configure it to add X-Forwarded-For (Pushpin: x_forwarded_for=truncate:0,append)"
                );
            });
            return Ok(());
        };
        let used = self.buckets.len();
        if used >= self.sweep_at.load(Ordering::Relaxed) {
            self.buckets.retain_recent();
            self.buckets.shrink_to_fit();
            // So that the cost of a sweep is spread over at least as many new buckets as it visits.
            self.sweep_at.store((self.buckets.len() * 2).max(FIRST_SWEEP), Ordering::Relaxed);
        }
        let [low, high, ..] = self.hash.hash_one(ClientId::from(client)).to_le_bytes();
        let admitted = self.buckets.check_key(&Bucket::from_le_bytes([low, high]));
        admitted.map_err(|until| until.wait_time_from(self.clock.now()))
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    fn limit(rate: u32, burst: u32) -> PostLimit {
        let [rate, burst] = [rate, burst].map(|n| NonZeroU32::new(n).unwrap());
        PostLimit::new(PostRate { rate, burst })
    }

    fn client(n: u32) -> Option<IpAddr> {
        Some(Ipv4Addr::from_bits(n).into())
    }

    #[test]
    fn each_client_can_post_a_burst_and_then_at_the_rate() {
        let limit = limit(1, 3);
        assert!((0..3).all(|_| limit.admit(client(1)).is_ok()));
        let wait = limit.admit(client(1)).unwrap_err();
        assert!(wait > Duration::from_millis(500) && wait <= Duration::from_secs(1), "{wait:?}");
        assert!(limit.admit(client(2)).is_ok());
    }

    #[test]
    fn clients_with_unknown_addresses_are_not_limited() {
        let limit = limit(1, 1);
        assert!((0..3).all(|_| limit.admit(None).is_ok()));
    }

    #[test]
    fn a_bucket_refills() {
        let limit = limit(20, 1);
        assert!(limit.admit(client(1)).is_ok());
        let wait = limit.admit(client(1)).unwrap_err();
        std::thread::sleep(wait);
        assert!(limit.admit(client(1)).is_ok());
    }

    #[test]
    fn the_bucket_of_an_idle_client_is_removed() {
        // A bucket is full again after a millisecond, long before so many clients have posted.
        let limit = limit(1_000, 1);
        for n in 0..100_000 {
            let _ = limit.admit(client(n));
        }
        std::thread::sleep(Duration::from_millis(20));
        limit.sweep_at.store(0, Ordering::Relaxed);
        limit.admit(client(0)).unwrap();
        assert_eq!(limit.buckets.len(), 1);
    }

    #[test]
    fn the_number_of_buckets_is_bounded() {
        // No bucket is full again while this runs.
        let limit = limit(1, 1_000);
        for n in 0..300_000 {
            let _ = limit.admit(client(n));
        }
        assert!(limit.buckets.len() <= 65_536);
    }
}
