use std::str::FromStr;

use proptest::prelude::*;

use super::parse_hex;
use crate::codec::{Decode, Encode};
use crate::{Hash, LogId, PublicKey, Signature};

#[test]
fn hex_is_strict() {
    let text = "00010203fffe";
    assert_eq!(parse_hex::<6>(text), Ok([0, 1, 2, 3, 255, 254]));
    let refused = [
        "",
        "0",
        "00010203ff",
        "00010203fffe00",
        "00010203FFFE",
        "0x010203fffe",
        " 0010203fffe",
        "00010203fff\n",
        "00010203ff+e",
    ];
    for text in refused {
        assert!(parse_hex::<6>(text).is_err(), "{text:?}");
    }
    // Twelve bytes of text that are fewer characters.
    assert!(parse_hex::<6>("éééééé").is_err());
}

#[test]
fn the_error_says_what_was_expected() {
    assert_eq!(
        Hash::from_str("abc").unwrap_err().to_string(),
        "expected 64 lower-case hexadecimal digits, found 3 bytes of text"
    );
}

#[test]
fn serde_is_hex_for_people_and_bytes_for_machines() {
    let hash = Hash([0xab; 32]);
    let json = serde_json::to_string(&hash).unwrap();
    assert_eq!(json, format!("\"{}\"", "ab".repeat(32)));
    assert_eq!(serde_json::from_str::<Hash>(&json).unwrap(), hash);

    let mut cbor = Vec::new();
    ciborium::into_writer(&hash, &mut cbor).unwrap();
    assert_eq!(cbor[..2], [0x58, 32], "a CBOR byte string of 32 bytes");
    assert_eq!(cbor[2..], [0xab; 32]);
    assert_eq!(ciborium::from_reader::<Hash, _>(&cbor[..]).unwrap(), hash);
}

#[test]
fn serde_refuses_other_shapes() {
    for json in ["\"\"", "\"AB\"", "17", "null", "[1,2]", "{}"] {
        assert!(serde_json::from_str::<Hash>(json).is_err(), "{json}");
    }
    let upper = format!("\"{}\"", "AB".repeat(32));
    assert!(serde_json::from_str::<Hash>(&upper).is_err());

    let mut short = vec![0x58, 31];
    short.extend([0; 31]);
    assert!(ciborium::from_reader::<Hash, _>(&short[..]).is_err(), "31 bytes");
    let mut text = vec![0x78, 64];
    text.extend("ab".repeat(32).bytes());
    assert!(ciborium::from_reader::<Hash, _>(&text[..]).is_err(), "text in a binary format");
}

proptest! {
    #[test]
    fn every_value_survives_every_form(bytes: [u8; 32], wide in prop::collection::vec(any::<u8>(), 64)) {
        let signature = Signature(wide.try_into().unwrap());
        prop_assert_eq!(Signature::from_str(&signature.to_string()), Ok(signature));
        prop_assert_eq!(Signature::from_bytes(&signature.to_bytes()), Ok(signature));
        let json = serde_json::to_string(&signature).unwrap();
        prop_assert_eq!(serde_json::from_str::<Signature>(&json).unwrap(), signature);
        prop_assert_eq!(Hash::from_str(&Hash(bytes).to_string()), Ok(Hash(bytes)));
        prop_assert_eq!(LogId::from_str(&LogId(bytes).to_string()), Ok(LogId(bytes)));
        prop_assert_eq!(PublicKey::from_bytes(&bytes), Ok(PublicKey(bytes)));
        prop_assert_eq!(PublicKey(bytes).to_string(), hex::encode(bytes));
    }

    #[test]
    fn text_that_parses_is_the_text_that_is_written(text in "[0-9a-fA-F]{62,66}") {
        if let Ok(hash) = Hash::from_str(&text) {
            prop_assert_eq!(hash.to_string(), text);
        }
    }
}
