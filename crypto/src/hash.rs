//! Hash values and the two hash functions of the notary log, with RFC 9162 leaf and node prefixes.

use std::fmt::Debug;

use sha2::Digest;

use crate::error::CodecError;
use crate::fixed::fixed_hex;

/// A 32-byte hash value. Text form: 64 lower-case hexadecimal digits. Canonical form: the 32 bytes.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Hash(pub [u8; 32]);

fixed_hex!(Hash, 32, "hash");

/// Explicit algorithm id of a hash, one byte on the wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum HashId {
    /// BLAKE3, 32 bytes of output, unkeyed.
    Blake3 = 1,
    /// SHA-256 (FIPS 180-4).
    Sha256 = 2,
}

impl HashId {
    /// Name used in text formats: `blake3`, `sha256`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Blake3 => "blake3",
            Self::Sha256 => "sha256",
        }
    }
}

impl TryFrom<u8> for HashId {
    type Error = CodecError;

    fn try_from(id: u8) -> Result<Self, CodecError> {
        match id {
            1 => Ok(Self::Blake3),
            2 => Ok(Self::Sha256),
            _ => Err(CodecError::Tag { what: "hash algorithm id", found: id.into() }),
        }
    }
}

/// A hash function as RFC 9162 section 2.1.1 uses it in a Merkle tree: leaves and nodes are hashed under different one-byte
/// prefixes, so that no inner node can pass as a leaf.
pub trait MerkleHash: Copy + Debug + Send + Sync + 'static {
    /// The algorithm.
    const ID: HashId;

    /// `H(data)`, no prefix.
    fn digest(data: &[u8]) -> Hash;

    /// Leaf hash, `H(0x00 || data)`.
    fn leaf(data: &[u8]) -> Hash;

    /// Node hash, `H(0x01 || left || right)`.
    fn node(left: &Hash, right: &Hash) -> Hash;

    /// Root of the tree without leaves, `H("")`.
    fn empty() -> Hash {
        Self::digest(&[])
    }
}

/// BLAKE3 (unkeyed, 32 bytes of output).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Blake3;

impl MerkleHash for Blake3 {
    const ID: HashId = HashId::Blake3;

    fn digest(data: &[u8]) -> Hash {
        Hash(blake3::hash(data).into())
    }

    fn leaf(data: &[u8]) -> Hash {
        let mut hasher = blake3::Hasher::new();
        hasher.update(&[0]).update(data);
        Hash(hasher.finalize().into())
    }

    fn node(left: &Hash, right: &Hash) -> Hash {
        Self::digest(&node_preimage(left, right))
    }
}

/// SHA-256.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sha256;

impl MerkleHash for Sha256 {
    const ID: HashId = HashId::Sha256;

    fn digest(data: &[u8]) -> Hash {
        Hash(sha2::Sha256::digest(data).into())
    }

    fn leaf(data: &[u8]) -> Hash {
        Hash(sha2::Sha256::new().chain_update([0]).chain_update(data).finalize().into())
    }

    fn node(left: &Hash, right: &Hash) -> Hash {
        Self::digest(&node_preimage(left, right))
    }
}

fn node_preimage(left: &Hash, right: &Hash) -> [u8; 65] {
    let mut preimage = [1u8; 65];
    preimage[1..33].copy_from_slice(&left.0);
    preimage[33..].copy_from_slice(&right.0);
    preimage
}

#[cfg(test)]
mod tests;
