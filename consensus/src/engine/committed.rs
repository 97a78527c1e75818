//! A decided block with everything that its execution gave.

use std::sync::Arc;

use bytes::Bytes;
use pyralog_crypto::{Encode, Hash};
use tendermint::{
    Block,
    block::{self, Commit},
};

use crate::application::{Misbehavior, TxResult};
use crate::block::{ChainState, ValidatorSet, encode_commit, from_tendermint_hash};

/// What [`super::Effect::Commit`] asks to persist, atomically.
#[derive(Clone, Debug)]
pub struct CommittedBlock {
    /// Its height.
    pub height: u64,
    /// The block.
    pub block: Block,
    /// Its encoding: what [`super::Input::SyncBlock`] of another node wants.
    pub block_bytes: Bytes,
    /// Header hash and part-set header.
    pub block_id: block::Id,
    /// The commit that decided it. The one in the next block may hold more signatures.
    pub commit: Commit,
    /// The set of this height.
    pub validators: ValidatorSet,
    /// The set of the next height.
    pub next_validators: ValidatorSet,
    /// One per transaction.
    pub tx_results: Vec<TxResult>,
    /// Proven double signs that are in this block.
    pub misbehavior: Vec<Misbehavior>,
    /// The powers that this block changes (in force at height + 2).
    pub validator_updates: Vec<(pyralog_crypto::PublicKey, u64)>,
    /// Root of the state tree after this block.
    pub app_hash: Hash,
    /// Writes to the application's state.
    pub writes: Vec<(Vec<u8>, Option<Vec<u8>>)>,
    /// The chain after this block: what [`super::Engine::recover`] wants.
    pub chain: Arc<ChainState>,
    /// Whether it came by catching up rather than by taking part in the vote.
    pub synced: bool,
}

impl CommittedBlock {
    /// The header hash.
    pub fn hash(&self) -> Hash {
        from_tendermint_hash(self.block_id.hash)
    }

    /// The commit's encoding: what [`super::Input::SyncBlock`] of another node wants.
    pub fn commit_bytes(&self) -> Bytes {
        encode_commit(&self.commit).into()
    }

    /// The encoding of [`CommittedBlock::chain`].
    pub fn chain_bytes(&self) -> Vec<u8> {
        self.chain.to_bytes()
    }
}
