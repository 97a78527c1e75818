//! Roots and proofs at every size, each checked before it is given.

use std::sync::Arc;

use pyralog_crypto::{
    Blake3, ConsistencyProof, Hash, LogId, MerkleError, MerkleHash, NodeSource, PartitionCheckpoint,
    PartitionConsistency, RecordProof, SegmentGrowth, SegmentLeaf, merkle,
};

use super::nodes::Nodes;
use super::view::Part;
use super::{PartitionRoot, PartitionTree};
use crate::Error;

impl PartitionTree {
    /// The root at the present size.
    ///
    /// # Errors
    /// [`Error::Damaged`] if memory contradicts itself.
    pub fn root(&self) -> Result<PartitionRoot, Error> {
        let view = self.view();
        match view.size().checked_sub(1).and_then(|last| view.part_of(last)) {
            Some(last) => Ok(at(last.leaf.next, &last, view.root(last.number, &last.leaf)?)),
            None => Ok(empty()),
        }
    }

    /// The root at a past size. It is the one that was the root then.
    ///
    /// # Errors
    /// [`Error::NoSuchProof`] beyond the present size; [`Error::NoSuchRecord`] where the size lies inside a segment that was removed;
    /// [`Error::Damaged`].
    pub fn root_at(&self, size: u64) -> Result<PartitionRoot, Error> {
        if size == 0 {
            return Ok(empty());
        }
        let last = self.last(size)?;
        Ok(at(size, &last, self.view().root(last.number, &last.leaf)?))
    }

    /// Proves that the record at `offset` is in the partition of `size` records.
    ///
    /// # Errors
    /// [`Error::NoSuchProof`] unless `offset` < `size` and `size` is at most the present one; [`Error::NoSuchRecord`] for a record that was
    /// removed; [`Error::Damaged`] names the file whose nodes do not lead to the root and cannot be made again.
    pub fn prove(&self, offset: u64, size: u64) -> Result<RecordProof, Error> {
        if offset >= size {
            return Err(MerkleError::IndexOutOfRange { index: offset, size }.into());
        }
        let last = self.last(size)?;
        let part = self.part_of(offset)?;
        self.require_kept(&part.leaf)?;
        let segment = if part.number == last.number { last.leaf } else { part.leaf };
        let index = offset - segment.first;
        let (leaf, in_segment) = self.with_nodes(&part, |nodes| {
            let path = merkle::prove_inclusion::<Blake3, _>(nodes, index, segment.records())?;
            let leaf = nodes.node(0, index)?;
            path.verify::<Blake3>(&leaf, &segment.root).map_err(|_| nodes.broken())?;
            Ok((leaf, path))
        })?;
        let (in_partition, root) = {
            let view = self.view();
            (view.path(part.number, last.number, &last.leaf)?, view.root(last.number, &last.leaf)?)
        };
        let proof = RecordProof { offset, segment, number: part.number as u64, in_segment, in_partition };
        let verdict = proof.verify(&leaf, &checkpoint(at(size, &last, root)));
        verdict.map_err(|error| self.contradiction(&part, error.to_string()))?;
        Ok(proof)
    }

    /// Proves that the partition of `new` records begins with that of `old` records.
    ///
    /// # Errors
    /// [`Error::NoSuchProof`] unless `old` is at most `new`, and that at most the present size; [`Error::NoSuchRecord`] where it needs the inside
    /// of a segment that was removed; [`Error::Damaged`] names the file whose nodes do not lead to the root and cannot be made again.
    pub fn prove_consistency(&self, old: u64, new: u64) -> Result<PartitionConsistency, Error> {
        if old > new {
            return Err(MerkleError::Shrunk { old, new }.into());
        }
        let (old_root, new_root) = (self.root_at(old)?, self.root_at(new)?);
        if old == 0 || old == new {
            return Ok(PartitionConsistency { growth: None });
        }
        let (old_last, new_last) = (self.last(old)?, self.last(new)?);
        let number = old_last.number;
        let now = self.part_of(old - 1)?;
        let new_segment = if number == new_last.number { new_last.leaf } else { now.leaf };
        let old_segment = old_last.leaf;
        let (few, many) = (old_segment.records(), new_segment.records());
        let in_segment = if few == many {
            ConsistencyProof { old_size: few, new_size: many, path: Vec::new() }
        } else {
            self.require_kept(&now.leaf)?;
            self.with_nodes(&now, |nodes| {
                let proof = merkle::prove_consistency::<Blake3, _>(nodes, few, many)?;
                proof.verify::<Blake3>(&old_segment.root, &new_segment.root).map_err(|_| nodes.broken())?;
                Ok(proof)
            })?
        };
        let (in_old, in_new) = {
            let view = self.view();
            (view.path(number, number, &old_segment)?, view.path(number, new_last.number, &new_last.leaf)?)
        };
        let growth = SegmentGrowth { old_segment, new_segment, in_old, in_new, in_segment };
        let proof = PartitionConsistency { growth: Some(growth) };
        let verdict = proof.verify(&checkpoint(old_root), &checkpoint(new_root));
        verdict.map_err(|error| self.contradiction(&now, error.to_string()))?;
        Ok(proof)
    }

    /// The segment of a record, as it is now.
    fn part_of(&self, offset: u64) -> Result<Part, Error> {
        let view = self.view();
        view.part_of(offset).ok_or_else(|| MerkleError::IndexOutOfRange { index: offset, size: view.size() }.into())
    }

    /// The last segment of the partition of `size` records, at least one, as it was then.
    fn last(&self, size: u64) -> Result<Part, Error> {
        let part = self.part_of(size - 1)?;
        if size == part.leaf.next {
            return Ok(part);
        }
        self.require_kept(&part.leaf)?;
        let now = part.leaf;
        let records = size - now.first;
        // What the nodes say of the past counts where it leads to the root of the present, which does not come from them.
        let root = self.with_nodes(&part, |nodes| {
            let root = merkle::root_at::<Blake3, _>(nodes, records)?;
            let growth = merkle::prove_consistency::<Blake3, _>(nodes, records, now.records())?;
            growth.verify::<Blake3>(&root, &now.root).map_err(|_| nodes.broken())?;
            Ok(root)
        })?;
        Ok(Part { leaf: SegmentLeaf { first: now.first, next: size, root }, ..part })
    }

    /// Refuses where the records of a segment were removed.
    pub(super) fn require_kept(&self, leaf: &SegmentLeaf) -> Result<(), Error> {
        // The stream says what it has.
        if leaf.first < self.records.first_offset() { self.records.read(leaf.first, &mut |_| false) } else { Ok(()) }
    }

    /// Does something with the nodes of a segment; where they are damaged, once more after they were made again.
    fn with_nodes<T>(&self, part: &Part, act: impl Fn(&Nodes) -> Result<T, Error>) -> Result<T, Error> {
        let attempt = || {
            let nodes = match &part.nodes {
                Some(nodes) => Some(Arc::clone(nodes)),
                None => self.store.open(part.leaf.first)?,
            };
            match nodes {
                Some(nodes) => act(&nodes),
                None => Err(Error::damaged(&self.store.path(part.leaf.first), 0, "the file is missing")),
            }
        };
        match attempt() {
            Err(reason @ Error::Damaged { .. }) => {
                tracing::warn!(%reason, "the nodes of a segment are made again from its records");
                self.remake(part, &mut |_| ())?;
                attempt()
            }
            done => done,
        }
    }
}

fn at(size: u64, last: &Part, root: Hash) -> PartitionRoot {
    PartitionRoot { size, segments: last.number as u64 + 1, root }
}

fn empty() -> PartitionRoot {
    PartitionRoot { size: 0, segments: 0, root: Blake3::empty() }
}

/// A checkpoint to verify proofs against, which no root depends on.
fn checkpoint(root: PartitionRoot) -> PartitionCheckpoint {
    root.checkpoint(LogId([0; 32]), 0)
}
