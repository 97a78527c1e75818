//! The consensus parameters of genesis.

use prost::Message;
use pyralog_crypto::{
    Hash,
    codec::{Decode, Encode, Reader, Writer},
    error::CodecError,
};
use tendermint_proto::v0_38::types::HashedParams;

use super::TimeRule;

/// No genesis may ask for blocks above this size: 16 MiB.
pub const MAX_BLOCK_BYTES_LIMIT: u64 = 16 << 20;

/// What all validators must agree on besides the state. `consensus_hash` covers the first two, as in CometBFT; the whole is part of
/// [`super::ChainState`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConsensusParams {
    /// The largest encoded block, bytes, at most [`MAX_BLOCK_BYTES_LIMIT`].
    pub max_block_bytes: u64,
    /// CometBFT's block gas limit; we count none, so -1.
    pub max_gas: i64,
    /// Evidence older than this *and* than `evidence_max_age_ns` is refused. Blocks.
    pub evidence_max_age_blocks: u64,
    /// Should equal the unbonding period. Nanoseconds.
    pub evidence_max_age_ns: u64,
    /// The largest encoded evidence list of one block, bytes.
    pub evidence_max_bytes: u64,
    /// How honest clocks and links behave.
    pub time_rule: TimeRule,
}

impl ConsensusParams {
    /// What a genesis file without parameters means.
    pub const DEFAULTS: Self = Self {
        max_block_bytes: 4 << 20,
        max_gas: -1,
        evidence_max_age_blocks: 1_000_000,
        evidence_max_age_ns: 21 * 24 * 3600 * 1_000_000_000,
        evidence_max_bytes: 1 << 16,
        time_rule: TimeRule { precision_ns: 500_000_000, message_delay_ns: 3_000_000_000 },
    };

    /// `consensus_hash` of a header: the SHA-256 of CometBFT's `HashedParams`.
    pub fn hash(&self) -> Hash {
        let raw = HashedParams { block_max_bytes: self.max_block_bytes as i64, block_max_gas: self.max_gas };
        Hash(super::hash::sha256(&raw.encode_to_vec()))
    }

    /// Whether every value is inside its bounds.
    pub fn is_sound(&self) -> bool {
        (16_384..=MAX_BLOCK_BYTES_LIMIT).contains(&self.max_block_bytes)
            && self.evidence_max_bytes <= self.max_block_bytes / 2
            && self.evidence_max_age_blocks > 0
            && self.evidence_max_age_ns > 0
            && self.max_gas >= -1
    }
}

impl Default for ConsensusParams {
    fn default() -> Self {
        Self::DEFAULTS
    }
}

impl Encode for ConsensusParams {
    fn encode(&self, w: &mut Writer) {
        w.u64(self.max_block_bytes);
        w.u64(self.max_gas as u64);
        w.u64(self.evidence_max_age_blocks);
        w.u64(self.evidence_max_age_ns);
        w.u64(self.evidence_max_bytes);
        w.u64(self.time_rule.precision_ns);
        w.u64(self.time_rule.message_delay_ns);
    }
}

impl Decode for ConsensusParams {
    fn decode(r: &mut Reader<'_>) -> Result<Self, CodecError> {
        Ok(Self {
            max_block_bytes: r.u64()?,
            max_gas: r.u64()? as i64,
            evidence_max_age_blocks: r.u64()?,
            evidence_max_age_ns: r.u64()?,
            evidence_max_bytes: r.u64()?,
            time_rule: TimeRule { precision_ns: r.u64()?, message_delay_ns: r.u64()? },
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hash_covers_size_and_gas_only() {
        let mut other = ConsensusParams::DEFAULTS;
        other.evidence_max_age_blocks += 1;
        assert_eq!(ConsensusParams::DEFAULTS.hash(), other.hash());
        other.max_block_bytes += 1;
        assert_ne!(ConsensusParams::DEFAULTS.hash(), other.hash());
    }

    /// CometBFT 0.38 `DefaultConsensusParams().Hash()` (22,020,096 bytes, no gas limit) as the kvstore fixtures show it.
    #[test]
    fn the_hash_is_the_one_go_computes() {
        let go = ConsensusParams { max_block_bytes: 22_020_096, max_gas: -1, ..ConsensusParams::DEFAULTS };
        assert_eq!(hex::encode_upper(go.hash().0), "048091BC7DDC283F77BFBF91D73C44DA58C3DF8A9CBC867405D8B7F3DAADA22F");
    }
}
