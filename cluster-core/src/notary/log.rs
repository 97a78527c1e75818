//! One log: what readers share and what the writer does to it.

use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use pyralog_crypto::{Blake3, Checkpoint, Frontier, Hash, LogId, MerkleHash, Roots, Sha256, merkle};

use super::index::LeafIndex;
use super::leaves::{self, LeafFiles, Segment};
use super::nodes::{NodeFile, PlaceFile};
use super::record::{Signed, Synced};
use crate::Error;
use crate::disk::Disk;
use crate::frame::{FILE_HEADER, FrameFile, Kind};
use crate::slot::SlotFile;

/// An open log.
pub(crate) struct Log {
    pub(crate) id: LogId,
    pub(crate) retracted: Option<Error>,
    pub(crate) blake3: NodeFile,
    pub(crate) sha256: NodeFile,
    pub(super) places: PlaceFile,
    pub(super) leaves: LeafFiles,
    pub(super) index: LeafIndex,
    /// Leaves that are durable and in the trees. Stored with Release after both, so whoever sees a size can read below it.
    pub(super) size: AtomicU64,
    pub(super) signed: AtomicU64,
    pub(super) writer: Mutex<LogWriter>,
}

/// What only the writer touches.
pub(super) struct LogWriter {
    pub(super) disk: Arc<dyn Disk>,
    pub(super) dir: PathBuf,
    pub(super) active: FrameFile,
    pub(super) trees: Growing,
    pub(super) signed: SlotFile,
    pub(super) synced: SlotFile,
    pub(super) synced_size: u64,
    pub(super) segment_bytes: u64,
    pub(super) tree_sync_leaves: u64,
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
        let (leaf, file, offset) = self.leaves.read(self.places.read(index)?)?;
        if Blake3::leaf(&leaf) != self.blake3.read(0, index)? {
            return Err(Error::damaged(
                &file,
                offset,
                format!("leaf {index} does not have the hash that the tree holds"),
            ));
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

    /// Appends submissions durably, in one frame, and answers the index of the first leaf. Any error is final for the store.
    pub(crate) fn append(&self, submissions: &[Submission]) -> Result<u64, Error> {
        let writer = &mut *self.writer();
        if writer.active.frame_bytes() >= writer.segment_bytes {
            self.next_segment(writer)?;
        }
        let first = writer.trees.size();
        let count: usize = submissions.iter().map(|submission| submission.leaves.len()).sum();
        let mut payload = Vec::new();
        let mut places = Vec::with_capacity(count);
        leaves::begin_group(&mut payload, first, count as u32);
        for leaf in submissions.iter().flat_map(|submission| &submission.leaves) {
            places.push(leaves::put_leaf(&mut payload, leaf));
        }
        let at = writer.active.append(&[&payload])?;
        writer.active.sync()?;
        let begin = writer.active.base + (at - FILE_HEADER);
        let hashes = || submissions.iter().flat_map(|submission| &submission.hashes);
        for (place, hash) in places.iter().zip(hashes()) {
            writer.trees.push(*hash, begin + place);
        }
        writer.trees.flush(&self.blake3, &self.sha256, &self.places)?;
        self.index.add(first, hashes().map(|hash| hash.blake3))?;
        self.size.store(writer.trees.size(), Ordering::Release);
        if writer.trees.size() - writer.synced_size >= writer.tree_sync_leaves {
            self.sync_trees_of(writer)?;
        }
        Ok(first)
    }

    fn next_segment(&self, writer: &mut LogWriter) -> Result<(), Error> {
        let first = writer.trees.size();
        let base = writer.active.base + writer.active.frame_bytes();
        let path = writer.dir.join(leaves::file_name(first));
        let generation = writer.active.generation() + 1;
        writer.active = FrameFile::create(writer.disk.as_ref(), &path, Kind::Leaves, generation, first, base)?;
        self.leaves.push(Segment { first, base });
        Ok(())
    }

    /// Records the present size and roots as handed out for signing, durably, and answers them.
    pub(crate) fn sign_present(&self) -> Result<Checkpoint, Error> {
        let writer = &mut *self.writer();
        let signed = Signed { size: writer.trees.size(), roots: writer.trees.roots() };
        if self.signed_size() != signed.size || writer.signed.value().is_none() {
            writer.signed.put(&signed.encode())?;
            self.signed.store(signed.size, Ordering::Release);
        }
        Ok(Checkpoint { log: self.id, size: signed.size, roots: signed.roots })
    }

    /// Syncs the derived files, so that the next open need not hash again.
    pub(crate) fn sync_trees(&self) -> Result<(), Error> {
        let writer = &mut *self.writer();
        if writer.synced_size == writer.trees.size() || self.retracted.is_some() {
            return Ok(());
        }
        self.sync_trees_of(writer)
    }

    fn sync_trees_of(&self, writer: &mut LogWriter) -> Result<(), Error> {
        self.blake3.0.sync()?;
        self.sha256.0.sync()?;
        self.places.0.sync()?;
        let place = writer.active.base + writer.active.frame_bytes();
        let synced = Synced { size: writer.trees.size(), place, roots: writer.trees.roots() };
        writer.synced.put(&synced.encode())?;
        writer.synced_size = synced.size;
        Ok(())
    }
}

/// Both trees and the places as they grow: frontiers, and bytes that wait for one write per file.
#[derive(Debug)]
pub(super) struct Growing {
    blake3: Frontier<Blake3>,
    sha256: Frontier<Sha256>,
    /// Leaves that are in the files.
    written: u64,
    blake3_nodes: Vec<u8>,
    sha256_nodes: Vec<u8>,
    places: Vec<u8>,
}

impl Growing {
    pub(super) fn new(blake3: Frontier<Blake3>, sha256: Frontier<Sha256>) -> Self {
        let written = blake3.size();
        Self { blake3, sha256, written, blake3_nodes: Vec::new(), sha256_nodes: Vec::new(), places: Vec::new() }
    }

    pub(super) fn size(&self) -> u64 {
        self.blake3.size()
    }

    pub(super) fn roots(&self) -> Roots {
        Roots { blake3: self.blake3.root(), sha256: self.sha256.root() }
    }

    pub(super) fn push(&mut self, leaf: Roots, place: u64) {
        for (_, _, node) in self.blake3.append(leaf.blake3) {
            self.blake3_nodes.extend(node.0);
        }
        for (_, _, node) in self.sha256.append(leaf.sha256) {
            self.sha256_nodes.extend(node.0);
        }
        self.places.extend(place.to_be_bytes());
    }

    /// Bytes that wait.
    pub(super) fn waiting(&self) -> usize {
        self.blake3_nodes.len() + self.sha256_nodes.len() + self.places.len()
    }

    pub(super) fn flush(&mut self, blake3: &NodeFile, sha256: &NodeFile, places: &PlaceFile) -> Result<(), Error> {
        blake3.0.write(&self.blake3_nodes, NodeFile::bytes(self.written))?;
        sha256.0.write(&self.sha256_nodes, NodeFile::bytes(self.written))?;
        places.0.write(&self.places, PlaceFile::bytes(self.written))?;
        self.written = self.size();
        for buffer in [&mut self.blake3_nodes, &mut self.sha256_nodes, &mut self.places] {
            buffer.clear();
            if buffer.capacity() > 1 << 20 {
                *buffer = Vec::new();
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
