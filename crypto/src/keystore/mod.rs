//! Sealed keystore files: one Ed25519 seed under a passphrase. Bytes in, bytes out; writing them to disk (mode 0600, atomically)
//! is the caller's part.
//!
//! The file is JSON. Whitespace and key order are free, unknown and duplicate keys are refused:
//!
//! ```json
//! { "format": "pyralog-keystore", "version": 1,
//!   "public_key": "…64 hex…", "address": "pyra1…",
//!   "kdf": { "name": "argon2id", "memory_kib": 65536, "iterations": 3, "parallelism": 4, "salt": "…32 hex…" },
//!   "cipher": { "name": "xchacha20-poly1305", "nonce": "…48 hex…", "ciphertext": "…96 hex…" },
//!   "checksum": "…64 hex…" }
//! ```
//!
//! - *header* = text `"pyralog/keystore/v1"`, public key 32, memory `u32`, iterations `u32`, parallelism `u32`, salt 16, nonce 24
//!   (canonical encoding).
//! - key = argon2id (RFC 9106, version 0x13, no secret, no associated data) over passphrase and salt, 32 bytes.
//! - ciphertext = XChaCha20-Poly1305 of the 32-byte seed under key and nonce with *header* as associated data: 32 bytes and the
//!   16-byte tag.
//! - checksum = SHA-256 of *header* followed by the ciphertext. It is not keyed and no protection: it tells a damaged file from
//!   a wrong passphrase.

mod file;
mod kdf;

pub use kdf::KdfParams;

use chacha20poly1305::aead::{AeadInOut, KeyInit};
use chacha20poly1305::{Tag, XChaCha20Poly1305};
use zeroize::{Zeroize, Zeroizing};

use crate::address::Address;
use crate::error::KeystoreError;
use crate::keys::{PublicKey, SigningKey};
use file::Sealed;

/// Longest keystore file that is looked at, in bytes.
pub const MAX_KEYSTORE_BYTES: usize = 4096;

/// Bytes of salt for the key derivation.
pub const SALT_BYTES: usize = 16;

/// Bytes of nonce for the cipher.
pub const NONCE_BYTES: usize = 24;

/// Seals a key into the text of a keystore file. `salt` and `nonce` are fresh random bytes that the caller draws for each
/// sealing.
///
/// # Errors
/// [`KeystoreError::OutOfMemory`].
pub fn seal(
    key: &SigningKey,
    passphrase: &[u8],
    params: KdfParams,
    salt: [u8; SALT_BYTES],
    nonce: [u8; NONCE_BYTES],
) -> Result<Vec<u8>, KeystoreError> {
    let mut sealed = Sealed { public_key: key.public_key(), params, salt, nonce, ciphertext: [0; 48] };
    let cipher = cipher(&sealed, passphrase)?;
    let mut seed = key.seed();
    let tag = cipher
        .encrypt_inout_detached(&nonce.into(), &sealed.header(), seed.as_mut_slice().into())
        .map_err(|_| KeystoreError::Damaged)?; // Cannot happen: 32 bytes are far below the cipher's limit.
    sealed.ciphertext[..32].copy_from_slice(seed.as_slice());
    sealed.ciphertext[32..].copy_from_slice(&tag);
    Ok(sealed.to_json())
}

/// Opens a keystore file. The costs named in the file are bounded ([`KdfParams::new`]) before any memory is taken.
///
/// # Errors
/// [`KeystoreError::Damaged`] where the checksum does not match, [`KeystoreError::WrongPassphrase`] where it does and decryption
/// fails, and the other variants as they say.
pub fn open(bytes: &[u8], passphrase: &[u8]) -> Result<SigningKey, KeystoreError> {
    let sealed = Sealed::from_json(bytes)?;
    let cipher = cipher(&sealed, passphrase)?;
    let mut seed = Zeroizing::new([0u8; 32]);
    seed.copy_from_slice(&sealed.ciphertext[..32]);
    let mut tag = Tag::default();
    tag.copy_from_slice(&sealed.ciphertext[32..]);
    cipher
        .decrypt_inout_detached(&sealed.nonce.into(), &sealed.header(), seed.as_mut_slice().into(), &tag)
        .map_err(|_| KeystoreError::WrongPassphrase)?;
    let key = SigningKey::from_seed(*seed);
    if key.public_key() == sealed.public_key { Ok(key) } else { Err(KeystoreError::KeyMismatch) }
}

/// What a keystore file says in the clear, without the passphrase. Nothing of it is proven until the file is opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KeystoreInfo {
    /// The public key.
    pub public_key: PublicKey,
    /// Its address.
    pub address: Address,
    /// Costs of the key derivation.
    pub params: KdfParams,
}

/// Reads the clear part of a keystore file; the checksum is verified.
///
/// # Errors
/// As [`open`], without those of decryption.
pub fn inspect(bytes: &[u8]) -> Result<KeystoreInfo, KeystoreError> {
    let Sealed { public_key, params, .. } = Sealed::from_json(bytes)?;
    Ok(KeystoreInfo { public_key, address: Address::from_key(&public_key), params })
}

fn cipher(sealed: &Sealed, passphrase: &[u8]) -> Result<XChaCha20Poly1305, KeystoreError> {
    let mut key = sealed.params.derive(passphrase, &sealed.salt)?;
    let mut cipher_key = (*key).into();
    let cipher = XChaCha20Poly1305::new(&cipher_key);
    cipher_key.zeroize();
    key.zeroize();
    Ok(cipher)
}

#[cfg(test)]
mod tests;
