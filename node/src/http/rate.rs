//! A token bucket per client address, in bounded memory.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Clients remembered at once; above it the full buckets are forgotten first.
const MAX_CLIENTS: usize = 4_096;

/// Lets each client take `rate` requests per second, with bursts of twice that.
#[derive(Debug)]
pub struct RateLimiter {
    rate: f64,
    burst: f64,
    clients: Mutex<HashMap<IpAddr, Bucket>>,
}

#[derive(Clone, Copy, Debug)]
struct Bucket {
    tokens: f64,
    filled: Instant,
}

impl RateLimiter {
    /// A limiter; `None` for a rate of 0, which means no limit.
    pub fn new(rate: u64) -> Option<Self> {
        let rate = rate as f64;
        (rate > 0.0).then(|| Self { rate, burst: (2.0 * rate).max(10.0), clients: Mutex::default() })
    }

    /// Takes one request of `client` at `now`, or says how long it must wait. IPv6 clients are counted by their /64.
    pub fn take(&self, client: IpAddr, now: Instant) -> Result<(), Duration> {
        let mut clients = self.clients.lock().unwrap_or_else(PoisonError::into_inner);
        if clients.len() >= MAX_CLIENTS {
            clients.retain(|_, bucket| self.level(bucket, now) < self.burst);
            if clients.len() >= MAX_CLIENTS {
                clients.clear();
            }
        }
        let bucket = clients.entry(network(client)).or_insert(Bucket { tokens: self.burst, filled: now });
        bucket.tokens = self.level(bucket, now);
        bucket.filled = now;
        if bucket.tokens >= 1.0 {
            bucket.tokens -= 1.0;
            return Ok(());
        }
        Err(Duration::from_secs_f64((1.0 - bucket.tokens) / self.rate))
    }

    fn level(&self, bucket: &Bucket, now: Instant) -> f64 {
        let passed = now.saturating_duration_since(bucket.filled).as_secs_f64();
        (bucket.tokens + passed * self.rate).min(self.burst)
    }
}

/// The network that counts as one client.
pub(super) fn network(client: IpAddr) -> IpAddr {
    match client {
        IpAddr::V4(_) => client,
        IpAddr::V6(address) => {
            let mut segments = address.segments();
            segments[4..].fill(0);
            IpAddr::V6(segments.into())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_waits_when_its_bucket_is_empty_and_others_do_not() {
        let limiter = RateLimiter::new(10).unwrap();
        let start = Instant::now();
        let (a, b): (IpAddr, IpAddr) = ("127.0.0.1".parse().unwrap(), "127.0.0.2".parse().unwrap());
        assert_eq!((0..100).filter(|_| limiter.take(a, start).is_ok()).count(), 20);
        let wait = limiter.take(a, start).unwrap_err();
        assert_eq!(wait.as_millis(), 100);
        assert!(limiter.take(b, start).is_ok());
        assert!(limiter.take(a, start + wait).is_ok());
        assert!(limiter.take(a, start + wait).is_err());
    }

    #[test]
    fn zero_is_no_limit_and_memory_is_bounded() {
        assert!(RateLimiter::new(0).is_none());
        let limiter = RateLimiter::new(1).unwrap();
        let now = Instant::now();
        for n in 0..3 * MAX_CLIENTS as u32 {
            let _ = limiter.take(IpAddr::V4(n.into()), now);
        }
        assert!(limiter.clients.lock().unwrap().len() <= MAX_CLIENTS);
    }

    #[test]
    fn one_ipv6_network_is_one_client() {
        let limiter = RateLimiter::new(1).unwrap();
        let now = Instant::now();
        let taken =
            (0..100u16).filter(|n| limiter.take(format!("2001:db8::{n:x}").parse().unwrap(), now).is_ok()).count();
        assert_eq!(taken, 10);
    }
}
