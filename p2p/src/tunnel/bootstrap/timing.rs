//! Times of the bootstrap.

use std::time::Duration;

/// A secret makes cookies for this time, and they are accepted for as long again.
pub const COOKIE_EPOCH: Duration = Duration::from_secs(120);
/// A question is given up after this time without progress.
pub const PATIENCE: Duration = Duration::from_secs(10);
/// A question is repeated after this time at first, and after twice the time before from then on.
pub(super) const REPEAT_FIRST: Duration = Duration::from_millis(250);
/// The longest time between two repetitions.
pub(super) const REPEAT_LAST: Duration = Duration::from_secs(2);

/// The time until a question is sent again that was sent `sent` times.
pub(super) fn repeat_after(sent: u32) -> Duration {
    REPEAT_FIRST.saturating_mul(1 << sent.saturating_sub(1).min(8)).min(REPEAT_LAST)
}
