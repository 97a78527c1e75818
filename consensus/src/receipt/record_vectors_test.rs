//! The vectors of record logs in `docs/protocol.md`: five records in segments of two, one and two.

use super::protocol_vectors_test::{CHAIN, Vectors, put};
use crate::light::testkit::validator_key;
use pyralog_crypto::{
    Blake3, Encode, Hash, Header, LogId, MemoryTree, PartitionCheckpoint, PartitionConsistency, Record, RecordProof,
    SegmentGrowth, SegmentLeaf, SignedPartitionCheckpoint,
};

const FIRSTS: [u64; 3] = [0, 2, 3];

fn tree(leaves: &[Hash]) -> MemoryTree<Blake3> {
    MemoryTree::from_hashes(leaves.iter().copied())
}

/// The segments at a size, the tree over them, and what is signed of it.
fn partition(log: LogId, leaves: &[Hash], size: u64) -> (Vec<SegmentLeaf>, MemoryTree<Blake3>, PartitionCheckpoint) {
    let firsts = FIRSTS.iter().copied().filter(|first| *first < size);
    let nexts = firsts.clone().skip(1).chain([size]);
    let leaf = |(first, next)| SegmentLeaf { first, next, root: tree(&leaves[first as usize..next as usize]).root() };
    let segments: Vec<SegmentLeaf> = firsts.zip(nexts).map(leaf).collect();
    let tree = MemoryTree::from_hashes(segments.iter().map(SegmentLeaf::leaf_hash));
    let checkpoint = PartitionCheckpoint { log, partition: 0, size, segments: tree.size(), root: tree.root() };
    (segments, tree, checkpoint)
}

pub(super) fn records(out: &mut Vectors) {
    let record = |i: u64| Record::new(1_700_000_000_000 + i, None, i.to_string().into_bytes().into(), vec![]).unwrap();
    let records: Vec<Record> = (0..5).map(record).collect();
    let header = Header { name: "trace".into(), value: vec![1, 2].into() };
    let keyed = Record::new(1_700_000_000_000, Some("key".into()), "value".into(), vec![header]).unwrap();
    put(out, "record.keyed", keyed.to_bytes());
    put(out, "record.keyed.leaf_hash", keyed.leaf_hash());
    put(out, "record.4", records[4].to_bytes());
    put(out, "record.4.leaf_hash", records[4].leaf_hash());

    let owner = validator_key(7);
    let log = LogId::derive_record(CHAIN, &owner.public_key(), "orders", 2);
    let leaves: Vec<Hash> = records.iter().map(Record::leaf_hash).collect();
    let at = |size| partition(log, &leaves, size);
    let (segments, segment_tree, checkpoint) = at(5);
    put(out, "partition.log.id", log);
    put(out, "partition.segment.2", segments[2].to_bytes());
    put(out, "partition.segment.2.leaf_hash", segments[2].leaf_hash());
    for size in 0..5 {
        put(out, &format!("partition.{size}.root"), at(size).2.root);
    }
    put(out, "partition.5.root", checkpoint.root);
    put(out, "partition.5.sign_bytes", checkpoint.sign_bytes(CHAIN));
    let signed = SignedPartitionCheckpoint::sign(checkpoint, CHAIN, &owner).unwrap();
    put(out, "partition.5.checkpoint", signed.to_bytes());

    let proof = RecordProof {
        offset: 4,
        segment: segments[2],
        number: 2,
        in_segment: tree(&leaves[3..]).inclusion(1).unwrap(),
        in_partition: segment_tree.inclusion(2).unwrap(),
    };
    proof.verify(&leaves[4], &checkpoint).unwrap();
    put(out, "partition.5.record_proof.4", proof.to_bytes());
    let (old_segments, old_tree, old) = at(4);
    let growth = SegmentGrowth {
        old_segment: old_segments[2],
        new_segment: segments[2],
        in_old: old_tree.inclusion(2).unwrap(),
        in_new: segment_tree.inclusion(2).unwrap(),
        in_segment: tree(&leaves[3..]).consistency(1).unwrap(),
    };
    let consistency = PartitionConsistency { growth: Some(growth) };
    consistency.verify(&old, &checkpoint).unwrap();
    put(out, "partition.5.consistency.4", consistency.to_bytes());
}
