//! The encapsulation with static keys, whoever computes it.

use std::fmt;
use std::sync::OnceLock;

use rand_core::CryptoRng;

use super::{FastMcEliece, PortableMcEliece, SharedSecret, StaticPublicKey, StaticSecretKey};

/// Bytes of a ciphertext: the syndrome C₀, 156, and the confirmation C₁, 32.
pub const STATIC_CIPHERTEXT_BYTES: usize = 188;

/// A ciphertext.
pub type StaticCiphertext = [u8; STATIC_CIPHERTEXT_BYTES];

/// Classic McEliece 460896 in the form "pc". Implementations give equal results for equal keys, ciphertexts and randomness.
pub trait StaticKem: fmt::Debug + Send + Sync {
    /// What computes: a word for logs and benchmarks.
    fn name(&self) -> &'static str;

    /// Draws a secret and hides it for the owner of `key` (ENCAP of the submission). Takes 384 bytes of randomness at a time, until they give 96
    /// different positions: about three times.
    fn encapsulate(&self, key: &StaticPublicKey, rng: &mut dyn CryptoRng) -> (StaticCiphertext, SharedSecret);

    /// The secret hidden in `ciphertext` (DECAP of the submission). Where it was not made for this key, or not made at all: a secret that depends on
    /// the key and the ciphertext. Constant in time.
    fn decapsulate(&self, key: &StaticSecretKey, ciphertext: &StaticCiphertext) -> SharedSecret;
}

/// The fastest implementation that this processor can run. Asked once, the same afterwards.
#[must_use]
pub fn fastest() -> &'static dyn StaticKem {
    static FAST: OnceLock<Option<FastMcEliece>> = OnceLock::new();
    match FAST.get_or_init(FastMcEliece::detect) {
        Some(fast) => fast,
        None => &PortableMcEliece,
    }
}
