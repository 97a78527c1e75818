//! CometBFT's JSON of blocks, commits, validators and results, written by hand: the serde forms of the library differ in field
//! names (`power` for `voting_power`), drop priorities, and lose what Go writes for the empty commit of block 1.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use pyralog_consensus::application::TxResult;
use pyralog_consensus::block::{ConsensusParams, Validator};
use pyralog_crypto::{Hash, PublicKey};
use serde_json::{Value, json};
use tendermint::block::{Block, Commit, CommitSig, Header, Id};
use tendermint::evidence::{DuplicateVoteEvidence, Evidence};

use crate::chain::BlockRecord;

/// What Go writes for a time that is not set.
pub const NO_TIME: &str = "0001-01-01T00:00:00Z";

/// Bytes as base64.
pub fn base64(bytes: impl AsRef<[u8]>) -> String {
    STANDARD.encode(bytes)
}

/// Bytes as upper-case hex, as CometBFT writes hashes and addresses.
pub fn hex_upper(bytes: impl AsRef<[u8]>) -> String {
    hex::encode_upper(bytes)
}

/// `{"type": …, "value": base64}`.
pub fn public_key(key: &PublicKey) -> Value {
    json!({"type": "tendermint/PubKeyEd25519", "value": base64(key.0)})
}

/// A block id; the empty one of Go for `None`.
pub fn block_id(id: Option<&Id>) -> Value {
    match id {
        None => json!({"hash": "", "parts": {"total": 0, "hash": ""}}),
        Some(id) => json!({
            "hash": hex_upper(id.hash.as_bytes()),
            "parts": {"total": id.part_set_header.total, "hash": hex_upper(id.part_set_header.hash.as_bytes())},
        }),
    }
}

/// A header.
pub fn header(header: &Header) -> Value {
    let hash = |hash: Option<tendermint::Hash>| hash.map_or_else(String::new, |hash| hex_upper(hash.as_bytes()));
    json!({
        "version": {"block": header.version.block.to_string(), "app": header.version.app.to_string()},
        "chain_id": header.chain_id.as_str(),
        "height": header.height.to_string(),
        "time": header.time.to_rfc3339(),
        "last_block_id": block_id(header.last_block_id.as_ref()),
        "last_commit_hash": hash(header.last_commit_hash),
        "data_hash": hash(header.data_hash),
        "validators_hash": hash(Some(header.validators_hash)),
        "next_validators_hash": hash(Some(header.next_validators_hash)),
        "consensus_hash": hash(Some(header.consensus_hash)),
        "app_hash": hex_upper(header.app_hash.as_bytes()),
        "last_results_hash": hash(header.last_results_hash),
        "evidence_hash": hash(header.evidence_hash),
        "proposer_address": hex_upper(header.proposer_address.as_bytes()),
    })
}

/// A commit; the empty one of Go for `None`, as block 1 has it.
pub fn commit(commit: Option<&Commit>) -> Value {
    let Some(commit) = commit else {
        return json!({"height": "0", "round": 0, "block_id": block_id(None), "signatures": []});
    };
    json!({
        "height": commit.height.to_string(),
        "round": commit.round.value(),
        "block_id": block_id(Some(&commit.block_id)),
        "signatures": commit.signatures.iter().map(commit_signature).collect::<Vec<_>>(),
    })
}

fn commit_signature(signature: &CommitSig) -> Value {
    let (flag, address, time, signature) = match signature {
        CommitSig::BlockIdFlagAbsent => (1, String::new(), NO_TIME.into(), None),
        CommitSig::BlockIdFlagCommit { validator_address, timestamp, signature } => {
            (2, hex_upper(validator_address.as_bytes()), timestamp.to_rfc3339(), signature.as_ref())
        }
        CommitSig::BlockIdFlagNil { validator_address, timestamp, signature } => {
            (3, hex_upper(validator_address.as_bytes()), timestamp.to_rfc3339(), signature.as_ref())
        }
    };
    json!({
        "block_id_flag": flag,
        "validator_address": address,
        "timestamp": time,
        "signature": signature.map(|signature| base64(signature.as_bytes())),
    })
}

/// A whole block.
pub fn block(block: &Block) -> Value {
    json!({
        "header": header(&block.header),
        "data": {"txs": block.data.iter().map(base64).collect::<Vec<_>>()},
        "evidence": {"evidence": block.evidence.iter().filter_map(evidence).collect::<Vec<_>>()},
        "last_commit": commit(block.last_commit.as_ref()),
    })
}

fn evidence(evidence: &Evidence) -> Option<Value> {
    match evidence {
        Evidence::DuplicateVote(duplicate) => Some(duplicate_vote(duplicate)),
        // Blocks with another kind are not valid on this chain.
        Evidence::LightClientAttack(_) => None,
    }
}

fn duplicate_vote(evidence: &DuplicateVoteEvidence) -> Value {
    let vote = |vote: &tendermint::Vote| {
        json!({
            "type": u8::from(vote.vote_type == tendermint::vote::Type::Precommit) + 1,
            "height": vote.height.to_string(),
            "round": vote.round.value(),
            "block_id": block_id(vote.block_id.as_ref()),
            "timestamp": vote.timestamp.map_or_else(|| NO_TIME.into(), |time| time.to_rfc3339()),
            "validator_address": hex_upper(vote.validator_address.as_bytes()),
            "validator_index": vote.validator_index.value(),
            "signature": vote.signature.as_ref().map(|signature| base64(signature.as_bytes())),
            "extension": null,
            "extension_signature": null,
        })
    };
    json!({
        "type": "tendermint/DuplicateVoteEvidence",
        "value": {
            "vote_a": vote(&evidence.vote_a),
            "vote_b": vote(&evidence.vote_b),
            "TotalVotingPower": evidence.total_voting_power.value().to_string(),
            "ValidatorPower": evidence.validator_power.value().to_string(),
            "Timestamp": evidence.timestamp.to_rfc3339(),
        },
    })
}

/// One member of a validator set.
pub fn validator(validator: &Validator) -> Value {
    json!({
        "address": hex_upper(validator.address.0),
        "pub_key": public_key(&validator.public_key),
        "voting_power": validator.power.to_string(),
        "proposer_priority": validator.priority.to_string(),
    })
}

/// What executing a transaction gave.
pub fn tx_result(result: &TxResult) -> Value {
    let events: Vec<Value> = result
        .events
        .iter()
        .map(|event| {
            let attributes: Vec<Value> = event
                .attributes
                .iter()
                .map(|(key, value)| json!({"key": key, "value": value, "index": true}))
                .collect();
            json!({"type": event.kind, "attributes": attributes})
        })
        .collect();
    json!({
        "code": result.code,
        "data": if result.data.is_empty() { Value::Null } else { base64(&result.data).into() },
        "log": result.log,
        "info": "",
        "gas_wanted": result.gas_wanted.to_string(),
        "gas_used": result.gas_used.to_string(),
        "events": events,
        "codespace": "",
    })
}

/// A change of a validator's power, as `block_results` writes it.
pub fn validator_update((key, power): &(PublicKey, u64)) -> Value {
    json!({"pub_key": {"Sum": {"type": "tendermint.crypto.PublicKey_Ed25519", "value": {"ed25519": base64(key.0)}}}, "power": power.to_string()})
}

/// `validator_updates` of `block_results` and of events: `null` where there is none.
pub fn validator_updates(updates: &[(PublicKey, u64)]) -> Value {
    if updates.is_empty() { Value::Null } else { updates.iter().map(validator_update).collect() }
}

/// The consensus parameters.
pub fn consensus_params(params: &ConsensusParams) -> Value {
    json!({
        "block": {"max_bytes": params.max_block_bytes.to_string(), "max_gas": params.max_gas.to_string()},
        "evidence": {
            "max_age_num_blocks": params.evidence_max_age_blocks.to_string(),
            "max_age_duration": params.evidence_max_age_ns.to_string(),
            "max_bytes": params.evidence_max_bytes.to_string(),
        },
        "validator": {"pub_key_types": ["ed25519"]},
        "version": {"app": pyralog_consensus::block::APP_PROTOCOL.to_string()},
        "abci": {"vote_extensions_enable_height": "0"},
    })
}

/// `block_meta` of `blockchain`.
pub fn block_meta(record: &BlockRecord) -> Value {
    json!({
        "block_id": block_id(Some(&record.meta.block_id)),
        "block_size": record.meta.block_size.to_string(),
        "header": header(&record.block.header),
        "num_txs": record.txs().len().to_string(),
    })
}

/// A hash as CometBFT writes it.
pub fn hash(hash: &Hash) -> String {
    hex_upper(hash.0)
}

#[cfg(test)]
#[path = "json_test.rs"]
mod tests;
