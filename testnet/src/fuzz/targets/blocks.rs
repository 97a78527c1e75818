//! consensus: blocks, commits, evidence, parts, chain states.

use bytes::Bytes;
use pyralog_consensus::block::{
    ChainState, MAX_BLOCK_BYTES_LIMIT, MAX_CHAIN_STATE_BYTES, Part, PartSet, PlainVerifier, Quorum, ValueId,
    check_duplicate_vote, commit_hash, data_hash, decode_block, decode_commit, decode_evidence, encode_block,
    encode_commit, encode_evidence, evidence_hash, part_set_header, validate_block, verify_commit,
};
use pyralog_consensus::engine::History;
use pyralog_consensus::light::HeaderFields;
use tendermint::block::Commit;

use super::canonical;
use crate::fuzz::chain::{BASE, Stored, run};

/// Looks into committed heights for evidence.
struct Context<'a>(&'a Stored);

impl pyralog_consensus::block::EvidenceContext for Context<'_> {
    fn validators(&self, height: u64) -> Option<pyralog_consensus::block::ValidatorSet> {
        History::validators(self.0, height)
    }

    fn block_time(&self, height: u64) -> Option<tendermint::Time> {
        History::block_time(self.0, height)
    }
}

fn base() -> &'static ChainState {
    &run().blocks[BASE as usize - 1].chain
}

pub fn block(bytes: &[u8]) -> bool {
    let Ok(block) = decode_block(bytes, MAX_BLOCK_BYTES_LIMIT) else { return false };
    assert_eq!(encode_block(&block), bytes);
    let parts = PartSet::split(&Bytes::copy_from_slice(bytes));
    assert_eq!(*parts.header(), part_set_header(bytes));
    assert_eq!(parts.assemble().as_deref(), Some(bytes));
    // Hashes exist whatever the fields say, and our own header hash is that of the foreign library.
    let _ = (data_hash(&block.data), evidence_hash(&block.evidence), block.last_commit.as_ref().map(commit_hash));
    let theirs = block.header.hash();
    if let Ok(header) = HeaderFields::from_tendermint(&block.header)
        && let Ok(ours) = header.hash(block.header.chain_id.as_str())
    {
        assert_eq!(pyralog_consensus::block::from_tendermint_hash(theirs), ours, "two hashes of one header");
    }
    let stored = Context(&run().base);
    let valid = validate_block(base(), &stored, &block, Quorum::TwoThirds, &mut PlainVerifier).is_ok();
    assert!(!valid || block.header.height.value() == BASE + 1);
    true
}

pub fn commit(bytes: &[u8]) -> bool {
    let Ok(commit) = decode_commit(bytes) else { return false };
    assert_eq!(encode_commit(&commit), bytes);
    let _ = commit_hash(&commit);
    for block in &run().blocks[..BASE as usize] {
        let Some(value) = block.chain.last_value() else { continue };
        check_commit(&commit, &value, block);
    }
    true
}

fn check_commit(commit: &Commit, value: &ValueId, block: &pyralog_consensus::engine::CommittedBlock) {
    let (set, chain) = (&block.validators, block.chain.chain_id.as_str());
    let verdict = verify_commit(chain, set, block.height, value, commit, Quorum::TwoThirds, &mut PlainVerifier);
    if let Ok(votes) = verdict {
        let power = votes.iter().filter(|(_, (yes, _))| *yes).filter_map(|(a, _)| set.get(a)).map(|v| v.power).sum();
        assert!(set.is_quorum(power));
    }
}

pub fn evidence(bytes: &[u8]) -> bool {
    let Ok(evidence) = decode_evidence(bytes) else { return false };
    assert_eq!(encode_evidence(&evidence), bytes);
    let stored = Context(&run().base);
    if let Ok(misbehavior) = check_duplicate_vote(base(), &stored, &evidence, &mut PlainVerifier) {
        assert!(misbehavior.height <= BASE && misbehavior.power > 0);
    }
    true
}

pub fn part(bytes: &[u8]) -> bool {
    let Some(part) = canonical::<Part>(bytes) else { return false };
    for block in &run().blocks {
        let header = block.block_id.part_set_header;
        let mut set = PartSet::empty(header);
        let belongs = part.belongs_to(&header);
        assert_eq!(set.add(part.clone()), if belongs { Ok(true) } else { Err(()) });
        if belongs && header.total == 1 {
            assert_eq!(set.assemble().as_ref(), Some(&block.block_bytes));
        }
    }
    true
}

pub fn chain_state(bytes: &[u8]) -> bool {
    if bytes.len() > MAX_CHAIN_STATE_BYTES {
        return false;
    }
    let Some(chain) = canonical::<ChainState>(bytes) else { return false };
    let _ = (chain.last_value(), chain.last_header_hash());
    for set in [&chain.last_validators, &chain.validators, &chain.next_validators] {
        let _ = (set.hash(), set.proposer(), set.proposer_at(7));
        assert!(set.is_quorum(set.total_power()) && !set.is_quorum(0));
    }
    let next = chain.validators_after(&[]);
    assert_eq!(next.is_ok(), chain.consensus_state_after(&[]).is_ok());
    true
}
