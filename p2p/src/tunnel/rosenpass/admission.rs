//! Which InitHellos are worth a decapsulation. Decided before anything dear is computed, on what is cheap to check.

use std::net::SocketAddr;
use std::time::Duration;

use super::limits::Limits;
use super::timing::LOAD_WINDOW;
use crate::tunnel::meter::{Networks, Rate};

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
    sources: Networks,
    loaded_until: Duration,
}

impl Admission {
    pub(super) fn new(limits: Limits) -> Self {
        let zero = Duration::ZERO;
        let of_one = Rate::per_second(limits.source_per_second, limits.source_at_once);
        let sources = Networks::new(of_one, limits.sources);
        Self { limits, all: zero, cookies: zero, sources, loaded_until: zero }
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
        if !self.sources.take(now, from) {
            return Admittance::SourceOverRate;
        }
        if self.all_rate().take(&mut self.all, now) { Admittance::Granted } else { Admittance::Exhausted }
    }

    fn all_rate(&self) -> Rate {
        Rate::per_second(self.limits.hellos_per_second, self.limits.hellos_at_once)
    }

    #[cfg(test)]
    pub(super) fn sources(&self) -> usize {
        self.sources.len()
    }
}
