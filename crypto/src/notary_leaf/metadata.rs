//! Metadata of a document: committed to, never logged in the clear.

use std::collections::BTreeMap;

use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::Salt;
use crate::checkpoint::Roots;
use crate::codec::{Decode, Encode, Reader, Writer};
use crate::error::{CodecError, NotaryError};

/// Key/value texts with unique keys, in ascending order of the keys' bytes.
///
/// Canonical form: version byte 1, list of (text key, text value) in strictly ascending order of the key's bytes. serde: a map
/// from key to value; duplicate keys are refused.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Metadata(BTreeMap<String, String>);

impl Metadata {
    /// Most pairs.
    pub const MAX_PAIRS: usize = 64;
    /// Longest key, in bytes of UTF-8; the shortest is 1.
    pub const MAX_KEY: usize = 128;
    /// Longest value, in bytes of UTF-8.
    pub const MAX_VALUE: usize = 4 * 1024;
    /// Most bytes of all keys and values together.
    pub const MAX_TOTAL: usize = 16 * 1024;

    const VERSION: u8 = 1;
    const DOMAIN: &str = "pyralog/metadata/v1";

    /// Metadata from pairs in any order.
    ///
    /// # Errors
    /// [`NotaryError`] names the pair that breaks a bound, or the key given twice.
    pub fn new<K: Into<String>, V: Into<String>>(pairs: impl IntoIterator<Item = (K, V)>) -> Result<Self, NotaryError> {
        let mut metadata = Self::default();
        for (key, value) in pairs {
            metadata.insert(key.into(), value.into())?;
        }
        Ok(metadata)
    }

    /// Adds a pair.
    ///
    /// # Errors
    /// As [`Metadata::new`]; nothing is added then.
    pub fn insert(&mut self, key: String, value: String) -> Result<(), NotaryError> {
        let total = self.iter().map(|(k, v)| k.len() + v.len()).sum::<usize>() + key.len() + value.len();
        if key.is_empty() {
            Err(NotaryError::EmptyKey)
        } else if key.len() > Self::MAX_KEY {
            Err(NotaryError::KeyTooLong { max: Self::MAX_KEY, found: key.len(), key })
        } else if value.len() > Self::MAX_VALUE {
            Err(NotaryError::ValueTooLong { max: Self::MAX_VALUE, found: value.len(), key })
        } else if self.0.contains_key(&key) {
            Err(NotaryError::DuplicateKey(key))
        } else if self.len() == Self::MAX_PAIRS {
            Err(NotaryError::TooManyPairs { max: Self::MAX_PAIRS, found: self.len() + 1 })
        } else if total > Self::MAX_TOTAL {
            Err(NotaryError::TooLarge { max: Self::MAX_TOTAL, found: total })
        } else {
            self.0.insert(key, value);
            Ok(())
        }
    }

    /// The pairs in canonical order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(key, value)| (key.as_str(), value.as_str()))
    }

    /// The value of a key.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&str> {
        self.0.get(key).map(String::as_str)
    }

    /// Number of pairs.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are no pairs.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Commitment under both hashes: `H(text "pyralog/metadata/v1" || salt 32 || canonical form of the metadata)`.
    #[must_use]
    pub fn commitment(&self, salt: &Salt) -> Roots {
        let mut preimage = Writer::new();
        preimage.text(Self::DOMAIN).put(salt).put(self);
        Roots::digest(preimage.as_bytes())
    }
}

impl Encode for Metadata {
    fn encode(&self, out: &mut Writer) {
        let pairs: Vec<(&str, &str)> = self.iter().collect();
        out.u8(Self::VERSION).list(&pairs, |out, (key, value)| {
            out.text(key).text(value);
        });
    }
}

impl Decode for Metadata {
    fn decode(input: &mut Reader<'_>) -> Result<Self, CodecError> {
        input.version("metadata", Self::VERSION)?;
        let pairs =
            input.list(Self::MAX_PAIRS, |input| Ok((input.text(Self::MAX_KEY)?, input.text(Self::MAX_VALUE)?)))?;
        if !pairs.is_sorted_by(|a, b| a.0 < b.0) {
            return Err(CodecError::Invalid { what: "metadata", why: "keys are not in strictly ascending order" });
        }
        Self::new(pairs).map_err(|_| CodecError::Invalid { what: "metadata", why: "a bound is exceeded" })
    }
}

impl Serialize for Metadata {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.iter())
    }
}

impl<'de> Deserialize<'de> for Metadata {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(MetadataVisitor)
    }
}

struct MetadataVisitor;

impl<'de> Visitor<'de> for MetadataVisitor {
    type Value = Metadata;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("a map of metadata texts")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Metadata, A::Error> {
        let mut metadata = Metadata::default();
        while let Some((key, value)) = map.next_entry()? {
            metadata.insert(key, value).map_err(serde::de::Error::custom)?;
        }
        Ok(metadata)
    }
}
