//! What a block must satisfy before the application looks at it.

use std::collections::BTreeSet;

use tendermint::{Block, evidence::Evidence};

use super::{
    ChainState, EvidenceContext, Quorum, SignatureVerifier, Timestamp, check_duplicate_vote, encode_evidence,
    verify_commit,
};
use crate::application::Misbehavior;
use crate::error::{BlockError, EvidenceError};

/// Checks a block of `chain.height + 1` against the chain: every field of its header, the commit of the block before with every
/// signature, strictly increasing time, its size and its evidence. Timeliness (a matter of when it arrives) and the transactions
/// are not judged here. Gives the proven misbehaviour.
///
/// # Errors
/// The first rule that it breaks.
pub fn validate_block(
    chain: &ChainState,
    context: &dyn EvidenceContext,
    block: &Block,
    quorum: Quorum,
    verifier: &mut dyn SignatureVerifier,
) -> Result<Vec<Misbehavior>, BlockError> {
    let proposer = block.header.proposer_address.into();
    if chain.validators.get(&proposer).is_none() {
        return Err(BlockError::Header("proposer_address"));
    }
    let time = block.header.time;
    if time <= chain.last_time || Timestamp::from_time(time).is_none() {
        return Err(BlockError::Header("time"));
    }
    let expected = chain.header(&block.data, &block.evidence, block.last_commit.as_ref(), time, proposer);
    if let Some(field) = first_difference(&expected, &block.header) {
        return Err(BlockError::Header(field));
    }
    match (chain.last_value(), &block.last_commit) {
        (None, None) => {}
        (Some(value), Some(commit)) => {
            let chain_id = chain.chain_id.as_str();
            verify_commit(chain_id, &chain.last_validators, chain.height, &value, commit, quorum, verifier)?;
        }
        _ => return Err(BlockError::Commit("only the block of height 1 has none")),
    }
    validate_evidence(chain, context, block, verifier)
}

fn validate_evidence(
    chain: &ChainState,
    context: &dyn EvidenceContext,
    block: &Block,
    verifier: &mut dyn SignatureVerifier,
) -> Result<Vec<Misbehavior>, BlockError> {
    let (mut proven, mut offenders, mut bytes) = (Vec::new(), BTreeSet::new(), 0);
    for evidence in block.evidence.iter() {
        let Evidence::DuplicateVote(duplicate) = evidence else {
            return Err(EvidenceError::Kind.into());
        };
        bytes += encode_evidence(duplicate).len() as u64;
        if bytes > chain.params.evidence_max_bytes {
            return Err(EvidenceError::TooMuch.into());
        }
        let misbehavior = check_duplicate_vote(chain, context, duplicate, verifier)?;
        if !offenders.insert(misbehavior.validator) {
            return Err(EvidenceError::AccusedTwice.into());
        }
        proven.push(misbehavior);
    }
    Ok(proven)
}

fn first_difference(a: &tendermint::block::Header, b: &tendermint::block::Header) -> Option<&'static str> {
    let checks = [
        (a.version == b.version, "version"),
        (a.chain_id == b.chain_id, "chain_id"),
        (a.height == b.height, "height"),
        (a.last_block_id == b.last_block_id, "last_block_id"),
        (a.last_commit_hash == b.last_commit_hash, "last_commit_hash"),
        (a.data_hash == b.data_hash, "data_hash"),
        (a.validators_hash == b.validators_hash, "validators_hash"),
        (a.next_validators_hash == b.next_validators_hash, "next_validators_hash"),
        (a.consensus_hash == b.consensus_hash, "consensus_hash"),
        (a.app_hash == b.app_hash, "app_hash"),
        (a.last_results_hash == b.last_results_hash, "last_results_hash"),
        (a.evidence_hash == b.evidence_hash, "evidence_hash"),
        (a == b, "header"),
    ];
    checks.into_iter().find(|(same, _)| !same).map(|(_, field)| field)
}

#[cfg(test)]
mod tests;
