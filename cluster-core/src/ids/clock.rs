//! The clocks that Scarab ids take their time from.

use rustix::time::{ClockId, clock_gettime};

#[cfg(target_os = "linux")]
const WALL: ClockId = ClockId::RealtimeCoarse;
#[cfg(not(target_os = "linux"))]
const WALL: ClockId = ClockId::Realtime;
#[cfg(target_os = "linux")]
const STEADY: ClockId = ClockId::Boottime;
#[cfg(not(target_os = "linux"))]
const STEADY: ClockId = ClockId::Monotonic;

/// Tells the time. Neither reading may block.
pub trait Clock: Send + Sync {
    /// Milliseconds since 1970-01-01T00:00:00Z, as the machine believes; may step in both directions.
    fn unix_ms(&self) -> u64;

    /// Milliseconds since any moment, by a clock that nobody sets and that goes on while the machine sleeps.
    fn steady_ms(&self) -> u64;
}

/// The operating system's clock. On Linux its coarse reading: it costs a quarter of the fine one and lags by at most one tick of the
/// kernel (1 to 10 ms).
#[derive(Debug, Default, Clone, Copy)]
pub struct CoarseClock;

impl Clock for CoarseClock {
    #[inline]
    fn unix_ms(&self) -> u64 {
        read_ms(WALL)
    }

    fn steady_ms(&self) -> u64 {
        read_ms(STEADY)
    }
}

#[inline]
fn read_ms(clock: ClockId) -> u64 {
    let time = clock_gettime(clock);
    // A clock before 1970 counts as 1970.
    let (seconds, nanoseconds) = (u64::try_from(time.tv_sec).unwrap_or(0), u64::try_from(time.tv_nsec).unwrap_or(0));
    seconds.saturating_mul(1000).saturating_add(nanoseconds / 1_000_000)
}

#[cfg(test)]
mod tests;
