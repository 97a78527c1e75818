//! Which InitHellos are worth a decapsulation. Decided before anything dear is computed, on what is cheap to check.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use super::limits::Limits;
use super::timing::LOAD_WINDOW;
use crate::tunnel::meter::Rate;

/// What becomes of an InitHello.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Admittance {
    /// It is answered.
    Granted,
    /// It gets a CookieReply.
    NeedsCookie,
    /// Its network has had its share.
    SourceOverRate,
    /// We have done what we may in this time.
    Exhausted,
}

/// Counts InitHellos: of each network, and all.
pub(super) struct Admission {
    limits: Limits,
    all: Duration,
    cookies: Duration,
    sources: BTreeMap<IpAddr, Duration>,
    loaded_until: Duration,
}

impl Admission {
    pub(super) fn new(limits: Limits) -> Self {
        let zero = Duration::ZERO;
        Self { limits, all: zero, cookies: zero, sources: BTreeMap::new(), loaded_until: zero }
    }

    /// The caller's queue is long.
    pub(super) fn note_load(&mut self, now: Duration) {
        self.loaded_until = now.saturating_add(LOAD_WINDOW);
    }

    /// Whether InitHellos need a cookie now.
    pub(super) fn is_loaded(&self, now: Duration) -> bool {
        now < self.loaded_until || self.all_rate().is_half_used(self.all, now)
    }

    /// Judges an InitHello that has a right mac. `has_cookie` is asked under load only.
    pub(super) fn judge(&mut self, now: Duration, from: SocketAddr, has_cookie: impl FnOnce() -> bool) -> Admittance {
        if self.is_loaded(now) && !has_cookie() {
            let rate = Rate::per_second(self.limits.cookies_per_second, self.limits.cookies_per_second);
            return if rate.take(&mut self.cookies, now) { Admittance::NeedsCookie } else { Admittance::Exhausted };
        }
        if !self.take_from_source(now, from) {
            return Admittance::SourceOverRate;
        }
        if self.all_rate().take(&mut self.all, now) { Admittance::Granted } else { Admittance::Exhausted }
    }

    fn all_rate(&self) -> Rate {
        Rate::per_second(self.limits.hellos_per_second, self.limits.hellos_at_once)
    }

    fn take_from_source(&mut self, now: Duration, from: SocketAddr) -> bool {
        let source = network(from.ip());
        if !self.sources.contains_key(&source) && self.sources.len() >= self.limits.sources.max(1) {
            self.make_room(now);
        }
        let rate = Rate::per_second(self.limits.source_per_second, self.limits.source_at_once);
        rate.take(self.sources.entry(source).or_default(), now)
    }

    fn make_room(&mut self, now: Duration) {
        self.sources.retain(|_, until| *until > now);
        if self.sources.len() >= self.limits.sources.max(1) {
            // Forget whoever has used least: that gives the least away.
            let least = self.sources.iter().min_by_key(|(_, until)| **until).map(|(source, _)| *source);
            least.and_then(|source| self.sources.remove(&source));
        }
    }

    #[cfg(test)]
    pub(super) fn sources(&self) -> usize {
        self.sources.len()
    }
}

/// An IPv4 address, or the first 64 bits of an IPv6 address: what one owner has at least.
fn network(ip: IpAddr) -> IpAddr {
    match ip.to_canonical() {
        IpAddr::V6(ip) => Ipv6Addr::from_bits(ip.to_bits() >> 64 << 64).into(),
        v4 => v4,
    }
}
