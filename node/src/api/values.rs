//! How values stand in JSON and in queries: bytes as lower-case hex, numbers that can exceed 2^53 as decimal digits.

use std::fmt;

use serde::de::{Error, Unexpected, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::Problem;

/// Most characters of a text of a caller that come back to it.
const MAX_SHOWN: usize = 64;

/// As much of a text as is repeated to whoever sent it.
pub fn short(text: &str) -> String {
    match text.char_indices().nth(MAX_SHOWN) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

/// Why a text is not lower-case hex.
#[derive(Clone, Copy, Debug, PartialEq, thiserror::Error)]
pub enum NotHex {
    /// It would be with other letters.
    #[error("has upper-case digits")]
    UpperCase,
    /// Another character, or an odd number of them.
    #[error("is not hex: {0}")]
    Other(hex::FromHexError),
}

/// The bytes of a text in hex. Digits are lower-case, and none is missing.
///
/// # Errors
/// What is wrong with it.
pub fn lower_hex(text: &str) -> Result<Vec<u8>, NotHex> {
    // Without an early exit, so that many bytes are looked at at once.
    if text.bytes().fold(false, |found, byte| found | byte.is_ascii_uppercase()) {
        return Err(NotHex::UpperCase);
    }
    let mut bytes = vec![0; text.len() / 2];
    hex::decode_to_slice(text, &mut bytes).map_err(NotHex::Other)?;
    Ok(bytes)
}

/// Bytes in a body: decoded where they stand in it, so they take half of its room at most.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Hex(pub Vec<u8>);

impl<'de> Deserialize<'de> for Hex {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(HexText)
    }
}

struct HexText;

impl Visitor<'_> for HexText {
    type Value = Hex;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("bytes in hex")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Hex, E> {
        lower_hex(text).map(Hex).map_err(|error| E::custom(format_args!("a byte string {error}")))
    }
}

/// Bytes in an answer.
pub struct HexOf<'a>(pub &'a [u8]);

impl Serialize for HexOf<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&hex::encode(self.0))
    }
}

/// A number as the text of its decimal digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Decimal(pub u64);

impl Serialize for Decimal {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for Decimal {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(Digits)
    }
}

struct Digits;

impl Visitor<'_> for Digits {
    type Value = Decimal;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a number as a string of its decimal digits")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Decimal, E> {
        digits(text, u64::MAX).map(Decimal).map_err(E::custom)
    }
}

/// A whole number within bounds, as a number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Within<const MIN: u64, const MAX: u64>(pub u64);

impl<'de, const MIN: u64, const MAX: u64> Deserialize<'de> for Within<MIN, MAX> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_u64(Bounds)
    }
}

struct Bounds<const MIN: u64, const MAX: u64>;

impl<const MIN: u64, const MAX: u64> Visitor<'_> for Bounds<MIN, MAX> {
    type Value = Within<MIN, MAX>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a whole number from {MIN} to {MAX}")
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<Self::Value, E> {
        match number {
            number if (MIN..=MAX).contains(&number) => Ok(Within(number)),
            number => Err(E::invalid_value(Unexpected::Unsigned(number), &self)),
        }
    }
}

/// The number `text` of the parameter `name`, at most `max`.
///
/// # Errors
/// 400.
pub fn number(name: &str, text: &str, max: u64) -> Result<u64, Problem> {
    let remedy = format!("write {name} with decimal digits only, at most {max}");
    digits(text, max).map_err(|why| Problem::bad(format!("{name}: {why}")).remedy(remedy))
}

fn digits(text: &str, max: u64) -> Result<u64, String> {
    if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err("a number has decimal digits and nothing else".into());
    }
    // All are digits: only the range can be wrong.
    match text.parse() {
        Ok(number) if number <= max => Ok(number),
        _ => Err(format!("the number is above {max}")),
    }
}

#[cfg(test)]
#[path = "values_test.rs"]
mod tests;
