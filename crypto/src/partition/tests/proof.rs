use proptest::prelude::*;

use super::*;
use crate::codec::{Decode, Encode};
use crate::error::{MerkleError, PartitionError};
use crate::merkle::{InclusionProof, MAX_PATH};
use crate::test_support::{canonical, exact, hostile};

#[test]
fn every_record_at_every_size() {
    let model = small();
    for size in 1..=model.size() {
        let checkpoint = model.checkpoint(size);
        assert_eq!(checkpoint.check(), Ok(()));
        for offset in 0..size {
            let proof = model.proof(offset, size);
            assert_eq!(proof.verify(&model.records[offset as usize], &checkpoint), Ok(()), "{offset} of {size}");
        }
    }
}

#[test]
fn a_proof_is_for_one_offset_record_and_size() {
    let model = small();
    let checkpoints: Vec<_> = (0..=model.size()).map(|size| model.checkpoint(size)).collect();
    for size in 1..=model.size() {
        for offset in 0..size {
            let (proof, leaf) = (model.proof(offset, size), model.records[offset as usize]);
            for other in checkpoints.iter().filter(|other| other.size != size) {
                assert!(proof.verify(&leaf, other).is_err(), "{offset} of {size} at {}", other.size);
            }
            for other in model.records.iter().filter(|other| **other != leaf) {
                assert!(proof.verify(other, &checkpoints[size as usize]).is_err(), "another record as {offset}");
            }
            for other in (0..size).filter(|other| *other != offset) {
                // The place of another record, with its parts put together in every way.
                let theirs = model.proof(other, size);
                for parts in 1..32u8 {
                    let mut mixed = proof.clone();
                    if parts & 1 != 0 {
                        mixed.offset = theirs.offset;
                    }
                    if parts & 2 != 0 {
                        mixed.number = theirs.number;
                    }
                    if parts & 4 != 0 {
                        mixed.segment = theirs.segment;
                    }
                    if parts & 8 != 0 {
                        mixed.in_segment = theirs.in_segment.clone();
                    }
                    if parts & 16 != 0 {
                        mixed.in_partition = theirs.in_partition.clone();
                    }
                    let verdict = mixed.verify(&leaf, &checkpoints[size as usize]);
                    assert!(mixed == proof || verdict.is_err(), "{offset} passed as {}: {mixed:?}", mixed.offset);
                }
            }
        }
    }
}

#[test]
fn no_flipped_bit_verifies() {
    let model = small();
    for (offset, size) in [(0, 1), (0, 22), (5, 7), (6, 7), (9, 16), (21, 22), (13, 22), (16, 20)] {
        let (proof, checkpoint) = (model.proof(offset, size), model.checkpoint(size));
        let leaf = model.records[offset as usize];
        for bytes in flipped(&proof.to_bytes()) {
            let verdict = RecordProof::from_bytes(&bytes).map(|changed| changed.verify(&leaf, &checkpoint));
            assert!(!matches!(verdict, Ok(Ok(()))), "{offset} of {size}");
        }
        for bytes in flipped(&leaf.0) {
            assert!(proof.verify(&Hash::from_bytes(&bytes).unwrap(), &checkpoint).is_err());
        }
        for bytes in flipped(&checkpoint.root.0) {
            let changed = PartitionCheckpoint { root: Hash::from_bytes(&bytes).unwrap(), ..checkpoint };
            assert!(proof.verify(&leaf, &changed).is_err());
        }
        for bit in 0..64 {
            let changed = PartitionCheckpoint { segments: checkpoint.segments ^ 1 << bit, ..checkpoint };
            assert!(proof.verify(&leaf, &changed).is_err());
        }
    }
    // The size is bound by the segment that ends with it, and elsewhere by the signature.
    let last = model.proof(21, 22);
    for bit in 0..64 {
        let changed = PartitionCheckpoint { size: 22 ^ 1 << bit, ..model.checkpoint(22) };
        assert!(last.verify(&model.records[21], &changed).is_err());
    }
}

#[test]
fn the_error_says_which_check_failed() {
    let model = small();
    let (good, checkpoint, leaf) = (model.proof(9, 16), model.checkpoint(16), model.records[9]);
    assert_eq!((good.number, good.segment.first, good.segment.next), (4, 7, 11));
    let refused = |change: fn(&mut RecordProof)| {
        let mut proof = good.clone();
        change(&mut proof);
        proof.verify(&leaf, &checkpoint).unwrap_err()
    };
    let field = |field, why| PartitionError::Field { field, why };
    assert_eq!(refused(|p| p.offset = 6), field("offset", "the segment does not hold it"));
    assert_eq!(refused(|p| p.offset = 11), field("offset", "the segment does not hold it"));
    assert_eq!(refused(|p| p.offset = 8), field("in_segment", "it is for another offset or number of records"));
    assert_eq!(
        refused(|p| p.in_segment.size = 5),
        field("in_segment", "it is for another offset or number of records")
    );
    assert_eq!(refused(|p| p.number = 6), field("number", "the partition has fewer segments"));
    assert_eq!(refused(|p| p.number = 5), field("segment", "its last record does not fit its number"));
    assert_eq!(refused(|p| p.number = 0), field("segment", "its first record does not fit its number"));
    assert_eq!(refused(|p| p.segment.first = 3), field("segment", "its first record does not fit its number"));
    assert_eq!(refused(|p| p.segment.first = 0), field("segment", "its first record does not fit its number"));
    assert_eq!(refused(|p| p.segment.first = 11), field("segment", "it has no record"));
    assert_eq!(refused(|p| p.segment.next = 17), field("segment", "it ends behind the partition"));
    assert_eq!(refused(|p| p.segment.next = 16), field("segment", "its last record does not fit its number"));
    assert_eq!(
        refused(|p| p.in_partition.size = 7),
        field("in_partition", "it is for another segment or number of segments")
    );
    assert!(matches!(
        refused(|p| p.in_partition.path[0].0[0] ^= 1),
        PartitionError::Path { field: "in_partition", error: MerkleError::RootMismatch { .. } }
    ));
    assert!(matches!(
        refused(|p| p.in_segment.path.truncate(1)),
        PartitionError::Path { field: "in_segment", error: MerkleError::PathLength { expected: 2, found: 1 } }
    ));
    let impossible = PartitionCheckpoint { segments: 17, ..checkpoint };
    assert!(matches!(good.verify(&leaf, &impossible), Err(PartitionError::Checkpoint(_))));
    assert_eq!(refused(|p| p.offset = 6).to_string(), "proof field \"offset\": the segment does not hold it");
}

#[test]
fn numbers_at_their_limits_are_refused_without_overflow() {
    let model = small();
    let (good, checkpoint, leaf) = (model.proof(9, 16), model.checkpoint(16), model.records[9]);
    for value in [0, 1, u64::MAX - 1, u64::MAX, 1 << 63] {
        let changes: [fn(&mut RecordProof, u64); 8] = [
            |p, value| p.offset = value,
            |p, value| p.number = value,
            |p, value| p.segment.first = value,
            |p, value| p.segment.next = value,
            |p, value| p.in_segment.index = value,
            |p, value| p.in_segment.size = value,
            |p, value| p.in_partition.index = value,
            |p, value| p.in_partition.size = value,
        ];
        for change in changes {
            let mut proof = good.clone();
            change(&mut proof, value);
            assert!(proof.verify(&leaf, &checkpoint).is_err(), "{value}: {proof:?}");
            let whole = PartitionCheckpoint { size: u64::MAX, segments: u64::MAX, ..checkpoint };
            assert!(proof.verify(&leaf, &whole).is_err(), "{value}: {proof:?}");
        }
    }
}

#[test]
fn encoding_is_bounded_and_json_strict() {
    let proof = small().proof(9, 16);
    exact::<RecordProof>(&proof.to_bytes());
    let longest = |index| InclusionProof { index, size: 1 << 63, path: vec![Hash([9; 32]); MAX_PATH] };
    let mut largest = RecordProof { in_segment: longest(1), in_partition: longest(2), ..proof.clone() };
    assert_eq!(largest.to_bytes().len(), 4202);
    assert_eq!(RecordProof::from_bytes(&largest.to_bytes()).unwrap(), largest);
    largest.in_partition.path.push(Hash([9; 32]));
    assert!(RecordProof::from_bytes(&largest.to_bytes()).is_err());

    let json = serde_json::to_value(&proof).unwrap();
    assert_eq!(json["segment"]["first"], 7);
    assert_eq!(serde_json::from_value::<RecordProof>(json.clone()).unwrap(), proof);
    for pointer in ["", "/segment", "/in_segment", "/in_partition"] {
        let mut extra = json.clone();
        extra.pointer_mut(pointer).unwrap()["note"] = "hello".into();
        assert!(serde_json::from_value::<RecordProof>(extra).is_err(), "{pointer}");
    }
}

proptest! {
    #[test]
    fn random_partitions(model in models(), at: [prop::sample::Index; 2], bit: prop::sample::Index) {
        let size = at[0].index(model.records.len()) as u64 + 1;
        let offset = at[1].index(size as usize) as u64;
        let (proof, checkpoint, leaf) = (model.proof(offset, size), model.checkpoint(size), model.records[offset as usize]);
        prop_assert_eq!(proof.verify(&leaf, &checkpoint), Ok(()));
        prop_assert_eq!(RecordProof::from_bytes(&proof.to_bytes()).unwrap(), proof.clone());
        let mut bytes = proof.to_bytes();
        let bit = bit.index(bytes.len() * 8);
        bytes[bit / 8] ^= 1 << (bit % 8);
        let verdict = RecordProof::from_bytes(&bytes).map(|changed| changed.verify(&leaf, &checkpoint));
        prop_assert!(!matches!(verdict, Ok(Ok(()))));
    }

    #[test]
    fn hostile_bytes(bytes in hostile(vec![small().proof(9, 16).to_bytes(), small().proof(0, 1).to_bytes()])) {
        canonical::<RecordProof>(&bytes);
    }
}
