//! Clocks and percentiles.

use std::hint::black_box;
use std::time::{Duration, Instant};

/// Shortest round of calls that is timed: long beside the clock's own cost, short beside a scheduler's time slice, so that
/// among many rounds there are some that nothing interrupted.
const ROUND: Duration = Duration::from_millis(1);

/// Nanoseconds of one call of `work`, which gets the number of the call: the least of many rounds over `time`. The least and
/// not the mean, since what other programs take away only ever adds.
pub fn ns_per_call<T>(time: Duration, mut work: impl FnMut(u64) -> T) -> f64 {
    let mut calls = 0_u64;
    let mut round = |count: u64| {
        let started = Instant::now();
        for _ in 0..count {
            black_box(work(black_box(calls)));
            calls += 1;
        }
        started.elapsed()
    };
    // Doubling finds the size of a round, and warms up. An interruption may end it too early: then it goes on below.
    let mut count = 1_u64;
    while round(count) < ROUND {
        count = count.saturating_mul(2);
    }
    let started = Instant::now();
    let mut least = round(count);
    while started.elapsed() < time {
        if least < ROUND / 4 {
            count = count.saturating_mul(2);
            least = round(count);
        }
        least = least.min(round(count));
    }
    least.as_nanos() as f64 / count as f64
}

/// Times of single events, for percentiles.
#[derive(Debug, Clone, Default)]
pub struct Times(Vec<Duration>);

impl Times {
    /// Those times.
    pub fn new(mut times: Vec<Duration>) -> Self {
        times.sort_unstable();
        Self(times)
    }

    /// How many.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// The time that `share` percent do not exceed (nearest rank), in milliseconds; 0 without any.
    pub fn percentile_ms(&self, share: f64) -> f64 {
        let rank = (share / 100.0 * self.0.len() as f64).ceil() as usize;
        self.0.get(rank.saturating_sub(1)).map_or(0.0, |time| millis(*time))
    }

    /// Their mean, in milliseconds; 0 without any.
    pub fn mean_ms(&self) -> f64 {
        let sum: Duration = self.0.iter().sum();
        if self.0.is_empty() { 0.0 } else { millis(sum) / self.0.len() as f64 }
    }
}

/// Milliseconds of a time.
pub fn millis(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_nearest_rank() {
        let times = Times::new((1..=100).rev().map(Duration::from_millis).collect());
        assert_eq!(
            (times.percentile_ms(50.0), times.percentile_ms(99.0), times.percentile_ms(100.0)),
            (50.0, 99.0, 100.0)
        );
        assert_eq!((times.len(), times.mean_ms()), (100, 50.5));
        let none = Times::new(Vec::new());
        assert_eq!((none.percentile_ms(50.0), none.mean_ms()), (0.0, 0.0));
        assert_eq!(Times::new(vec![Duration::from_millis(7)]).percentile_ms(1.0), 7.0);
    }

    #[test]
    fn a_call_that_sleeps_takes_its_time() {
        let mut calls = 0;
        let ns = ns_per_call(Duration::from_millis(4), |number| {
            assert_eq!(number, calls);
            calls += 1;
            std::thread::sleep(Duration::from_millis(1));
        });
        assert!(ns >= 1e6, "{ns}");
    }
}
