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
    let mut hasher = blake3::Hasher::new();
    hasher.update(&from.to_bytes()).update(&to.to_bytes()).update(&failures.to_be_bytes());
    let spread = u32::from(hasher.finalize().as_bytes()[0]);
    wait + wait * spread / 1_024
}
