#![allow(clippy::unwrap_used)]
use super::*;
use crate::application::BlockContext;
use crate::block::testing::{Keys, Past, chain_of, genesis, next_block, time, value_id};
use crate::block::{BlockDraft, BuiltBlock, DuplicateVote, PlainVerifier, Step, duplicate_vote};
use std::sync::Arc;
use tendermint::evidence::{DuplicateVoteEvidence, List};

fn check(chain: &ChainState, past: &[BuiltBlock], block: &Block) -> Result<Vec<Misbehavior>, BlockError> {
    validate_block(chain, &Past(past), block, Quorum::TwoThirds, &mut PlainVerifier)
}

fn offence(past: &[BuiltBlock], who: usize, height: u64) -> DuplicateVoteEvidence {
    let (keys, set) = (Keys::new(1..=4), genesis().validators);
    let address = set.validators()[who].address;
    let signed =
        |value: Option<crate::block::ValueId>| (value, keys.sign_precommit(&address, height, 0, value.as_ref()));
    let votes = [signed(Some(value_id(8, 8, 8))), signed(None)];
    let pair = DuplicateVote { address, step: Step::Precommit, height, round: 0, votes };
    duplicate_vote(&pair, &set, past[height as usize - 1].block.header.time).unwrap()
}

fn with_evidence(evidence: Vec<DuplicateVoteEvidence>) -> (ChainState, Vec<BuiltBlock>, Block) {
    let (chain, last_commit, past) = chain_of(3);
    let proposer = chain.validators.proposer().address;
    let built = chain.build(BlockDraft { time: time(9_000), proposer, txs: vec![], evidence, last_commit }).unwrap();
    (chain, past, built.block)
}

#[test]
fn honest_blocks_are_valid() {
    let chain = genesis();
    assert_eq!(check(&chain, &[], &next_block(&chain, None, 1).block), Ok(vec![]));
    let (chain, commit, past) = chain_of(3);
    assert_eq!(check(&chain, &past, &next_block(&chain, commit, 9_000).block), Ok(vec![]));
}

#[test]
fn time_must_increase_strictly() {
    let (chain, commit, past) = chain_of(3);
    for (ns, valid) in [(2_999, false), (3_000, false), (3_001, true)] {
        let built = next_block(&chain, commit.clone(), ns);
        assert_eq!(check(&chain, &past, &built.block).is_ok(), valid, "{ns}");
    }
    assert!(check(&genesis(), &[], &next_block(&genesis(), None, 0).block).is_err(), "also after genesis");
}

#[test]
fn every_header_field_is_checked() {
    let (chain, commit, past) = chain_of(3);
    let good = next_block(&chain, commit, 9_000).block;
    let other = tendermint::Hash::Sha256([1; 32]);
    type Change<'a> = &'a dyn Fn(&mut tendermint::block::Header);
    let changes: [(&str, Change<'_>); 14] = [
        ("version", &|h| h.version.app = 2),
        ("chain_id", &|h| h.chain_id = "pyralog-dev-other".parse().unwrap()),
        ("height", &|h| h.height = 9u32.into()),
        ("time", &|h| h.time = time(1)),
        ("last_block_id", &|h| h.last_block_id = None),
        ("last_commit_hash", &|h| h.last_commit_hash = Some(other)),
        ("data_hash", &|h| h.data_hash = Some(other)),
        ("validators_hash", &|h| h.validators_hash = other),
        ("next_validators_hash", &|h| h.next_validators_hash = other),
        ("consensus_hash", &|h| h.consensus_hash = other),
        ("app_hash", &|h| h.app_hash = vec![1].try_into().unwrap()),
        ("last_results_hash", &|h| h.last_results_hash = Some(other)),
        ("evidence_hash", &|h| h.evidence_hash = Some(other)),
        ("proposer_address", &|h| h.proposer_address = tendermint::account::Id::new([1; 20])),
    ];
    for (field, change) in changes {
        let mut block = good.clone();
        change(&mut block.header);
        assert_eq!(check(&chain, &past, &block), Err(BlockError::Header(field)));
    }
    let mut moved = good.clone();
    moved.data.push(b"more".to_vec());
    assert_eq!(check(&chain, &past, &moved), Err(BlockError::Header("data_hash")));
}

#[test]
fn the_last_commit_is_needed_and_checked() {
    let (chain, commit, past) = chain_of(3);
    assert!(matches!(check(&chain, &past, &next_block(&chain, None, 9_000).block), Err(BlockError::Commit(_))));
    let first = next_block(&genesis(), commit.clone(), 9_000);
    assert!(matches!(check(&genesis(), &[], &first.block), Err(BlockError::Commit(_))), "block 1 has none");
    let mut thin = commit.unwrap();
    thin.signatures[0] = tendermint::block::CommitSig::BlockIdFlagAbsent;
    assert!(
        check(&chain, &past, &next_block(&chain, Some(thin.clone()), 9_000).block).is_ok(),
        "three of four suffice"
    );
    thin.signatures[1] = tendermint::block::CommitSig::BlockIdFlagAbsent;
    assert!(matches!(check(&chain, &past, &next_block(&chain, Some(thin), 9_000).block), Err(BlockError::Commit(_))));
}

#[test]
fn evidence_is_proven_once_per_validator() {
    let (_, _, past) = chain_of(3);
    let (chain, past_of, block) = with_evidence(vec![offence(&past, 0, 2), offence(&past, 1, 3)]);
    let found = check(&chain, &past_of, &block).unwrap();
    assert_eq!(found.iter().map(|m| m.height).collect::<Vec<_>>(), [2, 3]);
    let (chain, past_of, block) = with_evidence(vec![offence(&past, 0, 2), offence(&past, 0, 3)]);
    assert_eq!(check(&chain, &past_of, &block), Err(BlockError::Evidence(EvidenceError::AccusedTwice)));

    // Once it is in a block, the chain remembers.
    let (chain, _, block) = with_evidence(vec![offence(&past, 0, 2)]);
    let id = value_id(1, 1, 1).block_id;
    let after = chain.after(&block, id, &crate::block::testing::finalized(0)).unwrap();
    assert_eq!(after.punished.len(), 1);
}

#[test]
fn too_much_or_strange_evidence_is_refused() {
    let (_, _, past) = chain_of(3);
    let (mut chain, past_of, block) = with_evidence(vec![offence(&past, 0, 2)]);
    chain.params.evidence_max_bytes = 10;
    assert!(matches!(check(&chain, &past_of, &block), Err(BlockError::Evidence(_))));
    let mut forged = offence(&past, 2, 2);
    forged.validator_power = 1u32.into();
    let (chain, past_of, block) = with_evidence(vec![forged]);
    assert!(matches!(check(&chain, &past_of, &block), Err(BlockError::Evidence(_))));
    let mut hidden = with_evidence(vec![offence(&past, 0, 2)]).2;
    hidden.evidence = List::default();
    assert_eq!(check(&chain, &past_of, &hidden), Err(BlockError::Header("evidence_hash")));
}

#[test]
fn the_context_names_the_signers_of_the_last_block() {
    let (chain, commit, _) = chain_of(3);
    let mut commit = commit.unwrap();
    commit.signatures[2] = tendermint::block::CommitSig::BlockIdFlagAbsent;
    let built = next_block(&chain, Some(commit), 9_000);
    let context = BlockContext::of(&Arc::new(chain), &built.block);
    assert_eq!(context.last_commit.iter().map(|v| v.signed).collect::<Vec<_>>(), [true, true, false, true]);
    assert_eq!((context.height, context.block_hash), (4, built.value.hash()));
    assert_eq!(BlockContext::draft(&Arc::new(genesis()), time(1), context.proposer, None).last_commit, []);
}
