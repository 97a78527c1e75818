//! A partition written down as it is defined, and how tests make records.

use std::path::Path;
use std::sync::{Arc, LazyLock};

use pyralog_crypto::{
    Blake3, ConsistencyProof, Hash, LogId, MemoryTree, MerkleHash, PartitionCheckpoint, PartitionConsistency,
    RecordProof, SegmentGrowth, SegmentLeaf,
};

use super::{PartitionRoot, PartitionTree};
use crate::Error;
use crate::disk::{Disk, FaultyDisk};
use crate::segment::{Item, MemoryLog, RecordLog, SegmentLog};

pub(super) const DIR: &str = "/p";
pub(super) const STREAM: u64 = 9;
pub(super) const SEGMENT_BYTES: u64 = 900;

/// The record at an offset.
pub(super) fn record(offset: u64) -> Vec<u8> {
    let mut bytes = offset.to_be_bytes().to_vec();
    bytes.resize(8 + (offset * 37 % 150) as usize, offset as u8);
    bytes
}

pub(super) fn hash(offset: u64) -> Hash {
    static HASHES: LazyLock<Vec<Hash>> =
        LazyLock::new(|| (0..1000).map(|offset| Blake3::leaf(&record(offset))).collect());
    HASHES[offset as usize]
}

/// Records 0 to `size` - 1. Everything is computed anew for each question.
#[derive(Debug, Clone, Copy)]
pub(super) struct Model {
    pub(super) size: u64,
    pub(super) segment_bytes: u64,
}

impl Model {
    pub(super) fn of(size: u64) -> Self {
        Self { size, segment_bytes: SEGMENT_BYTES }
    }

    fn records(first: u64, next: u64) -> MemoryTree<Blake3> {
        MemoryTree::from_hashes((first..next).map(hash))
    }

    pub(super) fn segments(&self) -> Vec<SegmentLeaf> {
        let mut firsts = Vec::new();
        let mut held = u64::MAX;
        for offset in 0..self.size {
            if held >= self.segment_bytes {
                firsts.push(offset);
                held = 0;
            }
            held += 12 + record(offset).len() as u64;
        }
        let nexts = firsts.iter().skip(1).copied().chain([self.size]);
        let leaf = |(first, next)| SegmentLeaf { first, next, root: Self::records(first, next).root() };
        firsts.iter().copied().zip(nexts).map(leaf).collect()
    }

    fn tree(&self) -> MemoryTree<Blake3> {
        MemoryTree::from_hashes(self.segments().iter().map(SegmentLeaf::leaf_hash))
    }

    pub(super) fn root(&self) -> PartitionRoot {
        let tree = self.tree();
        PartitionRoot { size: self.size, segments: tree.size(), root: tree.root() }
    }

    fn number(&self, offset: u64) -> usize {
        self.segments().partition_point(|segment| segment.next <= offset)
    }

    pub(super) fn proof(&self, offset: u64) -> RecordProof {
        let number = self.number(offset);
        let segment = self.segments()[number];
        RecordProof {
            offset,
            segment,
            number: number as u64,
            in_segment: Self::records(segment.first, segment.next).inclusion(offset - segment.first).unwrap(),
            in_partition: self.tree().inclusion(number as u64).unwrap(),
        }
    }

    pub(super) fn consistency(&self, old: u64) -> PartitionConsistency {
        if old == 0 || old == self.size {
            return PartitionConsistency { growth: None };
        }
        let before = Self { size: old, ..*self };
        let number = self.number(old - 1);
        let (old_segment, new_segment) = (before.segments()[number], self.segments()[number]);
        let (old_size, new_size) = (old_segment.records(), new_segment.records());
        let records = Self::records(new_segment.first, new_segment.next);
        let growth = SegmentGrowth {
            old_segment,
            new_segment,
            in_old: before.tree().inclusion(number as u64).unwrap(),
            in_new: self.tree().inclusion(number as u64).unwrap(),
            in_segment: ConsistencyProof { old_size, new_size, path: records.consistency(old_size).unwrap().path },
        };
        PartitionConsistency { growth: Some(growth) }
    }
}

pub(super) fn checkpoint(root: PartitionRoot) -> PartitionCheckpoint {
    root.checkpoint(LogId([7; 32]), 1)
}

/// A stream and its trees.
#[derive(Debug)]
pub(super) struct Partition {
    pub(super) log: Arc<dyn RecordLog>,
    pub(super) tree: PartitionTree,
    pub(super) rehashed: u64,
}

impl Partition {
    pub(super) fn in_memory() -> Self {
        let log: Arc<dyn RecordLog> = Arc::new(MemoryLog::new(STREAM, SEGMENT_BYTES));
        Self { tree: PartitionTree::in_memory(Arc::clone(&log)).unwrap(), log, rehashed: 0 }
    }

    pub(super) fn open(faulty: &FaultyDisk) -> Result<Self, Error> {
        let disk: Arc<dyn Disk> = Arc::new(faulty.clone());
        let log: Arc<dyn RecordLog> = Arc::new(SegmentLog::open(&disk, Path::new(DIR), STREAM, SEGMENT_BYTES)?.0);
        let (tree, recovery) = PartitionTree::open(&disk, Path::new(DIR), STREAM, Arc::clone(&log))?;
        assert_eq!((tree.size(), recovery.size), (log.next_offset(), log.next_offset()));
        Ok(Self { log, tree, rehashed: recovery.rehashed })
    }

    /// Appends `count` records at once to the stream, and not to the trees.
    pub(super) fn append_to_log(&self, count: u64) -> Result<u64, Error> {
        let first = self.log.next_offset();
        let records: Vec<(u64, Vec<u8>)> = (first..first + count).map(|offset| (offset, record(offset))).collect();
        let items: Vec<Item<'_>> = records.iter().map(|(time, bytes)| Item { timestamp: *time, bytes }).collect();
        self.log.append(&items)
    }

    /// Appends `count` records at once.
    pub(super) fn append(&self, count: u64) -> Result<(), Error> {
        let first = self.append_to_log(count)?;
        let leaves: Vec<Hash> = (first..first + count).map(hash).collect();
        self.tree.append(first, &leaves)
    }

    pub(super) fn model(&self) -> Model {
        Model::of(self.tree.size())
    }

    /// What is asked of the trees is answered as the model does, or the stream has removed what it takes.
    pub(super) fn check(&self, offset: u64, old: u64, size: u64) -> Result<(), Error> {
        let model = Model::of(size);
        let kept = self.log.first_offset();
        let inside = |size: u64| {
            let last = Model::of(self.tree.size()).segments().into_iter().find(|segment| size <= segment.next);
            last.is_some_and(|segment| size > 0 && size < segment.next && segment.first < kept)
        };
        let expect = |answer: Result<(), Error>, gone: bool| match answer {
            Err(Error::NoSuchRecord { .. }) if gone => Ok(()),
            Ok(()) if gone => panic!("a proof of what was removed, {offset} {old} {size}"),
            other => other,
        };
        let root = self.tree.root_at(size).map(|root| assert_eq!(root, model.root(), "at {size}"));
        expect(root, inside(size))?;
        if offset < size {
            let proof = self.tree.prove(offset, size).map(|proof| {
                assert_eq!(proof, model.proof(offset), "{offset} of {size}");
                assert_eq!(proof.verify(&hash(offset), &checkpoint(model.root())), Ok(()));
            });
            expect(proof, offset < kept)?;
        }
        if old <= size {
            let proof = self.tree.prove_consistency(old, size).map(|proof| {
                assert_eq!(proof, model.consistency(old), "{old} to {size}");
                assert_eq!(proof.verify(&checkpoint(Model::of(old).root()), &checkpoint(model.root())), Ok(()));
            });
            expect(proof, inside(size) || inside(old))?;
        }
        Ok(())
    }

    /// [`Partition::check`] for some of everything; `step` says how many are left out.
    pub(super) fn check_all(&self, step: usize) -> Result<(), Error> {
        let size = self.tree.size();
        assert_eq!(self.tree.root()?, Model::of(size).root());
        for size in (0..=size).rev().step_by(step) {
            for offset in (0..=size).step_by(step) {
                self.check(offset, offset, size)?;
            }
        }
        Ok(())
    }
}
