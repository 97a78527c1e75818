//! Inclusion proofs: a leaf stands at an index of a tree.

use serde::{Deserialize, Serialize};

use super::{MAX_PATH, MAX_TREE_SIZE};
use crate::codec::{Decode, Encode, Reader, Writer};
use crate::error::{CodecError, MerkleError};
use crate::hash::{Hash, MerkleHash};

/// `PATH(index, D[0:size])` of RFC 9162 section 2.1.3: the sibling hashes from the leaf up to the root.
///
/// A root does not bind the size of its tree (leaf 0 has the same path at sizes 5 to 8): compare `size` with the size of the
/// checkpoint whose root is passed to [`InclusionProof::verify`].
///
/// Canonical form: index `u64`, size `u64`, list of hashes.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct InclusionProof {
    /// Leaf index, from 0.
    pub index: u64,
    /// Tree size.
    pub size: u64,
    /// Sibling hashes, leaf side first.
    pub path: Vec<Hash>,
}

impl InclusionProof {
    /// Number of hashes the path for `index` in a tree of `size` leaves has.
    ///
    /// # Errors
    /// [`MerkleError::IndexOutOfRange`], [`MerkleError::SizeTooLarge`].
    pub fn path_length(index: u64, size: u64) -> Result<usize, MerkleError> {
        if size > MAX_TREE_SIZE {
            return Err(MerkleError::SizeTooLarge(size));
        }
        if index >= size {
            return Err(MerkleError::IndexOutOfRange { index, size });
        }
        // Up to the point where the paths of this leaf and of the last leaf meet, each level has a sibling; above it, only the
        // levels where the leaf's ancestor is a right child have.
        let inner = 64 - (index ^ (size - 1)).leading_zeros();
        let border = index.checked_shr(inner).unwrap_or(0).count_ones();
        Ok((inner + border) as usize)
    }

    /// Checks that the leaf with hash `leaf_hash` is number `index` of the tree of `size` leaves with root `root`
    /// (RFC 9162 section 2.1.3.2). Both sizes and the exact path length are checked.
    ///
    /// # Errors
    /// [`MerkleError`] says which check failed.
    pub fn verify<H: MerkleHash>(&self, leaf_hash: &Hash, root: &Hash) -> Result<(), MerkleError> {
        let expected = Self::path_length(self.index, self.size)?;
        if self.path.len() != expected {
            return Err(MerkleError::PathLength { expected, found: self.path.len() });
        }
        let computed = self.fold::<H>(leaf_hash);
        if computed == *root { Ok(()) } else { Err(MerkleError::RootMismatch { expected: *root, computed }) }
    }

    /// The root the path leads to from a leaf hash, for formats that carry no root of their own.
    ///
    /// # Errors
    /// [`MerkleError`] where index, size and path length do not fit each other.
    pub fn root_from<H: MerkleHash>(&self, leaf_hash: &Hash) -> Result<Hash, MerkleError> {
        let expected = Self::path_length(self.index, self.size)?;
        if self.path.len() != expected {
            return Err(MerkleError::PathLength { expected, found: self.path.len() });
        }
        Ok(self.fold::<H>(leaf_hash))
    }

    /// The hashes of the path that stand left of the leaf, lowest level first: the roots of the complete subtrees that the leaves
    /// `0..index` consist of, one for each set bit of `index`. Index, size and path length must fit each other.
    pub(crate) fn left_siblings(&self) -> impl Iterator<Item = &Hash> {
        // Up to where the paths of this leaf and of the last leaf meet, each level has a sibling; all above stand to the left.
        let inner = 64 - (self.index ^ self.size.saturating_sub(1)).leading_zeros() as usize;
        let is_left = move |level: usize| level >= inner || self.index >> level & 1 == 1;
        self.path.iter().enumerate().filter(move |(level, _)| is_left(*level)).map(|(_, hash)| hash)
    }

    /// The loop of RFC 9162 section 2.1.3.2; index, size and path length fit each other.
    fn fold<H: MerkleHash>(&self, leaf_hash: &Hash) -> Hash {
        let (mut node, mut last) = (self.index, self.size - 1);
        let mut hash = *leaf_hash;
        for sibling in &self.path {
            if node & 1 == 1 || node == last {
                hash = H::node(sibling, &hash);
                while node & 1 == 0 && node != 0 {
                    node >>= 1;
                    last >>= 1;
                }
            } else {
                hash = H::node(&hash, sibling);
            }
            node >>= 1;
            last >>= 1;
        }
        hash
    }
}

impl Encode for InclusionProof {
    fn encode(&self, out: &mut Writer) {
        out.u64(self.index).u64(self.size).list(&self.path, |out, hash| {
            out.put(hash);
        });
    }
}

impl Decode for InclusionProof {
    fn decode(input: &mut Reader<'_>) -> Result<Self, CodecError> {
        Ok(Self { index: input.u64()?, size: input.u64()?, path: input.list(MAX_PATH, Reader::get)? })
    }
}
