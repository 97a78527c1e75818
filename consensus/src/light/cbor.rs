//! Deterministic CBOR (RFC 8949 section 4.2.1) of serde values.

use ciborium::Value;
use serde::{Serialize, de::DeserializeOwned};

/// Deepest nesting that is read.
const MAX_DEPTH: usize = 16;

/// Definite lengths, shortest integers, map keys in bytewise order of their encodings.
pub(crate) fn to_vec<T: Serialize>(value: &T) -> Result<Vec<u8>, String> {
    let mut value = Value::serialized(value).map_err(|e| e.to_string())?;
    sort_maps(&mut value);
    let mut bytes = Vec::new();
    ciborium::into_writer(&value, &mut bytes).map_err(|e| e.to_string())?;
    Ok(bytes)
}

/// Reads a value and refuses bytes that are not its deterministic encoding, trailing ones included.
pub(crate) fn from_slice<T: Serialize + DeserializeOwned>(bytes: &[u8]) -> Result<T, String> {
    let value: T = peek(bytes)?;
    if to_vec(&value)? == bytes { Ok(value) } else { Err("not the deterministic encoding of its content".into()) }
}

/// Reads the first value without asking how it is encoded or what follows.
pub(crate) fn peek<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, String> {
    ciborium::de::from_reader_with_recursion_limit(bytes, MAX_DEPTH).map_err(|e| e.to_string())
}

/// Sorts the keys of every map. All keys are texts, so the order of their encodings is by length, then bytewise.
fn sort_maps(value: &mut Value) {
    match value {
        Value::Map(entries) => {
            entries.iter_mut().for_each(|(_, v)| sort_maps(v));
            entries.sort_by(|(a, _), (b, _)| {
                let (a, b) = (a.as_text().unwrap_or_default(), b.as_text().unwrap_or_default());
                (a.len(), a).cmp(&(b.len(), b))
            });
        }
        Value::Array(items) => items.iter_mut().for_each(sort_maps),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::{from_slice, to_vec};
    use std::collections::BTreeMap;

    type Map = BTreeMap<String, Vec<u32>>;

    fn sample() -> Map {
        [("b".into(), vec![24, 1]), ("aa".into(), vec![]), ("c".into(), vec![65_536])].into()
    }

    #[test]
    fn keys_by_length_then_bytes_and_shortest_integers() {
        let bytes = to_vec(&sample()).unwrap();
        assert_eq!(hex::encode(&bytes), "a361628218180161 63811a0001000062616180".replace(' ', ""));
        assert_eq!(from_slice::<Map>(&bytes).unwrap(), sample());
    }

    #[test]
    fn other_encodings_of_the_same_content_are_refused() {
        for (what, hex) in [
            ("unsorted keys", "a3626161806162821818016163811a00010000"),
            ("long integer", "a361628218181801 6163811a0001000062616180"),
            ("indefinite map", "bf6162821818016163811a0001000062616180ff"),
            ("indefinite list", "a361629f181801ff6163811a0001000062616180"),
            ("trailing byte", "a3616282181801 6163811a000100006261618000"),
            ("duplicate key", "a461628218180161628218180161 63811a0001000062616180"),
            ("tagged", "c1a36162821818016163811a0001000062616180"),
            ("cut", "a36162821818016163811a00010000626161"),
        ] {
            let bytes = hex::decode(hex.replace(' ', "")).unwrap();
            assert!(from_slice::<Map>(&bytes).is_err(), "{what}");
        }
    }

    #[test]
    fn deep_nesting_is_an_error_not_a_crash() {
        let bytes = vec![0x81; 100_000];
        assert!(from_slice::<Vec<u32>>(&bytes).is_err());
        assert!(super::peek::<ciborium::Value>(&bytes).is_err());
    }
}
