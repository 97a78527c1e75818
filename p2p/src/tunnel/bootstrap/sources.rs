//! How much each network has asked for, and all of them.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use crate::tunnel::meter::Rate;

/// One allowance for each network, and one for all. What has passed is the time at which it is forgotten.
pub(super) struct Sources {
    each: Rate,
    all: Rate,
    most: usize,
    taken: BTreeMap<IpAddr, Duration>,
    taken_by_all: Duration,
}

impl Sources {
    /// So many in a second of each network, and of all; networks that are counted at the same time.
    pub(super) fn new(each: u32, all: u32, most: usize) -> Self {
        let rate = |per_second| Rate::per_second(per_second, per_second);
        let (each, all) = (rate(each), rate(all));
        Self { each, all, most: most.max(1), taken: BTreeMap::new(), taken_by_all: Duration::ZERO }
    }

    /// Takes one for the network of an address, or answers `false`.
    pub(super) fn take(&mut self, now: Duration, from: SocketAddr) -> bool {
        let source = network(from.ip());
        if !self.taken.contains_key(&source) && self.taken.len() >= self.most {
            self.make_room(now);
        }
        self.each.take(self.taken.entry(source).or_default(), now) && self.all.take(&mut self.taken_by_all, now)
    }

    fn make_room(&mut self, now: Duration) {
        self.taken.retain(|_, until| *until > now);
        if self.taken.len() >= self.most {
            // Forget whoever has used least: that gives the least away.
            let least = self.taken.iter().min_by_key(|(_, until)| **until).map(|(source, _)| *source);
            least.and_then(|source| self.taken.remove(&source));
        }
    }
}

/// An IPv4 address, or the first 64 bits of an IPv6 address: what one owner has at least.
fn network(ip: IpAddr) -> IpAddr {
    match ip.to_canonical() {
        IpAddr::V6(ip) => Ipv6Addr::from_bits(ip.to_bits() >> 64 << 64).into(),
        v4 => v4,
    }
}
