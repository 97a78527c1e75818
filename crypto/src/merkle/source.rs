//! Roots and proofs from stored nodes, for any past size.

use super::{ConsistencyProof, InclusionProof};
use crate::error::{MerkleError, ProveError};
use crate::hash::{Hash, MerkleHash};

/// Where the complete nodes of a tree are kept.
pub trait NodeSource {
    /// Why a node could not be read.
    type Error;

    /// Root of the complete subtree over the leaves `index * 2^level .. (index + 1) * 2^level`. Level 0 holds the leaf hashes.
    ///
    /// # Errors
    /// The source's own, also where the node does not exist.
    fn node(&self, level: u8, index: u64) -> Result<Hash, Self::Error>;
}

impl<S: NodeSource + ?Sized> NodeSource for &S {
    type Error = S::Error;

    fn node(&self, level: u8, index: u64) -> Result<Hash, Self::Error> {
        (**self).node(level, index)
    }
}

/// Root of the first `size` leaves. Reads one node for each set bit of `size`, none for the empty tree.
/// `size` may be any size the source has complete nodes for.
///
/// # Errors
/// The source's own.
pub fn root_at<H: MerkleHash, S: NodeSource + ?Sized>(source: &S, size: u64) -> Result<Hash, S::Error> {
    if size == 0 { Ok(H::empty()) } else { range_root::<H, S>(source, 0, size) }
}

/// `PATH(index, D[0:size])` of RFC 9162 section 2.1.3.1. Reads O(log size) nodes.
///
/// # Errors
/// [`ProveError::Arguments`] unless `index < size <= 2^63`, and the source's own.
pub fn prove_inclusion<H: MerkleHash, S: NodeSource + ?Sized>(
    source: &S,
    index: u64,
    size: u64,
) -> Result<InclusionProof, ProveError<S::Error>> {
    InclusionProof::path_length(index, size).map_err(ProveError::Arguments)?;
    let mut path = Vec::with_capacity(64 - size.leading_zeros() as usize);
    let (mut begin, mut end) = (0, size);
    while end - begin > 1 {
        let split = split_point(begin, end);
        let sibling = if index < split { split..end } else { begin..split };
        path.push(range_root::<H, S>(source, sibling.start, sibling.end).map_err(ProveError::Source)?);
        if index < split {
            end = split;
        } else {
            begin = split;
        }
    }
    path.reverse();
    Ok(InclusionProof { index, size, path })
}

/// `PROOF(old, D[0:new])` of RFC 9162 section 2.1.4.1, with the empty path where `old` is 0 or equals `new`. Reads
/// O(log new) nodes.
///
/// # Errors
/// [`ProveError::Arguments`] unless `old <= new <= 2^63`, and the source's own.
pub fn prove_consistency<H: MerkleHash, S: NodeSource + ?Sized>(
    source: &S,
    old: u64,
    new: u64,
) -> Result<ConsistencyProof, ProveError<S::Error>> {
    let length = ConsistencyProof::path_length(old, new).map_err(ProveError::Arguments)?;
    let mut path = Vec::with_capacity(length);
    if length > 0 {
        let (mut begin, mut end) = (0, new);
        // SUBPROOF: walk down to the subtree whose right edge is the old tree's.
        while end != old {
            let split = split_point(begin, end);
            let sibling = if old <= split { split..end } else { begin..split };
            path.push(range_root::<H, S>(source, sibling.start, sibling.end).map_err(ProveError::Source)?);
            if old <= split {
                end = split;
            } else {
                begin = split;
            }
        }
        // Where that subtree is the whole old tree, the verifier knows its root already.
        if begin != 0 {
            path.push(range_root::<H, S>(source, begin, end).map_err(ProveError::Source)?);
        }
        path.reverse();
    }
    Ok(ConsistencyProof { old_size: old, new_size: new, path })
}

/// Where RFC 9162 splits the leaves `begin..end`: behind the largest power of two of leaves below their number.
fn split_point(begin: u64, end: u64) -> u64 {
    let last = end - begin - 1;
    begin + (1 << (63 - last.leading_zeros()))
}

/// `MTH(D[begin:end])` for a non-empty range that is a subtree of the RFC 9162 shape: `begin` is a multiple of the smallest
/// power of two at or above its length, so each complete part of it is a stored node.
fn range_root<H: MerkleHash, S: NodeSource + ?Sized>(source: &S, begin: u64, end: u64) -> Result<Hash, S::Error> {
    let mut rest = end - begin;
    let mut edge = end;
    let mut root = None;
    while rest != 0 {
        let level = rest.trailing_zeros();
        edge -= 1 << level;
        let node = source.node(level as u8, edge >> level)?;
        root = Some(match root {
            None => node,
            Some(right) => H::node(&node, &right),
        });
        rest &= rest - 1;
    }
    Ok(root.unwrap_or_else(H::empty))
}

impl<E> From<MerkleError> for ProveError<E> {
    fn from(error: MerkleError) -> Self {
        Self::Arguments(error)
    }
}
