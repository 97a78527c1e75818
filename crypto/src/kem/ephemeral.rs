//! Kyber512 as of round 3, for keys that live for one handshake.

use std::fmt;

use libcrux_ml_kem::kyber512;
use libcrux_ml_kem::mlkem512::{MlKem512PrivateKey, MlKem512PublicKey};
use rand_core::CryptoRng;
use zeroize::{Zeroize, Zeroizing};

use super::SharedSecret;

/// Bytes of an ephemeral public key.
pub const EPHEMERAL_PUBLIC_KEY_BYTES: usize = 800;
/// Bytes of an ephemeral ciphertext.
pub const EPHEMERAL_CIPHERTEXT_BYTES: usize = 768;
/// Bytes of an ephemeral secret key.
const SECRET_KEY_BYTES: usize = 1_632;

/// An ephemeral key pair; the secret half is wiped on drop.
pub struct EphemeralKeyPair {
    public: [u8; EPHEMERAL_PUBLIC_KEY_BYTES],
    secret: Box<MlKem512PrivateKey>,
}

impl EphemeralKeyPair {
    /// Makes a key pair from 64 bytes of `rng`: d, then z.
    #[must_use]
    pub fn generate(rng: &mut dyn CryptoRng) -> Self {
        let mut seed = Zeroizing::new([0; 64]);
        rng.fill_bytes(&mut seed[..32]);
        rng.fill_bytes(&mut seed[32..]);
        let (secret, public) = kyber512::generate_key_pair(*seed).into_parts();
        Self { public: public.into(), secret: Box::new(secret) }
    }

    /// The public half.
    #[must_use]
    pub const fn public(&self) -> &[u8; EPHEMERAL_PUBLIC_KEY_BYTES] {
        &self.public
    }

    /// The secret hidden in `ciphertext`, or one that nobody else knows.
    #[must_use]
    pub fn decapsulate(&self, ciphertext: &[u8; EPHEMERAL_CIPHERTEXT_BYTES]) -> SharedSecret {
        SharedSecret::new(kyber512::decapsulate(&self.secret, &ciphertext.into()))
    }

    #[cfg(test)]
    pub(super) fn secret_bytes(&self) -> &[u8; SECRET_KEY_BYTES] {
        self.secret.as_slice()
    }
}

impl Drop for EphemeralKeyPair {
    fn drop(&mut self) {
        self.secret[0..SECRET_KEY_BYTES].zeroize();
    }
}

impl fmt::Debug for EphemeralKeyPair {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("EphemeralKeyPair(…)")
    }
}

/// Draws a secret from 32 bytes of `rng` and hides it for the owner of `key`. Every byte string of that length is a key.
#[must_use]
pub fn encapsulate_ephemeral(
    key: &[u8; EPHEMERAL_PUBLIC_KEY_BYTES],
    rng: &mut dyn CryptoRng,
) -> ([u8; EPHEMERAL_CIPHERTEXT_BYTES], SharedSecret) {
    let mut seed = Zeroizing::new([0; 32]);
    rng.fill_bytes(seed.as_mut_slice());
    let (ciphertext, secret) = kyber512::encapsulate(&MlKem512PublicKey::from(key), *seed);
    (ciphertext.into(), SharedSecret::new(secret))
}
