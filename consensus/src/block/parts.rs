//! A block in pieces of 64 KiB, each provable against the part-set header that votes name.

use bytes::Bytes;
use pyralog_crypto::{
    Hash, MerkleHash, Sha256,
    codec::{Decode, Encode, Reader, Writer},
    error::CodecError,
    merkle::{InclusionProof, MemoryTree},
};
use tendermint::block::parts::Header;

/// The size of every part but the last.
pub const PART_BYTES: usize = 65_536;
/// The largest number of parts: [`super::MAX_BLOCK_BYTES_LIMIT`] in parts.
pub const MAX_PARTS: u32 = (super::MAX_BLOCK_BYTES_LIMIT / PART_BYTES as u64) as u32;
/// A path in a tree of [`MAX_PARTS`] leaves.
const MAX_PATH: usize = 8;

/// The part-set header of an encoded block.
pub fn part_set_header(block: &[u8]) -> Header {
    let tree = MemoryTree::<Sha256>::from_leaves(block.chunks(PART_BYTES));
    header(tree.size() as u32, tree.root())
}

fn header(total: u32, root: Hash) -> Header {
    // `new` refuses only a total of 0 with a hash.
    Header::new(total, super::to_tendermint_hash(root)).unwrap_or_default()
}

/// The path from a part to the root of its part set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PartProof(pub Vec<Hash>);

/// One piece of an encoded block.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    /// Position, from 0.
    pub index: u32,
    /// Its bytes, at most [`PART_BYTES`].
    pub bytes: Bytes,
    /// Proves it against the part-set header.
    pub proof: PartProof,
}

impl Part {
    /// Whether this is the part number `index` of the set that `header` names. Nothing else can be put in its place.
    pub fn belongs_to(&self, header: &Header) -> bool {
        let last = self.index.checked_add(1) == Some(header.total);
        let sized =
            self.bytes.len() <= PART_BYTES && (last || self.bytes.len() == PART_BYTES) && !self.bytes.is_empty();
        let proof = InclusionProof { index: self.index.into(), size: header.total.into(), path: self.proof.0.clone() };
        let root = super::from_tendermint_hash(header.hash);
        sized && header.total <= MAX_PARTS && proof.verify::<Sha256>(&Sha256::leaf(&self.bytes), &root).is_ok()
    }
}

impl Encode for Part {
    fn encode(&self, w: &mut Writer) {
        w.u32(self.index).bytes(&self.bytes).list(&self.proof.0, |w, hash| {
            w.raw(&hash.0);
        });
    }
}

impl Decode for Part {
    fn decode(r: &mut Reader<'_>) -> Result<Self, CodecError> {
        let (index, bytes) = (r.u32()?, Bytes::copy_from_slice(r.bytes(PART_BYTES)?));
        Ok(Self { index, bytes, proof: PartProof(r.list(MAX_PATH, |r| Ok(Hash(r.array()?)))?) })
    }
}

/// The parts of one block, complete or not. Only parts that belong to the header get in.
#[derive(Clone, Debug)]
pub struct PartSet {
    header: Header,
    parts: Vec<Option<Part>>,
}

impl PartSet {
    /// The complete set of an encoded block.
    pub fn split(block: &Bytes) -> Self {
        let tree = MemoryTree::<Sha256>::from_leaves(block.chunks(PART_BYTES));
        let parts = (0..tree.size())
            .map(|index| {
                let start = index as usize * PART_BYTES;
                let bytes = block.slice(start..block.len().min(start + PART_BYTES));
                // The tree holds this index.
                let path = tree.inclusion(index).map(|proof| proof.path).unwrap_or_default();
                Some(Part { index: index as u32, bytes, proof: PartProof(path) })
            })
            .collect();
        Self { header: header(tree.size() as u32, tree.root()), parts }
    }

    /// A set of which no part is there yet. `header.total` must be at most [`MAX_PARTS`] (see [`super::ValueId::new`]).
    pub fn empty(header: Header) -> Self {
        Self { header, parts: vec![None; header.total.min(MAX_PARTS) as usize] }
    }

    /// The header that all parts belong to.
    pub fn header(&self) -> &Header {
        &self.header
    }

    /// Adds a part. `Ok(true)` if it is new, `Ok(false)` if it was there, `Err(())` if it does not belong here.
    #[allow(clippy::result_unit_err)]
    pub fn add(&mut self, part: Part) -> Result<bool, ()> {
        let slot = self.parts.get(part.index as usize).ok_or(())?;
        if slot.is_some() {
            return Ok(false);
        }
        if !part.belongs_to(&self.header) {
            return Err(());
        }
        let index = part.index as usize;
        self.parts[index] = Some(part);
        Ok(true)
    }

    /// The part number `index`, if it is there.
    pub fn part(&self, index: u32) -> Option<&Part> {
        self.parts.get(index as usize)?.as_ref()
    }

    /// Numbers of the parts that are not there.
    pub fn missing(&self) -> impl Iterator<Item = u32> + '_ {
        self.parts.iter().enumerate().filter(|(_, part)| part.is_none()).map(|(index, _)| index as u32)
    }

    /// Bytes held.
    pub fn held_bytes(&self) -> usize {
        self.parts.iter().flatten().map(|part| part.bytes.len()).sum()
    }

    /// The block's bytes, once every part is there.
    pub fn assemble(&self) -> Option<Bytes> {
        if self.parts.iter().any(Option::is_none) || self.parts.is_empty() {
            return None;
        }
        let mut block = Vec::with_capacity(self.held_bytes());
        for part in self.parts.iter().flatten() {
            block.extend_from_slice(&part.bytes);
        }
        Some(block.into())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;

    fn block(size: usize) -> Bytes {
        (0..size).map(|i| (i * 31 % 251) as u8).collect()
    }

    #[test]
    fn splits_and_assembles_in_any_order() {
        for size in [1, PART_BYTES - 1, PART_BYTES, PART_BYTES + 1, 5 * PART_BYTES + 7] {
            let bytes = block(size);
            let whole = PartSet::split(&bytes);
            assert_eq!(*whole.header(), part_set_header(&bytes));
            assert_eq!(whole.assemble().unwrap(), bytes);
            let mut got = PartSet::empty(*whole.header());
            let total = whole.header().total;
            for index in (0..total).rev() {
                assert_eq!(got.assemble(), None);
                assert_eq!(got.missing().count() as u32, index + 1);
                let part = whole.part(index).unwrap().clone();
                assert_eq!(got.add(part.clone()), Ok(true));
                assert_eq!(got.add(part), Ok(false), "twice");
            }
            assert_eq!(got.assemble().unwrap(), bytes);
            assert_eq!(got.held_bytes(), size);
        }
    }

    #[test]
    fn a_foreign_part_cannot_get_in() {
        let (bytes, other) = (block(3 * PART_BYTES), block(3 * PART_BYTES + 1));
        let (whole, foreign) = (PartSet::split(&bytes), PartSet::split(&other));
        let mut set = PartSet::empty(*whole.header());
        assert_eq!(set.add(foreign.part(2).unwrap().clone()), Err(()));
        let mut moved = whole.part(0).unwrap().clone();
        moved.index = 1;
        assert_eq!(set.add(moved), Err(()));
        let mut longer = whole.part(2).unwrap().clone();
        longer.bytes = [&longer.bytes[..], &[0]].concat().into();
        assert_eq!(set.add(longer), Err(()));
        let mut outside = whole.part(0).unwrap().clone();
        outside.index = u32::MAX;
        assert_eq!(set.add(outside), Err(()));
        assert_eq!(set.held_bytes(), 0);
    }

    proptest! {
        #[test]
        fn decoding_never_panics(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            if let Ok(part) = Part::from_bytes(&bytes) {
                prop_assert_eq!(part.to_bytes(), bytes);
            }
        }

        #[test]
        fn a_changed_part_never_belongs(at in 0usize..70_000, flip in 1u8..=255) {
            let bytes = block(PART_BYTES + 5_000);
            let whole = PartSet::split(&bytes);
            let mut encoded = whole.part(1).unwrap().to_bytes();
            let at = at % encoded.len();
            encoded[at] ^= flip;
            if let Ok(part) = Part::from_bytes(&encoded) {
                prop_assert!(!part.belongs_to(whole.header()));
            }
        }
    }
}
