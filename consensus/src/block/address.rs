//! A validator's address.

use std::fmt;

use pyralog_crypto::PublicKey;

/// The first 20 bytes of the SHA-256 of a validator's ed25519 public key, as CometBFT derives it. Shown as upper-case hex.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct ValidatorAddress(pub [u8; 20]);

impl ValidatorAddress {
    /// The address of `key`.
    pub fn of(key: &PublicKey) -> Self {
        let digest = super::hash::sha256(&key.0);
        let mut bytes = [0; 20];
        bytes.copy_from_slice(&digest[..20]);
        Self(bytes)
    }
}

impl From<tendermint::account::Id> for ValidatorAddress {
    fn from(id: tendermint::account::Id) -> Self {
        let mut bytes = [0; 20];
        bytes.copy_from_slice(id.as_bytes());
        Self(bytes)
    }
}

impl From<ValidatorAddress> for tendermint::account::Id {
    fn from(address: ValidatorAddress) -> Self {
        Self::new(address.0)
    }
}

impl fmt::Display for ValidatorAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode_upper(self.0))
    }
}

impl fmt::Debug for ValidatorAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode_upper(&self.0[..4]))
    }
}
