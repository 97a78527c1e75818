//! Transactions: looking them up, and sending them.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use pyralog_consensus::application::CheckedTx;
use pyralog_consensus::block::tx_hash;
use pyralog_consensus::tx::TxError;
use pyralog_crypto::{Hash, MemoryTree, Sha256};
use serde_json::{Value, json};
use tokio::sync::broadcast;

use super::{Answer, Context, blocks, internal};
use crate::chain::{BlockRecord, TxPosition};
use crate::rpc::envelope::RpcError;
use crate::rpc::json;
use crate::rpc::params::{Params, required};
use crate::rpc::query::Tags;

/// Transactions of one `unconfirmed_txs` answer at most.
const MAX_UNCONFIRMED: usize = 100;

pub(super) fn tx(cx: &Context, params: &Params) -> Answer {
    let hash = Hash(required("hash", params.hash("hash")?)?);
    let prove = params.flag("prove")?.unwrap_or(false);
    let position = cx.backend.chain().tx(&hash).map_err(internal)?;
    let position = position.ok_or_else(|| RpcError::Internal(format!("tx ({}) not found", json::hash(&hash))))?;
    let record = blocks::record(cx, position.height)?;
    found(&record, position, prove.then(|| tree(&record)).as_ref())
}

/// `tx` and `tx_search` entries; with a proof where the tree of the block is given.
pub(super) fn found(record: &BlockRecord, position: TxPosition, tree: Option<&MemoryTree<Sha256>>) -> Answer {
    let index = position.index as usize;
    let (Some(tx), Some(result)) = (record.txs().get(index), record.meta.tx_results.get(index)) else {
        return Err(internal("the transaction index points outside its block; the storage is damaged"));
    };
    let mut entry = json!({
        "hash": json::hash(&tx_hash(tx)),
        "height": position.height.to_string(),
        "index": position.index,
        "tx_result": json::tx_result(result),
        "tx": json::base64(tx),
    });
    if let Some(tree) = tree {
        entry["proof"] = proof(record, tree, index)?;
    }
    Ok(entry)
}

/// The tree below a block's `data_hash`: RFC 6962 over the transactions' hashes.
pub(super) fn tree(record: &BlockRecord) -> MemoryTree<Sha256> {
    MemoryTree::from_leaves(record.txs().iter().map(|tx| tx_hash(tx).0))
}

/// The path from a transaction to `data_hash`, as CometBFT's `TxProof`.
fn proof(record: &BlockRecord, tree: &MemoryTree<Sha256>, index: usize) -> Answer {
    let path = tree.inclusion(index as u64).map_err(internal)?;
    let leaf = <Sha256 as pyralog_crypto::MerkleHash>::leaf(&tx_hash(&record.txs()[index]).0);
    Ok(json!({
        "root_hash": json::hash(&tree.root()),
        "data": json::base64(&record.txs()[index]),
        "proof": {
            "total": path.size.to_string(),
            "index": path.index.to_string(),
            "leaf_hash": json::base64(leaf.0),
            "aunts": path.path.iter().map(|hash| json::base64(hash.0)).collect::<Vec<_>>(),
        },
    }))
}

/// The tags of a transaction's event: what queries are matched against.
pub fn tags(record: &BlockRecord, index: usize) -> Tags {
    let mut tags: Tags = BTreeMap::new();
    let mut add = |key: String, value: String| tags.entry(key).or_default().push(value);
    add("tm.event".into(), "Tx".into());
    add("tx.height".into(), record.height().to_string());
    if let Some(tx) = record.txs().get(index) {
        add("tx.hash".into(), json::hash(&tx_hash(tx)));
    }
    for event in record.meta.tx_results.get(index).into_iter().flat_map(|result| &result.events) {
        for (key, value) in &event.attributes {
            add(format!("{}.{key}", event.kind), value.clone());
        }
    }
    tags
}

/// The data of a transaction's event.
pub fn tx_event(record: &BlockRecord, index: usize) -> Value {
    let tx = record.txs().get(index).map(json::base64);
    let result = record.meta.tx_results.get(index).map(json::tx_result);
    json!({
        "type": "tendermint/event/Tx",
        "value": {"TxResult": {"height": record.height().to_string(), "index": index, "tx": tx, "result": result}},
    })
}

pub(super) fn unconfirmed(cx: &Context, params: &Params) -> Answer {
    let limit = params.int("limit")?.unwrap_or(30).clamp(1, MAX_UNCONFIRMED as i64) as usize;
    let pending = cx.backend.pending(limit);
    let txs: Vec<String> = pending.txs.iter().take(limit).map(json::base64).collect();
    Ok(json!({
        "n_txs": txs.len().to_string(),
        "total": pending.count.to_string(),
        "total_bytes": pending.bytes.to_string(),
        "txs": txs,
    }))
}

pub(super) fn num_unconfirmed(cx: &Context) -> Value {
    let pending = cx.backend.pending(0);
    let count = pending.count.to_string();
    json!({"n_txs": count, "total": count, "total_bytes": pending.bytes.to_string(), "txs": null})
}

/// The fields that `check_tx` and the answers of `broadcast_tx_*` share.
fn checked(result: &Result<CheckedTx, TxError>) -> Value {
    let (code, log) = match result {
        Ok(_) => (0, String::new()),
        Err(error) => (error.code(), error.to_string()),
    };
    json!({
        "code": code,
        "data": null,
        "log": log,
        "info": "",
        "gas_wanted": "0",
        "gas_used": "0",
        "events": [],
        "codespace": if code == 0 { "" } else { "pyralog" },
    })
}

fn given(params: &Params) -> Result<Bytes, RpcError> {
    required("tx", params.bytes("tx")?).map(Bytes::from)
}

async fn submit(cx: &Context, tx: Bytes) -> Result<Result<CheckedTx, TxError>, RpcError> {
    match cx.backend.submit(vec![tx]).await {
        // As CometBFT: what the mempool itself refuses is an error of the call, what the transaction says is its result.
        Err(TxError::Duplicate) => Err(RpcError::Internal("tx already exists in cache".into())),
        Err(error @ (TxError::MempoolFull | TxError::Unavailable { .. })) => Err(internal(error)),
        Err(error) => Ok(Err(error)),
        Ok(mut checked) => checked.pop().map(Ok).ok_or_else(|| internal("the mempool gave no answer")),
    }
}

pub(super) async fn check(cx: &Context, params: &Params) -> Answer {
    Ok(checked(&cx.backend.check(given(params)?).await))
}

fn sent(tx: &[u8], result: &Result<CheckedTx, TxError>) -> Value {
    let (code, log) = match result {
        Ok(_) => (0, String::new()),
        Err(error) => (error.code(), error.to_string()),
    };
    json!({
        "code": code,
        "data": "",
        "log": log,
        "codespace": if code == 0 { "" } else { "pyralog" },
        "hash": json::hash(&tx_hash(tx)),
    })
}

pub(super) fn broadcast_async(cx: &Context, params: &Params) -> Answer {
    let tx = given(params)?;
    let (backend, bundle) = (Arc::clone(&cx.backend), vec![tx.clone()]);
    // Bounded: the backend refuses at once when too many wait.
    tokio::spawn(async move { drop(backend.submit(bundle).await) });
    Ok(json!({"code": 0, "data": "", "log": "", "codespace": "", "hash": json::hash(&tx_hash(&tx))}))
}

pub(super) async fn broadcast_sync(cx: &Context, params: &Params) -> Answer {
    let tx = given(params)?;
    let result = submit(cx, tx.clone()).await?;
    Ok(sent(&tx, &result))
}

pub(super) async fn broadcast_commit(cx: &Context, params: &Params) -> Answer {
    let tx = given(params)?;
    let mut blocks = cx.backend.blocks();
    let result = submit(cx, tx.clone()).await?;
    let hash = tx_hash(&tx);
    let answer = |tx_result: Value, height: u64| {
        json!({
            "check_tx": checked(&result),
            "tx_result": tx_result,
            "hash": json::hash(&hash),
            "height": height.to_string(),
        })
    };
    if result.is_err() {
        return Ok(answer(checked(&result), 0));
    }
    let committed = async {
        loop {
            match blocks.recv().await {
                Ok(record) => {
                    if let Some(index) = record.txs().iter().position(|other| *other == *tx) {
                        return Some((record, index));
                    }
                }
                Err(broadcast::error::RecvError::Lagged(_)) => {}
                Err(broadcast::error::RecvError::Closed) => return None,
            }
        }
    };
    match tokio::time::timeout(cx.commit_timeout, committed).await {
        Ok(Some((record, index))) => {
            let tx_result = record.meta.tx_results.get(index).map_or(Value::Null, json::tx_result);
            Ok(answer(tx_result, record.height()))
        }
        Ok(None) => Err(internal("the node is stopping")),
        Err(_) => Err(internal(format!(
            "timed out waiting for tx to be included in a block; it still may be: ask for tx {}",
            json::hash(&hash)
        ))),
    }
}
