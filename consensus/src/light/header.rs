//! A CometBFT header as light blocks and receipts carry it: every field the header hash covers except the chain id,
//! which the enclosing object states once.

use super::{fault::Fault, fields};
use pyralog_crypto::Hash;
use serde::{Deserialize, Serialize};
use tendermint::{AppHash, Time, block};

/// Protocol versions of a header.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HeaderVersion {
    /// Block protocol, 11 for CometBFT 0.38.
    #[serde(with = "fields::decimal")]
    pub block: u64,
    /// Application protocol.
    #[serde(with = "fields::decimal")]
    pub app: u64,
}

/// Number of 64 KiB parts of a block and the root over them (CometBFT's part-set header).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PartSet {
    /// Number of parts, at least 1.
    #[serde(with = "fields::decimal")]
    pub total: u32,
    /// SHA-256 Merkle root over the parts.
    pub hash: Hash,
}

/// A block id: header hash and part-set header.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BlockId {
    /// Header hash.
    pub hash: Hash,
    /// Part-set header.
    pub parts: PartSet,
}

/// The header fields. All hashes are 32 bytes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HeaderFields {
    /// Protocol versions.
    pub version: HeaderVersion,
    /// Height, from 1.
    #[serde(with = "fields::decimal")]
    pub height: u64,
    /// Block time.
    #[serde(with = "fields::rfc3339")]
    pub time: Time,
    /// Id of the block before; absent at the first height only.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "fields::present")]
    pub last_block_id: Option<BlockId>,
    /// Hash of the commit of the block before.
    pub last_commit_hash: Hash,
    /// SHA-256 Merkle root over the SHA-256 hashes of the transactions.
    pub data_hash: Hash,
    /// Hash of the validator set of this height.
    pub validators_hash: Hash,
    /// Hash of the validator set of the next height.
    pub next_validators_hash: Hash,
    /// Hash of the consensus parameters.
    pub consensus_hash: Hash,
    /// Root of the state after the block before.
    pub app_hash: Hash,
    /// Hash of the results of the block before.
    pub last_results_hash: Hash,
    /// Hash of the evidence in this block.
    pub evidence_hash: Hash,
    /// Proposer's address, 20 bytes.
    #[serde(with = "fields::octets")]
    pub proposer_address: [u8; 20],
}

impl HeaderFields {
    /// CometBFT's header hash under `chain_id`.
    ///
    /// # Errors
    /// A chain id, height or part count that no CometBFT header can hold.
    pub fn hash(&self, chain_id: &str) -> Result<Hash, Fault> {
        sha256(&self.to_tendermint(chain_id)?.hash()).ok_or_else(|| Fault::new("", "has no hash"))
    }

    /// The same header as `tendermint`'s type.
    ///
    /// # Errors
    /// As [`HeaderFields::hash`].
    pub fn to_tendermint(&self, chain_id: &str) -> Result<block::Header, Fault> {
        if self.height == 0 {
            return Err(Fault::new("height", "is zero"));
        }
        Ok(block::Header {
            version: block::header::Version { block: self.version.block, app: self.version.app },
            chain_id: chain_id.parse().map_err(|_| Fault::new("chain_id", "is not a chain id"))?,
            height: self.height.try_into().map_err(|_| Fault::new("height", "is above 2^63 - 1"))?,
            time: self.time,
            last_block_id: self
                .last_block_id
                .map(|id| id.to_tendermint().map_err(|f| f.within("last_block_id")))
                .transpose()?,
            last_commit_hash: Some(tm_hash(&self.last_commit_hash)),
            data_hash: Some(tm_hash(&self.data_hash)),
            validators_hash: tm_hash(&self.validators_hash),
            next_validators_hash: tm_hash(&self.next_validators_hash),
            consensus_hash: tm_hash(&self.consensus_hash),
            app_hash: AppHash::try_from(self.app_hash.0.to_vec())
                .map_err(|_| Fault::new("app_hash", "is not a hash"))?,
            last_results_hash: Some(tm_hash(&self.last_results_hash)),
            evidence_hash: Some(tm_hash(&self.evidence_hash)),
            proposer_address: tendermint::account::Id::new(self.proposer_address),
        })
    }

    /// Takes the fields over from `header`.
    ///
    /// # Errors
    /// Names the hash that is missing or not 32 bytes long: Pyralog headers hold all of them.
    pub fn from_tendermint(header: &block::Header) -> Result<Self, Fault> {
        let hash = |name: &str, hash: &tendermint::Hash| {
            sha256(hash).ok_or_else(|| Fault::new(name, "is missing or not 32 bytes long"))
        };
        let some = |name: &str, value: &Option<tendermint::Hash>| hash(name, &value.unwrap_or_default());
        let app_hash = header.app_hash.as_bytes().try_into().map(Hash);
        Ok(Self {
            version: HeaderVersion { block: header.version.block, app: header.version.app },
            height: header.height.value(),
            time: header.time,
            last_block_id: header.last_block_id.as_ref().map(BlockId::from_tendermint).transpose()?,
            last_commit_hash: some("last_commit_hash", &header.last_commit_hash)?,
            data_hash: some("data_hash", &header.data_hash)?,
            validators_hash: hash("validators_hash", &header.validators_hash)?,
            next_validators_hash: hash("next_validators_hash", &header.next_validators_hash)?,
            consensus_hash: hash("consensus_hash", &header.consensus_hash)?,
            app_hash: app_hash.map_err(|_| Fault::new("app_hash", "is not 32 bytes long"))?,
            last_results_hash: some("last_results_hash", &header.last_results_hash)?,
            evidence_hash: some("evidence_hash", &header.evidence_hash)?,
            proposer_address: header
                .proposer_address
                .as_bytes()
                .try_into()
                .map_err(|_| Fault::new("proposer_address", "is not 20 bytes long"))?,
        })
    }
}

impl BlockId {
    /// The same id as `tendermint`'s type.
    ///
    /// # Errors
    /// A part count of zero.
    pub fn to_tendermint(&self) -> Result<block::Id, Fault> {
        if self.parts.total == 0 {
            return Err(Fault::new("parts.total", "is zero"));
        }
        let part_set_header = block::parts::Header::new(self.parts.total, tm_hash(&self.parts.hash))
            .map_err(|_| Fault::new("parts", "is not a part-set header"))?;
        Ok(block::Id { hash: tm_hash(&self.hash), part_set_header })
    }

    /// Takes the id over from `id`.
    ///
    /// # Errors
    /// A hash that is missing or not 32 bytes long.
    pub fn from_tendermint(id: &block::Id) -> Result<Self, Fault> {
        let missing = |field| Fault::new(field, "is missing or not 32 bytes long");
        let hash = sha256(&id.hash).ok_or_else(|| missing("block_id.hash"))?;
        let parts = sha256(&id.part_set_header.hash).ok_or_else(|| missing("block_id.parts.hash"))?;
        Ok(Self { hash, parts: PartSet { total: id.part_set_header.total, hash: parts } })
    }
}

fn tm_hash(hash: &Hash) -> tendermint::Hash {
    tendermint::Hash::Sha256(hash.0)
}

fn sha256(hash: &tendermint::Hash) -> Option<Hash> {
    match hash {
        tendermint::Hash::Sha256(bytes) => Some(Hash(*bytes)),
        tendermint::Hash::None => None,
    }
}

#[cfg(test)]
#[path = "header_test.rs"]
mod tests;
