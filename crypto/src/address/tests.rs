use bech32::Bech32;
use proptest::prelude::*;

use super::*;
use crate::SigningKey;
use crate::codec::{Decode, Encode};

fn address() -> Address {
    Address::from_key(&SigningKey::from_seed([1; 32]).public_key())
}

#[test]
fn vector() {
    let key = SigningKey::from_seed([1; 32]).public_key();
    let preimage = [&b"pyralog/address/v1\x01"[..], &key.0].concat();
    assert_eq!(address().0, <[u8; 32]>::from(sha2::Sha256::digest(&preimage)));
    assert_eq!(address().to_string(), "pyra18wg8svz2w7sgwv7lnatajtdc9zqljtkgmeytpd2ex4hxhpkqwtpsrvg4w0");
    assert_eq!(address().to_string().len(), 63);
    assert_eq!(Address::from(&key), address());
    assert_eq!(address().to_bytes(), address().0);
    assert_eq!(Address::from_bytes(&address().0), Ok(address()));
    assert!(format!("{:?}", address()).starts_with("Address(pyra1"));
}

#[test]
fn serde_is_bech32m_for_people() {
    let json = serde_json::to_string(&address()).unwrap();
    assert_eq!(json, format!("\"{}\"", address()));
    assert_eq!(serde_json::from_str::<Address>(&json).unwrap(), address());
    assert!(serde_json::from_str::<Address>(&json.to_uppercase()).is_err());
}

#[test]
fn any_changed_character_is_refused() {
    let text = address().to_string();
    for at in 0..text.len() {
        for new in "qpzry9x8gf2tvdw0s3jn54khce6mua7lb1io".chars() {
            let mut changed: Vec<char> = text.chars().collect();
            if changed[at] != new {
                changed[at] = new;
                let changed: String = changed.into_iter().collect();
                assert!(changed.parse::<Address>().is_err(), "{changed}");
            }
        }
    }
}

fn encoded<C: bech32::Checksum>(prefix: &str, payload: &[u8]) -> String {
    bech32::encode::<C>(Hrp::parse(prefix).unwrap(), payload).unwrap()
}

#[test]
fn other_codes_prefixes_and_lengths_are_refused() {
    let payload = address().0;
    assert_eq!(encoded::<Bech32m>("pyra", &payload).parse::<Address>(), Ok(address()));
    let refused = [
        encoded::<Bech32>("pyra", &payload),
        encoded::<Bech32m>("pyrb", &payload),
        encoded::<Bech32m>("PYRA", &payload).to_uppercase(),
        encoded::<Bech32m>("pyra", &payload[..31]),
        encoded::<Bech32m>("pyra", &[payload.as_slice(), &[0]].concat()),
        encoded::<Bech32m>("pyra", &[]),
        format!(" {}", address()),
        format!("{}\n", address()),
        String::new(),
        "pyra1".to_owned(),
        "é".repeat(60),
        "q".repeat(100_000),
    ];
    for text in refused {
        assert!(matches!(text.parse::<Address>(), Err(ParseError::Address(_))), "{text}");
    }
}

#[test]
fn padding_bits_must_be_zero() {
    use bech32::Fe32;
    use bech32::primitives::iter::{ByteIterExt, Fe32IterExt};
    // 32 bytes fill 51 characters and 1 bit of the 52nd; the 4 bits behind are padding.
    let symbols: Vec<Fe32> = address().0.iter().copied().bytes_to_fes().collect();
    let last = symbols[51].to_u8();
    for padding in 1..16 {
        let mut changed = symbols.clone();
        changed[51] = Fe32::try_from(last | padding).unwrap();
        let text: String = changed.into_iter().with_checksum::<Bech32m>(&HRP).chars().collect();
        assert!(text.parse::<Address>().is_err(), "{text}");
    }
}

proptest! {
    #[test]
    fn round_trip(bytes: [u8; 32]) {
        prop_assert_eq!(Address(bytes).to_string().parse::<Address>(), Ok(Address(bytes)));
    }

    #[test]
    fn text_that_parses_is_the_text_that_is_written(text in "(pyra1)?[a-zA-Z0-9]{0,64}") {
        if let Ok(address) = text.parse::<Address>() {
            prop_assert_eq!(address.to_string(), text);
        }
    }
}
