//! Append-only Merkle trees in the shape of RFC 9162 section 2.1, generic over the hash.
//!
//! A tree of `n > 1` leaves splits at the largest power of two below `n`; nothing is duplicated or padded. With `H` the hash:
//!
//! ```text
//! MTH({})      = H("")
//! MTH({d0})    = H(0x00 || d0)
//! MTH(D[0:n])  = H(0x01 || MTH(D[0:k]) || MTH(D[k:n]))     k = largest power of two with k < n
//! ```
//!
//! A *node* `(level, index)` is the root of the complete subtree over the leaves `index * 2^level .. (index + 1) * 2^level`.
//! Complete nodes never change once they exist, which is why a log stores exactly these and nothing else: any root and any
//! proof, for any past size, is computed from O(log n) of them ([`NodeSource`]).
//!
//! ```
//! use pyralog_crypto::{MemoryTree, MerkleHash, Sha256};
//!
//! let mut tree = MemoryTree::<Sha256>::from_leaves(["a", "b", "c"]);
//! let old_root = tree.root();
//! tree.push(b"d");
//! tree.inclusion(1)?.verify::<Sha256>(&Sha256::leaf(b"b"), &tree.root())?;
//! tree.consistency(3)?.verify::<Sha256>(&old_root, &tree.root())?;
//! # Ok::<(), pyralog_crypto::MerkleError>(())
//! ```

mod consistency;
mod frontier;
mod inclusion;
mod memory;
mod source;

pub use consistency::ConsistencyProof;
pub use frontier::{Completed, Frontier};
pub use inclusion::InclusionProof;
pub use memory::MemoryTree;
pub use source::{NodeSource, prove_consistency, prove_inclusion, root_at};

/// Largest tree size that is accepted anywhere: 2^63 leaves. It keeps every level below 64 and every path at or below
/// [`MAX_PATH`].
pub const MAX_TREE_SIZE: u64 = 1 << 63;

/// Most hashes a proof path can have in a tree of at most [`MAX_TREE_SIZE`] leaves.
pub const MAX_PATH: usize = 64;

#[cfg(test)]
mod naive;
#[cfg(test)]
mod tests;
