//! What became of transactions that left the mempool.

use std::collections::{BTreeMap, VecDeque};

use pyralog_crypto::Hash;

use crate::tx::TxError;

/// The fate of a transaction as one mempool knows it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum TxStatus {
    /// Never seen, or forgotten.
    Unknown,
    /// It waits.
    Pending,
    /// It is in a block.
    Committed {
        /// The block.
        height: u64,
        /// Its place in the block, from 0.
        index: u32,
    },
    /// It left without getting into a block.
    Dropped {
        /// Why.
        reason: TxError,
    },
}

/// Bounded memory of fates; the oldest is forgotten first.
#[derive(Debug, Default)]
pub(super) struct Recent {
    capacity: usize,
    fates: BTreeMap<Hash, TxStatus>,
    order: VecDeque<Hash>,
}

impl Recent {
    pub fn new(capacity: usize) -> Self {
        Self { capacity, ..Self::default() }
    }

    pub fn status(&self, hash: &Hash) -> TxStatus {
        self.fates.get(hash).cloned().unwrap_or(TxStatus::Unknown)
    }

    pub fn note(&mut self, hash: Hash, status: TxStatus) {
        if self.fates.insert(hash, status).is_none() {
            self.order.push_back(hash);
        }
        while self.order.len() > self.capacity {
            if let Some(oldest) = self.order.pop_front() {
                self.fates.remove(&oldest);
            }
        }
    }
}
