//! How much each network has asked for, and all of them.

use std::net::SocketAddr;
use std::time::Duration;

use crate::tunnel::meter::{Networks, Rate};

/// One allowance for each network, and one for all.
pub(super) struct Sources {
    each: Networks,
    all: Rate,
    taken_by_all: Duration,
}

impl Sources {
    /// So many in a second of each network, and of all; networks that are counted at the same time.
    pub(super) fn new(each: u32, all: u32, most: usize) -> Self {
        let rate = |per_second| Rate::per_second(per_second, per_second);
        Self { each: Networks::new(rate(each), most), all: rate(all), taken_by_all: Duration::ZERO }
    }

    /// Takes one for the network of an address, or answers `false`.
    pub(super) fn take(&mut self, now: Duration, from: SocketAddr) -> bool {
        self.each.take(now, from) && self.all.take(&mut self.taken_by_all, now)
    }
}
