//! Where the nodes of the segments' trees are.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};

use pyralog_crypto::{Blake3, Hash, MemoryTree, NodeSource};

use crate::Error;
use crate::disk::Disk;
use crate::notary::nodes::{FlatFile, NodeFile};
use crate::segment::SegmentInfo;

/// Stands for a directory in messages.
const MEMORY: &str = "memory";

/// The nodes of one segment's tree.
#[derive(Debug)]
pub(super) enum Nodes {
    File(NodeFile),
    Memory(RwLock<MemoryTree<Blake3>>),
}

impl Nodes {
    /// The error of nodes that do not lead to the root.
    pub(super) fn broken(&self) -> Error {
        match self {
            Self::File(file) => file.broken(),
            // Nothing but this process writes memory.
            Self::Memory(_) => Error::damaged(Path::new(MEMORY), 0, "a node does not lead to the root"),
        }
    }
}

impl NodeSource for Nodes {
    type Error = Error;

    fn node(&self, level: u8, index: u64) -> Result<Hash, Error> {
        match self {
            Self::File(file) => file.read(level, index),
            Self::Memory(tree) => Ok(tree.read().unwrap_or_else(PoisonError::into_inner).node(level, index)?),
        }
    }
}

/// The nodes of all segments, named by their first records.
#[derive(Debug)]
pub(super) enum NodeStore {
    Disk { disk: Arc<dyn Disk>, dir: PathBuf },
    Memory(Mutex<BTreeMap<u64, Arc<Nodes>>>),
}

impl NodeStore {
    /// Those of a segment; `None` where there are none. Files are opened by whoever reads them, so that thousands of segments cost no
    /// file handles.
    pub(super) fn open(&self, first: u64) -> Result<Option<Arc<Nodes>>, Error> {
        match self {
            Self::Disk { disk, dir } => {
                let file = FlatFile::existing(disk.as_ref(), path(dir, first))?;
                Ok(file.map(|file| Arc::new(Nodes::File(NodeFile(file)))))
            }
            Self::Memory(trees) => Ok(lock(trees).get(&first).cloned()),
        }
    }

    /// Those of a segment that begins: none, whatever there was.
    pub(super) fn create(&self, first: u64) -> Result<Arc<Nodes>, Error> {
        match self {
            Self::Disk { disk, dir } => {
                let file = FlatFile::create(disk.as_ref(), path(dir, first))?;
                Ok(Arc::new(Nodes::File(NodeFile(file))))
            }
            Self::Memory(_) => self.make(first),
        }
    }

    /// Those of a segment, and none where there were none.
    pub(super) fn make(&self, first: u64) -> Result<Arc<Nodes>, Error> {
        match self {
            Self::Disk { disk, dir } => {
                let file = FlatFile::open(disk.as_ref(), path(dir, first))?;
                Ok(Arc::new(Nodes::File(NodeFile(file))))
            }
            Self::Memory(trees) => {
                let empty = || Arc::new(Nodes::Memory(RwLock::new(MemoryTree::new())));
                Ok(Arc::clone(lock(trees).entry(first).or_insert_with(empty)))
            }
        }
    }

    /// Removes those of a segment.
    pub(super) fn remove(&self, first: u64) -> Result<(), Error> {
        match self {
            Self::Disk { disk, dir } => remove(disk.as_ref(), &path(dir, first)),
            Self::Memory(trees) => {
                lock(trees).remove(&first);
                Ok(())
            }
        }
    }

    /// Removes those of all segments but these.
    pub(super) fn keep(&self, segments: &[SegmentInfo]) -> Result<(), Error> {
        let Self::Disk { disk, dir } = self else { return Ok(()) };
        for name in disk.list(dir).map_err(|e| Error::io("list", dir, e))? {
            let first = parse_name(&name);
            if first.is_some_and(|first| segments.binary_search_by_key(&first, |info| info.first).is_err()) {
                remove(disk.as_ref(), &dir.join(name))?;
            }
        }
        Ok(())
    }

    /// Where the files are, for messages.
    pub(super) fn dir(&self) -> &Path {
        match self {
            Self::Disk { dir, .. } => dir,
            Self::Memory(_) => Path::new(MEMORY),
        }
    }

    /// Where those of a segment stand, for messages.
    pub(super) fn path(&self, first: u64) -> PathBuf {
        path(self.dir(), first)
    }
}

fn lock(trees: &Mutex<BTreeMap<u64, Arc<Nodes>>>) -> MutexGuard<'_, BTreeMap<u64, Arc<Nodes>>> {
    // Nothing in the locked sections panics.
    trees.lock().unwrap_or_else(PoisonError::into_inner)
}

fn remove(disk: &dyn Disk, path: &Path) -> Result<(), Error> {
    match disk.remove(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(Error::io("remove", path, error)),
        _ => Ok(()),
    }
}

fn path(dir: &Path, first: u64) -> PathBuf {
    dir.join(file_name(first))
}

pub(super) fn file_name(first: u64) -> String {
    format!("{first:020}.tree")
}

fn parse_name(name: &str) -> Option<u64> {
    let first = name.strip_suffix(".tree")?.parse().ok()?;
    (file_name(first) == name).then_some(first)
}
