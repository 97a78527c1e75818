//! Rates, one number each, and one for each network.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::time::Duration;

/// Lets `burst` pass at once and one more every `interval` (the generic cell rate algorithm). What has passed is the time at which it is forgotten, so
/// that a fresh meter is a zero.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Rate {
    pub interval: Duration,
    pub burst: u32,
}

impl Rate {
    /// So many in a second, and at once.
    pub(crate) fn per_second(rate: u32, burst: u32) -> Self {
        Self { interval: Duration::from_secs(1) / rate.max(1), burst: burst.max(1) }
    }

    /// Takes one, or answers `false`.
    pub(crate) fn take(self, until: &mut Duration, now: Duration) -> bool {
        let next = (*until).max(now).saturating_add(self.interval);
        let room = now.saturating_add(self.interval.saturating_mul(self.burst));
        if next <= room {
            *until = next;
        }
        next <= room
    }

    /// Whether more than half of the burst has been used.
    pub(crate) fn is_half_used(self, until: Duration, now: Duration) -> bool {
        until.saturating_sub(now) > self.interval.saturating_mul(self.burst) / 2
    }
}

/// How much of a rate each network has taken: an IPv4 address, or the first 64 bits of an IPv6 address, which is what one owner has at least. Bounded.
#[derive(Debug)]
pub(crate) struct Networks {
    rate: Rate,
    most: usize,
    taken: BTreeMap<IpAddr, Duration>,
}

impl Networks {
    /// At most so many are counted at the same time.
    pub(crate) fn new(rate: Rate, most: usize) -> Self {
        Self { rate, most: most.max(1), taken: BTreeMap::new() }
    }

    /// Takes one for the network of an address, or answers `false`.
    pub(crate) fn take(&mut self, now: Duration, from: SocketAddr) -> bool {
        let network = match from.ip().to_canonical() {
            IpAddr::V6(ip) => Ipv6Addr::from_bits(ip.to_bits() >> 64 << 64).into(),
            v4 => v4,
        };
        if !self.taken.contains_key(&network) && self.taken.len() >= self.most {
            self.make_room(now);
        }
        self.rate.take(self.taken.entry(network).or_default(), now)
    }

    fn make_room(&mut self, now: Duration) {
        self.taken.retain(|_, until| *until > now);
        if self.taken.len() >= self.most {
            // Forget whoever has used least: that gives the least away.
            let least = self.taken.iter().min_by_key(|(_, until)| **until).map(|(network, _)| *network);
            least.and_then(|network| self.taken.remove(&network));
        }
    }

    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.taken.len()
    }
}
