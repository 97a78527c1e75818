//! Proven double signs that wait for a block.

use std::collections::BTreeMap;

use tendermint::evidence::DuplicateVoteEvidence;

use crate::block::{ChainState, ValidatorAddress, encode_evidence};

/// At most this many offenders wait; each is punished once, so one piece each.
const MAX_PENDING: usize = 128;

/// Holds verified evidence only.
#[derive(Debug, Default)]
pub(super) struct EvidencePool {
    pending: BTreeMap<ValidatorAddress, DuplicateVoteEvidence>,
}

impl EvidencePool {
    pub(super) fn contains(&self, validator: &ValidatorAddress) -> bool {
        self.pending.contains_key(validator)
    }

    /// Keeps evidence that was checked; `false` if there is some against this validator already, or no room.
    pub(super) fn add(&mut self, evidence: DuplicateVoteEvidence) -> bool {
        let validator = evidence.vote_a.validator_address.into();
        if self.contains(&validator) || self.pending.len() >= MAX_PENDING {
            return false;
        }
        self.pending.insert(validator, evidence);
        true
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &DuplicateVoteEvidence> {
        self.pending.values()
    }

    /// For the next block, at most `max_bytes` encoded.
    pub(super) fn select(&self, max_bytes: u64) -> Vec<DuplicateVoteEvidence> {
        let mut left = max_bytes;
        let mut fits = |evidence: &&DuplicateVoteEvidence| {
            let size = encode_evidence(evidence).len() as u64;
            let fits = size <= left;
            left -= if fits { size } else { 0 };
            fits
        };
        self.pending.values().filter(|evidence| fits(evidence)).cloned().collect()
    }

    /// Forgets what is in a block now, and what is too old for one.
    pub(super) fn prune(&mut self, chain: &ChainState) {
        self.pending.retain(|validator, evidence| {
            let height = evidence.vote_a.height.value();
            !chain.punished.contains(validator) && !crate::block::is_expired(chain, height, evidence.timestamp)
        });
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::block::testing::{Keys, genesis, time, value_id};
    use crate::block::{DuplicateVote, Step, duplicate_vote};

    fn evidence(who: usize) -> DuplicateVoteEvidence {
        let (keys, set) = (Keys::new(1..=4), genesis().validators);
        let address = set.validators()[who].address;
        let votes = [Some(value_id(1, 1, 1)), None].map(|v| (v, keys.sign_precommit(&address, 1, 0, v.as_ref())));
        let pair = DuplicateVote { address, step: Step::Precommit, height: 1, round: 0, votes };
        duplicate_vote(&pair, &set, time(1)).unwrap()
    }

    #[test]
    fn one_piece_per_validator_until_it_is_in_a_block() {
        let mut pool = EvidencePool::default();
        assert!(pool.add(evidence(0)) && !pool.add(evidence(0)) && pool.add(evidence(1)));
        assert_eq!(pool.select(1 << 16).len(), 2);
        let one = encode_evidence(&evidence(0)).len() as u64;
        assert_eq!(pool.select(one + one / 2).len(), 1);
        assert_eq!(pool.select(0).len(), 0);
        let mut chain = genesis();
        chain.height = 2;
        chain.punished.insert(evidence(0).vote_a.validator_address.into());
        pool.prune(&chain);
        assert_eq!(pool.iter().count(), 1);
        chain.height = 1 << 40;
        chain.last_time = time(u64::MAX / 8);
        pool.prune(&chain);
        assert_eq!(pool.iter().count(), 0);
    }
}
