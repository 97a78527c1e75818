//! The keyed hash and its labels (sections "Hashes" and "Labels").

use std::sync::LazyLock;

use blake2::Blake2bMac;
use blake2::digest::consts::U32;
use blake2::digest::{FixedOutput, KeyInit, Update};
use zeroize::Zeroizing;

/// A key, a hash or a label: 32 bytes, wiped on drop.
pub(super) type Key = Zeroizing<[u8; 32]>;

/// `hash(key, data)`: HMAC in shape, keyed BLAKE2b inside and out, pads of 32 bytes. Upstream meant HMAC-BLAKE2s and says so in the protocol's name;
/// what it does is this, and the whitepaper now says so too.
pub(super) fn hash(key: &[u8; 32], data: &[u8]) -> Key {
    let pad = |with: u8| Zeroizing::new(key.map(|byte| byte ^ with));
    keyed_blake2b(&pad(0x5c), keyed_blake2b(&pad(0x36), data).as_slice())
}

/// `lhash(label…)`, and `hash` with more than one argument behind a key.
pub(super) fn hash_all(key: &[u8; 32], parts: &[&[u8]]) -> Key {
    parts.iter().fold(Key::new(*key), |key, part| hash(&key, part))
}

#[allow(clippy::expect_used, reason = "a key of 32 bytes is never too long for BLAKE2b, which takes 64")]
fn keyed_blake2b(key: &[u8; 32], data: &[u8]) -> Key {
    let mut state = Blake2bMac::<U32>::new_from_slice(key).expect("32 bytes");
    state.update(data);
    Key::new(state.finalize_fixed().into())
}

/// Domain separators: one value for each use of the hash.
pub(super) struct Labels {
    pub mac: Key,
    pub cookie: Key,
    pub cookie_value: Key,
    pub cookie_key: Key,
    pub peer_id: Key,
    pub biscuit_data: Key,
    pub chain_init: Key,
    pub mix: Key,
    pub handshake_encryption: Key,
    pub responder_encryption: Key,
    pub wireguard_psk: Key,
}

/// The labels, computed once.
pub(super) static LABELS: LazyLock<Labels> = LazyLock::new(|| {
    let protocol = hash(&[0; 32], b"Rosenpass v1 mceliece460896 Kyber512 ChaChaPoly1305 BLAKE2s");
    let label = |text: &str| hash(&protocol, text.as_bytes());
    let extract = label("chaining key extract");
    Labels {
        mac: label("mac"),
        cookie: label("cookie"),
        cookie_value: label("cookie-value"),
        cookie_key: label("cookie-key"),
        peer_id: label("peer id"),
        biscuit_data: label("biscuit additional data"),
        chain_init: label("chaining key init"),
        mix: hash(&extract, b"mix"),
        handshake_encryption: hash(&extract, b"handshake encryption"),
        responder_encryption: hash(&extract, b"responder handshake encryption"),
        wireguard_psk: hash_all(&extract, &[b"user", b"rosenpass.eu", b"wireguard psk"]),
    }
});
