//! `UpdateWithChangeSet` of CometBFT's validator set.

use std::collections::BTreeMap;

use pyralog_crypto::PublicKey;

use super::{MAX_TOTAL_POWER, MAX_VALIDATORS, Validator, ValidatorAddress, ValidatorSet};
use crate::error::BlockError;

impl ValidatorSet {
    /// Applies new powers; 0 removes. A newcomer starts at -1.125 times the total power (counted after the updates and before the
    /// removals), so that nobody gains turns by leaving and coming back. On an error the set is unchanged.
    ///
    /// # Errors
    /// A key twice, a removal of somebody who is no member, nobody left, too many members, or too much power.
    pub fn update(&mut self, changes: &[(PublicKey, u64)]) -> Result<(), BlockError> {
        if changes.is_empty() {
            return Ok(());
        }
        let mut by_address = BTreeMap::new();
        for (key, power) in changes {
            if ed25519_consensus::VerificationKey::try_from(key.0).is_err() {
                return Err(BlockError::ValidatorSet("an update names a key that is no ed25519 point"));
            }
            if by_address.insert(ValidatorAddress::of(key), (*key, *power)).is_some() {
                return Err(BlockError::ValidatorSet("an update names a key twice"));
            }
        }
        if by_address.iter().any(|(address, (_, power))| *power == 0 && self.get(address).is_none()) {
            return Err(BlockError::ValidatorSet("an update removes somebody who is no member"));
        }

        let mut members: BTreeMap<ValidatorAddress, Validator> =
            self.validators.iter().map(|v| (v.address, v.clone())).collect();
        for (address, (key, power)) in by_address.iter().filter(|(_, (_, power))| *power > 0) {
            members.entry(*address).or_insert_with(|| Validator::new(*key, *power, 0)).power = *power;
        }
        let before_removals = sum(members.values());
        if before_removals > u128::from(MAX_TOTAL_POWER) {
            return Err(BlockError::ValidatorSet("the total power would exceed i64::MAX / 8"));
        }
        let newcomer = -((before_removals + (before_removals >> 3)) as i64);
        for (address, member) in &mut members {
            if self.get(address).is_none() {
                member.priority = newcomer;
            }
        }
        members.retain(|address, _| by_address.get(address).is_none_or(|(_, power)| *power > 0));
        if members.is_empty() {
            return Err(BlockError::ValidatorSet("no validator would be left"));
        }
        if members.len() > MAX_VALIDATORS {
            return Err(BlockError::ValidatorSet("there would be too many validators"));
        }

        self.total = sum(members.values()) as u64;
        self.validators = members.into_values().collect();
        self.rescale();
        self.center();
        self.validators.sort_by(|a, b| b.power.cmp(&a.power).then_with(|| a.address.cmp(&b.address)));
        if self.get(&self.proposer).is_none() {
            self.proposer = self.validators[0].address;
        }
        Ok(())
    }
}

fn sum<'a>(members: impl Iterator<Item = &'a Validator>) -> u128 {
    members.map(|v| u128::from(v.power)).sum()
}
