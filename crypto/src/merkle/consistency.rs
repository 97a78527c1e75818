//! Consistency proofs: an older tree is a prefix of a newer one.

use serde::{Deserialize, Serialize};

use super::{MAX_PATH, MAX_TREE_SIZE};
use crate::codec::{Decode, Encode, Reader, Writer};
use crate::error::{CodecError, MerkleError};
use crate::hash::{Hash, MerkleHash};

/// `PROOF(old_size, D[0:new_size])` of RFC 9162 section 2.1.4. The path is empty where `old_size` is 0 (nothing to be
/// consistent with) and where the sizes are equal (the roots are compared).
///
/// The roots do not bind the sizes: compare `old_size` and `new_size` with those of the two checkpoints whose roots are passed to
/// [`ConsistencyProof::verify`].
///
/// Canonical form: old size `u64`, new size `u64`, list of hashes.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ConsistencyProof {
    /// Size of the older tree.
    pub old_size: u64,
    /// Size of the newer tree.
    pub new_size: u64,
    /// Subtree roots, lowest level first.
    pub path: Vec<Hash>,
}

impl ConsistencyProof {
    /// Number of hashes the path between two sizes has.
    ///
    /// # Errors
    /// [`MerkleError::SizeTooLarge`], [`MerkleError::Shrunk`].
    pub fn path_length(old: u64, new: u64) -> Result<usize, MerkleError> {
        if new > MAX_TREE_SIZE {
            return Err(MerkleError::SizeTooLarge(new));
        }
        if old > new {
            return Err(MerkleError::Shrunk { old, new });
        }
        if old == 0 || old == new {
            return Ok(0);
        }
        // The path starts at the last complete subtree of the old tree, of 2^shift leaves, and runs like an inclusion path from
        // there; that subtree's own hash is left out where it is the whole old tree.
        let shift = old.trailing_zeros();
        let node = (old - 1) >> shift;
        let last = (new - 1) >> shift;
        let inner = 64 - (node ^ last).leading_zeros();
        let border = node.checked_shr(inner).unwrap_or(0).count_ones();
        Ok((inner + border) as usize + usize::from(!old.is_power_of_two()))
    }

    /// Checks that the tree with `old_root` is the prefix of `old_size` leaves of the tree with `new_root` (RFC 9162 section
    /// 2.1.4.2). For `old_size` 0 the old root must be the empty tree's; for equal sizes the roots must be equal.
    ///
    /// # Errors
    /// [`MerkleError`] says which check failed.
    pub fn verify<H: MerkleHash>(&self, old_root: &Hash, new_root: &Hash) -> Result<(), MerkleError> {
        let expected = Self::path_length(self.old_size, self.new_size)?;
        if self.path.len() != expected {
            return Err(MerkleError::PathLength { expected, found: self.path.len() });
        }
        let (old, new) = match (self.old_size, self.new_size) {
            (0, 0) => (H::empty(), H::empty()),
            (0, _) => (H::empty(), *new_root),
            (old, new) if old == new => (*old_root, *old_root),
            _ => self.fold::<H>(old_root),
        };
        if old != *old_root {
            Err(MerkleError::OldRootMismatch { expected: *old_root, computed: old })
        } else if new != *new_root {
            Err(MerkleError::RootMismatch { expected: *new_root, computed: new })
        } else {
            Ok(())
        }
    }

    /// The loop of RFC 9162 section 2.1.4.2; answers the old and the new root the path leads to. Needs `0 < old < new` and
    /// the exact path length.
    fn fold<H: MerkleHash>(&self, old_root: &Hash) -> (Hash, Hash) {
        let shift = self.old_size.trailing_zeros();
        let mut node = (self.old_size - 1) >> shift;
        let mut last = (self.new_size - 1) >> shift;
        let mut path = self.path.iter();
        let start = if self.old_size.is_power_of_two() { old_root } else { path.next().unwrap_or(old_root) };
        let (mut old, mut new) = (*start, *start);
        for sibling in path {
            if node & 1 == 1 || node == last {
                old = H::node(sibling, &old);
                new = H::node(sibling, &new);
                while node & 1 == 0 && node != 0 {
                    node >>= 1;
                    last >>= 1;
                }
            } else {
                new = H::node(&new, sibling);
            }
            node >>= 1;
            last >>= 1;
        }
        (old, new)
    }
}

impl Encode for ConsistencyProof {
    fn encode(&self, out: &mut Writer) {
        out.u64(self.old_size).u64(self.new_size).list(&self.path, |out, hash| {
            out.put(hash);
        });
    }
}

impl Decode for ConsistencyProof {
    fn decode(input: &mut Reader<'_>) -> Result<Self, CodecError> {
        Ok(Self { old_size: input.u64()?, new_size: input.u64()?, path: input.list(MAX_PATH, Reader::get)? })
    }
}
