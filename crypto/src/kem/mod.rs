//! Key encapsulation against quantum computers: what the tunnels' Rosenpass handshakes are made of.
//!
//! | | scheme | public key | secret key | ciphertext | shared secret |
//! |---|---|---|---|---|---|
//! | static | Classic McEliece 460896, form "pc" | 524,160 | 13,608 | 188 | 32 |
//! | ephemeral | Kyber512, round 3 | 800 | 1,632 | 768 | 32 |
//!
//! - **Static** ([`StaticKem`]): Classic McEliece of NIST's round 3 with its plaintext confirmation (C₁ = H(2, e)). Round 4 left C₁
//!   out and has 156 bytes of ciphertext; the keys are the same. Two implementations agree byte by byte: [`PortableMcEliece`], pure Rust, and
//!   [`FastMcEliece`] for x86-64 with AVX2. [`fastest`] chooses.
//! - **Ephemeral** ([`EphemeralKeyPair`]): Kyber512 as submitted to round 3, *not* ML-KEM-512 of FIPS 203. The two have equal sizes and another
//!   derivation of the secret: whoever mixes them gets different secrets and no error.
//!
//! Decapsulation never fails: of a ciphertext that nobody made for the key comes a secret that nobody else knows ("implicit rejection").
//!
//! Randomness comes in as an argument, always cryptographic. Secrets are wiped on drop, and shown by no `Debug`. Byte strings are those of the
//! submissions: nothing here has a byte order of its own.

mod ephemeral;
mod fast;
mod old_rng;
mod portable;
mod secret;
mod static_kem;
mod static_keys;

pub use ephemeral::{EPHEMERAL_CIPHERTEXT_BYTES, EPHEMERAL_PUBLIC_KEY_BYTES, EphemeralKeyPair, encapsulate_ephemeral};
pub use fast::FastMcEliece;
pub use portable::PortableMcEliece;
pub use rand_core::CryptoRng;
pub use secret::{SHARED_SECRET_BYTES, SharedSecret};
pub use static_kem::{STATIC_CIPHERTEXT_BYTES, StaticCiphertext, StaticKem, fastest};
pub use static_keys::{
    KEYGEN_STACK_BYTES, STATIC_PUBLIC_KEY_BYTES, STATIC_SECRET_KEY_BYTES, StaticKeyPair, StaticPublicKey,
    StaticSecretKey,
};

#[cfg(test)]
mod tests;
