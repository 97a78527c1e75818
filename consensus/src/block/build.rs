//! Building the block after a [`ChainState`].

use std::sync::Arc;

use bytes::Bytes;
use pyralog_crypto::Hash;
use tendermint::{
    AppHash, Block, Time,
    block::{self, Commit, Header, header::Version},
    evidence::{DuplicateVoteEvidence, Evidence, List},
};

use super::{
    APP_PROTOCOL, BLOCK_PROTOCOL, ChainState, MAX_VALIDATORS, ValidatorAddress, ValueId, commit_hash, data_hash,
    encode_block, evidence_hash, from_tendermint_hash, part_set_header, to_tendermint_hash,
};
use crate::application::{BlockContext, LastCommitVote};
use crate::error::BlockError;

/// What a proposer chooses.
#[derive(Clone, Debug)]
pub struct BlockDraft {
    /// Strictly after the last block's.
    pub time: Time,
    /// Us.
    pub proposer: ValidatorAddress,
    /// Transactions in order.
    pub txs: Vec<Bytes>,
    /// Proven double signs.
    pub evidence: Vec<DuplicateVoteEvidence>,
    /// The commit of the last block; `None` exactly at height 1.
    pub last_commit: Option<Commit>,
}

/// A block, its bytes and its name.
#[derive(Clone, Debug)]
pub struct BuiltBlock {
    /// The block.
    pub block: Block,
    /// Its encoding.
    pub bytes: Bytes,
    /// What votes for it name.
    pub value: ValueId,
}

impl BuiltBlock {
    /// A decoded block with the bytes that it came from.
    ///
    /// # Errors
    /// It has more parts than any block may have.
    pub fn new(block: Block, bytes: Bytes) -> Result<Self, BlockError> {
        let id = block::Id { hash: block.header.hash(), part_set_header: part_set_header(&bytes) };
        let value = ValueId::new(id, block.header.time).ok_or(BlockError::Header("part_set_header"))?;
        Ok(Self { block, bytes, value })
    }
}

impl ChainState {
    /// Builds the block of `height + 1`.
    ///
    /// # Errors
    /// It is larger than the parameters allow.
    pub fn build(&self, draft: BlockDraft) -> Result<BuiltBlock, BlockError> {
        let evidence = draft.evidence.into_iter().map(|e| Evidence::DuplicateVote(Box::new(e))).collect::<Vec<_>>();
        let evidence = List::new(evidence);
        let data: Vec<Vec<u8>> = draft.txs.iter().map(|tx| tx.to_vec()).collect();
        let header = self.header(&data, &evidence, draft.last_commit.as_ref(), draft.time, draft.proposer);
        let block = Block::new(header, data, evidence, draft.last_commit);
        let bytes = Bytes::from(encode_block(&block));
        if bytes.len() as u64 > self.params.max_block_bytes {
            return Err(BlockError::TooLarge { bytes: bytes.len() as u64, max: self.params.max_block_bytes });
        }
        BuiltBlock::new(block, bytes)
    }

    /// The only header that a block of `height + 1` with these contents can have.
    pub(super) fn header(
        &self,
        data: &[Vec<u8>],
        evidence: &List,
        last_commit: Option<&Commit>,
        time: Time,
        proposer: ValidatorAddress,
    ) -> Header {
        let no_commit = Commit::default();
        let hash = |hash: Hash| Some(to_tendermint_hash(hash));
        Header {
            version: Version { block: BLOCK_PROTOCOL, app: APP_PROTOCOL },
            chain_id: self.chain_id.clone(),
            // Below i64::MAX for as long as blocks take a nanosecond.
            height: (self.height + 1).try_into().unwrap_or_default(),
            time,
            last_block_id: self.last_block_id,
            last_commit_hash: hash(commit_hash(last_commit.unwrap_or(&no_commit))),
            data_hash: hash(data_hash(data)),
            validators_hash: to_tendermint_hash(self.validators.hash()),
            next_validators_hash: to_tendermint_hash(self.next_validators.hash()),
            consensus_hash: to_tendermint_hash(self.params.hash()),
            // 32 bytes are always an app hash.
            app_hash: AppHash::try_from(self.app_hash.0.to_vec()).unwrap_or_default(),
            last_results_hash: hash(self.last_results_hash),
            evidence_hash: hash(evidence_hash(evidence)),
            proposer_address: proposer.into(),
        }
    }

    /// How many bytes of transactions fit beside `evidence_bytes` of evidence: what is left after header and commit, less the prefixes of
    /// the transactions (a twentieth covers them for transactions of 120 bytes and more).
    pub fn max_tx_bytes(&self, evidence_bytes: u64) -> u64 {
        let fixed = 1_024 + (self.last_validators.len().min(MAX_VALIDATORS) as u64) * 128 + evidence_bytes;
        let left = self.params.max_block_bytes.saturating_sub(fixed);
        left - left / 20
    }
}

impl BlockContext {
    /// For executing `block` on top of `chain`.
    pub fn of(chain: &Arc<ChainState>, block: &Block) -> Self {
        Self {
            block_hash: from_tendermint_hash(block.header.hash()),
            ..Self::draft(chain, block.header.time, block.header.proposer_address.into(), block.last_commit.as_ref())
        }
    }

    /// For preparing a block.
    pub fn draft(
        chain: &Arc<ChainState>,
        time: Time,
        proposer: ValidatorAddress,
        last_commit: Option<&Commit>,
    ) -> Self {
        let last_commit = last_commit
            .map(|commit| {
                let slots = commit.signatures.iter().zip(chain.last_validators.validators());
                let vote = |(slot, v): (&block::CommitSig, &super::Validator)| LastCommitVote {
                    address: v.address,
                    power: v.power,
                    signed: slot.is_commit(),
                };
                slots.map(vote).collect()
            })
            .unwrap_or_default();
        Self {
            height: chain.height + 1,
            time,
            proposer,
            block_hash: Hash([0; 32]),
            last_header_hash: chain.last_header_hash(),
            last_commit,
            chain: Arc::clone(chain),
        }
    }
}
