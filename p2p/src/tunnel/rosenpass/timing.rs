//! Times of the protocol (section "Timers"), and of the rules that are ours.

use std::time::Duration;

use rand_core::CryptoRng;

/// A key that we answered for is renewed after this time.
pub const REKEY_AFTER_RESPONDER: Duration = Duration::from_secs(120);
/// A key that we began is renewed after this time: later, so that the sides take turns.
pub const REKEY_AFTER_INITIATOR: Duration = Duration::from_secs(130);
/// A key is given up after this time, and a biscuit refused.
pub const REJECT_AFTER: Duration = Duration::from_secs(180);
/// A biscuit key issues for this time, and opens for as long again.
pub const BISCUIT_EPOCH: Duration = Duration::from_secs(300);
/// A cookie secret issues for this time, and is accepted for as long again; a cookie received is used for this time.
pub const COOKIE_EPOCH: Duration = Duration::from_secs(120);
/// Least delay before a datagram is repeated, doubled each time.
pub const RETRANSMIT_FIRST: Duration = Duration::from_millis(500);
/// Greatest delay before a datagram is repeated.
pub const RETRANSMIT_LAST: Duration = Duration::from_secs(10);
/// A handshake is given up after this time; the next one begins at once.
pub const RETRANSMIT_ABORT: Duration = Duration::from_secs(120);
/// An InitConf that is not acknowledged within this time leads to a new handshake (rule 8).
pub const CONFIRM_WITHIN: Duration = Duration::from_secs(10);
/// How long the side with the higher key id leaves the other's InitConf unanswered (rule 6).
pub const CONTEST: Duration = Duration::from_secs(5);
/// How long we count as loaded after the caller said so (`LAST_UNDER_LOAD_WINDOW`).
pub(super) const LOAD_WINDOW: Duration = Duration::from_secs(1);

/// Delay before the repetition of a datagram that was sent `sent` times: the doubled least delay, times a factor drawn between 0.5 and 1, as
/// upstream draws it.
pub(super) fn retransmission_delay(sent: u32, rng: &mut dyn CryptoRng) -> Duration {
    let doubled = RETRANSMIT_FIRST.saturating_mul(1 << sent.saturating_sub(1).min(5)).min(RETRANSMIT_LAST);
    let half = doubled.as_nanos() / 2;
    let drawn = half + ((half * u128::from(rng.next_u32())) >> 32);
    Duration::from_nanos(u64::try_from(drawn).unwrap_or(u64::MAX))
}
