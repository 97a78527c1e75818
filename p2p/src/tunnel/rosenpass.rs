//! Rosenpass without I/O: keys that a quantum computer does not give away, for WireGuard to mix into its own.
//!
//! Wire-compatible with `rosenpass` 0.2.x ("Rosenpass v1", suite BLAKE2). Section names here are those of the whitepaper
//! (<https://rosenpass.eu/whitepaper.pdf>), step names (IHI1 …) those of its figure "Message Handling Code".
//!
//! ```text
//! initiator ── InitHello 1,092 ─▶ responder     two encapsulations: static, and a fresh ephemeral key to be answered
//!           ◀─ RespHello 1,132 ──               the responder keeps nothing: its state is in the biscuit
//!   new key ── InitConf    176 ─▶ new key       the biscuit comes back
//!           ◀─ EmptyData    64 ──               ends the repetition of InitConf
//!           ◀─ CookieReply  64 ──               instead of RespHello, under load: show that you receive at your address
//! ```
//!
//! [`Rosenpass::step`] is all there is: time, randomness and an [`Input`] go in, [`Effect`]s come out. It reads no clock and no socket; whoever
//! drives it sends what it says, hands it what arrives, and calls again at the time of the last [`Effect::WakeAt`].
//!
//! **Keys.** A peer has no key until [`Effect::NewKey`], and none after [`Effect::KeyExpired`]. A key is renewed 120 s (responder) or 130 s
//! (initiator) after it was made and given up after 180 s; there is never a stand-in for a key that is missing.
//!
//! **Rules**, each with a switch in the tests that breaks it, and a test that notices:
//!
//! 1. A datagram whose mac does not name our key is dropped before anything is computed.
//! 2. A biscuit number counts once: lower ones are refused, the same one is acknowledged again and makes no key.
//! 3. A biscuit key issues for 300 s, opens for 300 s more, and is gone.
//! 4. A biscuit older than a key may be is refused, whatever its number.
//! 5. A key that is too old is reported as gone, not replaced by another value.
//! 6. Of two handshakes that cross, the one of the side with the higher [`KeyId`] holds: while its InitConf is not acknowledged, and for 5 s at most, that
//!    side leaves the other's unanswered. Without this each side may end with the other's key.
//! 7. An acknowledged InitConf voids the biscuits handed to that peer before: an InitConf of theirs that is still on its way comes from a handshake that they
//!    have dropped.
//! 8. An InitConf that is not acknowledged within 10 s leads to a new handshake: its responder may have lost the key of its biscuits.
//! 9. Under load an InitHello needs a cookie, or comes from where its peer was last proven to be.
//!
//! Rules 4 and 6 to 8 are ours; a stock peer notices nothing of them. When a stock peer acknowledges a handshake that was given up for another, a new one begins.
//!
//! **Bounds.** What strangers can cause is a table of [`Limits::sources`] entries and [`Limits::hellos_per_second`] decapsulations; everything else is per
//! peer, and peers come from the caller. Stock peers of 0.2.x cannot answer cookies: rule 9 lets them in by their address.
//!
//! **Secrets** are wiped on drop and compared in constant time.

mod admission;
pub(super) mod aead;
mod biscuit;
mod chain;
mod cookie;
mod effect;
mod endpoints;
mod handshake;
mod hash;
mod identity;
mod initiator;
mod input;
mod limits;
mod machine;
mod message;
mod peer;
mod peers;
mod responder;
mod rule;
mod session;
mod timing;

pub use effect::{Effect, OutputKey, Role};
pub use identity::KeyId;
pub use input::{Input, PeerSettings};
pub use limits::Limits;
pub use machine::Rosenpass;
pub use message::{
    COOKIE_REPLY_BYTES, EMPTY_DATA_BYTES, INIT_CONF_BYTES, INIT_HELLO_BYTES, MAX_DATAGRAM_BYTES, RESP_HELLO_BYTES,
    check_datagram, is_rosenpass,
};
pub use timing::{
    BISCUIT_EPOCH, CONFIRM_WITHIN, CONTEST, COOKIE_EPOCH, REJECT_AFTER, REKEY_AFTER_INITIATOR, REKEY_AFTER_RESPONDER,
    RETRANSMIT_ABORT, RETRANSMIT_FIRST, RETRANSMIT_LAST,
};

#[cfg(test)]
mod tests;
