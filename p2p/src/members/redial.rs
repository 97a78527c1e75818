//! How long to wait before another try.

use std::time::Duration;

use libp2p::PeerId;

#[cfg(test)]
#[path = "redial_test.rs"]
mod tests;

/// `min * 2^(failures - 1)`, at most `max`, plus up to a quarter that differs by direction and try: two members that
/// dial each other do not stay in step.
pub(crate) fn backoff(min: Duration, max: Duration, failures: u32, from: &PeerId, to: &PeerId) -> Duration {
    let factor = 1u32.checked_shl(failures.saturating_sub(1)).unwrap_or(u32::MAX);
    let wait = min.saturating_mul(factor).min(max);
    let bytes = from.to_bytes().into_iter().chain(to.to_bytes());
    let spread = bytes.fold(failures, |sum, byte| sum.wrapping_mul(31).wrapping_add(u32::from(byte)));
    wait + wait * (spread % 256) / 1_024
}
