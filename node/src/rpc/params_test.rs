use proptest::prelude::*;
use serde_json::json;

use super::*;

const NAMES: &[&str] = &["height", "hash", "prove", "query", "tx"];

fn uri(query: &str) -> Params {
    Params::from_query(query, NAMES).unwrap()
}

fn body(value: Value) -> Params {
    Params::from_json(value, NAMES).unwrap()
}

#[test]
fn numbers_come_bare_or_quoted() {
    assert_eq!(uri("height=5").int("height").unwrap(), Some(5));
    assert_eq!(uri("height=\"5\"").int("height").unwrap(), Some(5));
    assert_eq!(uri("height=%225%22").int("height").unwrap(), Some(5));
    assert_eq!(uri("height=").int("height").unwrap(), None);
    assert_eq!(body(json!({"height": "5"})).int("height").unwrap(), Some(5));
    assert_eq!(body(json!({"height": 5})).int("height").unwrap(), Some(5));
    assert_eq!(body(json!({"height": null})).int("height").unwrap(), None);
    assert!(uri("height=0x5").int("height").is_err());
    assert!(body(json!({"height": 5.5})).int("height").is_err());
    assert!(body(json!({"height": "99999999999999999999"})).int("height").is_err());
}

#[test]
fn text_stands_in_double_quotes_in_a_uri() {
    assert_eq!(uri("query=\"tm.event='Tx'\"").text("query").unwrap().unwrap(), "tm.event='Tx'");
    assert_eq!(uri("query=%22a+b%22").text("query").unwrap().unwrap(), "a b");
    assert_eq!(uri("query=0x6162").text("query").unwrap().unwrap(), "ab");
    assert!(uri("query=bare").text("query").is_err());
}

#[test]
fn bytes_are_hex_or_quoted_text_in_a_uri_and_base64_in_json() {
    assert_eq!(uri("tx=0x00ff").bytes("tx").unwrap().unwrap(), [0, 255]);
    assert_eq!(uri("tx=\"abc\"").bytes("tx").unwrap().unwrap(), b"abc");
    assert_eq!(body(json!({"tx": "AP8="})).bytes("tx").unwrap().unwrap(), [0, 255]);
    assert!(body(json!({"tx": "00ff!"})).bytes("tx").is_err());
    assert_eq!(body(json!({"tx": "00ff"})).hex_bytes("tx").unwrap().unwrap(), [0, 255]);
}

#[test]
fn hashes_come_as_each_client_writes_them() {
    let hash = [0xabu8; 32];
    let hex = hex::encode(hash);
    for params in [
        uri(&format!("hash=0x{hex}")),
        uri(&format!("hash=\"{}\"", hex.to_uppercase())),
        body(json!({"hash": STANDARD.encode(hash)})),
        body(json!({"hash": hex})),
    ] {
        assert_eq!(params.hash("hash").unwrap(), Some(hash));
    }
    assert!(uri("hash=0xab").hash("hash").is_err());
}

#[test]
fn positions_follow_the_names_and_unknown_names_are_refused() {
    let params = body(json!(["7", null, true]));
    assert_eq!(params.int("height").unwrap(), Some(7));
    assert_eq!(params.flag("prove").unwrap(), Some(true));
    assert!(Params::from_json(json!([1, 2, 3, 4, 5, 6]), NAMES).is_err());
    let refused = Params::from_json(json!({"heigth": 1}), NAMES).unwrap_err();
    assert!(refused.detail().contains("unknown parameter \"heigth\""), "{refused:?}");
    assert!(Params::from_query("height=1&height=2", NAMES).is_err());
}

#[test]
fn a_missing_required_parameter_is_named() {
    let missing = required("tx", uri("").bytes("tx").unwrap()).unwrap_err();
    assert_eq!(missing.detail(), "parameter \"tx\" is missing");
}

proptest! {
    #[test]
    fn no_query_makes_it_panic(query in "\\PC{0,80}") {
        if let Ok(params) = Params::from_query(&query, NAMES) {
            for name in NAMES {
                let _ = (params.int(name), params.text(name), params.flag(name), params.bytes(name), params.hash(name));
            }
        }
    }

    #[test]
    fn percent_encoding_is_undone(text in "\\PC{0,40}") {
        let encoded: String = text.bytes().map(|byte| format!("%{byte:02X}")).collect();
        prop_assert_eq!(percent_decode(&encoded).unwrap(), text);
    }
}
