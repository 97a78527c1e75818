//! From a genesis to JSON.

use base64::{Engine, engine::general_purpose::STANDARD};
use serde_json::{Value, json};

use super::{Genesis, TOKEN};
use crate::{
    block::{APP_PROTOCOL, ValidatorAddress},
    ledger::POWER_UNIT,
};

pub(super) fn genesis(genesis: &Genesis) -> String {
    // A `Value` always serialises: its keys are strings and it holds no floats.
    let mut text = serde_json::to_string_pretty(&value(genesis)).unwrap_or_default();
    text.push('\n');
    text
}

fn value(genesis: &Genesis) -> Value {
    let p = genesis.parts();
    let c = &p.consensus_params;
    let validators: Vec<_> = p
        .validators
        .iter()
        .map(|v| {
            json!({
                "address": ValidatorAddress::of(&v.key).to_string(),
                "pub_key": { "type": "tendermint/PubKeyEd25519", "value": STANDARD.encode(v.key.0) },
                "power": (v.stake / POWER_UNIT).to_string(),
                "name": v.name,
            })
        })
        .collect();
    let accounts: Vec<_> = p
        .accounts
        .iter()
        .map(|(address, balance)| json!({ "address": address, "balance": balance.to_string() }))
        .collect();
    let stakes: Vec<_> = p
        .validators
        .iter()
        .map(|v| json!({ "validator": v.key, "owner": v.owner, "amount": v.stake.to_string() }))
        .collect();
    let logs: Vec<_> = p.logs.iter().map(|log| json!({ "owner": log.owner, "name": log.name.as_str() })).collect();
    let l = &p.params;
    json!({
        "genesis_time": p.genesis_time.to_rfc3339(),
        "chain_id": p.chain_id,
        "initial_height": "1",
        "consensus_params": {
            "block": { "max_bytes": c.max_block_bytes.to_string(), "max_gas": c.max_gas.to_string() },
            "evidence": {
                "max_age_num_blocks": c.evidence_max_age_blocks.to_string(),
                "max_age_duration": c.evidence_max_age_ns.to_string(),
                "max_bytes": c.evidence_max_bytes.to_string(),
            },
            "validator": { "pub_key_types": ["ed25519"] },
            "version": { "app": APP_PROTOCOL.to_string() },
            "abci": { "vote_extensions_enable_height": "0" },
            "synchrony": {
                "precision": c.time_rule.precision_ns.to_string(),
                "message_delay": c.time_rule.message_delay_ns.to_string(),
            },
        },
        "validators": validators,
        "app_hash": genesis.app_hash().to_string().to_uppercase(),
        "app_state": {
            "token": TOKEN,
            "accounts": accounts,
            "stakes": stakes,
            "logs": logs,
            "params": {
                "fees": {
                    "base": l.fee_base.to_string(),
                    "per_byte": l.fee_per_byte.to_string(),
                    "register_log": l.fee_register_log.to_string(),
                },
                "max_expiry_blocks": l.max_expiry_blocks.to_string(),
                "slash_double_sign": {
                    "numerator": l.slash_numerator.to_string(),
                    "denominator": l.slash_denominator.to_string(),
                },
                "max_validators": l.max_validators.to_string(),
                "min_stake": l.min_stake.to_string(),
            },
        },
    })
}
