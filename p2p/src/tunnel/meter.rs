//! Rates, one number each.

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
