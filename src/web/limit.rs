//! How often one client may post.

use std::{
    hash::{BuildHasher as _, RandomState},
    net::{IpAddr, Ipv4Addr, SocketAddr},
    num::NonZeroU32,
    sync::atomic::{AtomicBool, AtomicUsize, Ordering},
    time::Duration,
};

use axum::extract::ConnectInfo;
use governor::{
    Quota, RateLimiter,
    clock::{Clock as _, DefaultClock},
    middleware::NoOpMiddleware,
    state::keyed::HashMapStateStore,
};
use http::{HeaderMap, request::Parts};
use tracing::warn;

use crate::{
    forwarded::{ClientId, TrustedProxies},
    grip::Trust,
};

/// Buckets that are in use before those that are full again are forgotten for the first time.
const FEW: usize = 1_024;

/// Which bucket a client draws from. There are 65,536, so that the table of them has a bound, whoever asks: two of very
/// many clients may share one, but nobody can choose with whom, since each process draws its own hash.
type Bucket = u16;

/// How often a client may post: a number that replenishes in every second, up to a burst.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PostRate {
    /// Posts in a second.
    pub rate: NonZeroU32,
    /// Posts at once, after a pause.
    pub burst: NonZeroU32,
}

type Buckets = RateLimiter<Bucket, HashMapStateStore<Bucket>, DefaultClock, NoOpMiddleware>;

/// Token buckets by client.
pub struct PostLimit {
    buckets: Option<Buckets>,
    clock: DefaultClock,
    hash: RandomState,
    /// With so many buckets those that are full are forgotten.
    sweep_at: AtomicUsize,
    trusted: TrustedProxies,
    warned: AtomicBool,
}

impl PostLimit {
    /// With a rate, or without a limit.
    pub fn new(rate: Option<PostRate>, trusted: TrustedProxies) -> Self {
        let buckets = rate.map(|PostRate { rate, burst }| {
            RateLimiter::hashmap_with_clock(Quota::per_second(rate).allow_burst(burst), DefaultClock::default())
        });
        let (clock, warned) = (DefaultClock::default(), AtomicBool::new(false));
        Self { buckets, clock, hash: RandomState::new(), sweep_at: AtomicUsize::new(FEW), trusted, warned }
    }

    /// Takes a post from its client's bucket, or tells how long it takes until there is one.
    pub(super) fn admit(&self, trust: &Trust, request: &Parts) -> Result<(), Duration> {
        let Some(buckets) = &self.buckets else { return Ok(()) };
        let peer = request.extensions.get::<ConnectInfo<SocketAddr>>().map(|ConnectInfo(peer)| peer.ip());
        // Every request has one; were it not so, they would all be one client's.
        let peer = peer.unwrap_or(Ipv4Addr::UNSPECIFIED.into());
        let Some(client) = self.client(trust, peer, &request.headers) else { return Ok(()) };
        self.take(buckets, client.into())
    }

    /// The client, where it can be told. A proxy is trusted by its address or by a signature that holds.
    fn client(&self, trust: &Trust, peer: IpAddr, headers: &HeaderMap) -> Option<IpAddr> {
        let proxied = trust.check(headers).is_ok();
        if !(proxied && trust.verifies() || self.trusted.contains(peer)) {
            return Some(peer);
        }
        let named = self.trusted.forwarded_client(headers);
        if proxied && named.is_none() {
            // All who chat through this proxy would be one client.
            if !self.warned.swap(true, Ordering::Relaxed) {
                warn!(
                    "a GRIP proxy does not say for whom it asks, so that posts through it are not limited; have it \
                       add X-Forwarded-For (Pushpin: x_forwarded_for=truncate:0,append)"
                );
            }
            return None;
        }
        Some(named.unwrap_or(peer))
    }

    fn take(&self, buckets: &Buckets, client: ClientId) -> Result<(), Duration> {
        let used = buckets.len();
        if used >= self.sweep_at.load(Ordering::Relaxed) {
            buckets.retain_recent();
            buckets.shrink_to_fit();
            // So that a look at all of them is paid for by as many that are new.
            self.sweep_at.store((buckets.len() * 2).max(FEW), Ordering::Relaxed);
        }
        let [low, high, ..] = self.hash.hash_one(client).to_le_bytes();
        buckets.check_key(&Bucket::from_le_bytes([low, high])).map_err(|until| until.wait_time_from(self.clock.now()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limit(rate: u32, burst: u32) -> PostLimit {
        let [rate, burst] = [rate, burst].map(|n| NonZeroU32::new(n).unwrap());
        PostLimit::new(Some(PostRate { rate, burst }), TrustedProxies::default())
    }

    fn from(n: u32) -> ClientId {
        IpAddr::from(Ipv4Addr::from_bits(n)).into()
    }

    impl PostLimit {
        fn post(&self, client: ClientId) -> Result<(), Duration> {
            self.take(self.buckets.as_ref().unwrap(), client)
        }
    }

    #[test]
    fn a_burst_is_taken_and_then_the_rate_holds_for_each_client_alone() {
        let limit = limit(1, 3);
        assert!((0..3).all(|_| limit.post(from(1)).is_ok()));
        let wait = limit.post(from(1)).unwrap_err();
        assert!(wait > Duration::from_millis(500) && wait <= Duration::from_secs(1), "{wait:?}");
        assert!(limit.post(from(2)).is_ok());
    }

    #[test]
    fn a_bucket_fills_again() {
        let limit = limit(20, 1);
        assert!(limit.post(from(1)).is_ok());
        let wait = limit.post(from(1)).unwrap_err();
        std::thread::sleep(wait);
        assert!(limit.post(from(1)).is_ok());
    }

    #[test]
    fn who_has_long_been_quiet_is_forgotten() {
        // A bucket is full again after a millisecond, long before so many have posted.
        let limit = limit(1_000, 1);
        for n in 0..100_000 {
            let _ = limit.post(from(n));
        }
        std::thread::sleep(Duration::from_millis(20));
        limit.sweep_at.store(0, Ordering::Relaxed);
        limit.post(from(0)).unwrap();
        assert_eq!(limit.buckets.as_ref().unwrap().len(), 1);
    }

    #[test]
    fn the_table_has_a_bound() {
        // No bucket is full again while this runs.
        let limit = limit(1, 1_000);
        for n in 0..300_000 {
            let _ = limit.post(from(n));
        }
        assert!(limit.buckets.as_ref().unwrap().len() <= 65_536);
    }
}
