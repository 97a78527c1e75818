//! Time as consensus sees it: given by the driver, compared as integers.

use std::time::Duration;

use tendermint::Time;

/// Seconds of the time that every nil vote signs: 2026-01-01T00:00:00Z. Not 1970-01-01, which the JSON of tendermint-rs drops.
pub const NIL_TIME_SECONDS: i64 = 1_767_225_600;

/// The time that every nil vote signs, see [`NIL_TIME_SECONDS`].
pub fn nil_time() -> Time {
    Timestamp(NIL_TIME_SECONDS as u64 * 1_000_000_000).to_time()
}

/// Nanoseconds since 1970-01-01T00:00:00Z.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Timestamp(pub u64);

impl Timestamp {
    /// As the time of a header.
    pub fn to_time(self) -> Time {
        let seconds = (self.0 / 1_000_000_000) as i64;
        let nanos = (self.0 % 1_000_000_000) as u32;
        // u64 nanoseconds end in the year 2554, inside the range of `Time`; the fallback is unreachable.
        Time::from_unix_timestamp(seconds, nanos).unwrap_or_else(|_| Time::unix_epoch())
    }

    /// From a header's time; `None` before 1970 or after 2554.
    pub fn from_time(time: Time) -> Option<Self> {
        u64::try_from(time.unix_timestamp_nanos()).ok().map(Self)
    }

    /// `self + nanos`, ending at the largest value.
    pub fn saturating_add(self, nanos: u64) -> Self {
        Self(self.0.saturating_add(nanos))
    }

    /// Nanoseconds from `earlier` to `self`, 0 if the clock went backwards.
    pub fn since(self, earlier: Self) -> u64 {
        self.0.saturating_sub(earlier.0)
    }

    /// Nanoseconds as a [`Duration`].
    pub fn duration(nanos: u64) -> Duration {
        Duration::from_nanos(nanos)
    }
}

/// When a proposal without a proof-of-lock round is timely (proposer-based timestamps of CometBFT 1.0).
///
/// `now - precision - delay(round) <= time <= now + precision`. The delay grows by a tenth with each round, so that a network slower
/// than its parameters still decides, and a proposal that was kept back during a halt is too old to be voted for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TimeRule {
    /// How far honest clocks may differ, nanoseconds.
    pub precision_ns: u64,
    /// How long a proposal may travel in round 0, nanoseconds.
    pub message_delay_ns: u64,
}

impl TimeRule {
    /// The delay that is allowed in `round`: `message_delay * (10 + round) / 10`.
    pub fn delay_ns(&self, round: u32) -> u64 {
        let grown = u128::from(self.message_delay_ns) * (10 + u128::from(round)) / 10;
        u64::try_from(grown).unwrap_or(u64::MAX)
    }

    /// Whether a proposal for a block of `time` that arrives at `now` in `round` is timely.
    pub fn is_timely(&self, now: Timestamp, time: Time, round: u32) -> bool {
        let Some(time) = Timestamp::from_time(time) else { return false };
        let earliest = now.0.saturating_sub(self.precision_ns).saturating_sub(self.delay_ns(round));
        let latest = now.0.saturating_add(self.precision_ns);
        earliest <= time.0 && time.0 <= latest
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    const RULE: TimeRule = TimeRule { precision_ns: 500, message_delay_ns: 1_000 };

    #[test]
    fn bounds_are_inclusive_and_grow_with_the_round() {
        let now = Timestamp(10_000);
        let timely = |t: u64, round| RULE.is_timely(now, Timestamp(t).to_time(), round);
        assert!(timely(10_500, 0) && !timely(10_501, 0), "the future ends at now + precision");
        assert!(timely(8_500, 0) && !timely(8_499, 0), "the past ends at now - precision - delay");
        assert!(timely(8_400, 1) && !timely(8_399, 1));
        assert!(!timely(10_501, 1_000_000), "the future does not grow with the round");
        assert!(timely(0, 1_000_000));
        assert_eq!(TimeRule { precision_ns: 0, message_delay_ns: u64::MAX }.delay_ns(u32::MAX), u64::MAX);
    }

    #[test]
    fn times_before_1970_are_never_timely() {
        let old = Time::from_unix_timestamp(-1, 0).unwrap();
        assert!(!RULE.is_timely(Timestamp(0), old, 7));
        assert_eq!(Timestamp::from_time(old), None);
    }

    #[test]
    fn timestamps_convert_both_ways() {
        for ns in [0, 1, 1_767_225_600_123_456_789, u64::MAX] {
            assert_eq!(Timestamp::from_time(Timestamp(ns).to_time()), Some(Timestamp(ns)));
        }
        assert_ne!(nil_time(), Time::unix_epoch());
        assert_eq!(nil_time().unix_timestamp(), NIL_TIME_SECONDS);
    }
}
