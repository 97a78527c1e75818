use super::{MAX_CBOR_BYTES, MAX_JSON_BYTES, ReceiptFile, ReceiptFormat};
use crate::light::cbor;
use crate::receipt::notary_tamper_test::{SEVEN, check, digest, everything, rich};
use crate::receipt::{
    ErrorClass, NotaryReceipt, NotarySubject, PendingReceipt, ServedProof, Trust, VerifyOptions, testkit::ReceiptMaker,
    verify_file,
};
use proptest::prelude::*;
use serde_json::Value;
use std::sync::LazyLock;

#[test]
fn both_forms_hold_the_same() {
    let (maker, a, _) = everything();
    let (json, bytes) = (a.to_json().unwrap(), a.to_cbor().unwrap());
    assert_eq!(NotaryReceipt::from_json(json.as_bytes()).unwrap(), a);
    assert_eq!(NotaryReceipt::from_cbor(&bytes).unwrap(), a);
    assert_eq!(ReceiptFile::parse(json.as_bytes()).unwrap(), ReceiptFile::parse(&bytes).unwrap());
    assert!(check(json.as_bytes(), "a", &maker.genesis()).is_ok());
    assert!(check(&bytes, "a", &maker.genesis()).is_ok());
    assert!(bytes.len() * 17 / 10 < json.len(), "bytes are not written as hexadecimal text in CBOR");

    let served = maker.proof(40);
    assert_eq!(ServedProof::from_slice(served.to_json().unwrap().as_bytes()).unwrap(), served);
    assert_eq!(ServedProof::from_slice(&served.to_cbor().unwrap()).unwrap(), served);
    assert_eq!(ReceiptFile::parse(&served.to_cbor().unwrap()).unwrap_err().field(), Some("type"));
}

#[test]
fn whitespace_and_key_order_do_not_count() {
    let (maker, a, _) = everything();
    let value: Value = serde_json::to_value(&a).unwrap();
    fn reversed(value: &Value, out: &mut String) {
        match value {
            Value::Object(map) => {
                let entries: Vec<_> = map.iter().rev().collect();
                out.push_str(" {\n\t");
                for (i, (key, value)) in entries.into_iter().enumerate() {
                    out.push_str(if i == 0 { "" } else { " ,\r\n" });
                    out.push_str(&format!("{:?} :", key));
                    reversed(value, out);
                }
                out.push('}');
            }
            Value::Array(items) => {
                out.push('[');
                for (i, item) in items.iter().enumerate() {
                    out.push_str(if i == 0 { "" } else { "," });
                    reversed(item, out);
                }
                out.push_str("] ");
            }
            other => out.push_str(&other.to_string()),
        }
    }
    let mut text = String::new();
    reversed(&value, &mut text);
    assert_ne!(text, a.to_json().unwrap());
    check(text.as_bytes(), "a", &maker.genesis()).unwrap();
}

#[test]
fn duplicate_keys_are_refused() {
    let (maker, a, _) = everything();
    let text = serde_json::to_string(&a).unwrap();
    for key in [
        "type",
        "version",
        "chain_id",
        "size",
        "blake3",
        "metadata",
        "title",
        "height",
        "round",
        "signature",
        "refresh",
    ] {
        let at = text.find(&format!("\"{key}\":")).unwrap();
        let value: Value =
            serde_json::Deserializer::from_str(&text[at + key.len() + 3..]).into_iter().next().unwrap().unwrap();
        let doubled = format!("{}\"{key}\":{value},{}", &text[..at], &text[at..]);
        let error = check(doubled.as_bytes(), "a", &maker.genesis()).expect_err(key);
        assert_eq!(error.class(), ErrorClass::Invalid);
        assert!(error.to_string().contains("duplicate") || error.to_string().contains("twice"), "{key}: {error}");
    }
}

#[test]
fn undecodable_input_is_invalid() {
    let (maker, a, _) = everything();
    let json = a.to_json().unwrap();
    let with = |from: &str, to: &str| json.replacen(from, to, 1).into_bytes();
    let cases: Vec<(&str, Vec<u8>)> = vec![
        ("nothing", vec![]),
        ("spaces", b"   ".to_vec()),
        ("text", b"hello".to_vec()),
        ("an array", b"[]".to_vec()),
        ("an empty object", b"{}".to_vec()),
        ("a byte order mark", [b"\xef\xbb\xbf".as_slice(), json.as_bytes()].concat()),
        ("something behind", [json.as_bytes(), b"x"].concat()),
        ("a second receipt behind", [json.as_bytes(), json.as_bytes()].concat()),
        ("half", json.as_bytes()[..json.len() / 2].to_vec()),
        ("a comment", with("{", "{ // note\n")),
        ("a trailing comma", with("}", ",}")),
        ("not UTF-8", with("pyralog-dev-1", "\u{80}").into_iter().map(|b| if b == 0xc2 { 0xff } else { b }).collect()),
        ("a float version", with("\"version\": 1", "\"version\": 1.0")),
        ("an exponent", with("\"version\": 1", "\"version\": 1e0")),
        ("version 2", with("\"version\": 1", "\"version\": 2")),
        ("another type", with("notary-receipt", "notary-recipe")),
        ("deep nesting in JSON", [b"{\"type\":".as_slice(), &b"[".repeat(100_000)].concat()),
        ("deep nesting in CBOR", vec![0x81; 100_000]),
        ("an endless string in CBOR", vec![0x7b, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff]),
        ("an endless map in CBOR", vec![0xbb, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff]),
        ("too long JSON", [json.as_bytes(), &b" ".repeat(MAX_JSON_BYTES)].concat()),
        ("too long CBOR", vec![0xa0; MAX_CBOR_BYTES + 1]),
    ];
    for (what, bytes) in cases {
        let error = check(&bytes, "a", &maker.genesis()).expect_err(what);
        assert_eq!(error.class(), ErrorClass::Invalid, "{what}: {error}");
        assert!(error.to_string().len() < 500, "{what}: {error}");
    }
}

#[test]
fn cbor_that_is_not_deterministic_is_refused() {
    let (_, a, _) = everything();
    let mut value: ciborium::Value = cbor::peek(&a.to_cbor().unwrap()).unwrap();
    let ciborium::Value::Map(entries) = &mut value else { panic!() };
    entries.swap(0, 1);
    let mut bytes = Vec::new();
    ciborium::into_writer(&value, &mut bytes).unwrap();
    assert!(NotaryReceipt::from_cbor(&bytes).unwrap_err().to_string().contains("deterministic"));
}

/// The bound of the specification: 7 validators, a log of 10^6 leaves, both paths.
#[test]
fn a_receipt_in_a_log_of_a_million_leaves_is_small() {
    let mut maker = ReceiptMaker::new("pyralog-mainnet-1", SEVEN);
    maker.fill(333_333);
    let index = maker.append(&NotarySubject::new(&digest("a")).leaf());
    maker.fill(1_000_000);
    maker.anchor(9, 9);
    let receipt = maker.proof(index).attach(NotarySubject::new(&digest("a")), None);
    assert_eq!(receipt.proof.leaf.blake3_path.len(), 20);
    let size = receipt.to_cbor().unwrap().len();
    assert!(size <= 3_500, "{size} bytes");
    receipt.verify(&digest("a"), &maker.genesis(), &VerifyOptions::default()).unwrap();
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn random_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        let _ = ReceiptFile::parse(&bytes);
        let _ = ServedProof::from_slice(&bytes);
        let _ = PendingReceipt::from_slice(&bytes);
    }

    #[test]
    fn mutated_files_never_panic_and_never_verify(
        edits in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
        json in any::<bool>(),
    ) {
        static MADE: LazyLock<(NotaryReceipt, Trust)> = LazyLock::new(|| {
            let mut maker = ReceiptMaker::new("pyralog-dev-1", &SEVEN[..4]);
            (maker.notarize(rich("a")), maker.genesis())
        });
        let (receipt, trust) = &*MADE;
        let good = if json { serde_json::to_vec(receipt).unwrap() } else { receipt.to_cbor().unwrap() };
        let mut bytes = good.clone();
        for (at, byte) in edits {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        if let Ok(file) = ReceiptFile::parse(&bytes) {
            let verdict = verify_file(&digest("a"), &file, trust, &VerifyOptions::default());
            // In JSON an edit can spell the same content (a digit as itself).
            prop_assert!(verdict.is_err() || file == ReceiptFile::Complete(Box::new(receipt.clone())));
        }
    }
}
