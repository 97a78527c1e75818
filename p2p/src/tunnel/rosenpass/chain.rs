//! The chaining key: the state of a handshake (section "Helper Functions").

use pyralog_crypto::kem::SharedSecret;
use zeroize::Zeroizing;

use super::aead::{self, TAG};
use super::hash::{Key, LABELS, hash};

/// Everything said so far, and every secret shared so far, in 32 bytes.
#[derive(Clone)]
pub(super) struct Chain(Key);

impl Chain {
    /// Begins at `lhash("chaining key init", spkr)`, or goes on where a biscuit ended.
    pub(super) fn new(key: Key) -> Self {
        Self(key)
    }

    /// The bytes, for a biscuit.
    pub(super) fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// `mix(data)`.
    pub(super) fn mix(&mut self, data: &[u8]) {
        self.0 = hash(&self.extract(&LABELS.mix), data);
    }

    /// `mix(pk, shk, ct)`: what `encaps_and_mix` and `decaps_and_mix` have in common.
    pub(super) fn mix_secret(&mut self, public: &[u8], secret: &SharedSecret, ciphertext: &[u8]) {
        self.mix(public);
        self.mix(secret.as_bytes());
        self.mix(ciphertext);
    }

    /// `extract_key(label)`.
    pub(super) fn extract(&self, label: &[u8; 32]) -> Key {
        hash(&self.0, label)
    }

    /// `encrypt_and_mix(text)`, with the tag behind the text.
    pub(super) fn encrypt_and_mix(&mut self, text: &[u8]) -> Vec<u8> {
        let key = self.extract(&LABELS.handshake_encryption);
        let mut sealed = text.to_vec();
        let tag = aead::seal(&key, [0; 12], &mut sealed);
        sealed.extend_from_slice(&tag);
        self.mix(&sealed);
        sealed
    }

    /// `decrypt_and_mix(sealed)`; `None` where the other side has another chaining key.
    pub(super) fn decrypt_and_mix(&mut self, sealed: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
        let key = self.extract(&LABELS.handshake_encryption);
        let (text, tag) = sealed.split_last_chunk::<TAG>()?;
        let mut text = Zeroizing::new(text.to_vec());
        if !aead::open(&key, [0; 12], &mut text, tag) {
            return None;
        }
        self.mix(sealed);
        Some(text)
    }
}
