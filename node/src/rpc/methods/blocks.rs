//! Blocks, headers, commits, validator sets.

use std::sync::Arc;

use pyralog_crypto::Hash;
use serde_json::{Value, json};

use super::{Answer, Context, internal, page};
use crate::chain::BlockRecord;
use crate::rpc::envelope::RpcError;
use crate::rpc::json;
use crate::rpc::params::{Params, required};

/// Blocks of one `blockchain` answer.
const MAX_BLOCKS: u64 = 20;

pub(super) fn record(cx: &Context, height: u64) -> Result<Arc<BlockRecord>, RpcError> {
    cx.backend.chain().block(height).map_err(internal)?.ok_or_else(|| {
        let latest = cx.backend.chain().height();
        RpcError::Internal(if latest == 0 {
            format!("height {height} is not available: no block is committed yet")
        } else {
            format!("height {height} is not available, lowest height is 1 and highest is {latest}")
        })
    })
}

fn at(cx: &Context, params: &Params) -> Result<Arc<BlockRecord>, RpcError> {
    record(cx, page::height(params, "height", cx.backend.chain().height())?)
}

fn by_hash(cx: &Context, params: &Params) -> Result<Option<Arc<BlockRecord>>, RpcError> {
    let hash = Hash(required("hash", params.hash("hash")?)?);
    match cx.backend.chain().height_of(&hash).map_err(internal)? {
        None => Ok(None),
        Some(height) => record(cx, height).map(Some),
    }
}

fn whole(record: &BlockRecord) -> Value {
    json!({"block_id": json::block_id(Some(&record.meta.block_id)), "block": json::block(&record.block)})
}

pub(super) fn block(cx: &Context, params: &Params) -> Answer {
    Ok(whole(&*at(cx, params)?))
}

pub(super) fn block_by_hash(cx: &Context, params: &Params) -> Answer {
    Ok(by_hash(cx, params)?.map_or_else(|| json!({"block_id": json::block_id(None), "block": null}), |r| whole(&r)))
}

pub(super) fn header(cx: &Context, params: &Params) -> Answer {
    Ok(json!({"header": json::header(&at(cx, params)?.block.header)}))
}

pub(super) fn header_by_hash(cx: &Context, params: &Params) -> Answer {
    Ok(json!({"header": by_hash(cx, params)?.map(|record| json::header(&record.block.header))}))
}

pub(super) fn commit(cx: &Context, params: &Params) -> Answer {
    let latest = cx.backend.chain().height();
    let own = record(cx, page::height(params, "height", latest)?)?;
    // The commit that the next block holds is the same everywhere. What this node has seen of the last one is not, and may
    // still gain signatures.
    let canonical = own.height() < latest;
    let next = if canonical { Some(record(cx, own.height() + 1)?) } else { None };
    let commit = next.as_ref().map_or(Some(&own.commit), |next| next.block.last_commit.as_ref());
    Ok(json!({
        "signed_header": {"header": json::header(&own.block.header), "commit": json::commit(commit)},
        "canonical": canonical,
    }))
}

pub(super) fn block_results(cx: &Context, params: &Params) -> Answer {
    let record = at(cx, params)?;
    let results: Vec<Value> = record.meta.tx_results.iter().map(json::tx_result).collect();
    Ok(json!({
        "height": record.height().to_string(),
        "txs_results": if results.is_empty() { Value::Null } else { results.into() },
        "finalize_block_events": [],
        "validator_updates": json::validator_updates(&record.meta.validator_updates),
        "consensus_param_updates": null,
        "app_hash": json::base64(record.meta.app_hash.0),
    }))
}

pub(super) fn blockchain(cx: &Context, params: &Params) -> Answer {
    let latest = cx.backend.chain().height();
    let natural = |name: &str| -> Result<u64, RpcError> {
        let given = params.int(name)?.unwrap_or(0);
        u64::try_from(given)
            .map_err(|_| RpcError::Internal(format!("heights must be non-negative, but {name} is {given}")))
    };
    let (low, high) = (natural("minHeight")?, natural("maxHeight")?);
    let high = if high == 0 { latest } else { high.min(latest) };
    let low = low.max(1).max((high + 1).saturating_sub(MAX_BLOCKS));
    if low > high && latest > 0 {
        return Err(RpcError::Internal(format!("min height {low} can't be greater than max height {high}")));
    }
    let metas: Result<Vec<Value>, RpcError> =
        (low..=high).rev().map(|height| Ok(json::block_meta(&*record(cx, height)?))).collect();
    Ok(json!({"last_height": latest.to_string(), "block_metas": metas?}))
}

pub(super) fn validators(cx: &Context, params: &Params) -> Answer {
    let state = cx.backend.chain().state();
    // The sets of the next height and the one after are known too; light clients ask for the next.
    let height = page::height(params, "height", state.height + 1)?;
    let stored;
    let set = if height == state.height + 1 {
        &state.validators
    } else {
        stored = record(cx, height)?;
        &stored.meta.validators
    };
    let members = set.validators();
    let range = page::range(params, members.len())?;
    let total = members.len();
    let listed: Vec<Value> = members[range].iter().map(json::validator).collect();
    Ok(json!({
        "block_height": height.to_string(),
        "validators": listed,
        "count": listed.len().to_string(),
        "total": total.to_string(),
    }))
}
