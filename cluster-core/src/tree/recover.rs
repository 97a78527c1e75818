//! Opening the trees: which of them lead to the roots, and the others from the records.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, OnceLock, RwLock};

use pyralog_crypto::SegmentLeaf;

use super::PartitionTree;
use super::grow::Growing;
use super::nodes::NodeStore;
use super::roots::RootsFile;
use super::view::View;
use crate::Error;
use crate::disk::Disk;
use crate::segment::{RecordLog, SegmentInfo};
use crate::stub::leaf_of;

/// What was found and done when the trees of a partition were opened.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct TreeRecovery {
    /// Number of records, removed ones too.
    pub size: u64,
    /// Records that were hashed again.
    pub rehashed: u64,
    /// Files that lacked something and were written again.
    pub remade: Vec<PathBuf>,
}

pub(super) fn on_disk(
    disk: &Arc<dyn Disk>,
    dir: &Path,
    stream: u64,
    records: Arc<dyn RecordLog>,
) -> Result<(PartitionTree, TreeRecovery), Error> {
    let (roots, removed, remade) = RootsFile::open(disk, dir, stream, records.first_offset())?;
    let store = NodeStore::Disk { disk: Arc::clone(disk), dir: dir.to_owned() };
    store.keep(&records.segments())?;
    Opening { records, store, roots: Some(roots), closed: removed, rehashed: 0, remade }.finish()
}

pub(super) fn in_memory(records: Arc<dyn RecordLog>) -> Result<PartitionTree, Error> {
    // The stream refuses where it begins later.
    records.read(0, &mut |_| false)?;
    let store = NodeStore::Memory(Mutex::default());
    Ok(Opening { records, store, roots: None, closed: Vec::new(), rehashed: 0, remade: Vec::new() }.finish()?.0)
}

struct Opening {
    records: Arc<dyn RecordLog>,
    store: NodeStore,
    roots: Option<RootsFile>,
    closed: Vec<SegmentLeaf>,
    rehashed: u64,
    remade: Vec<PathBuf>,
}

impl Opening {
    fn finish(mut self) -> Result<(PartitionTree, TreeRecovery), Error> {
        let segments = self.records.segments();
        let Some((last, sealed)) = segments.split_last() else {
            return Err(Error::damaged(self.store.dir(), 0, "the stream has no segment"));
        };
        for segment in sealed {
            let entry = self.entry()?;
            let whole = entry.filter(|leaf| (leaf.first, leaf.next) == (segment.first, segment.next));
            let leaf = if whole.is_some() { whole } else { self.grow(segment, entry)?.leaf() };
            self.put(entry, leaf)?;
            self.closed.extend(leaf);
        }
        let entry = self.entry()?;
        let growing = self.grow(last, entry)?;
        let active = growing.leaf();
        self.put(entry, active)?;
        if let Some(roots) = &self.roots {
            roots.cut(self.closed.len() + usize::from(active.is_some()))?;
        }
        let Self { records, store, roots, closed, rehashed, remade } = self;
        let view = View::new(closed, active, Arc::clone(&growing.nodes));
        let recovery = TreeRecovery { size: view.size(), rehashed, remade };
        let tree = PartitionTree {
            records,
            store,
            roots,
            growing: Mutex::new(growing),
            trims: Mutex::default(),
            view: RwLock::new(view),
            rebuilds: Mutex::default(),
            failure: OnceLock::new(),
        };
        Ok((tree, recovery))
    }

    /// What the files say of the next segment.
    fn entry(&self) -> Result<Option<SegmentLeaf>, Error> {
        match &self.roots {
            Some(roots) => roots.get(self.closed.len()),
            None => Ok(None),
        }
    }

    /// Writes the entry of the next segment, unless it is there.
    fn put(&self, entry: Option<SegmentLeaf>, leaf: Option<SegmentLeaf>) -> Result<(), Error> {
        match (&self.roots, leaf) {
            (Some(roots), Some(leaf)) if entry != Some(leaf) => roots.put(self.closed.len(), &leaf),
            _ => Ok(()),
        }
    }

    /// The tree of a segment: what `entry` says of its first records, where the nodes lead to that root, and the rest from the
    /// records.
    fn grow(&mut self, segment: &SegmentInfo, entry: Option<SegmentLeaf>) -> Result<Growing, Error> {
        let nodes = self.store.make(segment.first)?;
        let known = entry.filter(|leaf| leaf.first == segment.first && leaf.next <= segment.next);
        let known = known.and_then(|leaf| Growing::resume(&leaf, &nodes));
        let mut growing = known.unwrap_or_else(|| Growing::new(segment.first, nodes));
        let begin = growing.next();
        if begin < segment.next {
            let mut outcome = Ok(());
            self.records.read(begin, &mut |record| {
                outcome = growing.push(leaf_of(record.bytes));
                outcome.is_ok() && record.offset + 1 < segment.next
            })?;
            outcome?;
            growing.flush()?;
            self.rehashed += segment.next - begin;
            self.remade.push(self.store.path(segment.first));
        }
        growing.cut()?;
        Ok(growing)
    }
}
