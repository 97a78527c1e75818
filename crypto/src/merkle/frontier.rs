//! The right edge of a growing tree.

use std::fmt;
use std::marker::PhantomData;

use super::MAX_TREE_SIZE;
use crate::codec::{Decode, Encode, Reader, Writer};
use crate::error::{CodecError, MerkleError};
use crate::hash::{Hash, MerkleHash};

const LEVELS: usize = 64;

/// What is needed to append to a tree and to know its root: the roots of the complete subtrees at its right edge (*peaks*),
/// one for each set bit of the size. Appending costs at most 64 node hashes, two on average with the leaf's own, and never
/// allocates.
///
/// Canonical form: version byte 1, hash id byte ([`crate::HashId`]), size `u64`, then the peaks from the largest subtree to
/// the smallest, 32 bytes each; their number is the number of set bits of the size and is not written.
#[derive(Clone)]
pub struct Frontier<H> {
    size: u64,
    /// Per level, the node completed last. Where the size has the level's bit set, that node is a peak; elsewhere it has been
    /// merged into a peak above and only serves [`Completed`].
    last: [Hash; LEVELS],
    hash: PhantomData<H>,
}

impl<H: MerkleHash> Frontier<H> {
    const VERSION: u8 = 1;

    /// The tree without leaves.
    #[must_use]
    pub const fn new() -> Self {
        Self { size: 0, last: [Hash([0; 32]); LEVELS], hash: PhantomData }
    }

    /// A frontier from its size and peaks, largest subtree first, as [`Frontier::peaks`] gives them.
    ///
    /// # Errors
    /// [`MerkleError::SizeTooLarge`], [`MerkleError::PeakCount`].
    pub fn from_parts(size: u64, peaks: &[Hash]) -> Result<Self, MerkleError> {
        if size > MAX_TREE_SIZE {
            return Err(MerkleError::SizeTooLarge(size));
        }
        let expected = size.count_ones() as usize;
        if peaks.len() != expected {
            return Err(MerkleError::PeakCount { size, expected, found: peaks.len() });
        }
        let mut frontier = Self::new();
        frontier.size = size;
        for (level, peak) in levels_of(size).zip(peaks) {
            frontier.last[level] = *peak;
        }
        Ok(frontier)
    }

    /// Appends one leaf and answers the nodes that it completes, the leaf itself first, then upwards.
    ///
    /// # Panics
    /// Beyond 2^64 - 1 leaves: from at most [`MAX_TREE_SIZE`], 2^63 appends away.
    pub fn append(&mut self, leaf_hash: Hash) -> Completed<'_> {
        let merges = self.size.trailing_ones() as usize;
        let mut node = leaf_hash;
        for level in 0..merges {
            let left = std::mem::replace(&mut self.last[level], node);
            node = H::node(&left, &node);
        }
        self.last[merges] = node;
        let index = self.size;
        self.size += 1;
        Completed { nodes: &self.last[..=merges], level: 0, index }
    }

    /// Number of leaves.
    #[must_use]
    pub const fn size(&self) -> u64 {
        self.size
    }

    /// Root of the tree, `MTH(D[0:size])`.
    #[must_use]
    pub fn root(&self) -> Hash {
        let mut bits = self.size;
        if bits == 0 {
            return H::empty();
        }
        let mut root = self.last[bits.trailing_zeros() as usize];
        bits &= bits - 1;
        while bits != 0 {
            root = H::node(&self.last[bits.trailing_zeros() as usize], &root);
            bits &= bits - 1;
        }
        root
    }

    /// The peaks, largest subtree first.
    pub fn peaks(&self) -> impl Iterator<Item = Hash> + '_ {
        levels_of(self.size).map(|level| self.last[level])
    }
}

/// Levels of the set bits of `size`, highest first.
fn levels_of(size: u64) -> impl Iterator<Item = usize> {
    (0..LEVELS).rev().filter(move |level| size >> level & 1 == 1)
}

impl<H: MerkleHash> Default for Frontier<H> {
    fn default() -> Self {
        Self::new()
    }
}

impl<H: MerkleHash> PartialEq for Frontier<H> {
    fn eq(&self, other: &Self) -> bool {
        self.size == other.size && self.peaks().eq(other.peaks())
    }
}

impl<H: MerkleHash> Eq for Frontier<H> {}

impl<H: MerkleHash> fmt::Debug for Frontier<H> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let peaks: Vec<Hash> = self.peaks().collect();
        f.debug_struct("Frontier").field("hash", &H::ID).field("size", &self.size).field("peaks", &peaks).finish()
    }
}

impl<H: MerkleHash> Encode for Frontier<H> {
    fn encode(&self, out: &mut Writer) {
        out.u8(Self::VERSION).u8(H::ID as u8).u64(self.size);
        for peak in self.peaks() {
            out.raw(&peak.0);
        }
    }
}

impl<H: MerkleHash> Decode for Frontier<H> {
    fn decode(input: &mut Reader<'_>) -> Result<Self, CodecError> {
        input.version("frontier", Self::VERSION)?;
        let id = input.u8()?;
        if id != H::ID as u8 {
            return Err(CodecError::Tag { what: "frontier hash id", found: id.into() });
        }
        let size = input.u64()?;
        if size > MAX_TREE_SIZE {
            return Err(CodecError::Invalid { what: "frontier size", why: "above 2^63" });
        }
        let mut frontier = Self::new();
        frontier.size = size;
        for level in levels_of(size) {
            frontier.last[level] = input.get()?;
        }
        Ok(frontier)
    }
}

/// The nodes that one append completed: `(level, index, hash)`, from the leaf (level 0) upwards.
#[derive(Debug, Clone)]
pub struct Completed<'a> {
    nodes: &'a [Hash],
    level: u8,
    index: u64,
}

impl Iterator for Completed<'_> {
    type Item = (u8, u64, Hash);

    fn next(&mut self) -> Option<Self::Item> {
        let (hash, rest) = self.nodes.split_first()?;
        let item = (self.level, self.index, *hash);
        self.nodes = rest;
        self.level += 1;
        self.index >>= 1;
        Some(item)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.nodes.len(), Some(self.nodes.len()))
    }
}

impl ExactSizeIterator for Completed<'_> {}
