//! Leaf hash to leaf index, derived from the BLAKE3 tree's leaf level.
//!
//! ```text
//! key   log id[32] first 16 bytes of the leaf hash, index:u64     value empty
//! key   log id[32]                                                value covered:u64, leaves that are in the index
//! ```

use std::sync::Arc;

use pyralog_crypto::{Hash, LogId};

use super::nodes::NodeFile;
use crate::Error;
use crate::chain::{Batch, Durability, Family, Tables};
use crate::parts::u64_at;

const PREFIX: usize = 32 + 16;
const REINDEX_BATCH: u64 = 4096;

/// The index of one log.
#[derive(Debug)]
pub(crate) struct LeafIndex {
    tables: Arc<dyn Tables>,
    log: LogId,
}

impl LeafIndex {
    pub(crate) fn new(tables: Arc<dyn Tables>, log: LogId) -> Self {
        Self { tables, log }
    }

    /// Adds leaves that follow each other. The count of covered leaves is in the same batch and table, so a crash cannot keep it
    /// and lose the entries.
    pub(crate) fn add(&self, first: u64, hashes: impl Iterator<Item = Hash>) -> Result<(), Error> {
        let mut keys: Vec<Vec<u8>> = hashes.zip(first..).map(|(hash, index)| self.key(&hash, index)).collect();
        let index = first + keys.len() as u64;
        // Ascending inserts cost RocksDB's memtable about half of what random ones do.
        keys.sort_unstable();
        let mut batch = Batch::default();
        for key in keys {
            batch.put(Family::LeafIndex, key, []);
        }
        batch.put(Family::LeafIndex, self.log.0, index.to_be_bytes());
        self.tables.write(batch, Durability::Later)
    }

    /// Indexes what a crash lost: the leaves from the covered count on. Answers how many they were.
    pub(crate) fn catch_up(&self, nodes: &NodeFile, size: u64) -> Result<u64, Error> {
        let covered = self.tables.get(Family::LeafIndex, &self.log.0)?;
        let covered = covered.filter(|value| value.len() == 8).map_or(0, |value| u64_at(&value, 0)).min(size);
        let mut first = covered;
        while first < size {
            let end = size.min(first + REINDEX_BATCH);
            let hashes: Vec<Hash> = (first..end).map(|index| nodes.read(0, index)).collect::<Result<_, _>>()?;
            self.add(first, hashes.into_iter())?;
            first = end;
        }
        Ok(size - covered)
    }

    /// Enters a leaf that should be there already, where it is not; answers whether it was not. It is there also where an earlier leaf has the
    /// same hash.
    pub(crate) fn put_right(&self, index: u64, hash: &Hash, nodes: &NodeFile) -> Result<bool, Error> {
        let wrong = self.find(hash, nodes, index + 1)?.is_none();
        if wrong {
            let mut batch = Batch::default();
            batch.put(Family::LeafIndex, self.key(hash, index), []);
            self.tables.write(batch, Durability::Synced)?;
        }
        Ok(wrong)
    }

    /// The lowest index below `size` with this leaf hash. Each candidate is checked against the tree.
    pub(crate) fn find(&self, hash: &Hash, nodes: &NodeFile, size: u64) -> Result<Option<u64>, Error> {
        let prefix = self.prefix(hash);
        let mut found = Ok(None);
        self.tables.scan(Family::LeafIndex, &prefix, &mut |key, _| {
            if key.len() != PREFIX + 8 || key[..PREFIX] != prefix {
                return false;
            }
            let index = u64_at(key, PREFIX);
            if index >= size {
                return false;
            }
            match nodes.read(0, index) {
                Ok(node) if node == *hash => found = Ok(Some(index)),
                Ok(_) => return true,
                Err(error) => found = Err(error),
            }
            false
        })?;
        found
    }

    fn key(&self, hash: &Hash, index: u64) -> Vec<u8> {
        [&self.log.0[..], &hash.0[..16], &index.to_be_bytes()].concat()
    }

    fn prefix(&self, hash: &Hash) -> Vec<u8> {
        [&self.log.0[..], &hash.0[..16]].concat()
    }
}

#[cfg(test)]
mod tests;
