use proptest::prelude::*;

use crate::checkpoint::Roots;
use crate::codec::{Decode, Encode};
use crate::error::{CodecError, NotaryError};
use crate::hash::{Blake3, MerkleHash, Sha256};
use crate::notary_leaf::{Metadata, Salt};
use crate::test_support::{canonical, exact, hostile, unhex};

fn sample() -> Metadata {
    Metadata::new([("title", "Über"), ("author", ""), ("Z", "1")]).unwrap()
}

#[test]
fn vector() {
    // "Z" < "author" < "title": order of bytes, not of a language.
    let bytes = unhex(
        "01 00000003
         00000001 5a 00000001 31
         00000006 617574686f72 00000000
         00000005 7469746c65 00000005 c39c626572",
    );
    assert_eq!(sample().to_bytes(), bytes);
    exact::<Metadata>(&bytes);
    assert_eq!(Metadata::default().to_bytes(), unhex("01 00000000"));
}

#[test]
fn commitment_vector() {
    let salt = Salt([0x5a; 32]);
    let head = unhex("00000013 707972616c6f672f6d657461646174612f7631");
    let preimage = [&head[..], &[0x5a; 32], &sample().to_bytes()].concat();
    let expected = Roots { blake3: Blake3::digest(&preimage), sha256: Sha256::digest(&preimage) };
    assert_eq!(sample().commitment(&salt), expected);
    assert_ne!(sample().commitment(&Salt([0; 32])), expected);
}

#[test]
fn the_order_given_does_not_matter() {
    let other = Metadata::new([("Z", "1"), ("author", ""), ("title", "Über")]).unwrap();
    assert_eq!(other, sample());
    assert_eq!(sample().iter().map(|(key, _)| key).collect::<Vec<_>>(), ["Z", "author", "title"]);
    assert_eq!((sample().get("title"), sample().get("none"), sample().len()), (Some("Über"), None, 3));
    assert!(Metadata::default().is_empty() && !sample().is_empty());
}

#[test]
fn encodings_out_of_order_are_refused() {
    let swapped = unhex("01 00000002 00000001 62 00000000 00000001 61 00000000");
    let doubled = unhex("01 00000002 00000001 61 00000000 00000001 61 00000000");
    for bytes in [swapped, doubled] {
        let expected = CodecError::Invalid { what: "metadata", why: "keys are not in strictly ascending order" };
        assert_eq!(Metadata::from_bytes(&bytes), Err(expected));
    }
}

#[test]
fn bounds_name_the_pair() {
    let long = |n: usize| "x".repeat(n);
    assert!(Metadata::new([(long(128), long(4096))]).is_ok());
    let error = |pairs: Vec<(String, String)>| Metadata::new(pairs).unwrap_err();
    assert_eq!(error(vec![(String::new(), long(1))]), NotaryError::EmptyKey);
    assert_eq!(
        error(vec![(long(129), String::new())]),
        NotaryError::KeyTooLong { key: long(129), max: 128, found: 129 }
    );
    assert_eq!(
        error(vec![("k".into(), long(4097))]),
        NotaryError::ValueTooLong { key: "k".into(), max: 4096, found: 4097 }
    );
    assert_eq!(error(vec![("k".into(), "1".into()), ("k".into(), "2".into())]), NotaryError::DuplicateKey("k".into()));
    let many = |n: usize| (0..n).map(|i| (format!("{i:03}"), String::new())).collect::<Vec<_>>();
    assert!(Metadata::new(many(64)).is_ok());
    assert_eq!(error(many(65)), NotaryError::TooManyPairs { max: 64, found: 65 });
    let full = |last: usize| {
        let mut pairs: Vec<_> = (0..3).map(|i| (i.to_string(), long(4095))).collect();
        pairs.push(("3".into(), long(last)));
        pairs
    };
    assert!(Metadata::new(full(4095)).is_ok());
    assert_eq!(error(full(4096)), NotaryError::TooLarge { max: 16384, found: 16385 });
}

#[test]
fn a_refused_pair_leaves_no_trace() {
    let mut metadata = sample();
    assert!(metadata.insert("title".into(), "other".into()).is_err());
    assert!(metadata.insert(String::new(), "other".into()).is_err());
    assert_eq!(metadata, sample());
}

#[test]
fn json_is_a_map_without_duplicates() {
    let json = serde_json::to_string(&sample()).unwrap();
    assert_eq!(json, r#"{"Z":"1","author":"","title":"Über"}"#);
    assert_eq!(serde_json::from_str::<Metadata>(&json).unwrap(), sample());
    let error = serde_json::from_str::<Metadata>(r#"{"a":"1","a":"1"}"#).unwrap_err();
    assert!(error.to_string().contains("given twice"), "{error}");
    assert!(serde_json::from_str::<Metadata>(r#"{"a":1}"#).is_err());
    assert!(serde_json::from_str::<Metadata>(r#"{"":"1"}"#).is_err());
    assert!(serde_json::from_str::<Metadata>("[]").is_err());
}

proptest! {
    #[test]
    fn round_trip(pairs in prop::collection::btree_map("\\PC{1,20}", "\\PC{0,40}", 0..20)) {
        let metadata = Metadata::new(pairs).unwrap();
        prop_assert_eq!(Metadata::from_bytes(&metadata.to_bytes()), Ok(metadata.clone()));
        let json = serde_json::to_string(&metadata).unwrap();
        prop_assert_eq!(serde_json::from_str::<Metadata>(&json).unwrap(), metadata);
    }

    #[test]
    fn hostile_bytes(bytes in hostile(vec![sample().to_bytes(), Metadata::default().to_bytes()])) {
        canonical::<Metadata>(&bytes);
    }
}
