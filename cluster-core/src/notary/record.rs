//! The two small records of a log: what was given out for signing, and how far the derived files are synced.

use pyralog_crypto::{Hash, Roots};

use crate::frame::u64_at;

/// `size:u64 blake3_root[32] sha256_root[32]`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Signed {
    pub(crate) size: u64,
    pub(crate) roots: Roots,
}

impl Signed {
    pub(crate) fn encode(&self) -> Vec<u8> {
        [&self.size.to_be_bytes()[..], &self.roots.blake3.0, &self.roots.sha256.0].concat()
    }

    pub(crate) fn decode(bytes: &[u8]) -> Option<Self> {
        let (size, roots) = bytes.split_at_checked(8)?;
        Some(Self { size: u64_at(size, 0), roots: decode_roots(roots)? })
    }
}

/// `size:u64 place:u64 blake3_root[32] sha256_root[32]`: trees and places are synced up to `size` leaves, whose frames end at
/// `place`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Synced {
    pub(crate) size: u64,
    pub(crate) place: u64,
    pub(crate) roots: Roots,
}

impl Synced {
    pub(crate) fn encode(&self) -> Vec<u8> {
        let (size, place) = (self.size.to_be_bytes(), self.place.to_be_bytes());
        [&size[..], &place, &self.roots.blake3.0, &self.roots.sha256.0].concat()
    }

    pub(crate) fn decode(bytes: &[u8]) -> Option<Self> {
        let (numbers, roots) = bytes.split_at_checked(16)?;
        Some(Self { size: u64_at(numbers, 0), place: u64_at(numbers, 8), roots: decode_roots(roots)? })
    }
}

fn decode_roots(bytes: &[u8]) -> Option<Roots> {
    let (blake3, sha256) = bytes.split_at_checked(32)?;
    Some(Roots { blake3: Hash(blake3.try_into().ok()?), sha256: Hash(sha256.try_into().ok()?) })
}

#[cfg(test)]
mod tests;
