//! One log: what readers share and what the writer does to it.

use std::borrow::Cow;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use pyralog_crypto::{Blake3, Checkpoint, Frontier, Hash, LogId, MerkleHash, Roots, Sha256, leaf_hashes, merkle};

use super::index::LeafIndex;
use super::nodes::NodeFile;
use super::record::TreeSize;
use crate::Error;
use crate::chain::Family;
use crate::items;
use crate::segment::{Item, RecordLog, SegmentLog};
use crate::slot::SlotFile;
use crate::stats::{Counters, count};
use crate::stream::Stream;

/// An open log.
pub(crate) struct Log {
    pub(crate) id: LogId,
    /// Its stream of the journal.
    pub(super) stream: u64,
    pub(crate) retracted: Option<Error>,
    pub(crate) blake3: NodeFile,
    pub(crate) sha256: NodeFile,
    pub(super) leaves: SegmentLog,
    pub(super) index: LeafIndex,
    /// Leaves that are durable and in the trees. Stored with Release after both, so whoever sees a size can read below it.
    pub(super) size: AtomicU64,
    pub(super) signed: AtomicU64,
    pub(super) writer: Mutex<LogWriter>,
    /// Locked by whoever settles, for as long as that takes; before `writer`.
    pub(super) synced: Mutex<Synced>,
}

/// What only the writer touches.
pub(super) struct LogWriter {
    pub(super) trees: Growing,
    pub(super) signed: SlotFile,
}

/// How far leaves and trees are synced.
pub(super) struct Synced {
    pub(super) slot: SlotFile,
    pub(super) size: u64,
}

/// One accepted submission.
pub(crate) struct Submission {
    pub(crate) leaves: Vec<Vec<u8>>,
    pub(crate) hashes: Vec<Roots>,
}

impl Log {
    pub(crate) fn size(&self) -> u64 {
        self.size.load(Ordering::Acquire)
    }

    pub(crate) fn signed_size(&self) -> u64 {
        self.signed.load(Ordering::Acquire)
    }

    /// Refuses what needs more than the durable leaves.
    pub(crate) fn require(&self, needed: u64, asked: u64) -> Result<(), Error> {
        let size = self.size();
        if needed > size { Err(Error::OutOfRange { log: self.id, size, asked }) } else { Ok(()) }
    }

    pub(crate) fn roots(&self, size: u64) -> Result<Roots, Error> {
        Ok(Roots {
            blake3: merkle::root_at::<Blake3, _>(&self.blake3, size)?,
            sha256: merkle::root_at::<Sha256, _>(&self.sha256, size)?,
        })
    }

    pub(crate) fn leaf_hashes(&self, index: u64) -> Result<Roots, Error> {
        Ok(Roots { blake3: self.blake3.read(0, index)?, sha256: self.sha256.read(0, index)? })
    }

    pub(crate) fn leaf(&self, index: u64) -> Result<Vec<u8>, Error> {
        let mut leaf = Vec::new();
        self.leaves.read(index, &mut |record| {
            leaf.extend_from_slice(record.bytes);
            false
        })?;
        if Blake3::leaf(&leaf) != self.blake3.read(0, index)? {
            return Err(self.blake3.broken());
        }
        Ok(leaf)
    }

    pub(crate) fn find(&self, hash: &Hash) -> Result<Option<u64>, Error> {
        self.index.find(hash, &self.blake3, self.size())
    }

    fn writer(&self) -> MutexGuard<'_, LogWriter> {
        // After a panic of the writer the queue refuses everything; nothing half changed is used again.
        self.writer.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Reads every leaf and compares trees and index with them; puts right what is wrong there and answers the names of those files. Nobody
    /// appends meanwhile.
    ///
    /// # Errors
    /// What the disk answered, or the first damage; leaf files that are damaged are given to `damage` before.
    pub(crate) fn verify(&self, damage: &mut dyn FnMut(Error)) -> Result<Vec<PathBuf>, Error> {
        let mut remade = self.leaves.verify(damage);
        let mut trees = Growing::new(Frontier::new(), Frontier::new());
        let (mut wrong, mut outcome) = ([false; 3], Ok(()));
        self.leaves.read(0, &mut |leaf| {
            let hashes = leaf_hashes(leaf.bytes);
            trees.push(hashes);
            // The index is looked up through the tree, so its nodes must be right before.
            outcome = trees.put_right(&self.blake3, &self.sha256).and_then(|[blake3, sha256]| {
                let index = self.index.put_right(leaf.offset, &hashes.blake3, &self.blake3)?;
                wrong = [wrong[0] | blake3, wrong[1] | sha256, wrong[2] | index];
                Ok(())
            });
            outcome.is_ok()
        })?;
        outcome?;
        let index = PathBuf::from(format!("tables/{}", Family::LeafIndex.name()));
        let paths = [self.blake3.0.path().to_owned(), self.sha256.0.path().to_owned(), index];
        remade.extend(paths.into_iter().zip(wrong).filter(|(_, wrong)| *wrong).map(|(path, _)| path));
        Ok(remade)
    }

    /// Records the present size and roots as handed out for signing, durably, and answers them.
    pub(crate) fn sign_present(&self) -> Result<Checkpoint, Error> {
        let writer = &mut *self.writer();
        let signed = TreeSize { size: writer.trees.size(), roots: writer.trees.roots() };
        if self.signed_size() != signed.size || writer.signed.value().is_none() {
            writer.signed.put(&signed.encode())?;
            self.signed.store(signed.size, Ordering::Release);
        }
        Ok(Checkpoint { log: self.id, size: signed.size, roots: signed.roots })
    }
}

impl Stream for Log {
    type Submission = Submission;

    fn stream(&self) -> u64 {
        self.stream
    }

    fn is_durable(&self) -> bool {
        true
    }

    fn refusal(&self) -> Option<Error> {
        self.retracted.clone()
    }

    fn next(&self) -> u64 {
        self.size()
    }

    fn items(submission: &Submission) -> usize {
        submission.leaves.len()
    }

    fn bytes(submission: &Submission) -> usize {
        submission.leaves.iter().map(Vec::len).sum()
    }

    fn entry(submissions: &[Submission]) -> Cow<'_, [u8]> {
        let leaves = submissions.iter().flat_map(|submission| &submission.leaves);
        items::encode(leaves.map(Vec::as_slice)).into()
    }

    fn apply(&self, submissions: Vec<Submission>) -> Result<(), Error> {
        let writer = &mut *self.writer();
        let first = writer.trees.size();
        let leaves = submissions.iter().flat_map(|submission| &submission.leaves);
        // A leaf says itself when it was made, where that matters.
        let items: Vec<Item<'_>> = leaves.map(|leaf| Item { timestamp: 0, bytes: leaf }).collect();
        self.leaves.append(&items)?;
        let hashes = || submissions.iter().flat_map(|submission| &submission.hashes);
        hashes().for_each(|hash| writer.trees.push(*hash));
        writer.trees.flush(&self.blake3, &self.sha256)?;
        self.index.add(first, hashes().map(|hash| hash.blake3))?;
        self.size.store(writer.trees.size(), Ordering::Release);
        Ok(())
    }

    fn settle(&self) -> Result<(), Error> {
        let mut synced = self.synced.lock().unwrap_or_else(PoisonError::into_inner);
        // Appends go on while the files are synced.
        let present = {
            let writer = self.writer();
            TreeSize { size: writer.trees.size(), roots: writer.trees.roots() }
        };
        if synced.size == present.size {
            return Ok(());
        }
        self.leaves.sync()?;
        if self.retracted.is_some() {
            // The record of what the trees once held is all that is left of it.
            return Ok(());
        }
        self.blake3.0.sync()?;
        self.sha256.0.sync()?;
        synced.slot.put(&present.encode())?;
        synced.size = present.size;
        Ok(())
    }

    fn count(counters: &Counters, items: usize, bytes: usize) {
        count(&counters.leaves, items);
        count(&counters.leaf_bytes, bytes);
    }
}

/// Both trees as they grow: frontiers, and nodes that wait for one write per file.
#[derive(Debug)]
pub(super) struct Growing {
    blake3: Frontier<Blake3>,
    sha256: Frontier<Sha256>,
    /// Leaves that are in the files.
    written: u64,
    blake3_nodes: Vec<u8>,
    sha256_nodes: Vec<u8>,
}

impl Growing {
    pub(super) fn new(blake3: Frontier<Blake3>, sha256: Frontier<Sha256>) -> Self {
        let written = blake3.size();
        Self { blake3, sha256, written, blake3_nodes: Vec::new(), sha256_nodes: Vec::new() }
    }

    pub(super) fn size(&self) -> u64 {
        self.blake3.size()
    }

    pub(super) fn roots(&self) -> Roots {
        Roots { blake3: self.blake3.root(), sha256: self.sha256.root() }
    }

    pub(super) fn push(&mut self, leaf: Roots) {
        for (_, _, node) in self.blake3.append(leaf.blake3) {
            self.blake3_nodes.extend(node.0);
        }
        for (_, _, node) in self.sha256.append(leaf.sha256) {
            self.sha256_nodes.extend(node.0);
        }
    }

    /// Bytes that wait.
    pub(super) fn waiting(&self) -> usize {
        self.blake3_nodes.len() + self.sha256_nodes.len()
    }

    pub(super) fn flush(&mut self, blake3: &NodeFile, sha256: &NodeFile) -> Result<(), Error> {
        blake3.0.write(&self.blake3_nodes, NodeFile::bytes(self.written))?;
        sha256.0.write(&self.sha256_nodes, NodeFile::bytes(self.written))?;
        self.flushed();
        Ok(())
    }

    /// As [`Growing::flush`], where the nodes should be in the files already; answers in which they were not.
    fn put_right(&mut self, blake3: &NodeFile, sha256: &NodeFile) -> Result<[bool; 2], Error> {
        let at = NodeFile::bytes(self.written);
        let wrong = [blake3.0.put_right(&self.blake3_nodes, at)?, sha256.0.put_right(&self.sha256_nodes, at)?];
        self.flushed();
        Ok(wrong)
    }

    fn flushed(&mut self) {
        self.written = self.size();
        for buffer in [&mut self.blake3_nodes, &mut self.sha256_nodes] {
            buffer.clear();
            if buffer.capacity() > 1 << 20 {
                *buffer = Vec::new();
            }
        }
    }
}

#[cfg(test)]
mod tests;
