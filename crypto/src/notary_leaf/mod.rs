//! What a leaf of the notary log commits to.

mod document;
mod metadata;
mod salt;

pub use document::{DocumentDigest, DocumentHasher};
pub use metadata::Metadata;
pub use salt::Salt;

use crate::checkpoint::Roots;
use crate::codec::{Decode, Encode, Reader, Writer};
use crate::error::CodecError;
use crate::hash::{Blake3, MerkleHash, Sha256};

/// Longest leaf preimage a notary log accepts, in bytes.
pub const MAX_LEAF_BYTES: usize = 1024;

/// Preimage of a notary leaf. It commits; it reveals no document, no metadata and no author.
///
/// Canonical form: version byte 1, kind byte, then
///
/// | kind | fields | total |
/// |---|---|---|
/// | 1 document | BLAKE3 digest 32, SHA-256 digest 32, document size `u64`, optional metadata commitment (flag byte, then BLAKE3 32, SHA-256 32) | 75 or 139 bytes |
/// | 2 hidden | BLAKE3 commitment 32, SHA-256 commitment 32 | 66 bytes |
/// | 3 batch | member count `u64` (1 to 2^63), BLAKE3 root 32, SHA-256 root 32 | 74 bytes |
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum NotaryLeaf {
    /// A document by its digests.
    Document {
        /// Both digests and the size.
        digest: DocumentDigest,
        /// Commitment to metadata, see [`Metadata::commitment`].
        metadata: Option<Roots>,
    },
    /// A document leaf hidden under a salt, see [`NotaryLeaf::hidden`].
    Hidden {
        /// The commitment under both hashes.
        commitment: Roots,
    },
    /// A tree of its own over member leaves: leaf `i` of it is the preimage of member `i`, hashed as [`leaf_hashes`].
    Batch {
        /// Number of members.
        count: u64,
        /// Roots of the tree over the members.
        roots: Roots,
    },
}

impl NotaryLeaf {
    const VERSION: u8 = 1;
    const HIDDEN_DOMAIN: &str = "pyralog/hidden/v1";

    /// Hides a leaf under a salt: `H(text "pyralog/hidden/v1" || salt 32 || leaf bytes)` under both hashes.
    #[must_use]
    pub fn hidden(leaf: &Self, salt: &Salt) -> Self {
        let mut preimage = Writer::new();
        preimage.text(Self::HIDDEN_DOMAIN).raw(salt.as_bytes()).put(leaf);
        Self::Hidden { commitment: Roots::digest(preimage.as_bytes()) }
    }

    /// Leaf hashes of this leaf under both hashes.
    #[must_use]
    pub fn leaf_hashes(&self) -> Roots {
        leaf_hashes(&self.to_bytes())
    }
}

/// Leaf hashes `H(0x00 || bytes)` of a leaf preimage under both hashes.
#[must_use]
pub fn leaf_hashes(bytes: &[u8]) -> Roots {
    Roots { blake3: Blake3::leaf(bytes), sha256: Sha256::leaf(bytes) }
}

impl Encode for NotaryLeaf {
    fn encode(&self, out: &mut Writer) {
        out.u8(Self::VERSION);
        match self {
            Self::Document { digest, metadata } => {
                out.u8(1).put(digest).option(metadata.as_ref(), |out, roots| {
                    out.put(roots);
                });
            }
            Self::Hidden { commitment } => {
                out.u8(2).put(commitment);
            }
            Self::Batch { count, roots } => {
                out.u8(3).u64(*count).put(roots);
            }
        }
    }
}

impl Decode for NotaryLeaf {
    fn decode(input: &mut Reader<'_>) -> Result<Self, CodecError> {
        input.version("notary leaf", Self::VERSION)?;
        match input.u8()? {
            1 => Ok(Self::Document { digest: input.get()?, metadata: input.option(Reader::get)? }),
            2 => Ok(Self::Hidden { commitment: input.get()? }),
            3 => {
                let count = input.u64()?;
                if count == 0 || count > crate::merkle::MAX_TREE_SIZE {
                    return Err(CodecError::Invalid { what: "notary batch count", why: "outside 1 to 2^63" });
                }
                Ok(Self::Batch { count, roots: input.get()? })
            }
            found => Err(CodecError::Tag { what: "notary leaf kind", found: found.into() }),
        }
    }
}

#[cfg(test)]
mod tests;
