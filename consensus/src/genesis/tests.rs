#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use proptest::prelude::*;
use pyralog_crypto::PublicKey;
use serde_json::{Value, json};

use super::*;
use crate::ledger::testkit::{address, parts, public};

fn genesis() -> Genesis {
    Genesis::new(parts()).unwrap()
}

fn value() -> Value {
    serde_json::from_str(&genesis().to_json()).unwrap()
}

fn refused(value: &Value) -> (String, String) {
    match Genesis::from_json(value.to_string().as_bytes()) {
        Err(GenesisError::Field { path, problem }) => (path, problem),
        other => panic!("must be refused: {other:?}"),
    }
}

/// Replaces what stands at a JSON pointer.
fn with(pointer: &str, new: Value) -> Value {
    let mut value = value();
    *value.pointer_mut(pointer).unwrap_or_else(|| panic!("{pointer}")) = new;
    value
}

#[test]
fn a_file_that_we_write_is_read_back() {
    let genesis = genesis();
    let json = genesis.to_json();
    assert_eq!(Genesis::from_json(json.as_bytes()).unwrap(), genesis);
    assert!(json.ends_with("}\n"));
    assert_eq!(genesis.hash(), Genesis::from_json(json.as_bytes()).unwrap().hash());
}

#[test]
fn layout_and_order_do_not_count() {
    let genesis = genesis();
    let mut v = value();
    for list in ["/validators", "/app_state/accounts", "/app_state/stakes", "/app_state/logs"] {
        v.pointer_mut(list).unwrap().as_array_mut().unwrap().reverse();
    }
    assert_eq!(Genesis::from_json(v.to_string().as_bytes()).unwrap(), genesis);
    let open = with("/app_hash", json!(""));
    assert_eq!(Genesis::from_json(open.to_string().as_bytes()).unwrap(), genesis, "the app hash follows from the rest");
}

#[test]
fn every_value_changes_the_hash() {
    let base = genesis();
    let mut hashes = vec![base.hash()];
    let mut changed = |f: &dyn Fn(&mut GenesisParts)| {
        let mut p = parts();
        f(&mut p);
        hashes.push(Genesis::new(p).unwrap().hash());
    };
    changed(&|p| p.chain_id.push('x'));
    changed(&|p| p.genesis_time = Timestamp(1).to_time());
    changed(&|p| p.consensus_params.evidence_max_age_blocks += 1);
    changed(&|p| p.consensus_params.time_rule.precision_ns += 1);
    changed(&|p| p.validators[0].name.push('x'));
    changed(&|p| p.validators[0].stake += 1);
    changed(&|p| p.validators[0].owner = address(9));
    changed(&|p| p.validators[0].key = public(130));
    changed(&|p| p.accounts[3].1 += 1);
    changed(&|p| p.accounts[3].0 = address(77));
    changed(&|p| p.logs[0].owner = public(77));
    changed(&|p| drop(p.logs.pop()));
    changed(&|p| p.params.fee_base += 1);
    let count = hashes.len();
    hashes.sort();
    hashes.dedup();
    assert_eq!(hashes.len(), count);
}

#[test]
fn the_first_state_is_fixed() {
    // Both values were computed from the specification by another program (Python: records, sparse tree, encoding).
    // Changing them changes the first block of every chain: it needs a new version of the ledger.
    let genesis = genesis();
    assert_eq!(genesis.app_hash().to_string(), include_str!("tests/app_hash.txt").trim());
    assert_eq!(genesis.hash().to_string(), include_str!("tests/genesis_hash.txt").trim());
    assert!(genesis.state().is_sorted_by(|a, b| a.0 < b.0));
    assert_eq!(genesis.log_ids().len(), 2);
    let chain = genesis.chain_state().unwrap();
    assert_eq!((chain.height, chain.app_hash), (0, genesis.app_hash()));
    assert_eq!(chain.validators.total_power(), 30);
}

#[test]
fn tendermint_reads_the_file() {
    let genesis = genesis();
    let theirs: tendermint::Genesis<Value> = serde_json::from_str(&genesis.to_json()).unwrap();
    assert_eq!(theirs.chain_id.as_str(), genesis.chain_id());
    assert_eq!(theirs.initial_height, 1);
    assert_eq!(theirs.genesis_time, genesis.parts().genesis_time);
    assert_eq!(theirs.app_hash.as_bytes(), genesis.app_hash().0);
    let c = &genesis.parts().consensus_params;
    assert_eq!(theirs.consensus_params.block.max_bytes, c.max_block_bytes);
    assert_eq!(theirs.consensus_params.block.max_gas, -1);
    assert_eq!(theirs.consensus_params.evidence.max_age_num_blocks, c.evidence_max_age_blocks);
    let age: std::time::Duration = theirs.consensus_params.evidence.max_age_duration.into();
    assert_eq!(age.as_nanos(), u128::from(c.evidence_max_age_ns));
    let powers: Vec<_> = theirs.validators.iter().map(|v| (v.pub_key.to_bytes(), v.power.value())).collect();
    let ours: Vec<_> = genesis.powers().iter().map(|(k, p)| (k.0.to_vec(), *p)).collect();
    assert_eq!(powers, ours);
    for v in &theirs.validators {
        assert_eq!(v.address, tendermint::account::Id::from(v.pub_key));
    }
}

#[test]
fn what_is_missing_unknown_or_double_is_named_with_its_path() {
    fn walk(value: &Value, pointer: String, out: &mut Vec<String>) {
        match value {
            Value::Object(map) => {
                for (key, inner) in map {
                    walk(inner, format!("{pointer}/{key}"), out);
                }
                out.push(pointer);
            }
            Value::Array(list) => list.iter().enumerate().for_each(|(i, v)| walk(v, format!("{pointer}/{i}"), out)),
            _ => {}
        }
    }
    let mut objects = Vec::new();
    walk(&value(), String::new(), &mut objects);
    assert!(objects.len() > 20);
    let dotted = |pointer: &str, key: &str| {
        let mut path = String::new();
        for part in pointer.split('/').skip(1).chain([key]) {
            match part.parse::<usize>() {
                Ok(i) => path += &format!("[{i}]"),
                Err(_) if path.is_empty() => path = part.into(),
                Err(_) => path = format!("{path}.{part}"),
            }
        }
        path
    };
    for pointer in &objects {
        let mut unknown = value();
        unknown.pointer_mut(pointer).unwrap().as_object_mut().unwrap().insert("surprise".into(), json!("x"));
        assert_eq!(refused(&unknown), (dotted(pointer, "surprise"), "this key is unknown; remove it".into()));
        let object = value().pointer(pointer).unwrap().as_object().unwrap().clone();
        for key in object.keys().filter(|k| !["abci", "vote_extensions_enable_height"].contains(&k.as_str())) {
            let mut missing = value();
            missing.pointer_mut(pointer).unwrap().as_object_mut().unwrap().remove(key);
            assert_eq!(refused(&missing), (dotted(pointer, key), "this key is missing".into()));
            // The key twice, with the same value: a duplicate all the same.
            let text = value().to_string();
            let whole = object_text(&value(), pointer);
            let entry = format!("\"{key}\":{}", object[key]);
            let doubled = text.replacen(&whole, &whole.replacen(&entry, &format!("{entry},{entry}"), 1), 1);
            assert_ne!(text, doubled, "{pointer} {key}");
            let error = Genesis::from_json(doubled.as_bytes()).unwrap_err();
            assert!(error.to_string().ends_with(": this key appears twice; keep one"), "{pointer} {key}: {error}");
        }
    }
}

fn object_text(value: &Value, pointer: &str) -> String {
    value.pointer(pointer).unwrap().to_string()
}

#[test]
fn wrong_types_and_forms_are_named_with_their_path() {
    let cases = [
        ("/chain_id", json!("a b"), "chain_id"),
        ("/chain_id", json!(""), "chain_id"),
        ("/genesis_time", json!("yesterday"), "genesis_time"),
        ("/genesis_time", json!("1969-12-31T23:59:59Z"), "genesis_time"),
        ("/initial_height", json!("2"), "initial_height"),
        ("/initial_height", json!(1), "initial_height"),
        ("/consensus_params/block/max_gas", json!("1"), "consensus_params.block.max_gas"),
        ("/consensus_params/block/max_bytes", json!("1e6"), "consensus_params.block.max_bytes"),
        ("/consensus_params/block/max_bytes", json!("99999999999"), "consensus_params"),
        ("/consensus_params/evidence/max_age_num_blocks", json!("0"), "consensus_params"),
        ("/consensus_params/evidence/max_age_duration", json!("48h"), "consensus_params.evidence.max_age_duration"),
        (
            "/consensus_params/validator/pub_key_types",
            json!(["ed25519", "secp256k1"]),
            "consensus_params.validator.pub_key_types",
        ),
        ("/consensus_params/version/app", json!("2"), "consensus_params.version.app"),
        (
            "/consensus_params/abci/vote_extensions_enable_height",
            json!("5"),
            "consensus_params.abci.vote_extensions_enable_height",
        ),
        ("/validators", json!([]), "app_state.stakes[0].validator"),
        ("/validators/0/address", json!("00"), "validators[0].address"),
        ("/validators/1/power", json!("11"), "validators[1].power"),
        ("/validators/1/power", json!("010"), "validators[1].power"),
        ("/validators/1/pub_key/type", json!("tendermint/PubKeySecp256k1"), "validators[1].pub_key.type"),
        ("/validators/1/pub_key/value", json!("AAAA"), "validators[1].pub_key.value"),
        ("/app_hash", json!("00"), "app_hash"),
        ("/app_state", json!([]), "app_state"),
        ("/app_state/token", json!("doge"), "app_state.token"),
        ("/app_state/accounts", json!({}), "app_state.accounts"),
        ("/app_state/accounts/2/address", json!("pyra1qq"), "app_state.accounts[2].address"),
        ("/app_state/accounts/2/balance", json!("-5"), "app_state.accounts[2].balance"),
        ("/app_state/accounts/2/balance", json!("+5"), "app_state.accounts[2].balance"),
        ("/app_state/accounts/2/balance", json!(" 5"), "app_state.accounts[2].balance"),
        ("/app_state/accounts/2/balance", json!("18446744073709551616"), "app_state.accounts[2].balance"),
        ("/app_state/accounts/2/balance", json!(null), "app_state.accounts[2].balance"),
        ("/app_state/accounts/2/balance", json!("0"), "app_state.accounts"),
        ("/app_state/accounts/2/balance", json!("18446744073709551615"), "app_state"),
        ("/app_state/stakes/0/validator", json!("zz"), "app_state.stakes[0].validator"),
        ("/app_state/stakes", json!([]), "app_state.stakes"),
        ("/app_state/logs/0/name", json!("a/b"), "app_state.logs[0].name"),
        ("/app_state/logs/0/owner", json!("AB"), "app_state.logs[0].owner"),
        ("/app_state/params/slash_double_sign/numerator", json!("101"), "app_state.params.slash_double_sign.numerator"),
        (
            "/app_state/params/slash_double_sign/denominator",
            json!("0"),
            "app_state.params.slash_double_sign.denominator",
        ),
        ("/app_state/params/max_validators", json!("0"), "app_state.params.max_validators"),
        ("/app_state/params/max_validators", json!("2"), "validators"),
        ("/app_state/params/max_validators", json!("513"), "app_state.params.max_validators"),
        ("/app_state/params/min_stake", json!("999999"), "app_state.params.min_stake"),
        ("/app_state/params/min_stake", json!("10000001"), "app_state.stakes"),
        ("/app_state/params/max_expiry_blocks", json!("0"), "app_state.params.max_expiry_blocks"),
        ("/app_state/params/fees/base", json!("x"), "app_state.params.fees.base"),
    ];
    for (pointer, new, path) in cases {
        assert_eq!(refused(&with(pointer, new.clone())).0, path, "{pointer} = {new}");
    }
}

#[test]
fn doubles_in_lists_are_refused() {
    for (list, path) in [
        ("/validators", "validators[3]"),
        ("/app_state/stakes", "app_state.stakes[3].validator"),
        ("/app_state/accounts", "app_state.accounts"),
        ("/app_state/logs", "app_state.logs"),
    ] {
        let mut v = value();
        let items = v.pointer_mut(list).unwrap().as_array_mut().unwrap();
        items.push(items[0].clone());
        assert_eq!(refused(&v).0, path, "{list}");
    }
}

#[test]
fn what_is_not_json_says_so() {
    for text in ["", "{", "{}}", "\u{feff}{}", "[1,2", "{\"a\":NaN}", "nul"] {
        assert!(matches!(Genesis::from_json(text.as_bytes()), Err(GenesisError::Syntax(_))), "{text}");
    }
    assert!(matches!(Genesis::from_json(&[0xff, 0xfe]), Err(GenesisError::Syntax(_))));
    assert_eq!(refused(&json!([])).0, "the file");
    let deep = "[".repeat(100_000);
    assert!(matches!(Genesis::from_json(deep.as_bytes()), Err(GenesisError::Syntax(_))));
    let large = vec![b' '; MAX_GENESIS_BYTES + 1];
    assert!(matches!(Genesis::from_json(&large), Err(GenesisError::TooLarge { .. })));
}

#[test]
fn names_and_counts_have_bounds() {
    let mut p = parts();
    p.validators[0].name = "x".repeat(MAX_VALIDATOR_NAME + 1);
    assert!(matches!(Genesis::new(p), Err(GenesisError::Field { path, .. }) if path == "validators"));
    let mut p = parts();
    p.validators.clear();
    assert!(Genesis::new(p).is_err());
    let mut p = parts();
    p.validators[1].key = p.validators[0].key;
    assert!(Genesis::new(p).is_err());
    let mut p = parts();
    p.validators[1].key = PublicKey([0; 32]);
    assert!(Genesis::new(p).is_ok(), "keys are not judged here: a validator without a usable key never votes");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn parsing_never_panics(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        let _ = Genesis::from_json(&bytes);
    }

    #[test]
    fn a_mutated_file_is_refused_or_means_the_same_as_written(at in any::<prop::sample::Index>(), byte in any::<u8>()) {
        let mut text = genesis().to_json().into_bytes();
        let at = at.index(text.len());
        text[at] = byte;
        if let Ok(parsed) = Genesis::from_json(&text) {
            let again = Genesis::from_json(parsed.to_json().as_bytes()).unwrap();
            prop_assert_eq!(again.hash(), parsed.hash());
        }
    }
}
