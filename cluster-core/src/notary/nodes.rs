//! The complete nodes of a tree in one flat file.
//!
//! Nodes stand in the order in which appends complete them: each leaf hash, followed by the nodes it completes from level 1
//! upwards. Leaf `n - 1` leaves `2n - popcount(n)` nodes in the file, so every node has a fixed place, an append is one write at
//! the end, the length alone tells how many leaves are covered, and cutting to a smaller size is one truncation.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use pyralog_crypto::{Frontier, Hash, MerkleHash, NodeSource};

use crate::Error;
use crate::disk::{Disk, File};

const HASH: u64 = 32;

/// An append-only file of derived data.
#[derive(Debug)]
pub(crate) struct FlatFile {
    file: Arc<dyn File>,
    path: PathBuf,
}

impl FlatFile {
    /// Opens the file, making an empty one where there is none.
    pub(crate) fn open(disk: &dyn Disk, path: PathBuf) -> Result<Self, Error> {
        match Self::existing(disk, path.clone())? {
            Some(file) => Ok(file),
            None => Self::create(disk, path),
        }
    }

    /// Makes an empty file, in place of what may be there.
    pub(crate) fn create(disk: &dyn Disk, path: PathBuf) -> Result<Self, Error> {
        let file = disk.create(&path).map_err(|e| Error::io("create", &path, e))?;
        Ok(Self { file, path })
    }

    /// Opens the file; `None` where there is none.
    pub(crate) fn existing(disk: &dyn Disk, path: PathBuf) -> Result<Option<Self>, Error> {
        match disk.open(&path) {
            Ok(file) => Ok(Some(Self { file, path })),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(Error::io("open", &path, error)),
        }
    }

    pub(crate) fn len(&self) -> Result<u64, Error> {
        self.file.size().map_err(|e| Error::io("measure", &self.path, e))
    }

    pub(crate) fn cut(&self, len: u64) -> Result<(), Error> {
        self.file.set_len(len).map_err(|e| Error::io("truncate", &self.path, e))
    }

    pub(crate) fn write(&self, bytes: &[u8], at: u64) -> Result<(), Error> {
        self.file.write_at(bytes, at).map_err(|e| Error::io("write", &self.path, e))
    }

    /// Writes bytes that should be there already, where they are not; answers whether they were not.
    pub(crate) fn put_right(&self, bytes: &[u8], at: u64) -> Result<bool, Error> {
        let mut found = vec![0; bytes.len()];
        let read = self.file.read_at(&mut found, at).map_err(|e| Error::io("read", &self.path, e))?;
        let wrong = read < bytes.len() || found != bytes;
        if wrong {
            self.write(bytes, at)?;
        }
        Ok(wrong)
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    pub(crate) fn sync(&self) -> Result<(), Error> {
        self.file.sync().map_err(|e| Error::sync(&self.path, e))
    }

    fn exact<const N: usize>(&self, at: u64) -> Result<[u8; N], Error> {
        let mut bytes = [0; N];
        let read = self.file.read_at(&mut bytes, at).map_err(|e| Error::io("read", &self.path, e))?;
        if read < N {
            return Err(Error::damaged(
                &self.path,
                at,
                "the file is too short; remove it and start again to rebuild it",
            ));
        }
        Ok(bytes)
    }
}

/// Nodes that a tree of `size` leaves has complete.
pub(crate) fn node_count(size: u64) -> u64 {
    2 * size - u64::from(size.count_ones())
}

/// Place of a node in the file.
pub(crate) fn node_place(level: u8, index: u64) -> u64 {
    // It is completed by the last leaf below it, after the nodes of the leaves before and the `level` nodes below it.
    let last_leaf = ((index + 1) << level) - 1;
    node_count(last_leaf) + u64::from(level)
}

/// The nodes of one tree.
#[derive(Debug)]
pub(crate) struct NodeFile(pub(crate) FlatFile);

impl NodeFile {
    pub(crate) fn bytes(size: u64) -> u64 {
        node_count(size) * HASH
    }

    /// One node; it must be complete.
    pub(crate) fn read(&self, level: u8, index: u64) -> Result<Hash, Error> {
        Ok(Hash(self.0.exact(node_place(level, index) * HASH)?))
    }

    /// The error of a file whose nodes do not lead to the root.
    pub(crate) fn broken(&self) -> Error {
        let why =
            "a stored node does not lead to the root; remove this file and start again to rebuild it from the leaves";
        Error::damaged(&self.0.path, 0, why)
    }
}

impl NodeSource for NodeFile {
    type Error = Error;

    fn node(&self, level: u8, index: u64) -> Result<Hash, Error> {
        self.read(level, index)
    }
}

/// The right edge of the tree of the first `size` leaves.
pub(crate) fn frontier<H: MerkleHash>(nodes: &impl NodeSource<Error = Error>, size: u64) -> Result<Frontier<H>, Error> {
    let mut peaks = Vec::new();
    let mut end = 0;
    for level in (0..64u8).rev().filter(|level| size >> level & 1 == 1) {
        end += 1 << level;
        peaks.push(nodes.node(level, (end >> level) - 1)?);
    }
    Ok(Frontier::from_parts(size, &peaks)?)
}

#[cfg(test)]
mod tests;
