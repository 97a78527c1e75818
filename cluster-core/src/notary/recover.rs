//! Opening a log: the leaves that its files hold, those that only the journal has, and trees that match them.

use std::path::PathBuf;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex};

use pyralog_crypto::{Blake3, LogId, MAX_LEAF_BYTES, Roots, Sha256, leaf_hashes, merkle};

use super::index::LeafIndex;
use super::log::{Growing, Log, LogWriter, Synced};
use super::nodes::{FlatFile, NodeFile, frontier};
use super::record::TreeSize;
use crate::Error;
use crate::chain::Tables;
use crate::disk::Disk;
use crate::items;
use crate::options::{Options, Progress};
use crate::segment::{Item, RecordLog, SegmentLog};
use crate::slot::SlotFile;

const FLUSH_BYTES: usize = 1 << 20;
const PROGRESS_LEAVES: u64 = 1 << 16;
const LEAVES: &str = "leaves";

/// What was found and done when a log was opened.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct LogRecovery {
    /// The log.
    pub log: LogId,
    /// Durable leaves.
    pub size: u64,
    /// Leaves that only the journal had.
    pub replayed: u64,
    /// Leaves that were hashed again into the trees.
    pub rehashed: u64,
    /// Leaves that were entered again into the index.
    pub reindexed: u64,
    /// Why the log refuses appends, if it does.
    pub retracted: Option<Error>,
}

/// A log whose files are open, to which the journal is being replayed.
pub(crate) struct Opening {
    id: LogId,
    dir: PathBuf,
    stream: u64,
    leaves: SegmentLog,
    signed: SlotFile,
    synced: SlotFile,
    blake3: NodeFile,
    sha256: NodeFile,
    replayed: u64,
}

/// Stream of the log in a directory, by its leaf files; `None` where there are none.
pub(crate) fn stream_of(disk: &dyn Disk, dir: &std::path::Path) -> Result<Option<u64>, Error> {
    SegmentLog::stream_of(disk, &dir.join(LEAVES))
}

impl Opening {
    /// Opens the files of a log, making them where there are none. The one that says what was signed must be there where the log is
    /// `known`.
    pub(crate) fn open(
        disk: &Arc<dyn Disk>,
        dir: PathBuf,
        id: LogId,
        stream: u64,
        known: bool,
        options: &Options,
    ) -> Result<Self, Error> {
        if !known {
            crate::home::make_dir(disk.as_ref(), &dir)?;
        }
        crate::home::clean_list(disk.as_ref(), &dir)?;
        let (leaves, _) = SegmentLog::open(disk, &dir.join(LEAVES), stream, options.segment_bytes)?;
        let path = dir.join("signed");
        let signed = match SlotFile::find(disk.as_ref(), &path)? {
            Some(found) => found,
            None if known => return Err(Error::damaged(&path, 0, "the record of what was signed is missing")),
            None => SlotFile::open(disk.as_ref(), &path)?,
        };
        let synced = SlotFile::open(disk.as_ref(), &dir.join("synced"))?;
        let tree = |name| FlatFile::open(disk.as_ref(), dir.join(name)).map(NodeFile);
        let (blake3, sha256) = (tree("tree.blake3")?, tree("tree.sha256")?);
        if !known {
            // All of it, before the log is entered.
            leaves.sync()?;
            disk.sync_dir(&dir).map_err(|e| Error::sync(&dir, e))?;
        }
        Ok(Self { id, dir, stream, leaves, signed, synced, blake3, sha256, replayed: 0 })
    }

    /// Takes an entry of the journal: leaves from index `first` on. Those that the files hold are skipped.
    pub(crate) fn replay(&mut self, first: u64, bytes: &[u8]) -> Result<(), Error> {
        let dir = self.dir.join(LEAVES);
        let Some(leaves) = items::decode(bytes, MAX_LEAF_BYTES) else {
            return Err(Error::damaged(&dir, 0, format!("the journal's leaves from {first} on are none")));
        };
        let fresh = items::lacking(&leaves, first, self.leaves.next_offset(), &dir)?;
        if !fresh.is_empty() {
            let items: Vec<Item<'_>> = fresh.iter().map(|leaf| Item { timestamp: 0, bytes: leaf }).collect();
            self.leaves.append(&items)?;
            self.replayed += items.len() as u64;
        }
        Ok(())
    }

    /// Brings trees and index up to the leaves and checks them against what was signed.
    pub(crate) fn finish(self, tables: &Arc<dyn Tables>, options: &Options) -> Result<(Log, LogRecovery), Error> {
        let size = self.leaves.next_offset();
        let mark = self.synced.value().and_then(TreeSize::decode);
        // Trees of more leaves than there are say nothing of those there are.
        let lost = mark.filter(|mark| mark.size > size);
        let (trees, rehashed) = self.grow(mark.filter(|mark| mark.size <= size), size, options)?;
        let given_out = self.signed.value().and_then(TreeSize::decode);
        let retracted = self.find_retraction(given_out, lost, size)?;
        let index = LeafIndex::new(Arc::clone(tables), self.id);
        let reindexed = index.catch_up(&self.blake3, size)?;
        let Self { id, stream, leaves, signed, synced, blake3, sha256, replayed, .. } = self;
        let synced_size = mark.map_or(0, |mark| mark.size);
        let log = Log {
            id,
            stream,
            retracted: retracted.clone(),
            blake3,
            sha256,
            leaves,
            index,
            size: AtomicU64::new(size),
            signed: AtomicU64::new(given_out.map_or(0, |signed| signed.size)),
            writer: Mutex::new(LogWriter { trees, signed }),
            synced: Mutex::new(Synced { slot: synced, size: synced_size }),
        };
        Ok((log, LogRecovery { log: id, size, replayed, rehashed, reindexed, retracted }))
    }

    /// The trees over all leaves, from what was synced of them on, and how many leaves were hashed.
    fn grow(&self, mark: Option<TreeSize>, size: u64, options: &Options) -> Result<(Growing, u64), Error> {
        let begin = match mark {
            Some(mark) if self.trees_match(mark)? => mark.size,
            _ => 0,
        };
        self.blake3.0.cut(NodeFile::bytes(begin))?;
        self.sha256.0.cut(NodeFile::bytes(begin))?;
        let mut trees = Growing::new(frontier(&self.blake3, begin)?, frontier(&self.sha256, begin)?);
        let mut outcome = Ok(());
        self.leaves.read(begin, &mut |leaf| {
            trees.push(leaf_hashes(leaf.bytes));
            if trees.waiting() >= FLUSH_BYTES {
                outcome = trees.flush(&self.blake3, &self.sha256);
            }
            if trees.size().is_multiple_of(PROGRESS_LEAVES) || trees.size() == size {
                self.report(options, trees.size(), size);
            }
            outcome.is_ok()
        })?;
        outcome?;
        trees.flush(&self.blake3, &self.sha256)?;
        let hashed = trees.size() - begin;
        Ok((trees, hashed))
    }

    fn report(&self, options: &Options, done: u64, total: u64) {
        if let Some(progress) = &options.progress {
            progress(Progress { log: self.id, done, total });
        }
    }

    /// Whether the tree files hold what was synced.
    fn trees_match(&self, mark: TreeSize) -> Result<bool, Error> {
        let long_enough = mark.size <= merkle::MAX_TREE_SIZE >> 6
            && self.blake3.0.len()? >= NodeFile::bytes(mark.size)
            && self.sha256.0.len()? >= NodeFile::bytes(mark.size);
        Ok(long_enough && self.roots(mark.size)? == mark.roots)
    }

    fn roots(&self, size: u64) -> Result<Roots, Error> {
        Ok(Roots {
            blake3: merkle::root_at::<Blake3, _>(&self.blake3, size)?,
            sha256: merkle::root_at::<Sha256, _>(&self.sha256, size)?,
        })
    }

    /// Compares the leaves found with what was given out for signing and with what was acknowledged.
    fn find_retraction(
        &self,
        given_out: Option<TreeSize>,
        lost: Option<TreeSize>,
        size: u64,
    ) -> Result<Option<Error>, Error> {
        let refuse = |signed, found| Error::LogRetracted { log: self.id, dir: self.dir.clone(), size, signed, found };
        if let Some(signed) = given_out {
            if signed.size > size {
                return Ok(Some(refuse(signed.size, "are fewer than were signed")));
            }
            if self.roots(signed.size)? != signed.roots {
                return Ok(Some(refuse(signed.size, "have other roots than were signed")));
            }
        }
        Ok(lost.map(|mark| refuse(mark.size, "are fewer than were acknowledged")))
    }
}

#[cfg(test)]
mod tests;
