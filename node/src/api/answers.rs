//! JSON of the API's answers. Amounts and other 64-bit numbers that can grow large are decimal strings.

use pyralog_consensus::block::{ValidatorAddress, tx_hash};
use pyralog_consensus::ledger::LogRecord;
use pyralog_consensus::tx::Envelope;
use pyralog_crypto::{LogId, SignedPromise, SignedRangePromise};
use serde_json::{Value, json};

use crate::backend::Backend;
use crate::chain::BlockRecord;
use crate::signing::state_text;
use crate::store::AnchorPlace;

/// `/v1/status`.
pub fn status(backend: &dyn Backend, peers: usize, log: Value) -> Value {
    let (identity, live, state) = (backend.identity(), backend.live(), backend.chain().state());
    let address = ValidatorAddress::of(&identity.validator);
    let power = state.validators.get(&address).map_or(0, |validator| validator.power);
    json!({
        "chain_id": identity.chain_id,
        "height": state.height,
        "block_hash": (state.height > 0).then(|| state.last_header_hash().to_string()),
        "block_time": (state.height > 0).then(|| state.last_time.to_rfc3339()),
        "app_hash": state.app_hash.to_string(),
        "round": live.round,
        "catching_up": live.catching_up,
        "target_height": live.target.max(state.height),
        "signer": state_text(&live.signer),
        "validator": {"public_key": identity.validator, "address": hex::encode(address.0), "power": power.to_string()},
        "validators": state.validators.len(),
        "log": log,
        "moniker": identity.moniker,
        "peer_id": identity.peer_id,
        "peers": peers,
        "mempool": backend.pending(0).count,
        "version": env!("CARGO_PKG_VERSION"),
    })
}

/// One registered log.
pub fn log(id: &LogId, record: &LogRecord) -> Value {
    json!({
        "log": id,
        "owner": record.owner,
        "name": record.name.as_str(),
        "registered_at": record.registered_at,
        "owner_since": record.owner_since,
        "size": record.size.to_string(),
        "roots": record.roots,
        "anchored_at": record.anchored_at,
    })
}

/// One anchor.
pub fn anchor(place: &AnchorPlace) -> Value {
    json!({"size": place.size.to_string(), "height": place.height, "tx_index": place.tx})
}

/// `/v1/blocks/{height}`.
pub fn block(record: &BlockRecord) -> Value {
    let header = &record.block.header;
    let txs: Vec<Value> = record
        .txs()
        .iter()
        .zip(&record.meta.tx_results)
        .map(|(tx, result)| json!({"hash": tx_hash(tx), "kind": kind(tx), "bytes": tx.len(), "code": result.code}))
        .collect();
    let signed = record.commit.signatures.iter().filter(|signature| signature.is_commit()).count();
    json!({
        "chain_id": header.chain_id.as_str(),
        "height": record.height(),
        "hash": record.hash(),
        "time": header.time.to_rfc3339(),
        "proposer": hex::encode(header.proposer_address.as_bytes()),
        "app_hash": hex::encode(header.app_hash.as_bytes()),
        "app_hash_after": record.meta.app_hash,
        "bytes": record.meta.block_size,
        "round": record.commit.round.value(),
        "signatures": {"commit": signed, "validators": record.commit.signatures.len()},
        "evidence": record.block.evidence.iter().count(),
        "txs": txs,
    })
}

/// The kind of a committed transaction, for people.
pub fn kind(tx: &[u8]) -> &'static str {
    match Envelope::decode(tx) {
        Ok(Envelope::Signed(_)) => "signed",
        Ok(Envelope::Anchor(_)) => "anchor",
        Ok(Envelope::Companion(_)) => "companion",
        _ => "unknown",
    }
}

/// `{"log", "promises"}`, written without a tree of values: it is the hot path.
pub fn promises(log: &LogId, promises: &[SignedPromise]) -> Result<Vec<u8>, serde_json::Error> {
    #[derive(serde::Serialize)]
    struct Answer<'a> {
        log: &'a LogId,
        promises: &'a [SignedPromise],
    }
    let mut out = Vec::with_capacity(100 + 480 * promises.len());
    serde_json::to_writer(&mut out, &Answer { log, promises })?;
    Ok(out)
}

/// `{"log", "range"}`.
pub fn range_promise(log: &LogId, range: &SignedRangePromise) -> Result<Vec<u8>, serde_json::Error> {
    serde_json::to_vec(&json!({"log": log, "range": range}))
}
