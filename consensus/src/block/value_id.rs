//! What validators vote on.

use std::fmt;

use tendermint::{Time, block, hash::Hash};

/// A CometBFT `BlockID` together with the time in that block's header, so that whoever can verify a vote knows the time it signs.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ValueId {
    /// Header hash and part-set header.
    pub block_id: block::Id,
    /// The header's time.
    pub time: Time,
}

impl ValueId {
    /// `None` unless both hashes are there and the part set holds 1 to [`super::MAX_PARTS`] parts.
    pub fn new(block_id: block::Id, time: Time) -> Option<Self> {
        let whole =
            matches!(block_id.hash, Hash::Sha256(_)) && matches!(block_id.part_set_header.hash, Hash::Sha256(_));
        let total = block_id.part_set_header.total;
        (whole && (1..=super::MAX_PARTS).contains(&total)).then_some(Self { block_id, time })
    }

    /// The header hash.
    pub fn hash(&self) -> pyralog_crypto::Hash {
        super::from_tendermint_hash(self.block_id.hash)
    }
}

impl fmt::Display for ValueId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let hash = self.block_id.hash;
        f.write_str(&hex::encode_upper(&hash.as_bytes()[..hash.as_bytes().len().min(6)]))
    }
}

impl fmt::Debug for ValueId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
