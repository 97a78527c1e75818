//! One secret of which all keys of a node's tunnels follow.

use std::fmt;

use pyralog_crypto::error::KemError;
use pyralog_crypto::kem::{
    STATIC_PUBLIC_KEY_BYTES, STATIC_SECRET_KEY_BYTES, StaticKeyPair, StaticPublicKey, StaticSecretKey,
};
use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng;
use zeroize::Zeroizing;

use super::TunnelSecret;
use super::rosenpass::aead;

#[cfg(test)]
#[path = "seed_test.rs"]
mod tests;

/// First bytes of a kept Rosenpass pair; the last one is the version.
const MAGIC: &[u8; 8] = b"pyrarpk\x01";
/// Longest file of a kept Rosenpass pair, bytes.
pub const MAX_KEPT_PAIR_BYTES: usize = MAGIC.len() + STATIC_PUBLIC_KEY_BYTES + STATIC_SECRET_KEY_BYTES + aead::TAG;

/// 32 uniformly random bytes. WireGuard's key and Rosenpass' pair are derived from it (BLAKE3, mode `derive_key`), so that one small sealed file
/// is all that has to be kept. It is wiped when dropped and never printed.
pub struct TunnelSeed(Zeroizing<[u8; 32]>);

impl TunnelSeed {
    /// The seed itself.
    #[must_use]
    pub const fn new(bytes: Zeroizing<[u8; 32]>) -> Self {
        Self(bytes)
    }

    /// WireGuard's static secret key.
    #[must_use]
    pub fn wireguard(&self) -> TunnelSecret {
        TunnelSecret::from_bytes(&self.derive("pyralog 2026-11 tunnel: WireGuard static key"))
    }

    /// Rosenpass' static pair: about half a second of work.
    ///
    /// # Errors
    /// [`KemError::Thread`] where there is no memory for the thread that it needs.
    pub fn rosenpass(&self) -> Result<StaticKeyPair, KemError> {
        let seed = self.derive("pyralog 2026-11 tunnel: Rosenpass key generation");
        StaticKeyPair::generate(&mut ChaCha20Rng::from_seed(*seed))
    }

    /// The pair for a file, so that it need not be made at each start: magic 8, public key 524,160, secret key 13,608 encrypted with a key of this seed
    /// (XChaCha20-Poly1305, nonce 0: one seed encrypts one text), tag 16. All before the secret key is authenticated with it.
    #[must_use]
    pub fn keep(&self, pair: &StaticKeyPair) -> Vec<u8> {
        let mut out = Vec::with_capacity(MAX_KEPT_PAIR_BYTES);
        out.extend_from_slice(MAGIC);
        out.extend_from_slice(pair.public.as_bytes());
        let mut secret = Zeroizing::new(pair.secret.as_bytes().to_vec());
        let tag = aead::seal_long(&self.keeping_key(), [0; aead::LONG_NONCE], &out, &mut secret);
        out.extend_from_slice(&secret);
        out.extend_from_slice(&tag);
        out
    }

    /// What [`TunnelSeed::keep`] gave; `None` where it is of another seed, or damaged.
    #[must_use]
    pub fn kept(&self, bytes: &[u8]) -> Option<StaticKeyPair> {
        let (known, rest) = bytes.split_at_checked(MAGIC.len() + STATIC_PUBLIC_KEY_BYTES)?;
        let (secret, tag) = rest.split_at_checked(STATIC_SECRET_KEY_BYTES)?;
        let mut secret = Zeroizing::new(secret.to_vec());
        let tag = tag.try_into().ok()?;
        if !known.starts_with(MAGIC)
            || !aead::open_long(&self.keeping_key(), [0; aead::LONG_NONCE], known, &mut secret, tag)
        {
            return None;
        }
        let public = StaticPublicKey::from_bytes(known.get(MAGIC.len()..)?.to_vec()).ok()?;
        let secret = StaticSecretKey::from_bytes(std::mem::take(&mut *secret)).ok()?;
        Some(StaticKeyPair { public, secret })
    }

    fn keeping_key(&self) -> Zeroizing<[u8; 32]> {
        self.derive("pyralog 2026-11 tunnel: kept Rosenpass pair")
    }

    fn derive(&self, context: &str) -> Zeroizing<[u8; 32]> {
        Zeroizing::new(blake3::derive_key(context, &*self.0))
    }
}

impl fmt::Debug for TunnelSeed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TunnelSeed(..)")
    }
}
