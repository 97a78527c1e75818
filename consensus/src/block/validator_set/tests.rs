#![allow(clippy::unwrap_used)]
use super::*;
use crate::block::testing::public;
use proptest::prelude::*;

fn named(name: &str, power: u64) -> Validator {
    let mut address = [0; 20];
    address[..name.len()].copy_from_slice(name.as_bytes());
    Validator { address: ValidatorAddress(address), public_key: public(1), power, priority: 0 }
}

/// CometBFT types/validator_set_test.go, TestProposerSelection1: 99 picks.
#[test]
fn proposer_selection_1_of_cometbft() {
    let mut set = ValidatorSet {
        validators: vec![named("foo", 1000), named("baz", 330), named("bar", 300)],
        total: 1630,
        proposer: ValidatorAddress::default(),
    };
    set.increment(1);
    let mut picks = Vec::new();
    for _ in 0..99 {
        picks.push(String::from_utf8_lossy(&set.proposer().address.0[..3]).into_owned());
        set.increment(1);
    }
    let expected = "foo baz foo bar foo foo baz foo bar foo foo baz foo foo bar foo baz foo foo bar foo foo baz foo bar foo foo baz \
                    foo bar foo foo baz foo foo bar foo baz foo foo bar foo baz foo foo bar foo baz foo foo bar foo baz foo foo foo baz \
                    bar foo foo foo baz foo bar foo foo baz foo bar foo foo baz foo bar foo foo baz foo bar foo foo baz foo foo bar foo \
                    baz foo foo bar foo baz foo foo bar foo baz foo foo";
    assert_eq!(picks, expected.split_whitespace().collect::<Vec<_>>());
}

/// CometBFT, TestProposerSelection2: equal powers take turns by address, a large one twice.
#[test]
fn proposer_selection_2_of_cometbft() {
    let set_of = |powers: [u64; 3]| {
        let address = |i: u8| {
            let mut address = [0; 20];
            address[19] = i;
            ValidatorAddress(address)
        };
        let mut validators: Vec<_> = powers
            .iter()
            .enumerate()
            .map(|(i, p)| Validator { address: address(i as u8), public_key: public(1), power: *p, priority: 0 })
            .collect();
        validators.sort_by(|a, b| b.power.cmp(&a.power).then(a.address.cmp(&b.address)));
        let mut set = ValidatorSet { validators, total: powers.iter().sum(), proposer: ValidatorAddress::default() };
        set.increment(1);
        set
    };
    let mut equal = set_of([100, 100, 100]);
    for i in 0..15u8 {
        assert_eq!(equal.proposer().address.0[19], i % 3, "all equal: in the order of addresses");
        equal.increment(1);
    }
    // 400 is not enough to propose twice in a row, 401 is.
    for (power, expected) in [(400, [2, 0]), (401, [2, 2])] {
        let mut heavy = set_of([100, 100, power]);
        let first = heavy.proposer().address.0[19];
        heavy.increment(1);
        assert_eq!([first, heavy.proposer().address.0[19]], expected);
    }
}

#[test]
fn everybody_proposes_in_proportion_to_power() {
    let members: Vec<_> = [4u64, 5, 3].iter().zip(1..).map(|(power, seed)| (public(seed), *power)).collect();
    let mut set = ValidatorSet::new(&members).unwrap();
    let mut turns = std::collections::BTreeMap::new();
    for _ in 0..120 * 12 / 12 {
        *turns.entry(set.proposer().power).or_insert(0) += 1;
        set.increment(1);
    }
    assert_eq!(turns.into_iter().collect::<Vec<_>>(), [(3, 30), (4, 40), (5, 50)]);
}

#[test]
fn the_proposer_of_a_round_is_a_pure_function() {
    let set = ValidatorSet::new(&[(public(1), 3), (public(2), 2), (public(3), 1)]).unwrap();
    let before = set.clone();
    let first: Vec<_> = (0..50).map(|round| set.proposer_at(round).address).collect();
    let mut stepped = set.clone();
    for (round, address) in first.iter().enumerate() {
        assert_eq!(*address, set.proposer_at(round as u32).address);
        assert_eq!(*address, stepped.proposer().address);
        stepped.increment(1);
    }
    assert_eq!(set, before);
}

#[test]
fn the_order_is_by_power_then_address() {
    let set = ValidatorSet::new(&[(public(1), 5), (public(2), 9), (public(3), 5)]).unwrap();
    assert_eq!(set.validators()[0].public_key, public(2));
    assert!(set.validators()[1].address < set.validators()[2].address);
    assert_eq!(set.index_of(&set.validators()[2].address), Some(2));
    let theirs = set.to_tendermint();
    let addresses = |i: usize| ValidatorAddress::from(theirs.validators()[i].address);
    assert!((0..3).all(|i| addresses(i) == set.validators()[i].address), "tendermint-rs sorts alike");
    assert_eq!(theirs.total_voting_power().value(), 19);
}

/// A newcomer starts at -1.125 of the total after updates and before removals; the leaver's power counts.
#[test]
fn a_newcomer_waits() {
    let mut set = ValidatorSet::new(&[(public(1), 10), (public(2), 10)]).unwrap();
    set.update(&[(public(3), 80), (public(2), 0)]).unwrap();
    let priority = |seed| set.get(&ValidatorAddress::of(&public(seed))).unwrap().priority;
    // Before: 1 and 2 stand at -10 and 10 in some order; the newcomer at -(100 + 12) = -112; then the window of 180 holds, and the average
    // of the two that are left is taken away.
    assert!(priority(3) < priority(1));
    assert!((priority(3) + priority(1)).abs() <= 1, "centred: {} {}", priority(3), priority(1));
    assert_eq!(set.total_power(), 90);
    let mut turns = 0;
    let mut later = set.clone();
    later.increment(1);
    assert_eq!(later.proposer().public_key, public(1), "the old member goes first although it has less power");
    for _ in 0..90 {
        turns += u32::from(later.proposer().public_key == public(3));
        later.increment(1);
    }
    assert!((78..=80).contains(&turns), "{turns}");
}

#[test]
fn impossible_updates_are_refused_and_change_nothing() {
    let set = ValidatorSet::new(&[(public(1), 10), (public(2), 10)]).unwrap();
    let no_point =
        (0..=255u8).map(|b| PublicKey([b; 32])).find(|k| ed25519_consensus::VerificationKey::try_from(k.0).is_err());
    let no_point = no_point.unwrap();
    let refused = [
        vec![(public(3), 0)],
        vec![(public(1), 0), (public(2), 0)],
        vec![(public(3), 1), (public(3), 2)],
        vec![(public(3), MAX_TOTAL_POWER)],
        vec![(public(3), u64::MAX), (public(4), u64::MAX)],
        vec![(no_point, 1)],
    ];
    for changes in refused {
        let mut changed = set.clone();
        assert!(changed.update(&changes).is_err(), "{changes:?}");
        assert_eq!(changed, set);
    }
    assert!(ValidatorSet::new(&[]).is_err());
    assert!(ValidatorSet::new(&[(public(1), 0)]).is_err());
}

#[test]
fn the_bound_on_power_keeps_thresholds_from_overflowing() {
    let set = ValidatorSet::new(&[(public(1), MAX_TOTAL_POWER - 1), (public(2), 1)]).unwrap();
    assert!(set.is_quorum(MAX_TOTAL_POWER) && !set.is_quorum(1));
    assert!(MAX_TOTAL_POWER.checked_mul(3).is_some());
    let mut long = set.clone();
    for _ in 0..1_000 {
        long.increment(1);
    }
    assert!(long.validators().iter().all(|v| v.priority.unsigned_abs() <= 2 * MAX_TOTAL_POWER));
}

#[test]
fn a_quorum_is_strictly_more_than_two_thirds() {
    let set = ValidatorSet::new(&[(public(1), 1), (public(2), 1), (public(3), 1)]).unwrap();
    assert!(!set.is_quorum(2) && set.is_quorum(3));
}

proptest! {
    #[test]
    fn encoding_is_canonical(powers in proptest::collection::vec(1u64..1_000_000, 1..12), steps in 0u32..20, noise in any::<(u16, u8)>()) {
        let members: Vec<_> = powers.iter().zip(1..).map(|(p, seed)| (public(seed), *p)).collect();
        let mut set = ValidatorSet::new(&members).unwrap();
        set.increment(steps);
        let bytes = set.to_bytes();
        prop_assert_eq!(&ValidatorSet::from_bytes(&bytes).unwrap(), &set);
        let mut changed = bytes.clone();
        let at = noise.0 as usize % changed.len();
        changed[at] ^= noise.1;
        if let Ok(other) = ValidatorSet::from_bytes(&changed) {
            prop_assert_eq!(other.to_bytes(), changed);
        }
    }

    #[test]
    fn priorities_stay_centred_and_in_their_window(powers in proptest::collection::vec(1u64..1_000_000_000, 1..10), steps in 1u32..200) {
        let members: Vec<_> = powers.iter().zip(1..).map(|(p, seed)| (public(seed), *p)).collect();
        let mut set = ValidatorSet::new(&members).unwrap();
        for _ in 0..steps {
            set.increment(1);
        }
        let sum: i128 = set.validators().iter().map(|v| i128::from(v.priority)).sum();
        prop_assert!(sum.unsigned_abs() < set.len() as u128);
        let max = set.validators().iter().map(|v| v.priority).max().unwrap();
        let min = set.validators().iter().map(|v| v.priority).min().unwrap();
        prop_assert!(max - min <= 2 * set.total_power() as i64 + max);
    }

    /// Against a model that is a map from key to power: members and total are right, the order is CometBFT's, priorities sum to about zero and
    /// stay in a window of twice the total, and a refused update changes nothing.
    #[test]
    fn random_updates_keep_every_invariant(
        first in proptest::collection::btree_map(1u8..9, 1u64..1_000_000, 1..5),
        steps in proptest::collection::vec((proptest::collection::btree_map(1u8..9, 0u64..2_000_000, 0..4), 0u32..9), 1..20),
    ) {
        let members: Vec<_> = first.iter().map(|(seed, power)| (public(*seed), *power)).collect();
        let (mut set, mut model) = (ValidatorSet::new(&members).unwrap(), first);
        for (changes, increments) in steps {
            let list: Vec<_> = changes.iter().map(|(seed, power)| (public(*seed), *power)).collect();
            let mut wanted = model.clone();
            let stranger = changes.iter().any(|(seed, power)| *power == 0 && wanted.remove(seed).is_none());
            wanted.extend(changes.iter().filter(|(_, power)| **power > 0));
            let (before, mut reversed) = (set.clone(), set.clone());
            let result = set.update(&list);
            if stranger || wanted.is_empty() {
                prop_assert!(result.is_err());
                prop_assert_eq!(&set, &before);
                continue;
            }
            prop_assert!(result.is_ok(), "{:?}", result);
            model = wanted;
            reversed.update(&list.into_iter().rev().collect::<Vec<_>>()).unwrap();
            prop_assert_eq!(&reversed, &set, "the order of changes does not count");

            let total: u64 = model.values().sum();
            prop_assert_eq!((set.len(), set.total_power()), (model.len(), total));
            for (seed, power) in &model {
                prop_assert_eq!(set.get(&ValidatorAddress::of(&public(*seed))).map(|v| v.power), Some(*power));
            }
            let ordered = |pair: &[Validator]| (pair[1].power, pair[0].address) < (pair[0].power, pair[1].address);
            prop_assert!(set.validators().windows(2).all(ordered), "by power, then by address");
            if !changes.is_empty() {
                let priorities: Vec<_> = set.validators().iter().map(|v| i128::from(v.priority)).collect();
                let sum: i128 = priorities.iter().sum();
                prop_assert!(sum.unsigned_abs() < set.len() as u128, "centred: {priorities:?}");
                let window = priorities.iter().max().unwrap() - priorities.iter().min().unwrap();
                prop_assert!(window <= 2 * i128::from(total) + 1, "{window} of {total}");
            }
            set.increment(increments);
            prop_assert!(set.get(&set.proposer().address).is_some(), "the proposer is a member");
            prop_assert_eq!(&ValidatorSet::from_bytes(&set.to_bytes()).unwrap(), &set);
        }
    }

    /// Over a long time nobody gets more or fewer turns than its share, whatever came before.
    #[test]
    fn turns_follow_power(powers in proptest::collection::vec(1u64..20, 1..7), joins in 1u64..20, warm in 0u32..50) {
        let members: Vec<_> = powers.iter().zip(1..).map(|(p, seed)| (public(seed), *p)).collect();
        let mut set = ValidatorSet::new(&members).unwrap();
        set.increment(warm);
        set.update(&[(public(200), joins)]).unwrap();
        set.increment(1_000);
        let total = set.total_power();
        let mut turns = std::collections::BTreeMap::new();
        for _ in 0..10 * total {
            *turns.entry(set.proposer().address).or_insert(0u64) += 1;
            set.increment(1);
        }
        for validator in set.validators() {
            let got = turns.get(&validator.address).copied().unwrap_or(0);
            prop_assert!(got.abs_diff(10 * validator.power) <= 2, "{got} turns for {} of {total}", validator.power);
        }
    }
}
