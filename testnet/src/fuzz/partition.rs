//! A small partition, written down as the protocol defines it: for seeds, and for what they are verified against.

use bytes::Bytes;
use pyralog_crypto::{
    Blake3, Hash, LogId, MemoryTree, PartitionCheckpoint, PartitionConsistency, Record, RecordProof, SegmentGrowth,
    SegmentLeaf,
};

use super::chain::{CHAIN, key};

/// Number of the partition.
const PARTITION: u32 = 3;
/// Where its segments begin.
const FIRSTS: [u64; 4] = [0, 1, 4, 6];
/// Its records.
pub(super) const SIZE: u64 = 11;

/// The log.
pub(super) fn log() -> LogId {
    LogId::derive_record(CHAIN, &key(200).public_key(), "orders", 2)
}

/// Leaf hash of a record.
#[allow(clippy::expect_used, reason = "constant inputs")]
pub(super) fn leaf(offset: u64) -> Hash {
    let value = Bytes::from(offset.to_string().into_bytes());
    Record::new(1_700_000_000_000, None, value, Vec::new()).expect("within its bounds").leaf_hash()
}

fn records(first: u64, next: u64) -> MemoryTree<Blake3> {
    MemoryTree::from_hashes((first..next).map(leaf))
}

/// The segments at a size, and the tree over them.
fn segments(size: u64) -> (Vec<SegmentLeaf>, MemoryTree<Blake3>) {
    let firsts = FIRSTS.iter().copied().filter(|first| *first < size);
    let nexts = firsts.clone().skip(1).chain([size]);
    let segment = |(first, next)| SegmentLeaf { first, next, root: records(first, next).root() };
    let segments: Vec<SegmentLeaf> = firsts.zip(nexts).map(segment).collect();
    let tree = MemoryTree::from_hashes(segments.iter().map(SegmentLeaf::leaf_hash));
    (segments, tree)
}

pub(super) fn checkpoint(size: u64) -> PartitionCheckpoint {
    let (_, tree) = segments(size);
    PartitionCheckpoint { log: log(), partition: PARTITION, size, segments: tree.size(), root: tree.root() }
}

#[allow(clippy::expect_used, reason = "constant inputs")]
pub(super) fn proof(offset: u64, size: u64) -> RecordProof {
    let (segments, tree) = segments(size);
    let number = segments.partition_point(|segment| segment.next <= offset);
    let segment = segments[number];
    let in_segment = records(segment.first, segment.next).inclusion(offset - segment.first).expect("inside");
    let in_partition = tree.inclusion(number as u64).expect("inside");
    RecordProof { offset, segment, number: number as u64, in_segment, in_partition }
}

#[allow(clippy::expect_used, reason = "constant inputs")]
pub(super) fn consistency(old: u64, new: u64) -> PartitionConsistency {
    if old == 0 || old == new {
        return PartitionConsistency { growth: None };
    }
    let ((old_segments, old_tree), (new_segments, new_tree)) = (segments(old), segments(new));
    let number = old_segments.len() - 1;
    let (old_segment, new_segment) = (old_segments[number], new_segments[number]);
    let grown = records(new_segment.first, new_segment.next);
    PartitionConsistency {
        growth: Some(SegmentGrowth {
            old_segment,
            new_segment,
            in_old: old_tree.inclusion(number as u64).expect("inside"),
            in_new: new_tree.inclusion(number as u64).expect("inside"),
            in_segment: grown.consistency(old_segment.records()).expect("inside"),
        }),
    }
}
