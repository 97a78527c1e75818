//! The trees of one partition of a record log, beside its segments: what [`pyralog_crypto::partition`] defines, for every size.
//!
//! ```text
//! <dir>/<base>.tree       nodes of the tree of a segment, in the order in which appends complete them, 32 bytes each; derived
//!       roots             the leaves of the partition's tree
//!       roots.copy        those of the segments that were removed, once more
//!
//! roots = header entry*                                                  64 bytes each, integers big-endian, checksums CRC32C
//! header = "PYRAROOT" version:u32 kind:u32 stream:u64 zero[36] crc:u32
//! entry  = first:u64 next:u64 root[32] zero[12] crc:u32                  number k is that of segment k
//! ```
//!
//! An entry's checksum covers its number and the header's too. The last entry may be that of the segment which grows, with the records it
//! had at some time.
//!
//! **What is derived.** The node files follow from the records. Nothing of them is synced; what is missing, cut or wrong is made again
//! from the records, when the partition is opened or when it does not lead to the root. No root is ever taken from
//! nodes that were not checked: those of the last segment are compared with its entry at open, or else it is hashed again.
//!
//! **What is not.** The entry of a segment that was removed is all that is left of it. [`PartitionTree::trim`] makes it durable in both
//! files, one after the other, and only then removes the segment. So a write that destroys the sector it touches when the power goes still leaves the
//! other copy. A jump does the same where another store of the same records has removed segments that were never here.
//!
//! **Memory**: about 120 bytes for each segment that ever was, and the right edge of one tree. Of a stream in memory all nodes are kept as
//! long as their records.
//!
//! **Threads.** One appends; others may prove and trim at the same time. They see what was appended before they began. Nobody who appends
//! waits for a sync.

mod grow;
mod nodes;
mod prefix;
mod proofs;
mod recover;
mod remake;
mod roots;
mod view;

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use pyralog_crypto::{Hash, LogId, PartitionCheckpoint, SegmentLeaf};

use crate::Error;
use crate::disk::Disk;
use crate::segment::{RecordLog, Stored};
use crate::stub::leaf_of;

use grow::Growing;
use nodes::NodeStore;
use roots::RootsFile;
use view::View;

pub use prefix::{MAX_TRIMMED_SEGMENTS, TrimmedPrefix};
pub use recover::TreeRecovery;

/// The root of a partition at a size, and what a checkpoint says with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PartitionRoot {
    /// Number of records, removed ones too.
    pub size: u64,
    /// Number of segments that hold them.
    pub segments: u64,
    /// Root of the tree of the segments.
    pub root: Hash,
}

impl PartitionRoot {
    /// The checkpoint of partition `partition` of `log` that says this.
    #[must_use]
    pub const fn checkpoint(self, log: LogId, partition: u32) -> PartitionCheckpoint {
        let Self { size, segments, root } = self;
        PartitionCheckpoint { log, partition, size, segments, root }
    }
}

/// The trees of one partition. See the module documentation.
#[derive(Debug)]
pub struct PartitionTree {
    records: Arc<dyn RecordLog>,
    store: NodeStore,
    /// `None` for a stream in memory.
    roots: Option<RootsFile>,
    /// Locked by whoever appends, for as long as that takes; before the others.
    growing: Mutex<Growing>,
    /// Locked by whoever trims, for as long as that takes; before the others.
    trims: Mutex<()>,
    /// Locked for writing only while memory changes.
    view: RwLock<View>,
    /// Whose turn it is to make nodes again, or to remove them.
    rebuilds: Mutex<()>,
    /// The first failure of a write, which is remembered for good.
    failure: OnceLock<Error>,
}

impl PartitionTree {
    /// Opens the trees of `records`, which are on disk in `dir`, as stream `stream`, and brings them up to the records. Reads no record where
    /// they are up to them.
    ///
    /// # Errors
    /// [`Error::Damaged`] names what is missing of removed segments, or does not check and cannot be made again; [`Error::DiskFull`]; what
    /// the disk answered.
    pub fn open(
        disk: &Arc<dyn Disk>,
        dir: &Path,
        stream: u64,
        records: Arc<dyn RecordLog>,
    ) -> Result<(Self, TreeRecovery), Error> {
        recover::on_disk(disk, dir, stream, records)
    }

    /// The trees of `records`, which are in memory; so are the trees.
    ///
    /// # Errors
    /// [`Error::NoSuchRecord`] where records were removed before.
    pub fn in_memory(records: Arc<dyn RecordLog>) -> Result<Self, Error> {
        recover::in_memory(records)
    }

    /// Number of records in the trees, removed ones too.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.view().size()
    }

    /// Why the trees refuse to be written, if they do.
    #[must_use]
    pub fn failure(&self) -> Option<Error> {
        self.failure.get().cloned()
    }

    /// Adds the leaf hashes of records that were appended to the stream, from record `first` on. Those that the trees have are skipped; what
    /// they lack before `first` is read from the stream.
    ///
    /// # Errors
    /// Any error is final for writing: what the disk answered, or [`Error::Damaged`].
    pub fn append(&self, first: u64, leaves: &[Hash]) -> Result<(), Error> {
        let mut growing = self.growing.lock().unwrap_or_else(PoisonError::into_inner);
        self.write(|| self.extend(&mut growing, first, leaves))
    }

    /// Removes the sealed segments whose records are all below `up_to` from the stream, for ever, and their nodes. What must remain of them is made
    /// durable before. The stream must not be trimmed in another way.
    ///
    /// # Errors
    /// What the disk answered; it is final for writing.
    pub fn trim(&self, up_to: u64) -> Result<(), Error> {
        let _trim = self.trims.lock().unwrap_or_else(PoisonError::into_inner);
        self.write(|| {
            let first = self.records.first_offset();
            let gone = {
                let view = self.view();
                let count = view.closed().partition_point(|leaf| leaf.next <= up_to);
                view.closed()[..count].to_vec()
            };
            let Some(last) = gone.last().filter(|last| last.next > first) else { return Ok(()) };
            if let Some(roots) = &self.roots {
                roots.secure(&gone)?;
            }
            // No segment goes that was sealed in the meantime.
            self.records.trim(last.next)?;
            let _turn = self.turn();
            gone.iter().filter(|leaf| leaf.first >= first).try_for_each(|leaf| self.store.remove(leaf.first))
        })
    }

    /// What is left of the segments that were removed; `None` where they are too many to be passed on.
    pub(crate) fn trimmed(&self) -> Option<TrimmedPrefix> {
        let first = self.records.first_offset();
        let view = self.view();
        let count = view.closed().partition_point(|leaf| leaf.next <= first);
        TrimmedPrefix::new(view.closed()[..count].to_vec())
    }

    /// Whether the segments that are closed here are the first ones of a prefix.
    pub(crate) fn begins(&self, prefix: &TrimmedPrefix) -> bool {
        prefix.leaves().starts_with(self.view().closed())
    }

    /// Takes over what another store of the same records has left of those that it removed, and has `jump` go on with the first record behind
    /// them in the stream. What is here of them goes. Nothing where the trees are there or further. All that is closed here must be [`Self::begins`].
    ///
    /// # Errors
    /// What the disk answered; it is final for writing.
    pub(crate) fn jump(
        &self,
        prefix: &TrimmedPrefix,
        jump: impl FnOnce(u64) -> Result<(), Error>,
    ) -> Result<(), Error> {
        let mut growing = self.growing.lock().unwrap_or_else(PoisonError::into_inner);
        let _trim = self.trims.lock().unwrap_or_else(PoisonError::into_inner);
        self.write(|| {
            if prefix.end() <= growing.next() {
                return Ok(());
            }
            if !self.begins(prefix) {
                let why = "the trees are not those of the records that they would go on behind";
                return Err(roots::contradiction(self.store.dir(), self.view().closed().len(), why));
            }
            // The roots are durable before the stream begins behind them; a start cuts off what it does not find them needed for.
            if let Some(roots) = &self.roots {
                let known = self.view().closed().len();
                for (number, leaf) in prefix.leaves().iter().enumerate().skip(known) {
                    roots.put(number, leaf)?;
                }
                roots.secure(prefix.leaves())?;
            }
            jump(prefix.end())?;
            let _turn = self.turn();
            let nodes = self.store.create(prefix.end())?;
            *growing = Growing::new(prefix.end(), Arc::clone(&nodes));
            *self.view_mut() = View::new(prefix.leaves().to_vec(), None, nodes);
            self.store.keep(&self.records.segments())
        })
    }

    /// Reads all records and checks all nodes against them. Puts nodes in place that are wrong and answers the names of their files; what is
    /// damaged is given to `damage`.
    pub fn verify(&self, damage: &mut dyn FnMut(Error)) -> Vec<PathBuf> {
        self.verify_with(damage, &mut |_| ())
    }

    /// [`Self::verify`], which shows to `seen` what it reads.
    pub(crate) fn verify_with(&self, damage: &mut dyn FnMut(Error), seen: &mut dyn FnMut(&Stored<'_>)) -> Vec<PathBuf> {
        let first = self.records.first_offset();
        let parts = {
            let view = self.view();
            let from = view.closed().partition_point(|leaf| leaf.next <= first);
            (from..=view.closed().len()).filter_map(|number| view.part(number)).collect::<Vec<_>>()
        };
        let mut remade = Vec::new();
        for part in parts {
            match self.remake(&part, seen) {
                Ok(path) => remade.extend(path),
                // Removed while the others were read.
                Err(Error::NoSuchRecord { .. }) => {}
                Err(error) => damage(error),
            }
        }
        remade
    }

    fn view(&self) -> RwLockReadGuard<'_, View> {
        self.view.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn view_mut(&self) -> RwLockWriteGuard<'_, View> {
        self.view.write().unwrap_or_else(PoisonError::into_inner)
    }

    fn turn(&self) -> MutexGuard<'_, ()> {
        self.rebuilds.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Writes, unless an earlier write failed.
    fn write(&self, act: impl FnOnce() -> Result<(), Error>) -> Result<(), Error> {
        match self.failure.get() {
            Some(failure) => Err(failure.clone()),
            // The first failure is the one that counts.
            None => act().inspect_err(|failure| {
                let _earlier = self.failure.set(failure.clone());
            }),
        }
    }

    fn extend(&self, growing: &mut Growing, first: u64, leaves: &[Hash]) -> Result<(), Error> {
        let due = growing.next();
        let mut bases: Vec<u64> = self.records.segments_from(due).iter().map(|segment| segment.first).collect();
        if bases.first().is_some_and(|base| *base < due && *base != growing.first) {
            let why = format!("record {due} belongs to another segment than the stream says");
            return Err(Error::damaged(&self.store.path(growing.first), 0, why));
        }
        bases.retain(|base| *base > growing.first);
        let mut bases = bases.into_iter().peekable();
        let mut push = |growing: &mut Growing, leaf| {
            if bases.next_if_eq(&growing.next()).is_some() {
                self.close(growing)?;
            }
            growing.push(leaf)
        };
        let mut outcome = Ok(());
        if due < first {
            self.records.read(due, &mut |record| {
                outcome = push(growing, leaf_of(record.bytes));
                outcome.is_ok() && record.offset + 1 < first
            })?;
        }
        outcome?;
        let known = usize::try_from(due.saturating_sub(first)).unwrap_or(usize::MAX).min(leaves.len());
        leaves[known..].iter().try_for_each(|leaf| push(growing, *leaf))?;
        growing.flush()?;
        let leaf = growing.leaf();
        self.put(leaf.as_ref())?;
        self.view_mut().active = leaf;
        Ok(())
    }

    /// Ends the segment that grows.
    fn close(&self, growing: &mut Growing) -> Result<(), Error> {
        growing.flush()?;
        let Some(leaf) = growing.leaf() else { return Ok(()) };
        self.put(Some(&leaf))?;
        let nodes = self.store.create(leaf.next)?;
        *growing = Growing::new(leaf.next, Arc::clone(&nodes));
        self.view_mut().close(leaf, nodes);
        Ok(())
    }

    /// Writes the entry of the last segment.
    fn put(&self, leaf: Option<&SegmentLeaf>) -> Result<(), Error> {
        match (&self.roots, leaf) {
            (Some(roots), Some(leaf)) => roots.put(self.view().closed().len(), leaf),
            _ => Ok(()),
        }
    }
}

/// Whether the bytes are an entry of the file `roots`.
#[cfg(any(test, feature = "testkit"))]
pub(crate) fn fuzz(bytes: &[u8]) -> bool {
    roots::fuzz(bytes)
}

#[cfg(test)]
mod crash_tests;
#[cfg(test)]
mod damage_tests;
#[cfg(test)]
mod stub_tests;
#[cfg(test)]
mod testkit;
#[cfg(test)]
mod tests;
