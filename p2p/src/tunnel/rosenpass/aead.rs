//! The two ciphers: ChaCha20-Poly1305 (RFC 8439) and XChaCha20-Poly1305, tag behind the text.

use chacha20poly1305::aead::{AeadInOut, KeyInit};
use chacha20poly1305::{ChaCha20Poly1305, Key as CipherKey, Tag, XChaCha20Poly1305};
use zeroize::Zeroize;

/// Bytes of a tag.
pub(in crate::tunnel) const TAG: usize = 16;
/// Bytes of an XChaCha20 nonce.
pub(in crate::tunnel) const LONG_NONCE: usize = 24;

fn short(key: &[u8; 32]) -> ChaCha20Poly1305 {
    let mut key = CipherKey::from(*key);
    let cipher = ChaCha20Poly1305::new(&key);
    key.zeroize();
    cipher
}

fn long(key: &[u8; 32]) -> XChaCha20Poly1305 {
    let mut key = CipherKey::from(*key);
    let cipher = XChaCha20Poly1305::new(&key);
    key.zeroize();
    cipher
}

/// Encrypts `text` in place; the tag.
pub(super) fn seal(key: &[u8; 32], nonce: [u8; 12], text: &mut [u8]) -> [u8; TAG] {
    let sealed = short(key).encrypt_inout_detached(&nonce.into(), b"", text.into());
    // Cannot fail: texts have 32 bytes at most. A tag of zeros is one that nobody accepts.
    sealed.map(Into::into).unwrap_or_default()
}

/// Decrypts `text` in place; whether the tag was right.
pub(super) fn open(key: &[u8; 32], nonce: [u8; 12], text: &mut [u8], tag: &[u8; TAG]) -> bool {
    let tag = Tag::from(*tag);
    short(key).decrypt_inout_detached(&nonce.into(), b"", text.into(), &tag).is_ok()
}

/// As [`seal`], with the long nonce and associated data.
pub(in crate::tunnel) fn seal_long(key: &[u8; 32], nonce: [u8; LONG_NONCE], ad: &[u8], text: &mut [u8]) -> [u8; TAG] {
    let sealed = long(key).encrypt_inout_detached(&nonce.into(), ad, text.into());
    // Cannot fail: texts have 14 KiB at most, and the cipher takes 256 GiB.
    sealed.map(Into::into).unwrap_or_default()
}

/// As [`open`], with the long nonce and associated data.
pub(in crate::tunnel) fn open_long(
    key: &[u8; 32],
    nonce: [u8; LONG_NONCE],
    ad: &[u8],
    text: &mut [u8],
    tag: &[u8; TAG],
) -> bool {
    let tag = Tag::from(*tag);
    long(key).decrypt_inout_detached(&nonce.into(), ad, text.into(), &tag).is_ok()
}
