//! Ordered tables of bytes: what the chain store and the leaf index need of a key-value store.

use std::fmt::Debug;

use crate::Error;

/// A table (RocksDB column family). The number is its place on disk and never changes its meaning.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Family {
    /// Height to block bytes.
    Block,
    /// Height to the commit for that block.
    Commit,
    /// Height to what the node keeps beside a block.
    Meta,
    /// Height to results.
    Results,
    /// Transaction hash to (height, index).
    Tx,
    /// Block hash to height.
    BlockHash,
    /// The ledger's state.
    State,
    /// Chain state, latest height, notes.
    Chain,
    /// Leaf hash to leaf index, derived from the notary logs.
    LeafIndex,
    /// The logs and their streams.
    Log,
    /// Votes, logs and snapshots of the Raft groups, and who this member is in them.
    Raft,
}

impl Family {
    /// All tables.
    pub const ALL: [Self; 11] = [
        Self::Block,
        Self::Commit,
        Self::Meta,
        Self::Results,
        Self::Tx,
        Self::BlockHash,
        Self::State,
        Self::Chain,
        Self::LeafIndex,
        Self::Log,
        Self::Raft,
    ];

    /// Name of the column family.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Block => "block",
            Self::Commit => "commit",
            Self::Meta => "meta",
            Self::Results => "results",
            Self::Tx => "tx",
            Self::BlockHash => "block-hash",
            Self::State => "state",
            Self::Chain => "chain",
            Self::LeafIndex => "leaf-index",
            Self::Log => "log",
            Self::Raft => "raft",
        }
    }
}

/// When a batch survives a crash.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Durability {
    /// When the call returns.
    Synced,
    /// Some time later, in order with other batches of its table; for derived data only.
    Later,
}

/// Changes that happen together or not at all.
#[derive(Debug, Default)]
pub struct Batch {
    pub(crate) changes: Vec<Change>,
}

/// Table, key, and the new value or a deletion.
pub(crate) type Change = (Family, Vec<u8>, Option<Vec<u8>>);

impl Batch {
    /// Puts a value.
    pub fn put(&mut self, family: Family, key: impl Into<Vec<u8>>, value: impl Into<Vec<u8>>) {
        self.changes.push((family, key.into(), Some(value.into())));
    }

    /// Deletes a key, whether it exists or not.
    pub fn delete(&mut self, family: Family, key: impl Into<Vec<u8>>) {
        self.changes.push((family, key.into(), None));
    }

    /// Number of changes.
    #[must_use]
    pub fn len(&self) -> usize {
        self.changes.len()
    }

    /// Whether nothing is changed.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.changes.is_empty()
    }
}

/// Called for each entry of a scan, with key and value; `false` ends it.
pub type Visit<'a> = &'a mut dyn FnMut(&[u8], &[u8]) -> bool;

/// A store of ordered tables.
pub trait Tables: Debug + Send + Sync {
    /// The value of a key.
    ///
    /// # Errors
    /// [`Error::Tables`].
    fn get(&self, family: Family, key: &[u8]) -> Result<Option<Vec<u8>>, Error>;

    /// Applies a batch.
    ///
    /// # Errors
    /// [`Error::Tables`], [`Error::DiskFull`]; then nothing is known of the batch until the next open.
    fn write(&self, batch: Batch, durability: Durability) -> Result<(), Error>;

    /// Visits the entries from `from` on, in ascending order of keys.
    ///
    /// # Errors
    /// [`Error::Tables`].
    fn scan(&self, family: Family, from: &[u8], visit: Visit<'_>) -> Result<(), Error>;
}

#[cfg(test)]
mod tests;
