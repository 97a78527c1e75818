use proptest::prelude::*;

use super::*;
use crate::codec::{Decode, Encode};
use crate::error::{MerkleError, PartitionError};
use crate::test_support::{canonical, exact, hostile};

/// Verifies what is given without caring who made it.
fn verdict(growth: &SegmentGrowth, old: &PartitionCheckpoint, new: &PartitionCheckpoint) -> Result<(), PartitionError> {
    PartitionConsistency { growth: Some(growth.clone()) }.verify(old, new)
}

#[test]
fn every_pair_of_sizes() {
    let model = small();
    for new in 0..=model.size() {
        for old in 0..=new {
            let proof = model.consistency(old, new);
            let verdict = proof.verify(&model.checkpoint(old), &model.checkpoint(new));
            assert_eq!(verdict, Ok(()), "{old} to {new}");
            let back = proof.verify(&model.checkpoint(new), &model.checkpoint(old));
            assert!(old == new || back == Err(PartitionError::Shrunk { old: new, new: old }));
        }
    }
}

#[test]
fn a_proof_is_for_one_pair_of_sizes() {
    let model = small();
    let checkpoints: Vec<_> = (0..=model.size()).map(|size| model.checkpoint(size)).collect();
    for (old, new) in [(1, 2), (3, 9), (4, 22), (7, 8), (11, 12), (12, 16), (16, 17), (19, 22)] {
        let proof = model.consistency(old, new);
        for other_new in 0..=model.size() {
            for other_old in 0..=model.size() {
                let verdict = proof.verify(&checkpoints[other_old as usize], &checkpoints[other_new as usize]);
                assert_eq!(verdict.is_ok(), (other_old, other_new) == (old, new), "{old} to {new}");
            }
        }
    }
}

#[test]
fn nothing_and_the_same_need_no_growth_and_take_none() {
    let model = small();
    let none = PartitionConsistency { growth: None };
    let some = model.consistency(9, 16);
    let (empty, nine, sixteen) = (model.checkpoint(0), model.checkpoint(9), model.checkpoint(16));
    for (old, new) in [(&empty, &empty), (&empty, &sixteen), (&sixteen, &sixteen)] {
        assert_eq!(none.verify(old, new), Ok(()));
        assert_eq!(
            some.verify(old, new),
            Err(PartitionError::Field { field: "growth", why: "it is there and not needed" })
        );
    }
    assert_eq!(none.verify(&nine, &sixteen), Err(PartitionError::Field { field: "growth", why: "it is missing" }));
    let forked = PartitionCheckpoint { root: nine.root, ..sixteen };
    assert_eq!(none.verify(&sixteen, &forked), Err(PartitionError::Fork(16)));
    let moved = PartitionCheckpoint { segments: 5, ..sixteen };
    assert_eq!(none.verify(&sixteen, &moved), Err(PartitionError::Fork(16)));
    let pretended = PartitionCheckpoint { root: nine.root, ..empty };
    assert!(matches!(none.verify(&pretended, &sixteen), Err(PartitionError::Checkpoint(_))));
}

#[test]
fn checkpoints_of_two_partitions_are_refused() {
    let model = small();
    let (proof, old, new) = (model.consistency(9, 16), model.checkpoint(9), model.checkpoint(16));
    let others = [PartitionCheckpoint { partition: 4, ..new }, PartitionCheckpoint { log: LogId([0x12; 32]), ..new }];
    for other in others {
        assert_eq!(proof.verify(&old, &other), Err(PartitionError::OtherPartition));
        let none = PartitionConsistency { growth: None };
        assert_eq!(none.verify(&model.checkpoint(0), &other), Err(PartitionError::OtherPartition));
    }
}

#[test]
fn no_flipped_bit_verifies() {
    let model = small();
    for (old, new) in [(1, 22), (3, 9), (8, 22), (11, 16), (13, 22), (19, 20)] {
        let (proof, old, new) = (model.consistency(old, new), model.checkpoint(old), model.checkpoint(new));
        for bytes in flipped(&proof.to_bytes()) {
            let verdict = PartitionConsistency::from_bytes(&bytes).map(|changed| changed.verify(&old, &new));
            assert!(!matches!(verdict, Ok(Ok(()))), "{} to {}", old.size, new.size);
        }
        for side in [&old, &new] {
            for bytes in flipped(&side.to_bytes()) {
                let Ok(changed) = PartitionCheckpoint::from_bytes(&bytes) else { continue };
                let (old, new) = if *side == old { (changed, new) } else { (old, changed) };
                // The newer size is bound by its signature where its last segment is another one.
                let unbound = new.size != side.size && new.root == side.root && new.segments > old.segments;
                assert!(unbound || proof.verify(&old, &new).is_err(), "{old:?} {new:?}");
            }
        }
    }
}

/// A partition that was rewritten: every proof that can be put together from both stories.
fn rewritten(model: &Model, other: &Model, old: u64, new: u64) {
    let (checkpoint, grown) = (model.checkpoint(old), other.checkpoint(new));
    let stories = [model.consistency(old, new).growth.unwrap(), other.consistency(old, new).growth.unwrap()];
    let part = |choice: u8, bit: u8| &stories[usize::from(choice >> bit & 1)];
    for choice in 0..32 {
        let growth = SegmentGrowth {
            old_segment: part(choice, 0).old_segment,
            new_segment: part(choice, 1).new_segment,
            in_old: part(choice, 2).in_old.clone(),
            in_new: part(choice, 3).in_new.clone(),
            in_segment: part(choice, 4).in_segment.clone(),
        };
        assert!(verdict(&growth, &checkpoint, &grown).is_err(), "{old} to {new}, {choice:05b}");
    }
}

#[test]
fn a_changed_record_or_boundary_is_not_consistent() {
    let model = small();
    for (old, new) in [(9, 22), (11, 12), (10, 11), (16, 22), (22, 22), (5, 6)] {
        for changed in 0..old {
            let mut other = model.clone();
            other.records[changed as usize].0[7] ^= 1;
            if old < new {
                rewritten(&model, &other, old, new);
            } else {
                let none = PartitionConsistency { growth: None };
                assert_eq!(none.verify(&model.checkpoint(old), &other.checkpoint(new)), Err(PartitionError::Fork(old)));
            }
        }
    }
    // The same records in other segments: two joined, one split, one boundary moved.
    for lengths in [&[4, 2, 1, 4, 5, 1, 2, 3][..], &[1, 1, 2, 2, 1, 4, 5, 1, 2, 3], &[1, 2, 3, 1, 4, 5, 1, 2, 3]] {
        let other = Model::new(lengths);
        assert_eq!(other.records, model.records);
        for (old, new) in [(9, 22), (11, 12), (16, 22), (6, 12)] {
            rewritten(&model, &other, old, new);
        }
    }
}

#[test]
fn the_error_says_which_check_failed() {
    let model = small();
    let (old, new) = (model.checkpoint(9), model.checkpoint(22));
    let good = model.consistency(9, 22).growth.unwrap();
    let refused = |change: fn(&mut SegmentGrowth)| {
        let mut growth = good.clone();
        change(&mut growth);
        verdict(&growth, &old, &new).unwrap_err()
    };
    let field = |field, why| PartitionError::Field { field, why };
    assert_eq!(refused(|g| g.old_segment.next = 8), field("segment", "its last record does not fit its number"));
    assert_eq!(refused(|g| g.in_old.index = 3), field("in_old", "it is for another segment or number of segments"));
    assert_eq!(refused(|g| g.in_new.index = 3), field("in_new", "it is for another segment or number of segments"));
    assert_eq!(refused(|g| g.in_segment.old_size = 1), field("in_segment", "it is for other numbers of records"));
    let path = refused(|g| g.in_segment.path[0].0[0] ^= 1);
    assert!(
        matches!(path, PartitionError::Path { field: "in_segment", error: MerkleError::RootMismatch { .. } }),
        "{path:?}"
    );

    let mut other = model.clone();
    other.records[0].0[0] ^= 1;
    let theirs = other.consistency(9, 22).growth.unwrap();
    let mixed = SegmentGrowth { in_new: theirs.in_new, ..good.clone() };
    let why = "the segments before it are not those of in_old";
    assert_eq!(verdict(&mixed, &old, &other.checkpoint(22)), Err(field("in_new", why)));
}

#[test]
fn encoding_and_json() {
    let proof = small().consistency(9, 22);
    exact::<PartitionConsistency>(&proof.to_bytes());
    exact::<PartitionConsistency>(&PartitionConsistency { growth: None }.to_bytes());
    assert_eq!(PartitionConsistency { growth: None }.to_bytes(), [1, 0]);
    let json = serde_json::to_value(&proof).unwrap();
    assert_eq!(serde_json::from_value::<PartitionConsistency>(json.clone()).unwrap(), proof);
    for pointer in ["", "/growth", "/growth/in_old", "/growth/old_segment", "/growth/in_segment"] {
        let mut extra = json.clone();
        extra.pointer_mut(pointer).unwrap()["note"] = "hello".into();
        assert!(serde_json::from_value::<PartitionConsistency>(extra).is_err(), "{pointer}");
    }
}

proptest! {
    #[test]
    fn random_partitions(model in models(), at: [prop::sample::Index; 2], changed: prop::sample::Index, bit: prop::sample::Index) {
        let new = at[0].index(model.records.len() + 1) as u64;
        let old = at[1].index(new as usize + 1) as u64;
        let (proof, before, after) = (model.consistency(old, new), model.checkpoint(old), model.checkpoint(new));
        prop_assert_eq!(proof.verify(&before, &after), Ok(()));
        let mut bytes = proof.to_bytes();
        let bit = bit.index(bytes.len() * 8);
        bytes[bit / 8] ^= 1 << (bit % 8);
        let verdict = PartitionConsistency::from_bytes(&bytes).map(|changed| changed.verify(&before, &after));
        prop_assert!(!matches!(verdict, Ok(Ok(()))));
        if old > 0 && old < new {
            let mut other = model.clone();
            other.records[changed.index(old as usize)].0[0] ^= 1;
            rewritten(&model, &other, old, new);
        }
    }

    #[test]
    fn hostile_bytes(bytes in hostile(vec![small().consistency(9, 22).to_bytes(), vec![1, 0]])) {
        canonical::<PartitionConsistency>(&bytes);
    }
}
