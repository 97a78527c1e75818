//! The small read interface that every API is written against.

use std::sync::Arc;

use pyralog_consensus::block::ChainState;
use pyralog_crypto::Hash;

use super::BlockRecord;

/// A read of the chain failed; the message is for the log and the caller alike.
#[derive(Clone, Debug, thiserror::Error)]
#[error("the chain's storage failed: {0}")]
pub struct ReadError(pub String);

/// Where a committed transaction stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TxPosition {
    /// Height of its block.
    pub height: u64,
    /// Position in the block.
    pub index: u32,
}

/// Committed blocks. The node reads them from cluster-core, tests from memory.
pub trait ChainReader: Send + Sync + 'static {
    /// The chain after the last durable block; height 0 before the first.
    fn state(&self) -> Arc<ChainState>;

    /// The block of `height` with its commit; `None` where there is none (yet).
    ///
    /// # Errors
    /// The storage failed or holds what cannot be decoded.
    fn block(&self, height: u64) -> Result<Option<Arc<BlockRecord>>, ReadError>;

    /// The height of the block with this header hash.
    ///
    /// # Errors
    /// As [`ChainReader::block`].
    fn height_of(&self, header_hash: &Hash) -> Result<Option<u64>, ReadError>;

    /// Where the transaction with this hash was committed.
    ///
    /// # Errors
    /// As [`ChainReader::block`].
    fn tx(&self, tx_hash: &Hash) -> Result<Option<TxPosition>, ReadError>;

    /// A value of the ledger's state after the last durable block.
    ///
    /// # Errors
    /// As [`ChainReader::block`].
    fn state_value(&self, key: &[u8]) -> Result<Option<Vec<u8>>, ReadError>;

    /// The last committed height, 0 before the first block.
    fn height(&self) -> u64 {
        self.state().height
    }
}
