mod checkpoint;
mod consistency;
mod proof;
mod vectors;

use proptest::prelude::*;

use super::*;
use crate::checkpoint::LogId;
use crate::hash::{Blake3, Hash, MerkleHash};
use crate::merkle::MemoryTree;

const LOG: LogId = LogId([0x11; 32]);
const PARTITION: u32 = 3;

/// A partition written down as it is defined: the leaf hashes of its records, and where its segments begin.
#[derive(Debug, Clone)]
struct Model {
    records: Vec<Hash>,
    firsts: Vec<u64>,
}

impl Model {
    /// `lengths` are the numbers of records of the segments.
    fn new(lengths: &[u64]) -> Self {
        let firsts = lengths.iter().scan(0, |next, length| {
            *next += length;
            Some(*next - length)
        });
        let records = (0..lengths.iter().sum::<u64>()).map(|i| Blake3::leaf(&i.to_be_bytes()));
        Self { records: records.collect(), firsts: firsts.collect() }
    }

    fn size(&self) -> u64 {
        self.records.len() as u64
    }

    fn records_tree(&self, first: u64, next: u64) -> MemoryTree<Blake3> {
        MemoryTree::from_hashes(self.records[first as usize..next as usize].iter().copied())
    }

    /// The segments at a size.
    fn segments(&self, size: u64) -> Vec<SegmentLeaf> {
        let firsts: Vec<u64> = self.firsts.iter().copied().filter(|first| *first < size).collect();
        let nexts = firsts.iter().skip(1).copied().chain([size]);
        let leaf = |(first, next)| SegmentLeaf { first, next, root: self.records_tree(first, next).root() };
        firsts.iter().copied().zip(nexts).map(leaf).collect()
    }

    fn tree(&self, size: u64) -> MemoryTree<Blake3> {
        MemoryTree::from_leaves(self.segments(size).iter().map(crate::Encode::to_bytes))
    }

    fn checkpoint(&self, size: u64) -> PartitionCheckpoint {
        let tree = self.tree(size);
        PartitionCheckpoint { log: LOG, partition: PARTITION, size, segments: tree.size(), root: tree.root() }
    }

    fn proof(&self, offset: u64, size: u64) -> RecordProof {
        let segments = self.segments(size);
        let number = segments.partition_point(|segment| segment.next <= offset);
        let segment = segments[number];
        let in_segment = self.records_tree(segment.first, segment.next).inclusion(offset - segment.first).unwrap();
        let in_partition = self.tree(size).inclusion(number as u64).unwrap();
        RecordProof { offset, segment, number: number as u64, in_segment, in_partition }
    }

    fn consistency(&self, old: u64, new: u64) -> PartitionConsistency {
        if old == 0 || old == new {
            return PartitionConsistency { growth: None };
        }
        let (old_segments, new_segments) = (self.segments(old), self.segments(new));
        let number = old_segments.len() - 1;
        let (old_segment, new_segment) = (old_segments[number], new_segments[number]);
        let records = self.records_tree(new_segment.first, new_segment.next);
        PartitionConsistency {
            growth: Some(SegmentGrowth {
                old_segment,
                new_segment,
                in_old: self.tree(old).inclusion(number as u64).unwrap(),
                in_new: self.tree(new).inclusion(number as u64).unwrap(),
                in_segment: records.consistency(old_segment.records()).unwrap(),
            }),
        }
    }
}

/// Shapes of the trees over segments and of those in them: one record, powers of two and what is beside them.
fn small() -> Model {
    Model::new(&[1, 3, 2, 1, 4, 5, 1, 2, 3])
}

fn models() -> impl Strategy<Value = Model> {
    prop::collection::vec(prop_oneof![Just(1u64), 1u64..4, 1u64..40], 1..24).prop_map(|lengths| Model::new(&lengths))
}

/// Every encoding that differs in one bit.
fn flipped(bytes: &[u8]) -> impl Iterator<Item = Vec<u8>> {
    (0..bytes.len() * 8).map(|bit| {
        let mut other = bytes.to_vec();
        other[bit / 8] ^= 1 << (bit % 8);
        other
    })
}
