//! A validator set as light blocks and receipts carry it: keys and powers in CometBFT's order, nothing else.

use super::{fault::Fault, fields};
use crate::block::{MAX_TOTAL_POWER, MAX_VALIDATORS, ValidatorSet};
use pyralog_crypto::{Hash, MemoryTree, MerkleHash, PublicKey, Sha256};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// A validator's key and voting power.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ValidatorEntry {
    /// Ed25519 key, 32 bytes.
    pub public_key: PublicKey,
    /// Voting power, at least 1.
    #[serde(with = "fields::decimal")]
    pub power: u64,
}

impl ValidatorEntry {
    /// CometBFT's address: the first 20 bytes of SHA-256 of the key.
    pub fn address(&self) -> [u8; 20] {
        let mut address = [0; 20];
        address.copy_from_slice(&Sha256::digest(&self.public_key.0).0[..20]);
        address
    }

    /// The protobuf `SimpleValidator` that CometBFT hashes: field 1 the key (`PublicKey.ed25519`), field 2 the power.
    fn hash_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(47);
        bytes.extend([0x0a, 0x22, 0x0a, 0x20]);
        bytes.extend(self.public_key.0);
        bytes.push(0x10);
        let mut power = self.power;
        while power >= 0x80 {
            bytes.push((power & 0x7f) as u8 | 0x80);
            power >>= 7;
        }
        bytes.push(power as u8);
        bytes
    }
}

/// Validators by descending power, then ascending address, as CometBFT orders and hashes them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Validators(pub Vec<ValidatorEntry>);

impl Validators {
    /// Sorts `entries` into CometBFT's order and checks them.
    ///
    /// # Errors
    /// What [`Validators::check`] refuses.
    pub fn sorted(mut entries: Vec<ValidatorEntry>) -> Result<Self, Fault> {
        entries.sort_by_key(|v| (std::cmp::Reverse(v.power), v.address()));
        let set = Self(entries);
        set.check()?;
        Ok(set)
    }

    /// Checks size, order, uniqueness and powers, and returns the total power.
    ///
    /// # Errors
    /// Empty or over-long sets, power 0, a total above [`MAX_TOTAL_POWER`], another order than CometBFT's, a key twice.
    pub fn check(&self) -> Result<u64, Fault> {
        if self.0.is_empty() || self.0.len() > MAX_VALIDATORS {
            return Err(Fault::new(
                "",
                format!("holds {} validators; 1 to {MAX_VALIDATORS} are allowed", self.0.len()),
            ));
        }
        let mut total: u128 = 0;
        let mut seen = BTreeSet::new();
        let mut previous = None;
        for (i, validator) in self.0.iter().enumerate() {
            if validator.power == 0 {
                return Err(Fault::new(format!("[{i}].power"), "is zero"));
            }
            total += u128::from(validator.power);
            let address = validator.address();
            if !seen.insert(address) {
                return Err(Fault::new(format!("[{i}].public_key"), "stands twice in the set"));
            }
            let key = (std::cmp::Reverse(validator.power), address);
            if previous.is_some_and(|p| p >= key) {
                return Err(Fault::new(format!("[{i}]"), "is out of order (descending power, then ascending address)"));
            }
            previous = Some(key);
        }
        u64::try_from(total)
            .ok()
            .filter(|t| *t <= MAX_TOTAL_POWER)
            .ok_or_else(|| Fault::new("", format!("total power {total} is above {MAX_TOTAL_POWER}")))
    }

    /// CometBFT's `validators_hash`: the SHA-256 Merkle root over the `SimpleValidator` encodings, in set order.
    pub fn hash(&self) -> Hash {
        MemoryTree::<Sha256>::from_leaves(self.0.iter().map(ValidatorEntry::hash_bytes)).root()
    }

    /// Power of the validator with `public_key`, 0 for a stranger.
    pub fn power_of(&self, public_key: &PublicKey) -> u64 {
        self.0.iter().find(|v| v.public_key == *public_key).map_or(0, |v| v.power)
    }
}

impl From<&ValidatorSet> for Validators {
    fn from(set: &ValidatorSet) -> Self {
        Self(set.validators().iter().map(|v| ValidatorEntry { public_key: v.public_key, power: v.power }).collect())
    }
}

impl TryFrom<&tendermint::validator::Set> for Validators {
    type Error = Fault;

    fn try_from(set: &tendermint::validator::Set) -> Result<Self, Fault> {
        let entries =
            set.validators().iter().enumerate().map(|(i, info)| match <[u8; 32]>::try_from(info.pub_key.to_bytes()) {
                Ok(key) => Ok(ValidatorEntry { public_key: PublicKey(key), power: info.power() }),
                Err(_) => Err(Fault::new(format!("[{i}].public_key"), "is not an Ed25519 key")),
            });
        let set = Self(entries.collect::<Result<_, _>>()?);
        set.check()?;
        Ok(set)
    }
}

#[cfg(test)]
#[path = "validators_test.rs"]
mod tests;
