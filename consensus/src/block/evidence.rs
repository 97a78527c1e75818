//! Evidence of double signing, in CometBFT's `DuplicateVoteEvidence`.

use prost::Message;
use pyralog_crypto::Signature;
use tendermint::{Time, Vote, block, evidence::DuplicateVoteEvidence, vote};
use tendermint_proto::v0_38::types::PartSetHeader;

use super::sign_bytes::vote_sign_bytes_at;
use super::{
    ChainState, SignatureItem, SignatureVerifier, Step, Timestamp, ValidatorAddress, ValidatorSet, ValueId, nil_time,
};
use crate::application::Misbehavior;
use crate::error::{BlockError, EvidenceError};

/// What the chain knows of past heights. Deterministic: every node that has the chain answers the same.
pub trait EvidenceContext {
    /// The validator set of `height`, for any height up to the last committed one.
    fn validators(&self, height: u64) -> Option<ValidatorSet>;
    /// The time in the header of `height`.
    fn block_time(&self, height: u64) -> Option<Time>;
}

/// Two votes that no honest validator signs both.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DuplicateVote {
    /// Who.
    pub address: ValidatorAddress,
    /// Prevote or precommit.
    pub step: Step,
    /// Height of both.
    pub height: u64,
    /// Round of both.
    pub round: u32,
    /// What each is for (`None`: nil) and its signature.
    pub votes: [(Option<ValueId>, Signature); 2],
}

/// Builds the evidence, given the set and the header time of that height. `None` where the two are no evidence by CometBFT's rules: the
/// same block id, or somebody who was no validator.
pub fn duplicate_vote(pair: &DuplicateVote, set: &ValidatorSet, block_time: Time) -> Option<DuplicateVoteEvidence> {
    let index = set.index_of(&pair.address)?;
    let validator = set.get(&pair.address)?;
    let vote = |(value, signature): &(Option<ValueId>, Signature)| {
        Some(Vote {
            vote_type: if pair.step == Step::Prevote { vote::Type::Prevote } else { vote::Type::Precommit },
            height: pair.height.try_into().ok()?,
            round: pair.round.try_into().ok()?,
            block_id: value.map(|value| value.block_id),
            timestamp: Some(value.map_or_else(nil_time, |value| value.time)),
            validator_address: pair.address.into(),
            validator_index: u32::try_from(index).ok()?.try_into().ok()?,
            signature: tendermint::Signature::new(signature.0).ok().flatten(),
            extension: Vec::new(),
            extension_signature: None,
        })
    };
    let (mut a, mut b) = (vote(&pair.votes[0])?, vote(&pair.votes[1])?);
    if order_key(&a.block_id) == order_key(&b.block_id) {
        return None;
    }
    if order_key(&a.block_id) > order_key(&b.block_id) {
        std::mem::swap(&mut a, &mut b);
    }
    let mut evidence = DuplicateVoteEvidence::new(a, b).ok()?;
    evidence.total_voting_power = set.total_power().try_into().ok()?;
    evidence.validator_power = validator.power.try_into().ok()?;
    evidence.timestamp = block_time;
    Some(evidence)
}

/// Go's `BlockID.Key()`: by it the two votes are ordered.
fn order_key(id: &Option<block::Id>) -> Vec<u8> {
    let Some(id) = id else { return Vec::new() };
    let parts = PartSetHeader { total: id.part_set_header.total, hash: id.part_set_header.hash.as_bytes().to_vec() };
    [id.hash.as_bytes(), &parts.encode_to_vec()].concat()
}

/// Checks evidence that a block of height `chain.height + 1` holds, or that is to be kept for one: that it is not too old, not about
/// somebody who was punished before, and proven (see [`verify_duplicate_vote`]).
///
/// # Errors
/// The first rule that it breaks.
pub fn check_duplicate_vote(
    chain: &ChainState,
    context: &dyn EvidenceContext,
    evidence: &DuplicateVoteEvidence,
    verifier: &mut dyn SignatureVerifier,
) -> Result<Misbehavior, BlockError> {
    let height = evidence.vote_a.height.value();
    if height == 0 || height > chain.height {
        return Err(EvidenceError::NotCommitted.into());
    }
    if chain.punished.contains(&evidence.vote_a.validator_address.into()) {
        return Err(EvidenceError::Punished.into());
    }
    let time = context.block_time(height).ok_or(EvidenceError::UnknownHeader)?;
    if is_expired(chain, height, time) {
        return Err(EvidenceError::TooOld.into());
    }
    let set = context.validators(height).ok_or(EvidenceError::UnknownValidators)?;
    verify_duplicate_vote(chain.chain_id.as_str(), evidence, &set, time, verifier)
}

/// As in CometBFT: expired only when too old in blocks and in time.
pub(crate) fn is_expired(chain: &ChainState, height: u64, time: Time) -> bool {
    let blocks = chain.height.saturating_sub(height);
    let nanos = match (Timestamp::from_time(chain.last_time), Timestamp::from_time(time)) {
        (Some(last), Some(then)) => last.since(then),
        _ => u64::MAX,
    };
    blocks > chain.params.evidence_max_age_blocks && nanos > chain.params.evidence_max_age_ns
}

/// Checks that evidence proves a double sign at a height with this set and header time.
///
/// # Errors
/// The votes do not conflict, are not in order, are not signed by a member of the set, or a copied number is wrong.
pub fn verify_duplicate_vote(
    chain_id: &str,
    evidence: &DuplicateVoteEvidence,
    set: &ValidatorSet,
    block_time: Time,
    verifier: &mut dyn SignatureVerifier,
) -> Result<Misbehavior, BlockError> {
    let refuse = |why: EvidenceError| Err(why.into());
    let (a, b) = (&evidence.vote_a, &evidence.vote_b);
    if (a.height, a.round, a.vote_type, a.validator_address) != (b.height, b.round, b.vote_type, b.validator_address) {
        return refuse(EvidenceError::Unrelated);
    }
    if order_key(&a.block_id) >= order_key(&b.block_id) {
        return refuse(EvidenceError::NoConflict);
    }
    let address = ValidatorAddress::from(a.validator_address);
    let (Some(validator), Some(index)) = (set.get(&address), set.index_of(&address)) else {
        return refuse(EvidenceError::NoValidator);
    };
    for vote in [a, b] {
        if vote.validator_index.value() as usize != index
            || !vote.extension.is_empty()
            || vote.extension_signature.is_some()
        {
            return refuse(EvidenceError::IndexOrExtension);
        }
    }
    if evidence.validator_power.value() != validator.power || evidence.total_voting_power.value() != set.total_power() {
        return refuse(EvidenceError::Powers);
    }
    if evidence.timestamp != block_time {
        return refuse(EvidenceError::Time);
    }
    let step = if a.is_prevote() { Step::Prevote } else { Step::Precommit };
    let mut items = Vec::with_capacity(2);
    for vote in [a, b] {
        let signature = vote.signature.as_ref().and_then(|s| s.as_bytes().try_into().ok()).map(Signature);
        let (Some(signature), Some(time)) = (signature, vote.timestamp) else {
            return refuse(EvidenceError::Unsigned);
        };
        let (height, round) = (vote.height.value(), vote.round.value());
        let message = vote_sign_bytes_at(chain_id, step, height, round, vote.block_id.as_ref(), time);
        items.push(SignatureItem { key: validator.public_key, message, signature });
    }
    if verifier.verify(items).contains(&false) {
        return refuse(EvidenceError::Signature);
    }
    Ok(Misbehavior {
        validator: address,
        public_key: validator.public_key,
        height: a.height.value(),
        time: block_time,
        total_power: set.total_power(),
        power: validator.power,
    })
}

#[cfg(test)]
mod tests;
