#![allow(clippy::unwrap_used)]
use super::*;
use crate::block::testing::{CHAIN, Keys, genesis, key, public, time, value_id};

fn check(set: &ValidatorSet, value: &ValueId, commit: &Commit) -> Result<CommitVotes, BlockError> {
    verify_commit(CHAIN, set, 3, value, commit, Quorum::TwoThirds, &mut PlainVerifier)
}

fn setup() -> (Keys, ValidatorSet, ValueId, Commit) {
    let (keys, set, value) = (Keys::new(1..=4), genesis().validators, value_id(1, 2, 7));
    let commit = keys.commit(&set, 3, &value);
    (keys, set, value, commit)
}

#[test]
fn a_full_commit_is_accepted() {
    let (_, set, value, commit) = setup();
    assert_eq!(check(&set, &value, &commit).unwrap().len(), 4);
}

#[test]
fn nil_and_absent_slots_count_nothing() {
    let (keys, set, value, _) = setup();
    let mut votes = CommitVotes::new();
    for (i, v) in set.validators().iter().enumerate() {
        let signed = (i != 3).then_some(&value);
        votes.insert(v.address, (i != 3, keys.sign_precommit(&v.address, 3, 0, signed)));
    }
    let with_nil = assemble_commit(3, 0, &value, &set, &votes);
    assert!(with_nil.signatures[3].is_nil());
    assert_eq!(check(&set, &value, &with_nil).unwrap().len(), 4);
    votes.remove(&set.validators()[0].address);
    let short = assemble_commit(3, 0, &value, &set, &votes);
    assert!(short.signatures[0].is_absent());
    assert_eq!(check(&set, &value, &short), Err(BlockError::Commit("not more than two thirds of the power signed it")));
}

#[test]
fn every_signature_is_checked_also_beyond_the_quorum() {
    let (_, set, value, commit) = setup();
    for slot in 0..4 {
        let mut forged = commit.clone();
        let CommitSig::BlockIdFlagCommit { signature, .. } = &mut forged.signatures[slot] else { panic!() };
        *signature = tendermint::Signature::new(key(9).sign(b"x").0).unwrap();
        assert_eq!(check(&set, &value, &forged), Err(BlockError::Commit("a signature is wrong")), "slot {slot}");
    }
}

#[test]
fn a_slot_with_another_time_is_refused() {
    let (keys, set, value, commit) = setup();
    let mut moved = commit.clone();
    let CommitSig::BlockIdFlagCommit { timestamp, .. } = &mut moved.signatures[1] else { panic!() };
    *timestamp = time(8);
    assert!(check(&set, &value, &moved).is_err());

    // Also when that other time is what was signed.
    let later = value_id(1, 2, 8);
    let address = set.validators()[1].address;
    let CommitSig::BlockIdFlagCommit { signature, .. } = &mut moved.signatures[1] else { panic!() };
    *signature = tendermint::Signature::new(keys.sign_precommit(&address, 3, 0, Some(&later)).0).unwrap();
    assert_eq!(
        check(&set, &value, &moved),
        Err(BlockError::Commit("a slot has another time than the one that is signed"))
    );
}

#[test]
fn shape_matters() {
    let (_, set, value, commit) = setup();
    let mut short = commit.clone();
    short.signatures.pop();
    assert!(check(&set, &value, &short).is_err());
    let mut swapped = commit.clone();
    swapped.signatures.swap(0, 1);
    assert!(check(&set, &value, &swapped).is_err());
    assert!(check(&set, &value_id(9, 2, 7), &commit).is_err());
    let mut higher = commit.clone();
    higher.height = 4u32.into();
    assert!(check(&set, &value, &higher).is_err());
    let mut other_round = commit;
    other_round.round = 1u16.into();
    assert!(check(&set, &value, &other_round).is_err(), "the round is signed");
}

#[test]
fn powers_count_not_heads() {
    let keys = Keys::new(1..=3);
    let set = ValidatorSet::new(&[(public(1), 100), (public(2), 1), (public(3), 1)]).unwrap();
    let value = value_id(1, 1, 1);
    let vote = |seed: u8| {
        let address = ValidatorAddress::of(&public(seed));
        (address, (true, keys.sign_precommit(&address, 3, 0, Some(&value))))
    };
    let light = assemble_commit(3, 0, &value, &set, &[vote(2), vote(3)].into());
    assert!(check(&set, &value, &light).is_err());
    let heavy = assemble_commit(3, 0, &value, &set, &[vote(1)].into());
    assert!(check(&set, &value, &heavy).is_ok());
}

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig::with_cases(60))]

    /// Whoever votes how, with whatever powers: a commit counts if and only if more than two thirds of the power signed the block.
    #[test]
    fn more_than_two_thirds_of_the_power_and_nothing_else_decides(
        members in proptest::collection::vec((1u64..1_000, 0u8..3), 1..8),
    ) {
        let keys = Keys::new(1..=8);
        let powers: Vec<_> = members.iter().zip(1..).map(|((power, _), seed)| (public(seed), *power)).collect();
        let (set, value) = (ValidatorSet::new(&powers).unwrap(), value_id(1, 1, 1));
        let (mut votes, mut signed) = (CommitVotes::new(), 0);
        for ((power, how), seed) in members.iter().zip(1..) {
            let address = ValidatorAddress::of(&public(seed));
            match how {
                0 => {
                    signed += power;
                    votes.insert(address, (true, keys.sign_precommit(&address, 3, 0, Some(&value))));
                }
                1 => {
                    votes.insert(address, (false, keys.sign_precommit(&address, 3, 0, None)));
                }
                _ => {}
            }
        }
        let commit = assemble_commit(3, 0, &value, &set, &votes);
        let total: u64 = members.iter().map(|(power, _)| power).sum();
        let checked = check(&set, &value, &commit);
        proptest::prop_assert_eq!(checked.is_ok(), signed * 3 > total * 2, "{} of {}", signed, total);
        if let Ok(found) = checked {
            proptest::prop_assert_eq!(found, votes);
        }
        let decoded = crate::block::decode_commit(&crate::block::encode_commit(&commit)).unwrap();
        proptest::prop_assert_eq!(decoded, commit);
    }
}
