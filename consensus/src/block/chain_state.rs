//! Everything that the next block is checked against.

use std::collections::BTreeSet;

use pyralog_crypto::{
    Hash, PublicKey,
    codec::{Decode, Encode, Reader, Writer},
    error::CodecError,
};
use tendermint::{Block, Time, block, chain};

use super::{
    ConsensusParams, MAX_VALIDATORS, Timestamp, ValidatorAddress, ValidatorSet, ValueId, results_hash, simple_root,
};
use crate::application::Finalized;
use crate::error::BlockError;

const VERSION: u8 = 1;
/// Validators that can have been punished before the format must change.
const MAX_PUNISHED: usize = 1 << 16;
/// No encoded chain state is larger.
pub const MAX_CHAIN_STATE_BYTES: usize = 1_024 + 3 * MAX_VALIDATORS * 64 + MAX_PUNISHED * 20;

/// The chain after `height`. Deterministic: all nodes have the same bytes here at the same height.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChainState {
    /// The chain's id, in every signed byte string.
    pub chain_id: chain::Id,
    /// No block is earlier than, or at, this time.
    pub genesis_time: Time,
    /// The last committed height; 0 before the first block.
    pub height: u64,
    /// The last block's id; `None` before the first block.
    pub last_block_id: Option<block::Id>,
    /// The last block's time; genesis time before the first block.
    pub last_time: Time,
    /// Root of the state tree after `height`.
    pub app_hash: Hash,
    /// Results of the last block.
    pub last_results_hash: Hash,
    /// The set of `height` (of height 1 before the first block).
    pub last_validators: ValidatorSet,
    /// The set of `height + 1`.
    pub validators: ValidatorSet,
    /// The set of `height + 2`.
    pub next_validators: ValidatorSet,
    /// The parameters in force.
    pub params: ConsensusParams,
    /// Validators whose double signing stands in a block: punished once, for ever.
    pub punished: BTreeSet<ValidatorAddress>,
}

impl ChainState {
    /// Before the first block.
    ///
    /// # Errors
    /// A chain id that is not 1 to 50 characters, a time outside 1970 to 2554, or unsound parameters.
    pub fn genesis(
        chain_id: &str,
        genesis_time: Time,
        validators: ValidatorSet,
        params: ConsensusParams,
        app_hash: Hash,
    ) -> Result<Self, BlockError> {
        let chain_id = chain_id.parse().map_err(|_| BlockError::Genesis("the chain id is not well-formed"))?;
        if Timestamp::from_time(genesis_time).is_none() {
            return Err(BlockError::Genesis("genesis_time is not between 1970 and 2554"));
        }
        if !params.is_sound() {
            return Err(BlockError::Genesis("a consensus parameter is out of bounds"));
        }
        let mut next_validators = validators.clone();
        next_validators.increment(1);
        Ok(Self {
            chain_id,
            genesis_time,
            height: 0,
            last_block_id: None,
            last_time: genesis_time,
            app_hash,
            last_results_hash: simple_root(&[] as &[[u8; 0]]),
            last_validators: validators.clone(),
            validators,
            next_validators,
            params,
            punished: BTreeSet::new(),
        })
    }

    /// What the commit of `height` is for; `None` before the first block.
    pub fn last_value(&self) -> Option<ValueId> {
        self.last_block_id.and_then(|id| ValueId::new(id, self.last_time))
    }

    /// The hash of the last header, 32 zero bytes before the first block.
    pub fn last_header_hash(&self) -> Hash {
        self.last_block_id.map_or(Hash([0; 32]), |id| super::from_tendermint_hash(id.hash))
    }

    /// The set of `height + 3` that a block of `height + 1` with these updates makes (they take effect at H+2).
    ///
    /// # Errors
    /// The updates are not applicable.
    pub fn validators_after(&self, updates: &[(PublicKey, u64)]) -> Result<ValidatorSet, BlockError> {
        let mut set = self.next_validators.clone();
        set.update(updates)?;
        set.increment(1);
        Ok(set)
    }

    /// See [`crate::application::BlockContext::consensus_state_after`].
    ///
    /// # Errors
    /// The updates are not applicable.
    pub fn consensus_state_after(&self, updates: &[(PublicKey, u64)]) -> Result<Vec<u8>, BlockError> {
        let after = self.validators_after(updates)?;
        let mut w = Writer::new();
        w.u8(VERSION).u64(self.height + 1).put(&self.params);
        w.put(&self.validators).put(&self.next_validators).put(&after);
        Ok(w.into_bytes())
    }

    /// The chain after `block` (of `height + 1`, checked before), which executed to `finalized`.
    ///
    /// # Errors
    /// The application's validator updates are not applicable: fatal.
    pub fn after(&self, block: &Block, block_id: block::Id, finalized: &Finalized) -> Result<Self, BlockError> {
        let next_validators = self.validators_after(&finalized.validator_updates)?;
        let mut punished = self.punished.clone();
        for evidence in block.evidence.iter() {
            if let tendermint::evidence::Evidence::DuplicateVote(duplicate) = evidence {
                punished.insert(duplicate.vote_a.validator_address.into());
            }
        }
        Ok(Self {
            chain_id: self.chain_id.clone(),
            genesis_time: self.genesis_time,
            height: block.header.height.value(),
            last_block_id: Some(block_id),
            last_time: block.header.time,
            app_hash: finalized.app_hash,
            last_results_hash: results_hash(&finalized.tx_results),
            last_validators: self.validators.clone(),
            validators: self.next_validators.clone(),
            next_validators,
            params: self.params,
            punished,
        })
    }
}

pub(crate) fn put_time(w: &mut Writer, time: Time) {
    w.u64(Timestamp::from_time(time).unwrap_or_default().0);
}

pub(crate) fn get_time(r: &mut Reader<'_>) -> Result<Time, CodecError> {
    Ok(Timestamp(r.u64()?).to_time())
}

pub(crate) fn put_block_id(w: &mut Writer, id: &block::Id) {
    w.raw(&super::from_tendermint_hash(id.hash).0).u32(id.part_set_header.total);
    w.raw(&super::from_tendermint_hash(id.part_set_header.hash).0);
}

/// Reads what [`put_block_id`] writes; the number of parts is bounded.
pub(crate) fn get_block_id(r: &mut Reader<'_>) -> Result<block::Id, CodecError> {
    let (hash, total, parts) = (Hash(r.array()?), r.u32()?, Hash(r.array()?));
    if total == 0 || total > super::MAX_PARTS {
        return Err(CodecError::Invalid { what: "block id", why: "the number of parts is out of bounds" });
    }
    let part_set_header = block::parts::Header::new(total, super::to_tendermint_hash(parts))
        .map_err(|_| CodecError::Invalid { what: "block id", why: "the part-set header is invalid" })?;
    Ok(block::Id { hash: super::to_tendermint_hash(hash), part_set_header })
}

impl Encode for ChainState {
    fn encode(&self, w: &mut Writer) {
        w.u8(VERSION).text(self.chain_id.as_str());
        put_time(w, self.genesis_time);
        w.u64(self.height).option(self.last_block_id.as_ref(), put_block_id);
        put_time(w, self.last_time);
        w.raw(&self.app_hash.0).raw(&self.last_results_hash.0);
        w.put(&self.last_validators).put(&self.validators).put(&self.next_validators).put(&self.params);
        let punished: Vec<_> = self.punished.iter().copied().collect();
        w.list(&punished, |w, address| {
            w.raw(&address.0);
        });
    }
}

impl Decode for ChainState {
    fn decode(r: &mut Reader<'_>) -> Result<Self, CodecError> {
        let invalid = |why| CodecError::Invalid { what: "chain state", why };
        r.version("chain state", VERSION)?;
        let chain_id = r.text(50)?.parse().map_err(|_| invalid("the chain id is not well-formed"))?;
        let genesis_time = get_time(r)?;
        let (height, last_block_id) = (r.u64()?, r.option(get_block_id)?);
        if (height == 0) != last_block_id.is_none() || height > i64::MAX as u64 {
            return Err(invalid("height and last block id contradict each other"));
        }
        let last_time = get_time(r)?;
        let (app_hash, last_results_hash) = (Hash(r.array()?), Hash(r.array()?));
        let (last_validators, validators, next_validators) = (r.get()?, r.get()?, r.get()?);
        let params: ConsensusParams = r.get()?;
        if !params.is_sound() {
            return Err(invalid("a parameter is out of bounds"));
        }
        let list = r.list(MAX_PUNISHED, |r| Ok(ValidatorAddress(r.array()?)))?;
        if !list.windows(2).all(|pair| pair[0] < pair[1]) {
            return Err(invalid("the punished validators are out of order"));
        }
        let punished = list.into_iter().collect();
        Ok(Self {
            chain_id,
            genesis_time,
            height,
            last_block_id,
            last_time,
            app_hash,
            last_results_hash,
            last_validators,
            validators,
            next_validators,
            params,
            punished,
        })
    }
}

#[cfg(test)]
mod tests;
