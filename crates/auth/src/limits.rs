//! How much one address may ask: requests a second, wrong passwords a minute. Memory is bounded by who asked lately.

use std::hash::Hash;
use std::net::{IpAddr, Ipv6Addr};
use std::num::NonZeroU32;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use governor::clock::{Clock, MonotonicClock};
use governor::middleware::StateInformationMiddleware;
use governor::state::keyed::HashMapStateStore;
use governor::{Quota, RateLimiter};
use prometheus_client::metrics::counter::Counter;

/// After so many requests, addresses that were quiet are forgotten.
const CLEAN_UP_EVERY: u32 = 4096;

/// Too much; when to come again.
#[derive(Clone, Copy, Debug)]
pub struct Throttled(pub Duration);

/// All limits.
pub struct Limits {
    requests: Limiter<IpAddr>,
    failed_logins: Limiter<IpAddr>,
    throttled: Counter,
}

impl Limits {
    /// Requests that one address may send in a second, and wrong passwords that it may send in a minute.
    pub fn new(requests_per_second: NonZeroU32, failed_logins_per_minute: NonZeroU32) -> Self {
        Self {
            requests: Limiter::new(Quota::per_second(requests_per_second)),
            failed_logins: Limiter::new(Quota::per_minute(failed_logins_per_minute)),
            throttled: Counter::default(),
        }
    }

    /// Counts a request.
    pub fn request(&self, address: IpAddr) -> Result<(), Throttled> {
        self.requests.count(&network(address)).map(drop).inspect_err(|_| {
            self.throttled.inc();
        })
    }

    /// Counts a password that is not known to be right, before it is verified. How many came from there lately, without this one.
    pub fn failed_login(&self, address: IpAddr) -> Result<u32, Throttled> {
        self.failed_logins.count(&wide_network(address))
    }

    /// How many requests were held off.
    pub fn throttled(&self) -> &Counter {
        &self.throttled
    }

    /// How many addresses are remembered for their requests.
    pub fn remembered(&self) -> usize {
        self.requests.limiter.len()
    }
}

/// An IPv6 client has 2^64 addresses of its own: they count as one.
pub fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() >> 64 << 64)),
        address => address,
    }
}

/// For passwords: many a site has 2^16 networks of 2^64 addresses, and could guess from each.
pub(crate) fn wide_network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() >> 80 << 80)),
        address => address,
    }
}

/// Governor's limiter, cleaned up now and then.
struct Limiter<K: Hash + Eq + Clone> {
    limiter: RateLimiter<K, HashMapStateStore<K>, MonotonicClock, StateInformationMiddleware>,
    clock: MonotonicClock,
    counted: AtomicU32,
}

impl<K: Hash + Eq + Clone> Limiter<K> {
    fn new(quota: Quota) -> Self {
        let limiter = RateLimiter::new(quota, HashMapStateStore::default(), MonotonicClock);
        Self { limiter, clock: MonotonicClock, counted: AtomicU32::new(0) }
    }

    /// How many were counted lately, without this one.
    fn count(&self, key: &K) -> Result<u32, Throttled> {
        if self.counted.fetch_add(1, Ordering::Relaxed) % CLEAN_UP_EVERY == CLEAN_UP_EVERY - 1 {
            self.limiter.retain_recent();
            self.limiter.shrink_to_fit();
        }
        let counted = self.limiter.check_key(key);
        let counted = counted.map_err(|until| Throttled(until.wait_time_from(self.clock.now())))?;
        let left = counted.remaining_burst_capacity();
        Ok(counted.quota().burst_size().get().saturating_sub(left).saturating_sub(1))
    }
}
