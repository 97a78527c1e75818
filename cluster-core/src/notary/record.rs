//! The two small records of a log: what was given out for signing, and how far the trees are synced.
//!
//! ```text
//! record = size:u64 blake3_root[32] sha256_root[32]
//! ```

use pyralog_crypto::{Hash, Roots};

use crate::parts::u64_at;

/// Size and roots, in the file `signed` those last handed out for signing, in `synced` those that the tree files certainly hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct TreeSize {
    pub(crate) size: u64,
    pub(crate) roots: Roots,
}

impl TreeSize {
    pub(crate) fn encode(&self) -> Vec<u8> {
        [&self.size.to_be_bytes()[..], &self.roots.blake3.0, &self.roots.sha256.0].concat()
    }

    pub(crate) fn decode(bytes: &[u8]) -> Option<Self> {
        let (size, roots) = bytes.split_at_checked(8)?;
        let (blake3, sha256) = roots.split_at_checked(32)?;
        let roots = Roots { blake3: Hash(blake3.try_into().ok()?), sha256: Hash(sha256.try_into().ok()?) };
        Some(Self { size: u64_at(size, 0), roots })
    }
}

#[cfg(test)]
mod tests;
