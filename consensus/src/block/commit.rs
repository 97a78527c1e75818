//! Commits: the precommits of more than two thirds of the power.

use std::collections::BTreeMap;

use pyralog_crypto::{PublicKey, Signature, verify_batch};
use tendermint::block::{Commit, CommitSig};

use super::{Quorum, Step, ValidatorAddress, ValidatorSet, ValueId, nil_time, vote_sign_bytes};
use crate::error::BlockError;

/// A signature to verify.
#[derive(Clone, Debug)]
pub struct SignatureItem {
    /// Whose.
    pub key: PublicKey,
    /// Over what.
    pub message: Vec<u8>,
    /// The signature.
    pub signature: Signature,
}

/// Verifies signatures; the engine's remembers those that it has seen.
pub trait SignatureVerifier {
    /// One answer per item, by ZIP-215 rules.
    fn verify(&mut self, items: Vec<SignatureItem>) -> Vec<bool>;
}

/// Verifies in one batch and remembers nothing.
#[derive(Clone, Copy, Debug, Default)]
pub struct PlainVerifier;

impl SignatureVerifier for PlainVerifier {
    fn verify(&mut self, items: Vec<SignatureItem>) -> Vec<bool> {
        let borrowed: Vec<_> = items.iter().map(|item| (item.key, item.message.as_slice(), item.signature)).collect();
        verify_batch(&borrowed)
    }
}

/// The precommits of one round: for each validator whether it is for the block (else for nil), and the signature.
pub type CommitVotes = BTreeMap<ValidatorAddress, (bool, Signature)>;

/// A commit with one slot per validator in the order of the set. The time in each slot is the one that was signed: the header's for
/// the block, [`nil_time`] for nil.
pub fn assemble_commit(height: u64, round: u32, value: &ValueId, set: &ValidatorSet, votes: &CommitVotes) -> Commit {
    let slot = |address: ValidatorAddress| match votes.get(&address) {
        None => CommitSig::BlockIdFlagAbsent,
        Some((for_block, signature)) => {
            let validator_address = address.into();
            let signature = tendermint::Signature::new(signature.0).ok().flatten();
            if *for_block {
                CommitSig::BlockIdFlagCommit { validator_address, timestamp: value.time, signature }
            } else {
                CommitSig::BlockIdFlagNil { validator_address, timestamp: nil_time(), signature }
            }
        }
    };
    Commit {
        // Heights and rounds are below their signed maxima wherever a vote was verified.
        height: height.try_into().unwrap_or_default(),
        round: round.try_into().unwrap_or_default(),
        block_id: value.block_id,
        signatures: set.validators().iter().map(|v| slot(v.address)).collect(),
    }
}

/// Checks a commit for `value` at `height` against the set of that height: shape, the derived time of every slot, *every* signature, and
/// more than two thirds of the power for the block. Gives the votes in it.
///
/// # Errors
/// The first rule that it breaks.
pub fn verify_commit(
    chain_id: &str,
    set: &ValidatorSet,
    height: u64,
    value: &ValueId,
    commit: &Commit,
    quorum: Quorum,
    verifier: &mut dyn SignatureVerifier,
) -> Result<CommitVotes, BlockError> {
    let refuse = |why| Err(BlockError::Commit(why));
    if commit.height.value() != height {
        return refuse("it is for another height");
    }
    if commit.block_id != value.block_id {
        return refuse("it is for another block");
    }
    if commit.signatures.len() != set.len() {
        return refuse("it has not one slot per validator");
    }
    let (mut votes, mut items) = (CommitVotes::new(), Vec::new());
    let mut power = 0;
    for (slot, validator) in commit.signatures.iter().zip(set.validators()) {
        let (address, timestamp, signature, for_block) = match slot {
            CommitSig::BlockIdFlagAbsent => continue,
            CommitSig::BlockIdFlagCommit { validator_address, timestamp, signature } => {
                (validator_address, timestamp, signature, true)
            }
            CommitSig::BlockIdFlagNil { validator_address, timestamp, signature } => {
                (validator_address, timestamp, signature, false)
            }
        };
        if ValidatorAddress::from(*address) != validator.address {
            return refuse("its slots are not in the order of the validator set");
        }
        if *timestamp != if for_block { value.time } else { nil_time() } {
            return refuse("a slot has another time than the one that is signed");
        }
        let signature = signature.as_ref().and_then(|s| s.as_bytes().try_into().ok()).map(Signature);
        let Some(signature) = signature else { return refuse("a signature has not 64 bytes") };
        let signed = for_block.then_some(value);
        let message = vote_sign_bytes(chain_id, Step::Precommit, height, commit.round.value(), signed);
        items.push(SignatureItem { key: validator.public_key, message, signature });
        votes.insert(validator.address, (for_block, signature));
        if for_block {
            power += validator.power;
        }
    }
    if !quorum.is_met(set, power) {
        return refuse("not more than two thirds of the power signed it");
    }
    if verifier.verify(items).contains(&false) {
        return refuse("a signature is wrong");
    }
    Ok(votes)
}

#[cfg(test)]
mod tests;
