//! A committed block, decoded.

use bytes::Bytes;
use pyralog_consensus::block::{MAX_BLOCK_BYTES_LIMIT, decode_block, decode_commit, from_tendermint_hash};
use pyralog_consensus::engine::CommittedBlock;
use pyralog_crypto::Hash;
use pyralog_crypto::codec::Decode;
use tendermint::Block;
use tendermint::block::Commit;

use super::{BlockMeta, ReadError};

/// A block with the commit that decided it and what its execution gave.
#[derive(Clone, Debug)]
pub struct BlockRecord {
    /// The block.
    pub block: Block,
    /// Its encoding.
    pub bytes: Bytes,
    /// The commit that decided it.
    pub commit: Commit,
    /// What stands beside it.
    pub meta: BlockMeta,
}

impl BlockRecord {
    /// From the three stored byte strings.
    ///
    /// # Errors
    /// One of them cannot be decoded: the storage is damaged.
    pub fn decode(block: Bytes, commit: &[u8], meta: &[u8]) -> Result<Self, ReadError> {
        let bad = |what: &str, why: &dyn std::fmt::Display| ReadError(format!("a stored {what} cannot be read: {why}"));
        Ok(Self {
            block: decode_block(&block, MAX_BLOCK_BYTES_LIMIT).map_err(|e| bad("block", &e))?,
            commit: decode_commit(commit).map_err(|e| bad("commit", &e))?,
            meta: BlockMeta::from_bytes(meta).map_err(|e| bad("block meta", &e))?,
            bytes: block,
        })
    }

    /// From what the engine gives.
    pub fn of(block: &CommittedBlock) -> Self {
        Self {
            block: block.block.clone(),
            bytes: block.block_bytes.clone(),
            commit: block.commit.clone(),
            meta: BlockMeta::of(block),
        }
    }

    /// Its height.
    pub fn height(&self) -> u64 {
        self.block.header.height.value()
    }

    /// The header hash.
    pub fn hash(&self) -> Hash {
        from_tendermint_hash(self.meta.block_id.hash)
    }

    /// Its transactions.
    pub fn txs(&self) -> &[Vec<u8>] {
        &self.block.data
    }
}
