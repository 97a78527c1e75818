//! What is stored with one block, and under which keys.
//!
//! | table | key | value |
//! |---|---|---|
//! | block, commit, meta, results | height `u64` big-endian | opaque bytes |
//! | tx | transaction hash | height `u64`, index `u32` |
//! | block-hash | block hash | height `u64` |
//! | state | the ledger's key | the ledger's value |
//! | chain | `initial`, `latest` | height `u64` |
//! | chain | `state` | the engine's chain state |
//! | chain | `note/` + name | opaque bytes |

use bytes::Bytes;

use super::tables::{Batch, Family};
use crate::parts::{u32_at, u64_at};

/// A key/value write of the ledger; `None` deletes.
pub(crate) type StateWrite = (Vec<u8>, Option<Vec<u8>>);

/// Everything that becomes durable together with one block.
#[derive(Debug, Clone, Default)]
pub struct PutBlock {
    /// Height; the one after the latest, or the chain's initial height.
    pub height: u64,
    /// Block hash (header hash).
    pub hash: [u8; 32],
    /// The block.
    pub block: Bytes,
    /// The commit for this block.
    pub commit: Bytes,
    /// What the node wants beside it, such as sizes and the validator set.
    pub meta: Bytes,
    /// Results of its transactions.
    pub results: Bytes,
    /// The engine's chain state after it.
    pub chain_state: Bytes,
    /// Writes of the ledger, in order.
    pub writes: Vec<StateWrite>,
    /// Hashes of its transactions, in order.
    pub txs: Vec<[u8; 32]>,
}

/// What stands before the first block.
#[derive(Debug, Clone, Default)]
pub struct Genesis {
    /// Height of the first block, at least 1.
    pub initial_height: u64,
    /// The engine's chain state at genesis.
    pub chain_state: Bytes,
    /// The ledger at genesis.
    pub writes: Vec<StateWrite>,
    /// Notes to write with it.
    pub notes: Vec<(String, Bytes)>,
}

/// Where a transaction stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TxPlace {
    /// Height of its block.
    pub height: u64,
    /// Index in the block, from 0.
    pub index: u32,
}

/// One durable step of the chain store.
#[derive(Debug)]
pub(crate) enum ChainWrite {
    Genesis(Genesis),
    Block(PutBlock),
    Note { name: String, value: Option<Bytes> },
}

pub(crate) const INITIAL: &[u8] = b"initial";
pub(crate) const LATEST: &[u8] = b"latest";
pub(crate) const STATE: &[u8] = b"state";

pub(crate) fn note_key(name: &str) -> Vec<u8> {
    [b"note/", name.as_bytes()].concat()
}

impl ChainWrite {
    /// About how many bytes it has, for the queue.
    pub(crate) fn bytes(&self) -> u64 {
        let state = |writes: &[StateWrite]| -> usize {
            writes.iter().map(|(key, value)| key.len() + value.as_ref().map_or(0, Vec::len)).sum()
        };
        let bytes = match self {
            Self::Genesis(genesis) => genesis.chain_state.len() + state(&genesis.writes),
            Self::Block(block) => {
                let parts = [&block.block, &block.commit, &block.meta, &block.results, &block.chain_state];
                parts.iter().map(|part| part.len()).sum::<usize>() + state(&block.writes) + 44 * block.txs.len()
            }
            Self::Note { name, value } => name.len() + value.as_ref().map_or(0, |value| value.len()),
        };
        bytes as u64
    }

    pub(crate) fn into_batch(self) -> Batch {
        let mut batch = Batch::default();
        match self {
            Self::Genesis(genesis) => {
                batch.put(Family::Chain, INITIAL, genesis.initial_height.to_be_bytes());
                batch.put(Family::Chain, STATE, genesis.chain_state);
                put_state(&mut batch, genesis.writes);
                for (name, value) in genesis.notes {
                    batch.put(Family::Chain, note_key(&name), value);
                }
            }
            Self::Block(block) => {
                let height = block.height.to_be_bytes();
                batch.put(Family::Block, height, block.block);
                batch.put(Family::Commit, height, block.commit);
                batch.put(Family::Meta, height, block.meta);
                batch.put(Family::Results, height, block.results);
                batch.put(Family::BlockHash, block.hash, height);
                for (index, tx) in (0u32..).zip(&block.txs) {
                    batch.put(Family::Tx, *tx, encode_place(TxPlace { height: block.height, index }));
                }
                put_state(&mut batch, block.writes);
                batch.put(Family::Chain, STATE, block.chain_state);
                batch.put(Family::Chain, LATEST, height);
            }
            Self::Note { name, value: Some(value) } => batch.put(Family::Chain, note_key(&name), value),
            Self::Note { name, value: None } => batch.delete(Family::Chain, note_key(&name)),
        }
        batch
    }
}

fn put_state(batch: &mut Batch, writes: Vec<StateWrite>) {
    for (key, value) in writes {
        match value {
            Some(value) => batch.put(Family::State, key, value),
            None => batch.delete(Family::State, key),
        }
    }
}

fn encode_place(place: TxPlace) -> Vec<u8> {
    [&place.height.to_be_bytes()[..], &place.index.to_be_bytes()].concat()
}

pub(crate) fn decode_place(bytes: &[u8]) -> Option<TxPlace> {
    (bytes.len() == 12).then(|| TxPlace { height: u64_at(bytes, 0), index: u32_at(bytes, 8) })
}

pub(crate) fn decode_height(bytes: &[u8]) -> Option<u64> {
    (bytes.len() == 8).then(|| u64_at(bytes, 0))
}

#[cfg(test)]
mod tests;
