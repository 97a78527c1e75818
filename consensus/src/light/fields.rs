//! The strict forms of single values, shared by light blocks and receipts.
//!
//! In a human-readable format (JSON) integers are canonical decimal strings and bytes are lower-case hexadecimal; in a
//! binary one (CBOR) integers are unsigned integers and bytes are byte strings. Times are RFC 3339 text in both. A value
//! has exactly one spelling, so that nothing can be changed without changing what it says.

use serde::{Deserialize, Deserializer, de};

/// An optional field that stands only when it has a value: an explicit `null` is refused.
pub(crate) fn present<'de, D: Deserializer<'de>, T: Deserialize<'de>>(deserializer: D) -> Result<Option<T>, D::Error> {
    T::deserialize(deserializer).map(Some)
}

/// Unsigned integers: `"42"` in JSON (no sign, no leading zero), 42 in CBOR.
pub(crate) mod decimal {
    use super::{Deserialize, Deserializer, de};
    use serde::Serializer;

    pub(crate) fn serialize<S: Serializer, T: Into<u64> + Copy>(value: &T, serializer: S) -> Result<S::Ok, S::Error> {
        let value: u64 = (*value).into();
        if serializer.is_human_readable() { serializer.collect_str(&value) } else { serializer.serialize_u64(value) }
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>, T: TryFrom<u64>>(deserializer: D) -> Result<T, D::Error> {
        let value = if deserializer.is_human_readable() {
            let text = String::deserialize(deserializer)?;
            parse(&text).ok_or_else(|| {
                de::Error::custom(format_args!("`{}` is not a canonical decimal", super::short(&text)))
            })?
        } else {
            u64::deserialize(deserializer)?
        };
        T::try_from(value).map_err(|_| de::Error::custom(format_args!("{value} is too large for this field")))
    }

    /// The value of a decimal without sign or leading zeros.
    pub(super) fn parse(text: &str) -> Option<u64> {
        let digits = !text.is_empty() && text.len() <= 20 && text.bytes().all(|b| b.is_ascii_digit());
        if !digits || (text.len() > 1 && text.starts_with('0')) {
            return None;
        }
        text.parse().ok()
    }
}

/// Times: RFC 3339, UTC, `Z`, up to nine fraction digits without trailing zeros. Any other spelling is refused.
pub(crate) mod rfc3339 {
    use super::{Deserialize, Deserializer, de};
    use serde::Serializer;
    use tendermint::Time;

    pub(crate) fn serialize<S: Serializer>(time: &Time, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&time.to_rfc3339())
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Time, D::Error> {
        let text = String::deserialize(deserializer)?;
        Time::parse_from_rfc3339(&text).ok().filter(|time| time.to_rfc3339() == text).ok_or_else(|| {
            de::Error::custom(format_args!("`{}` is not a canonical RFC 3339 time", super::short(&text)))
        })
    }
}

/// Fixed-size bytes without a type of their own (validator addresses).
pub(crate) mod octets {
    use super::{Deserializer, de};
    use serde::Serializer;
    use std::fmt;

    pub(crate) fn serialize<S: Serializer, const N: usize>(bytes: &[u8; N], serializer: S) -> Result<S::Ok, S::Error> {
        if serializer.is_human_readable() {
            serializer.serialize_str(&hex::encode(bytes))
        } else {
            serializer.serialize_bytes(bytes)
        }
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>, const N: usize>(deserializer: D) -> Result<[u8; N], D::Error> {
        struct Visitor<const N: usize>;
        impl<const N: usize> de::Visitor<'_> for Visitor<N> {
            type Value = [u8; N];
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{N} bytes (in JSON {} lower-case hexadecimal digits)", 2 * N)
            }
            fn visit_str<E: de::Error>(self, text: &str) -> Result<[u8; N], E> {
                super::lower_hex(text).ok_or_else(|| E::invalid_value(de::Unexpected::Str(super::short(text)), &self))
            }
            fn visit_bytes<E: de::Error>(self, bytes: &[u8]) -> Result<[u8; N], E> {
                bytes.try_into().map_err(|_| E::invalid_length(bytes.len(), &self))
            }
        }
        if deserializer.is_human_readable() {
            deserializer.deserialize_str(Visitor::<N>)
        } else {
            deserializer.deserialize_bytes(Visitor::<N>)
        }
    }
}

/// Bytes of any length up to [`MAX_BLOB`].
pub(crate) mod blob {
    use super::{Deserializer, de};
    use serde::Serializer;
    use std::fmt;

    /// Longest value, bytes.
    pub(crate) const MAX_BLOB: usize = 64 << 10;

    pub(crate) fn serialize<S: Serializer>(bytes: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
        if serializer.is_human_readable() {
            serializer.serialize_str(&hex::encode(bytes))
        } else {
            serializer.serialize_bytes(bytes)
        }
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<u8>, D::Error> {
        struct Visitor;
        impl de::Visitor<'_> for Visitor {
            type Value = Vec<u8>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "at most {MAX_BLOB} bytes (in JSON as lower-case hexadecimal digits)")
            }
            fn visit_str<E: de::Error>(self, text: &str) -> Result<Vec<u8>, E> {
                let fits = text.len() <= 2 * MAX_BLOB && !text.bytes().any(|b| b.is_ascii_uppercase());
                let bytes = fits.then(|| hex::decode(text).ok()).flatten();
                bytes.ok_or_else(|| E::invalid_value(de::Unexpected::Str(super::short(text)), &self))
            }
            fn visit_bytes<E: de::Error>(self, bytes: &[u8]) -> Result<Vec<u8>, E> {
                let fits = bytes.len() <= MAX_BLOB;
                fits.then(|| bytes.to_vec()).ok_or_else(|| E::invalid_length(bytes.len(), &self))
            }
        }
        // A byte buffer, not borrowed bytes: readers hand only short values out without copying them.
        if deserializer.is_human_readable() {
            deserializer.deserialize_str(Visitor)
        } else {
            deserializer.deserialize_byte_buf(Visitor)
        }
    }
}

/// Exactly `N` bytes from `2N` lower-case hexadecimal digits.
pub(crate) fn lower_hex<const N: usize>(text: &str) -> Option<[u8; N]> {
    if text.len() != 2 * N || text.bytes().any(|b| b.is_ascii_uppercase()) {
        return None;
    }
    let mut out = [0; N];
    hex::decode_to_slice(text, &mut out).ok()?;
    Some(out)
}

/// The start of a hostile string, for an error message.
fn short(text: &str) -> &str {
    let end = (0..=40.min(text.len())).rev().find(|&i| text.is_char_boundary(i)).unwrap_or(0);
    &text[..end]
}

#[cfg(test)]
#[path = "fields_test.rs"]
mod tests;
