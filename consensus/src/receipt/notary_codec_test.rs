use super::{MAX_CBOR_BYTES, MAX_JSON_BYTES, ReceiptFile, ReceiptFormat};
use crate::light::{cbor, testkit::validators};
use crate::receipt::{
    ErrorClass, NotaryReceipt, NotarySubject, PendingReceipt, ReceiptError, ServedProof, Trust, VerifyOptions,
    testkit::ReceiptMaker, verify_file,
};
use proptest::prelude::*;
use pyralog_crypto::{DocumentDigest, Metadata, Salt};
use serde_json::Value;
use std::sync::LazyLock;

const SEVEN: &[(u8, u64)] = &[(1, 10), (2, 10), (3, 10), (4, 10), (5, 10), (6, 10), (7, 10)];

fn digest(text: &str) -> DocumentDigest {
    DocumentDigest::of(text.as_bytes())
}

fn rich(text: &str) -> NotarySubject {
    let metadata = Metadata::new([("title", text), ("author", "Ada")]).unwrap();
    NotarySubject::new(&digest(text)).with_metadata(metadata, Salt([9; 32])).hidden(Salt([8; 32]))
}

/// A chain with a change of the set, and two receipts with everything a receipt can hold: metadata, hidden leaf, batch, bridge,
/// refresh.
fn everything() -> (ReceiptMaker, NotaryReceipt, NotaryReceipt) {
    let mut maker = ReceiptMaker::new("pyralog-dev-1", &SEVEN[..4]);
    maker.change(validators(SEVEN));
    maker.fill(37);
    let leaves = [rich("a").leaf(), rich("b").leaf(), rich("c").leaf()];
    let (members, index) = maker.append_batch(&leaves);
    maker.advance(4);
    maker.anchor(1, 3);
    let a = maker.proof(index).attach(rich("a"), Some(members[0].clone()));
    maker.fill(50);
    let (members, index) = maker.append_batch(&leaves);
    maker.anchor(2, 1);
    let b = maker.proof(index).attach(rich("b"), Some(members[1].clone()));
    maker.change(validators(&SEVEN[1..]));
    maker.advance(12);
    let a = maker.refresh(&a);
    maker.advance(13);
    let b = maker.refresh(&b);
    (maker, a, b)
}

fn check(bytes: &[u8], text: &str, trust: &Trust) -> Result<(), ReceiptError> {
    let file = ReceiptFile::parse(bytes)?;
    verify_file(&digest(text), &file, trust, &VerifyOptions::default()).map(|_| ())
}

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

// --- every value, every structure ---------------------------------------------------------------------------------------------

/// Paths of all values below `value`, the root excluded.
fn paths(value: &Value, at: &str, out: &mut Vec<String>) {
    match value {
        Value::Object(map) => map.iter().for_each(|(key, v)| {
            let path = format!("{at}/{}", key.replace('~', "~0").replace('/', "~1"));
            out.push(path.clone());
            paths(v, &path, out);
        }),
        Value::Array(items) => items.iter().enumerate().for_each(|(i, v)| {
            out.push(format!("{at}/{i}"));
            paths(v, &format!("{at}/{i}"), out);
        }),
        _ => {}
    }
}

/// Other values for a leaf, of the same and of other types.
fn mutations(leaf: &Value) -> Vec<Value> {
    let mut out = vec![Value::Null, Value::Bool(true), Value::from(1), Value::from(""), Value::from(Vec::<u8>::new())];
    match leaf {
        Value::String(text) => {
            let flip = |at: usize, to: fn(u8) -> u8| {
                let mut bytes = text.clone().into_bytes();
                bytes[at] = to(bytes[at]);
                String::from_utf8(bytes).ok()
            };
            let digit = |b: u8| if b == b'0' { b'1' } else { b'0' };
            let letter = |b: u8| if b == b'a' { b'b' } else { b'a' };
            for at in [0, text.len() / 2, text.len().saturating_sub(1)] {
                if at < text.len() {
                    out.extend(flip(at, digit).map(Value::from));
                    out.extend(flip(at, letter).map(Value::from));
                    out.extend(flip(at, |b| b ^ 0x20).map(Value::from));
                }
            }
            out.extend(
                [
                    format!("{text}0"),
                    format!("0{text}"),
                    format!(" {text}"),
                    text.to_uppercase(),
                    text.chars().rev().collect(),
                ]
                .map(Value::from),
            );
            if !text.is_empty() {
                out.push(Value::from(&text[..text.len() - 1]));
                out.push(Value::from(&text[1..]));
            }
            if let Ok(number) = text.parse::<u64>() {
                out.extend(
                    [number.wrapping_add(1), number.wrapping_sub(1), number ^ 1 << 40, 0, u64::MAX]
                        .map(|n| Value::from(n.to_string())),
                );
                out.push(Value::from(number));
            }
        }
        Value::Number(number) => {
            out.push(Value::from(number.as_u64().unwrap() + 1));
            out.push(Value::from(number.as_u64().unwrap() + 256));
            out.push(Value::from(0));
            out.push(Value::from(number.as_u64().unwrap() as f64));
            out.push(Value::from(number.to_string()));
        }
        Value::Null => out.push(Value::from("00".repeat(64))),
        _ => {}
    }
    out.retain(|m| m != leaf);
    out
}

#[track_caller]
fn must_be_invalid(value: &Value, text: &str, trust: &Trust, what: &str) {
    let json = serde_json::to_vec(value).unwrap();
    match check(&json, text, trust) {
        Ok(()) => panic!("{what}: the receipt still verifies"),
        Err(e) => assert_eq!(e.class(), ErrorClass::Invalid, "{what}: {e}"),
    }
}

#[track_caller]
fn must_fail(value: &Value, text: &str, trust: &Trust, what: &str) {
    let json = serde_json::to_vec(value).unwrap();
    let error = check(&json, text, trust).expect_err(what);
    assert_ne!(error.class(), ErrorClass::Pending, "{what}");
}

/// Changes every leaf value.
fn no_leaf_is_unchecked(receipt: &Value, text: &str, trust: &Trust) -> usize {
    let (mut tried, mut all) = (0, Vec::new());
    paths(receipt, "", &mut all);
    for path in &all {
        let here = receipt.pointer(path).unwrap();
        let mut changed = receipt.clone();
        if !here.is_array() && !here.is_object() {
            for mutation in mutations(here) {
                let what = format!("{path} = {mutation}");
                *changed.pointer_mut(path).unwrap() = mutation;
                must_be_invalid(&changed, text, trust, &what);
                tried += 1;
            }
        }
    }
    tried
}

/// Changes every leaf value, takes away, doubles and swaps every element and key, and puts every value of another receipt into
/// its place.
fn no_value_is_unchecked(receipt: &Value, other: &Value, text: &str, trust: &Trust) -> usize {
    let mut tried = no_leaf_is_unchecked(receipt, text, trust);
    let mut all = Vec::new();
    paths(receipt, "", &mut all);
    for path in &all {
        let here = receipt.pointer(path).unwrap();
        let mut changed;
        if let Some(theirs) = other.pointer(path).filter(|theirs| *theirs != here) {
            changed = receipt.clone();
            *changed.pointer_mut(path).unwrap() = theirs.clone();
            must_fail(&changed, text, trust, &format!("{path} of the other receipt"));
            tried += 1;
        }
        match here {
            Value::Object(map) => {
                for key in map.keys() {
                    changed = receipt.clone();
                    changed.pointer_mut(path).unwrap().as_object_mut().unwrap().remove(key);
                    must_fail(&changed, text, trust, &format!("{path} without {key}"));
                }
                changed = receipt.clone();
                changed.pointer_mut(path).unwrap().as_object_mut().unwrap().insert("note".into(), Value::from("x"));
                must_be_invalid(&changed, text, trust, &format!("{path} with a note"));
                tried += map.len() + 1;
            }
            Value::Array(items) => {
                for i in 0..items.len() {
                    let edit = |f: &dyn Fn(&mut Vec<Value>), what: &str| {
                        let mut changed = receipt.clone();
                        f(changed.pointer_mut(path).unwrap().as_array_mut().unwrap());
                        if changed != *receipt {
                            must_fail(&changed, text, trust, &format!("{path}[{i}] {what}"));
                        }
                    };
                    edit(&|a| drop(a.remove(i)), "taken away");
                    edit(&|a| a.insert(i, a[i].clone()), "doubled");
                    edit(&|a| a.swap(i, (i + 1) % items.len()), "swapped with the next");
                    edit(&|a| a[i] = Value::Null, "null");
                    edit(&|a| a.insert(i, Value::Null), "after a null");
                    tried += 5;
                }
            }
            _ => {}
        }
    }
    tried
}

#[test]
fn every_value_of_a_full_receipt_is_checked() {
    let (maker, a, b) = everything();
    let (a, b) = (serde_json::to_value(&a).unwrap(), serde_json::to_value(&b).unwrap());
    let mut tried = no_value_is_unchecked(&a, &b, "a", &maker.genesis());
    tried += no_value_is_unchecked(&b, &a, "b", &maker.genesis());
    assert!(tried > 8_000, "{tried}");
}

#[test]
fn every_value_is_checked_under_a_trusted_header_too() {
    let (maker, a, b) = everything();
    let (a, b) = (serde_json::to_value(&a).unwrap(), serde_json::to_value(&b).unwrap());
    let tried = no_leaf_is_unchecked(&a, "a", &maker.header(12)) + no_leaf_is_unchecked(&b, "b", &maker.header(13));
    assert!(tried > 4_000, "{tried}");
}

#[test]
fn every_value_of_a_plain_receipt_is_checked() {
    let mut maker = ReceiptMaker::new("pyralog-dev-1", &SEVEN[..4]);
    let index = maker.append(&NotarySubject::new(&digest("a")).leaf());
    // Nobody is absent in a's block, somebody is in b's: an absence taken over from b must not pass.
    maker.anchor(0, 1);
    let a = maker.proof(index).attach(NotarySubject::new(&digest("a")), None);
    let index = maker.append(&NotarySubject::new(&digest("b")).leaf());
    maker.anchor_with(0, 1, None, |i| {
        if i == 1 { crate::light::testkit::TestVote::Absent } else { crate::light::testkit::TestVote::Commit }
    });
    let b = maker.proof(index).attach(NotarySubject::new(&digest("b")), None);
    let (a, b) = (serde_json::to_value(&a).unwrap(), serde_json::to_value(&b).unwrap());
    no_value_is_unchecked(&a, &b, "a", &maker.genesis());
    no_value_is_unchecked(&b, &a, "b", &maker.genesis());
}

#[test]
fn every_value_of_a_pending_receipt_is_checked() {
    let mut maker = ReceiptMaker::new("pyralog-dev-1", &SEVEN[..4]);
    let index = maker.append(&rich("a").leaf());
    let pending = maker.pending(rich("a"), index);
    let value = serde_json::to_value(&pending).unwrap();
    let trust = maker.genesis();
    assert_eq!(check(&serde_json::to_vec(&value).unwrap(), "a", &trust).unwrap_err().class(), ErrorClass::Pending);
    let mut all = Vec::new();
    paths(&value, "", &mut all);
    for path in all {
        for mutation in mutations(value.pointer(&path).unwrap()) {
            let mut changed = value.clone();
            *changed.pointer_mut(&path).unwrap() = mutation;
            must_be_invalid(&changed, "a", &trust, &path);
        }
    }
    assert_eq!(PendingReceipt::from_cbor(&pending.to_cbor().unwrap()).unwrap(), pending);
}

/// Every bit of every byte of the CBOR form.
#[test]
fn every_byte_of_the_cbor_form_is_checked() {
    let mut maker = ReceiptMaker::new("pyralog-dev-1", &SEVEN[..4]);
    maker.fill(6);
    let receipt = maker.notarize(NotarySubject::new(&digest("a")));
    let (bytes, trust) = (receipt.to_cbor().unwrap(), maker.genesis());
    check(&bytes, "a", &trust).unwrap();
    for at in 0..bytes.len() {
        for bit in 0..8 {
            let mut changed = bytes.clone();
            changed[at] ^= 1 << bit;
            let error = check(&changed, "a", &trust).expect_err("a bit of the CBOR form is unchecked");
            assert_eq!(error.class(), ErrorClass::Invalid, "byte {at} bit {bit}: {error}");
        }
        assert!(check(&bytes[..at], "a", &trust).is_err());
    }
    assert!(check(&[bytes.as_slice(), &[0]].concat(), "a", &trust).is_err());
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
