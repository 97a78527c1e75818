//! A small tree kept in memory.

use std::marker::PhantomData;

use super::{ConsistencyProof, InclusionProof, NodeSource, prove_consistency, prove_inclusion, root_at};
use crate::error::{MerkleError, ProveError};
use crate::hash::{Hash, MerkleHash};

/// Every complete node of a tree, in memory: for transaction lists, document batches and tests.
#[derive(Debug, Clone)]
pub struct MemoryTree<H> {
    /// `levels[l][i]` is node `(l, i)`.
    levels: Vec<Vec<Hash>>,
    hash: PhantomData<H>,
}

impl<H: MerkleHash> MemoryTree<H> {
    /// The tree without leaves.
    #[must_use]
    pub const fn new() -> Self {
        Self { levels: Vec::new(), hash: PhantomData }
    }

    /// A tree over leaf *data*; each item is hashed as a leaf.
    pub fn from_leaves<T: AsRef<[u8]>>(leaves: impl IntoIterator<Item = T>) -> Self {
        Self::from_hashes(leaves.into_iter().map(|leaf| H::leaf(leaf.as_ref())))
    }

    /// A tree over leaf *hashes*.
    pub fn from_hashes(leaf_hashes: impl IntoIterator<Item = Hash>) -> Self {
        let mut tree = Self::new();
        for hash in leaf_hashes {
            tree.push_hash(hash);
        }
        tree
    }

    /// Appends leaf data and answers its index.
    pub fn push(&mut self, data: &[u8]) -> u64 {
        self.push_hash(H::leaf(data))
    }

    /// Appends a leaf hash and answers its index.
    pub fn push_hash(&mut self, leaf_hash: Hash) -> u64 {
        let index = self.size();
        let mut node = leaf_hash;
        let mut level = 0;
        loop {
            if self.levels.len() == level {
                self.levels.push(Vec::new());
            }
            let nodes = &mut self.levels[level];
            nodes.push(node);
            if nodes.len() % 2 == 1 {
                return index;
            }
            node = H::node(&nodes[nodes.len() - 2], &nodes[nodes.len() - 1]);
            level += 1;
        }
    }

    /// Number of leaves.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.levels.first().map_or(0, |leaves| leaves.len() as u64)
    }

    /// Root of the whole tree.
    #[must_use]
    pub fn root(&self) -> Hash {
        // Every complete node below the tree's own size is present, so the lookup cannot fail.
        root_at::<H, _>(self, self.size()).unwrap_or_else(|_| H::empty())
    }

    /// Root of the first `size` leaves.
    ///
    /// # Errors
    /// [`MerkleError::MissingNode`] beyond the tree's size.
    pub fn root_at(&self, size: u64) -> Result<Hash, MerkleError> {
        root_at::<H, _>(self, size)
    }

    /// Inclusion proof in the whole tree.
    ///
    /// # Errors
    /// [`MerkleError::IndexOutOfRange`].
    pub fn inclusion(&self, index: u64) -> Result<InclusionProof, MerkleError> {
        self.inclusion_at(index, self.size())
    }

    /// Inclusion proof in the tree of the first `size` leaves.
    ///
    /// # Errors
    /// [`MerkleError::IndexOutOfRange`], [`MerkleError::MissingNode`].
    pub fn inclusion_at(&self, index: u64, size: u64) -> Result<InclusionProof, MerkleError> {
        prove_inclusion::<H, _>(self, index, size).map_err(flatten)
    }

    /// Consistency proof from the first `old` leaves to the whole tree.
    ///
    /// # Errors
    /// [`MerkleError::Shrunk`].
    pub fn consistency(&self, old: u64) -> Result<ConsistencyProof, MerkleError> {
        self.consistency_at(old, self.size())
    }

    /// Consistency proof from the first `old` to the first `new` leaves.
    ///
    /// # Errors
    /// [`MerkleError::Shrunk`], [`MerkleError::MissingNode`].
    pub fn consistency_at(&self, old: u64, new: u64) -> Result<ConsistencyProof, MerkleError> {
        prove_consistency::<H, _>(self, old, new).map_err(flatten)
    }
}

impl<H: MerkleHash> Default for MemoryTree<H> {
    fn default() -> Self {
        Self::new()
    }
}

impl<H: MerkleHash> NodeSource for MemoryTree<H> {
    type Error = MerkleError;

    fn node(&self, level: u8, index: u64) -> Result<Hash, MerkleError> {
        let missing = MerkleError::MissingNode { level, index };
        let nodes = self.levels.get(usize::from(level)).ok_or(missing.clone())?;
        usize::try_from(index).ok().and_then(|index| nodes.get(index)).copied().ok_or(missing)
    }
}

fn flatten(error: ProveError<MerkleError>) -> MerkleError {
    match error {
        ProveError::Arguments(error) | ProveError::Source(error) => error,
    }
}
