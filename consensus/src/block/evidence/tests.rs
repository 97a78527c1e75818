#![allow(clippy::unwrap_used)]
use super::*;
use crate::block::PlainVerifier;
use crate::block::testing::{CHAIN, Keys, Past, chain_of, genesis, key, value_id};

fn pair(height: u64, votes: [Option<ValueId>; 2]) -> DuplicateVote {
    let (keys, set) = (Keys::new(1..=4), genesis().validators);
    let address = set.validators()[1].address;
    let votes = votes.map(|value| (value, keys.sign_precommit(&address, height, 0, value.as_ref())));
    DuplicateVote { address, step: Step::Precommit, height, round: 0, votes }
}

fn proof(height: u64) -> (DuplicateVoteEvidence, ChainState, Vec<crate::block::BuiltBlock>) {
    let (chain, _, blocks) = chain_of(5);
    let time = blocks[height as usize - 1].block.header.time;
    let pair = pair(height, [Some(value_id(2, 2, 2)), None]);
    (duplicate_vote(&pair, &genesis().validators, time).unwrap(), chain, blocks)
}

#[test]
fn two_votes_prove_a_double_sign() {
    let (evidence, chain, blocks) = proof(3);
    let found = check_duplicate_vote(&chain, &Past(&blocks), &evidence, &mut PlainVerifier).unwrap();
    assert_eq!((found.height, found.power, found.total_power), (3, 10, 40));
    assert_eq!(found.validator, genesis().validators.validators()[1].address);
    let swapped = pair(3, [None, Some(value_id(2, 2, 2))]);
    let time = evidence.timestamp;
    assert_eq!(duplicate_vote(&swapped, &genesis().validators, time).unwrap(), evidence, "the order is canonical");
}

#[test]
fn votes_for_one_block_id_are_no_evidence() {
    let set = genesis().validators;
    let same = pair(3, [Some(value_id(2, 2, 2)), Some(value_id(2, 2, 9))]);
    assert_eq!(duplicate_vote(&same, &set, value_id(1, 1, 1).time), None);
    let mut stranger = pair(3, [Some(value_id(2, 2, 2)), None]);
    stranger.address = ValidatorAddress([7; 20]);
    assert_eq!(duplicate_vote(&stranger, &set, value_id(1, 1, 1).time), None);
}

#[test]
fn every_field_is_checked() {
    let (evidence, chain, blocks) = proof(3);
    let check =
        |evidence: &DuplicateVoteEvidence| check_duplicate_vote(&chain, &Past(&blocks), evidence, &mut PlainVerifier);
    let mut cases: Vec<(EvidenceError, DuplicateVoteEvidence)> = Vec::new();
    let mut add = |why, change: &dyn Fn(&mut DuplicateVoteEvidence)| {
        let mut changed = evidence.clone();
        change(&mut changed);
        cases.push((why, changed));
    };
    add(EvidenceError::NoConflict, &|e| std::mem::swap(&mut e.vote_a, &mut e.vote_b));
    add(EvidenceError::NoConflict, &|e| e.vote_b = e.vote_a.clone());
    add(EvidenceError::Signature, &|e| e.vote_b.signature = tendermint::Signature::new(key(9).sign(b"").0).unwrap());
    add(EvidenceError::Unsigned, &|e| e.vote_a.signature = None);
    add(EvidenceError::Unsigned, &|e| e.vote_b.timestamp = None);
    add(EvidenceError::Unrelated, &|e| e.vote_b.round = 1u16.into());
    add(EvidenceError::Unrelated, &|e| e.vote_b.vote_type = vote::Type::Prevote);
    add(EvidenceError::Signature, &|e| {
        e.vote_a.vote_type = vote::Type::Prevote;
        e.vote_b.vote_type = vote::Type::Prevote;
    });
    add(EvidenceError::IndexOrExtension, &|e| e.vote_a.validator_index = 0u32.try_into().unwrap());
    add(EvidenceError::IndexOrExtension, &|e| e.vote_a.extension = vec![1]);
    add(EvidenceError::Powers, &|e| e.validator_power = 11u32.into());
    add(EvidenceError::Powers, &|e| e.total_voting_power = 41u32.into());
    add(EvidenceError::Time, &|e| e.timestamp = value_id(1, 1, 123).time);
    add(EvidenceError::Signature, &|e| e.vote_b.timestamp = Some(value_id(1, 1, 123).time));
    add(EvidenceError::NoValidator, &|e| {
        e.vote_a.validator_address = tendermint::account::Id::new([3; 20]);
        e.vote_b.validator_address = tendermint::account::Id::new([3; 20]);
    });
    assert!(check(&evidence).is_ok());
    for (why, changed) in cases {
        assert_eq!(check(&changed), Err(why.into()));
        assert!(!why.is_nobodys_fault(), "{why}: whoever made it lies");
    }
    let verified =
        verify_duplicate_vote("other", &evidence, &genesis().validators, evidence.timestamp, &mut PlainVerifier);
    assert!(verified.is_err(), "another chain");
    assert!(
        verify_duplicate_vote(CHAIN, &evidence, &genesis().validators, evidence.timestamp, &mut PlainVerifier).is_ok()
    );
}

#[test]
fn old_future_and_repeated_evidence_is_refused() {
    let (evidence, mut chain, blocks) = proof(1);
    let check = |chain: &ChainState| check_duplicate_vote(chain, &Past(&blocks), &evidence, &mut PlainVerifier);
    assert!(check(&chain).is_ok());
    chain.params.evidence_max_age_blocks = 1;
    assert!(check(&chain).is_ok(), "too old in blocks only");
    chain.params.evidence_max_age_ns = 1;
    assert_eq!(check(&chain), Err(BlockError::Evidence(EvidenceError::TooOld)));
    let (_, mut chain, _) = proof(1);
    chain.punished.insert(evidence.vote_a.validator_address.into());
    assert_eq!(check(&chain), Err(BlockError::Evidence(EvidenceError::Punished)));
    assert_eq!(check(&genesis()), Err(EvidenceError::NotCommitted.into()), "height 1 is not committed yet");
    let (_, chain, blocks) = proof(1);
    let (late, _, _) = proof(2);
    struct Forgetful<'a>(Past<'a>, bool);
    impl EvidenceContext for Forgetful<'_> {
        fn validators(&self, _: u64) -> Option<ValidatorSet> {
            None
        }
        fn block_time(&self, height: u64) -> Option<Time> {
            self.0.block_time(height).filter(|_| self.1)
        }
    }
    for (header, why) in [(false, EvidenceError::UnknownHeader), (true, EvidenceError::UnknownValidators)] {
        let context = Forgetful(Past(&blocks), header);
        assert_eq!(check_duplicate_vote(&chain, &context, &late, &mut PlainVerifier), Err(why.into()));
    }
    for why in [
        EvidenceError::NotCommitted,
        EvidenceError::Punished,
        EvidenceError::UnknownHeader,
        EvidenceError::UnknownValidators,
        EvidenceError::TooOld,
        EvidenceError::Known,
        EvidenceError::NoRoom,
    ] {
        assert!(why.is_nobodys_fault(), "{why}");
    }
}
