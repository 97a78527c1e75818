//! Validators, their powers and whose turn it is to propose.

use pyralog_crypto::{
    Hash, PublicKey,
    codec::{Decode, Encode, Reader, Writer},
    error::CodecError,
};
use tendermint::{validator, vote::Power};

use super::ValidatorAddress;
use crate::error::BlockError;

/// The largest total power: `i64::MAX / 8`, CometBFT's bound. Below it no threshold computation (times 3) can overflow.
pub const MAX_TOTAL_POWER: u64 = (i64::MAX / 8) as u64;
/// The largest number of validators.
pub const MAX_VALIDATORS: usize = 512;
/// Priorities are kept within twice the total power of each other.
const PRIORITY_WINDOW: i128 = 2;

/// One validator of a set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Validator {
    /// Derived from the key.
    pub address: ValidatorAddress,
    /// ed25519.
    pub public_key: PublicKey,
    /// Voting power, at least 1.
    pub power: u64,
    /// CometBFT's `ProposerPriority`.
    pub priority: i64,
}

impl Validator {
    pub(super) fn new(public_key: PublicKey, power: u64, priority: i64) -> Self {
        Self { address: ValidatorAddress::of(&public_key), public_key, power, priority }
    }
}

/// A validator set in CometBFT's order (power descending, then address ascending) with its proposer for round 0.
///
/// The rules are those of `types/validator_set.go`: each round every priority grows by the validator's power, the largest (the smaller
/// address wins a tie) proposes and pays the total power.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ValidatorSet {
    pub(super) validators: Vec<Validator>,
    pub(super) total: u64,
    pub(super) proposer: ValidatorAddress,
}

impl ValidatorSet {
    /// The set of genesis.
    ///
    /// # Errors
    /// No validator, too many, a power of 0, a key twice, or too much power in total.
    pub fn new(members: &[(PublicKey, u64)]) -> Result<Self, BlockError> {
        if members.is_empty() || members.iter().any(|(_, power)| *power == 0) {
            return Err(BlockError::ValidatorSet("genesis has no validator, or one without power"));
        }
        let mut set = Self { validators: Vec::new(), total: 0, proposer: ValidatorAddress::default() };
        set.update(members)?;
        set.increment(1);
        Ok(set)
    }

    /// The members in order.
    pub fn validators(&self) -> &[Validator] {
        &self.validators
    }

    /// How many members.
    pub fn len(&self) -> usize {
        self.validators.len()
    }

    /// Never true of a set that was built.
    pub fn is_empty(&self) -> bool {
        self.validators.is_empty()
    }

    /// Sum of all powers.
    pub fn total_power(&self) -> u64 {
        self.total
    }

    /// Position of `address` in the order.
    pub fn index_of(&self, address: &ValidatorAddress) -> Option<usize> {
        self.validators.iter().position(|v| v.address == *address)
    }

    /// The member with `address`.
    pub fn get(&self, address: &ValidatorAddress) -> Option<&Validator> {
        self.validators.iter().find(|v| v.address == *address)
    }

    /// Whether `power` is strictly more than two thirds of the total.
    pub fn is_quorum(&self, power: u64) -> bool {
        u128::from(power) * 3 > u128::from(self.total) * 2
    }

    /// The proposer of round 0.
    pub fn proposer(&self) -> &Validator {
        // The proposer is a member of every set that was built or decoded; the first member is an unreachable fallback.
        self.get(&self.proposer).unwrap_or(&self.validators[0])
    }

    /// The proposer of `round`: a pure function of the set and the round.
    pub fn proposer_at(&self, round: u32) -> &Validator {
        if round == 0 {
            return self.proposer();
        }
        let mut later = self.clone();
        later.increment(round);
        self.get(&later.proposer).unwrap_or(&self.validators[0])
    }

    /// `IncrementProposerPriority(times)`.
    pub fn increment(&mut self, times: u32) {
        self.rescale();
        self.center();
        for _ in 0..times {
            self.advance();
        }
    }

    /// One turn: `incrementProposerPriority`.
    pub(crate) fn advance(&mut self) {
        for validator in &mut self.validators {
            // Powers are below i64::MAX / 8.
            validator.priority = validator.priority.saturating_add(validator.power as i64);
        }
        let best = self
            .validators
            .iter_mut()
            .max_by(|a, b| a.priority.cmp(&b.priority).then_with(|| b.address.cmp(&a.address)));
        if let Some(best) = best {
            best.priority = best.priority.saturating_sub(self.total as i64);
            self.proposer = best.address;
        }
    }

    /// `RescalePriorities(2 * total)`; Go's division truncates, as ours does.
    pub(super) fn rescale(&mut self) {
        let priorities = || self.validators.iter().map(|v| i128::from(v.priority));
        let (Some(max), Some(min)) = (priorities().max(), priorities().min()) else { return };
        let (spread, window) = (max - min, PRIORITY_WINDOW * i128::from(self.total));
        if window > 0 && spread > window {
            let ratio = (spread + window - 1) / window;
            for validator in &mut self.validators {
                validator.priority = (i128::from(validator.priority) / ratio) as i64;
            }
        }
    }

    /// `shiftByAvgProposerPriority`; Go's `big.Int.Div` is Euclidean.
    pub(super) fn center(&mut self) {
        if self.validators.is_empty() {
            return;
        }
        let sum: i128 = self.validators.iter().map(|v| i128::from(v.priority)).sum();
        let average = sum.div_euclid(self.validators.len() as i128) as i64;
        for validator in &mut self.validators {
            validator.priority = validator.priority.saturating_sub(average);
        }
    }

    /// `validators_hash`: keys and powers in order. Priorities are not covered (GHSA-g5xx-c4hv-9ccc), the state tree holds them.
    pub fn hash(&self) -> Hash {
        super::from_tendermint_hash(self.to_tendermint().hash())
    }

    /// As tendermint-rs has it, with proposer and priorities.
    pub fn to_tendermint(&self) -> validator::Set {
        let info = |v: &Validator| -> Option<validator::Info> {
            let key = tendermint::PublicKey::from_raw_ed25519(&v.public_key.0)?;
            let mut info = validator::Info::new(key, Power::try_from(v.power).ok()?);
            info.proposer_priority = v.priority.into();
            Some(info)
        };
        let proposer = info(self.proposer());
        validator::Set::new(self.validators.iter().filter_map(info).collect(), proposer)
    }
}

impl Encode for ValidatorSet {
    fn encode(&self, w: &mut Writer) {
        w.list(&self.validators, |w, v| {
            w.raw(&v.public_key.0).u64(v.power).u64(v.priority as u64);
        });
        w.raw(&self.proposer.0);
    }
}

impl Decode for ValidatorSet {
    fn decode(r: &mut Reader<'_>) -> Result<Self, CodecError> {
        let invalid = |why| CodecError::Invalid { what: "validator set", why };
        let validators =
            r.list(MAX_VALIDATORS, |r| Ok(Validator::new(PublicKey(r.array()?), r.u64()?, r.u64()? as i64)))?;
        let proposer = ValidatorAddress(r.array()?);
        let ordered = |pair: &[Validator]| {
            (std::cmp::Reverse(pair[0].power), pair[0].address) < (std::cmp::Reverse(pair[1].power), pair[1].address)
        };
        if !validators.windows(2).all(ordered) {
            return Err(invalid("members are out of order"));
        }
        let mut keys: Vec<_> = validators.iter().map(|v| v.address).collect();
        keys.sort_unstable();
        keys.dedup();
        let total: u128 = validators.iter().map(|v| u128::from(v.power)).sum();
        if keys.len() != validators.len() || validators.iter().any(|v| v.power == 0) {
            return Err(invalid("a member is there twice or has no power"));
        }
        let total = u64::try_from(total).ok().filter(|total| *total <= MAX_TOTAL_POWER);
        let total = total.ok_or_else(|| invalid("too much power"))?;
        if !validators.iter().any(|v| v.address == proposer) {
            return Err(invalid("the proposer is not a member"));
        }
        Ok(Self { validators, total, proposer })
    }
}

#[cfg(test)]
mod tests;
