//! Committed blocks in cluster-core.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use pyralog_cluster_core::{Chain, PutBlock};
use pyralog_consensus::application::{StateStore, StoreError};
use pyralog_consensus::block::{ChainState, ValidatorSet, tx_hash};
use pyralog_consensus::engine::{CommittedBlock, History};
use pyralog_crypto::Hash;
use pyralog_crypto::codec::{Decode, Encode};
use tendermint::Time;
use tendermint::block::Commit;

use super::Indexes;
use crate::chain::{BlockMeta, BlockRecord, ChainReader, ReadError, TxPosition};

/// Decoded blocks kept in memory: what light clients and subscribers ask for is nearly always among the last few.
const CACHED: usize = 32;

/// The chain of one node. Clones share everything.
#[derive(Clone)]
pub struct CoreChain {
    chain: Chain,
    state: Arc<RwLock<Arc<ChainState>>>,
    cache: Arc<Mutex<BTreeMap<u64, Arc<BlockRecord>>>>,
}

impl CoreChain {
    /// Opens the chain that the store holds; `genesis` stands in where it holds no block.
    ///
    /// # Errors
    /// The stored chain state cannot be read.
    pub fn open(chain: Chain, genesis: ChainState) -> Result<Self, ReadError> {
        let state = match chain.chain_state().map_err(failed)? {
            None => genesis,
            Some(bytes) => ChainState::from_bytes(&bytes)
                .map_err(|e| ReadError(format!("the stored chain state cannot be read: {e}")))?,
        };
        Ok(Self { chain, state: Arc::new(RwLock::new(Arc::new(state))), cache: Arc::default() })
    }

    /// The two indexes beside the state.
    pub fn indexes(&self) -> Indexes {
        let chain = self.chain.clone();
        Indexes::new(Arc::new(move |key| chain.state(key).map_err(failed)))
    }

    /// Everything that cluster-core stores of a decided block.
    ///
    /// # Errors
    /// The indexes could not be read.
    pub fn put(&self, block: &CommittedBlock) -> Result<PutBlock, ReadError> {
        let mut writes = block.writes.clone();
        writes.extend(self.indexes().writes(block)?);
        Ok(PutBlock {
            height: block.height,
            hash: block.hash().0,
            block: block.block_bytes.clone(),
            commit: block.commit_bytes(),
            meta: BlockMeta::of(block).to_bytes().into(),
            results: bytes::Bytes::new(),
            chain_state: block.chain_bytes().into(),
            writes,
            txs: block.block.data.iter().map(|tx| tx_hash(tx).0).collect(),
        })
    }

    /// A decided block is durable: readers see it from now on.
    pub fn publish(&self, record: Arc<BlockRecord>, state: Arc<ChainState>) {
        let mut cache = self.cache.lock().unwrap_or_else(PoisonError::into_inner);
        cache.insert(record.height(), record);
        while cache.len() > CACHED {
            cache.pop_first();
        }
        drop(cache);
        *self.state.write().unwrap_or_else(PoisonError::into_inner) = state;
    }

    fn meta(&self, height: u64) -> Option<BlockMeta> {
        let bytes = self.chain.meta(height).ok().flatten()?;
        BlockMeta::from_bytes(&bytes).ok()
    }
}

impl ChainReader for CoreChain {
    fn state(&self) -> Arc<ChainState> {
        Arc::clone(&self.state.read().unwrap_or_else(PoisonError::into_inner))
    }

    fn block(&self, height: u64) -> Result<Option<Arc<BlockRecord>>, ReadError> {
        if height == 0 || height > self.height() {
            return Ok(None);
        }
        if let Some(record) = self.cache.lock().unwrap_or_else(PoisonError::into_inner).get(&height) {
            return Ok(Some(Arc::clone(record)));
        }
        let missing = || ReadError(format!("block {height} is missing from the storage"));
        let block = self.chain.block(height).map_err(failed)?.ok_or_else(missing)?;
        let commit = self.chain.commit(height).map_err(failed)?.ok_or_else(missing)?;
        let meta = self.chain.meta(height).map_err(failed)?.ok_or_else(missing)?;
        Ok(Some(Arc::new(BlockRecord::decode(block, &commit, &meta)?)))
    }

    fn height_of(&self, header_hash: &Hash) -> Result<Option<u64>, ReadError> {
        let height = self.chain.height_of(&header_hash.0).map_err(failed)?;
        Ok(height.filter(|height| *height <= self.height()))
    }

    fn tx(&self, tx_hash: &Hash) -> Result<Option<TxPosition>, ReadError> {
        let place = self.chain.tx(&tx_hash.0).map_err(failed)?;
        Ok(place.map(|p| TxPosition { height: p.height, index: p.index }).filter(|p| p.height <= self.height()))
    }

    fn state_value(&self, key: &[u8]) -> Result<Option<Vec<u8>>, ReadError> {
        self.chain.state(key).map_err(failed)
    }
}

impl StateStore for CoreChain {
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        self.chain.state(key).map_err(|e| StoreError(e.to_string()))
    }
}

impl History for CoreChain {
    fn commit(&self, height: u64) -> Option<Commit> {
        let bytes = self.chain.commit(height).ok().flatten()?;
        pyralog_consensus::block::decode_commit(&bytes).ok()
    }

    fn validators(&self, height: u64) -> Option<ValidatorSet> {
        self.meta(height).map(|meta| meta.validators)
    }

    fn block_time(&self, height: u64) -> Option<Time> {
        self.block(height).ok().flatten().map(|record| record.block.header.time)
    }
}

fn failed(error: pyralog_cluster_core::Error) -> ReadError {
    ReadError(error.to_string())
}
