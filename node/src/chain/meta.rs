//! What is stored beside a block: its id, the set that signed it, and what its execution gave.

use bytes::Bytes;
use pyralog_consensus::application::{TxEvent, TxResult};
use pyralog_consensus::block::{MAX_VALIDATORS, ValidatorSet, from_tendermint_hash, to_tendermint_hash};
use pyralog_consensus::engine::CommittedBlock;
use pyralog_crypto::codec::{Decode, Encode, Reader, Writer};
use pyralog_crypto::{CodecError, Hash, PublicKey};
use tendermint::block;

const VERSION: u8 = 1;
/// No transaction is smaller than this many bytes, so no block of 16 MiB holds more results.
const MAX_RESULTS: usize = 1 << 20;
const MAX_TEXT: usize = 1 << 16;
const MAX_EVENTS: usize = 1 << 10;
/// No encoded meta record is larger.
pub const MAX_META_BYTES: usize = 64 << 20;

/// The record. Version byte 1; all integers big-endian; not part of consensus, so another node may store something else.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BlockMeta {
    /// Header hash and part-set header.
    pub block_id: block::Id,
    /// The validator set of the block's height, with priorities.
    pub validators: ValidatorSet,
    /// One per transaction.
    pub tx_results: Vec<TxResult>,
    /// Powers that the block changes.
    pub validator_updates: Vec<(PublicKey, u64)>,
    /// Root of the state tree after the block.
    pub app_hash: Hash,
    /// Bytes of the encoded block.
    pub block_size: u64,
}

impl BlockMeta {
    /// What is stored of a decided block.
    pub fn of(block: &CommittedBlock) -> Self {
        Self {
            block_id: block.block_id,
            validators: block.validators.clone(),
            tx_results: block.tx_results.clone(),
            validator_updates: block.validator_updates.clone(),
            app_hash: block.app_hash,
            block_size: block.block_bytes.len() as u64,
        }
    }
}

impl Encode for BlockMeta {
    fn encode(&self, w: &mut Writer) {
        w.u8(VERSION).put(&from_tendermint_hash(self.block_id.hash)).u32(self.block_id.part_set_header.total);
        w.put(&from_tendermint_hash(self.block_id.part_set_header.hash)).put(&self.validators);
        w.list(&self.tx_results, |w, result| {
            w.u32(result.code).bytes(&result.data).u64(result.gas_wanted as u64).u64(result.gas_used as u64);
            w.text(&result.log).list(&result.events, |w, event| {
                w.text(&event.kind).list(&event.attributes, |w, (key, value)| {
                    w.text(key).text(value);
                });
            });
        });
        w.list(&self.validator_updates, |w, (key, power)| {
            w.put(key).u64(*power);
        });
        w.put(&self.app_hash).u64(self.block_size);
    }
}

impl Decode for BlockMeta {
    fn decode(r: &mut Reader<'_>) -> Result<Self, CodecError> {
        r.version("block meta", VERSION)?;
        let (hash, total, parts): (Hash, u32, Hash) = (r.get()?, r.u32()?, r.get()?);
        let part_set_header = block::parts::Header::new(total, to_tendermint_hash(parts))
            .map_err(|_| CodecError::Invalid { what: "block meta", why: "the part-set header is invalid" })?;
        let block_id = block::Id { hash: to_tendermint_hash(hash), part_set_header };
        let validators = r.get()?;
        let tx_results = r.list(MAX_RESULTS, decode_result)?;
        let validator_updates = r.list(MAX_VALIDATORS, |r| Ok((r.get()?, r.u64()?)))?;
        Ok(Self { block_id, validators, tx_results, validator_updates, app_hash: r.get()?, block_size: r.u64()? })
    }
}

fn decode_result(r: &mut Reader<'_>) -> Result<TxResult, CodecError> {
    Ok(TxResult {
        code: r.u32()?,
        data: Bytes::copy_from_slice(r.bytes(MAX_TEXT)?),
        gas_wanted: r.u64()? as i64,
        gas_used: r.u64()? as i64,
        log: r.text(MAX_TEXT)?.into(),
        events: r.list(MAX_EVENTS, |r| {
            Ok(TxEvent {
                kind: r.text(MAX_TEXT)?.into(),
                attributes: r.list(MAX_EVENTS, |r| Ok((r.text(MAX_TEXT)?.to_owned(), r.text(MAX_TEXT)?.to_owned())))?,
            })
        })?,
    })
}
