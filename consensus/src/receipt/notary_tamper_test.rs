//! Nothing in a receipt is unchecked: every value changed, every element taken away, doubled, swapped, and every value of
//! another receipt put in its place.

use super::{
    ErrorClass, NotaryReceipt, NotarySubject, PendingReceipt, ReceiptError, ReceiptFile, ReceiptFormat, Trust,
    VerifyOptions, testkit::ReceiptMaker, verify_file,
};
use crate::light::testkit::{TestVote, validators};
use pyralog_crypto::{DocumentDigest, Metadata, Salt};
use serde_json::Value;

pub(super) const SEVEN: &[(u8, u64)] = &[(1, 10), (2, 10), (3, 10), (4, 10), (5, 10), (6, 10), (7, 10)];

pub(super) fn digest(text: &str) -> DocumentDigest {
    DocumentDigest::of(text.as_bytes())
}

pub(super) fn rich(text: &str) -> NotarySubject {
    let metadata = Metadata::new([("title", text), ("author", "Ada")]).unwrap();
    NotarySubject::new(&digest(text)).with_metadata(metadata, Salt([9; 32])).hidden(Salt([8; 32]))
}

/// A chain with a change of the set, and two receipts with everything a receipt can hold: metadata, hidden leaf, batch, bridge,
/// refresh.
pub(super) fn everything() -> (ReceiptMaker, NotaryReceipt, NotaryReceipt) {
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

pub(super) fn check(bytes: &[u8], text: &str, trust: &Trust) -> Result<(), ReceiptError> {
    let file = ReceiptFile::parse(bytes)?;
    verify_file(&digest(text), &file, trust, &VerifyOptions::default()).map(|_| ())
}

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
    maker.anchor_with(0, 1, None, |i| if i == 1 { TestVote::Absent } else { TestVote::Commit });
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
