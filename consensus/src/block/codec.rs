//! Protobuf bytes of blocks, commits and evidence, exactly as Go writes them.

use prost::Message;
use pyralog_crypto::error::CodecError;
use tendermint::{
    Block,
    block::{self, Commit},
    evidence::{DuplicateVoteEvidence, Evidence},
};
use tendermint_proto::v0_38::types as raw;

use super::MAX_VALIDATORS;

/// A commit signature is at most 111 bytes; with the fields around it the encoding of the largest commit stays below this.
const MAX_COMMIT_BYTES: usize = 256 + MAX_VALIDATORS * 128;
/// Two votes of at most 300 bytes and three numbers.
const MAX_EVIDENCE_BYTES: usize = 1_024;

/// The bytes of a block, of which the part set is made.
///
/// tendermint-rs leaves out what Go writes: the empty `LastCommit` and `LastBlockID` of block 1, the empty `BlockID` of nil votes in
/// evidence; and it writes the total power in place of the validator's.
pub fn encode_block(block: &Block) -> Vec<u8> {
    let mut out = raw::Block::from(block.clone());
    if out.last_commit.is_none() {
        out.last_commit = Some(Commit::default().into());
    }
    if let Some(header) = out.header.as_mut().filter(|header| header.last_block_id.is_none()) {
        header.last_block_id = Some(block::Id::default().into());
    }
    if let Some(list) = out.evidence.as_mut() {
        list.evidence = block.evidence.iter().map(raw_evidence).collect();
    }
    out.encode_to_vec()
}

/// Reads a block and refuses every encoding but ours, so that one block has one part-set header.
///
/// # Errors
/// Not a block, or not its canonical encoding.
pub fn decode_block(bytes: &[u8], max_bytes: u64) -> Result<Block, CodecError> {
    bounded("block", bytes, max_bytes as usize)?;
    let raw = raw::Block::decode(bytes).map_err(|_| invalid("block", "not protobuf"))?;
    let votes = raw.last_commit.as_ref().map_or(0, |commit| commit.signatures.len());
    if votes > MAX_VALIDATORS {
        return Err(invalid("block", "too many signatures in the last commit"));
    }
    let block = Block::try_from(raw).map_err(|_| invalid("block", "a field is invalid"))?;
    if !block.evidence.iter().all(|e| matches!(e, Evidence::DuplicateVote(_))) {
        return Err(invalid("block", "evidence of an unknown kind"));
    }
    if encode_block(&block) != bytes {
        return Err(invalid("block", "not the canonical encoding"));
    }
    Ok(block)
}

/// The bytes of a commit.
pub fn encode_commit(commit: &Commit) -> Vec<u8> {
    raw::Commit::from(commit.clone()).encode_to_vec()
}

/// Reads a commit and refuses every encoding but ours.
///
/// # Errors
/// Not a commit, or not its canonical encoding.
pub fn decode_commit(bytes: &[u8]) -> Result<Commit, CodecError> {
    bounded("commit", bytes, MAX_COMMIT_BYTES)?;
    let raw = raw::Commit::decode(bytes).map_err(|_| invalid("commit", "not protobuf"))?;
    if raw.signatures.len() > MAX_VALIDATORS {
        return Err(invalid("commit", "too many signatures"));
    }
    let commit = Commit::try_from(raw).map_err(|_| invalid("commit", "a field is invalid"))?;
    if encode_commit(&commit) != bytes {
        return Err(invalid("commit", "not the canonical encoding"));
    }
    Ok(commit)
}

/// The bytes of duplicate-vote evidence (Go's `DuplicateVoteEvidence`), which are also its leaf under `evidence_hash`.
pub fn encode_evidence(evidence: &DuplicateVoteEvidence) -> Vec<u8> {
    raw_duplicate_vote(evidence).encode_to_vec()
}

/// Reads duplicate-vote evidence and refuses every encoding but ours.
///
/// # Errors
/// Not evidence, or not its canonical encoding.
pub fn decode_evidence(bytes: &[u8]) -> Result<DuplicateVoteEvidence, CodecError> {
    bounded("evidence", bytes, MAX_EVIDENCE_BYTES)?;
    let raw = raw::DuplicateVoteEvidence::decode(bytes).map_err(|_| invalid("evidence", "not protobuf"))?;
    let evidence = DuplicateVoteEvidence::try_from(raw).map_err(|_| invalid("evidence", "a field is invalid"))?;
    if encode_evidence(&evidence) != bytes {
        return Err(invalid("evidence", "not the canonical encoding"));
    }
    Ok(evidence)
}

pub(super) fn evidence_leaf(evidence: &Evidence) -> Vec<u8> {
    match evidence {
        Evidence::DuplicateVote(duplicate) => encode_evidence(duplicate),
        // Never decoded and never built; still a function of its input.
        Evidence::LightClientAttack(_) => raw::Evidence::from(evidence.clone()).encode_to_vec(),
    }
}

fn raw_evidence(evidence: &Evidence) -> raw::Evidence {
    match evidence {
        Evidence::DuplicateVote(duplicate) => {
            raw::Evidence { sum: Some(raw::evidence::Sum::DuplicateVoteEvidence(raw_duplicate_vote(duplicate))) }
        }
        Evidence::LightClientAttack(_) => evidence.clone().into(),
    }
}

fn raw_duplicate_vote(evidence: &DuplicateVoteEvidence) -> raw::DuplicateVoteEvidence {
    let vote = |vote: &tendermint::Vote| {
        let mut vote = raw::Vote::from(vote.clone());
        vote.block_id.get_or_insert_with(|| block::Id::default().into());
        vote
    };
    raw::DuplicateVoteEvidence {
        vote_a: Some(vote(&evidence.vote_a)),
        vote_b: Some(vote(&evidence.vote_b)),
        total_voting_power: evidence.total_voting_power.into(),
        validator_power: evidence.validator_power.into(),
        timestamp: Some(evidence.timestamp.into()),
    }
}

fn bounded(what: &'static str, bytes: &[u8], max: usize) -> Result<(), CodecError> {
    if bytes.len() > max { Err(CodecError::TooLong { what, max, found: bytes.len() }) } else { Ok(()) }
}

fn invalid(what: &'static str, why: &'static str) -> CodecError {
    CodecError::Invalid { what, why }
}

#[cfg(test)]
mod tests;
