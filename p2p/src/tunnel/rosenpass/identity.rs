//! A static public key, and what the protocol derives from it.

use std::fmt;

use pyralog_crypto::kem::StaticPublicKey;

use super::hash::{Key, LABELS, hash};

/// `pid`: the hash of a static public key, by which Rosenpass names its owner. 32 bytes; shown as hexadecimal.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyId(pub [u8; 32]);

impl KeyId {
    /// The id of a key. Hashes half a MiB.
    #[must_use]
    pub fn of(key: &StaticPublicKey) -> Self {
        Self(*hash(&LABELS.peer_id, key.as_bytes()))
    }
}

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KeyId({self})")
    }
}

/// A public key with its hashes, so that half a MiB is hashed once for each.
pub(super) struct Identity {
    pub public: StaticPublicKey,
    pub id: KeyId,
    /// `lhash("mac", pk)`.
    pub mac: Key,
    /// `lhash("cookie-key", pk)`.
    pub cookie: Key,
    /// `lhash("chaining key init", pk)`.
    pub chain: Key,
}

impl Identity {
    pub(super) fn new(public: StaticPublicKey) -> Self {
        let of = |label: &Key| hash(label, public.as_bytes());
        let id = KeyId::of(&public);
        Self { id, mac: of(&LABELS.mac), cookie: of(&LABELS.cookie_key), chain: of(&LABELS.chain_init), public }
    }
}
