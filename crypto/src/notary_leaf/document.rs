//! Digests of a document, streamed.

use serde::{Deserialize, Serialize};
use sha2::Digest;

use crate::codec::{Decode, Encode, Reader, Writer};
use crate::error::CodecError;
use crate::hash::Hash;

/// A document by both its digests (plain `H(document)`, no prefix) and its size in bytes.
///
/// Canonical form (72 bytes): BLAKE3 digest 32, SHA-256 digest 32, size `u64`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DocumentDigest {
    /// BLAKE3 of the document.
    pub blake3: Hash,
    /// SHA-256 of the document.
    pub sha256: Hash,
    /// Size in bytes.
    pub size: u64,
}

impl DocumentDigest {
    /// Digests of a document that is in memory.
    #[must_use]
    pub fn of(document: &[u8]) -> Self {
        let mut hasher = DocumentHasher::new();
        hasher.update(document);
        hasher.finalize()
    }
}

impl Encode for DocumentDigest {
    fn encode(&self, out: &mut Writer) {
        out.put(&self.blake3).put(&self.sha256).u64(self.size);
    }
}

impl Decode for DocumentDigest {
    fn decode(input: &mut Reader<'_>) -> Result<Self, CodecError> {
        Ok(Self { blake3: input.get()?, sha256: input.get()?, size: input.u64()? })
    }
}

/// Computes a [`DocumentDigest`] piece by piece, in about 2 KiB of memory whatever the size of the document. Also a
/// [`std::io::Write`], for `std::io::copy`.
#[derive(Debug, Clone, Default)]
pub struct DocumentHasher {
    blake3: blake3::Hasher,
    sha256: sha2::Sha256,
    size: u64,
}

impl DocumentHasher {
    /// At the start of a document.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The next piece. How a document is cut into pieces does not matter; pieces of 64 KiB and more are fastest.
    pub fn update(&mut self, piece: &[u8]) {
        // Short enough that the second hash finds the bytes in the cache where the first left them.
        for part in piece.chunks(64 * 1024) {
            self.blake3.update(part);
            Digest::update(&mut self.sha256, part);
        }
        self.size = self.size.saturating_add(piece.len() as u64);
    }

    /// Bytes seen so far.
    #[must_use]
    pub const fn size(&self) -> u64 {
        self.size
    }

    /// The digests.
    #[must_use]
    pub fn finalize(self) -> DocumentDigest {
        DocumentDigest {
            blake3: Hash(self.blake3.finalize().into()),
            sha256: Hash(self.sha256.finalize().into()),
            size: self.size,
        }
    }
}

impl std::io::Write for DocumentHasher {
    fn write(&mut self, piece: &[u8]) -> std::io::Result<usize> {
        self.update(piece);
        Ok(piece.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}
