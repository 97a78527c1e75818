//! What the tests of every decoder share.

use proptest::prelude::*;

use crate::codec::{Decode, Encode};

/// A decoder is sound on `bytes`: it does not panic, and whatever it accepts is the one canonical encoding of its value.
pub(crate) fn canonical<T: Decode + Encode>(bytes: &[u8]) {
    if let Ok(value) = T::from_bytes(bytes) {
        assert_eq!(value.to_bytes(), bytes, "two encodings of one value");
    }
}

/// `valid` round-trips, none of its prefixes and no extension of it is accepted.
pub(crate) fn exact<T: Decode + Encode>(valid: &[u8]) {
    assert_eq!(T::from_bytes(valid).expect("a valid encoding").to_bytes(), valid);
    for end in 0..valid.len() {
        assert!(T::from_bytes(&valid[..end]).is_err(), "accepted a prefix of {end} bytes");
    }
    let mut longer = valid.to_vec();
    longer.push(0);
    assert!(T::from_bytes(&longer).is_err(), "accepted a trailing byte");
}

/// Random bytes, and `valid` encodings with a few bytes changed, cut or inserted: what a fuzzer would try first.
pub(crate) fn hostile(valid: Vec<Vec<u8>>) -> impl Strategy<Value = Vec<u8>> {
    let edits = prop::collection::vec((any::<prop::sample::Index>(), any::<u8>(), 0..4u8), 1..4);
    let mutated = (prop::sample::select(valid), edits).prop_map(|(mut bytes, edits)| {
        for (at, byte, kind) in edits {
            let at = at.index(bytes.len() + 1);
            match kind {
                0 => bytes.truncate(at),
                1 => bytes.insert(at, byte),
                _ if at < bytes.len() => bytes[at] = byte,
                _ => bytes.push(byte),
            }
        }
        bytes
    });
    prop_oneof![1 => prop::collection::vec(any::<u8>(), 0..300), 3 => mutated]
}

/// Bytes from hexadecimal digits; white space is ignored.
pub(crate) fn unhex(digits: &str) -> Vec<u8> {
    hex::decode(digits.split_whitespace().collect::<String>()).expect("hexadecimal digits")
}
