//! Fixed-width byte values: one macro gives every such type the same text, serde and canonical form.

use crate::error::ParseError;

/// Strict hex: exactly `2 * N` digits of `[0-9a-f]`.
pub(crate) fn parse_hex<const N: usize>(text: &str) -> Result<[u8; N], ParseError> {
    let refuse = |found: String| ParseError::Hex { expected: 2 * N, found };
    let digits = text.as_bytes();
    if digits.len() != 2 * N {
        return Err(refuse(format!("{} bytes of text", digits.len())));
    }
    let mut out = [0u8; N];
    for (byte, pair) in out.iter_mut().zip(digits.chunks_exact(2)) {
        let (Some(high), Some(low)) = (nibble(pair[0]), nibble(pair[1])) else {
            return Err(refuse("another character".into()));
        };
        *byte = high << 4 | low;
    }
    Ok(out)
}

fn nibble(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        _ => None,
    }
}

/// serde of `[u8; N]` newtypes: a string in human-readable formats, a byte string of exactly `N` bytes in the others.
pub(crate) struct FixedVisitor<T, const N: usize> {
    pub(crate) what: &'static str,
    pub(crate) parse: fn(&str) -> Result<T, ParseError>,
    pub(crate) make: fn([u8; N]) -> T,
}

impl<T, const N: usize> serde::de::Visitor<'_> for FixedVisitor<T, N> {
    type Value = T;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} ({N} bytes)", self.what)
    }

    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<T, E> {
        (self.parse)(text).map_err(|e| E::custom(format_args!("{}: {e}", self.what)))
    }

    fn visit_bytes<E: serde::de::Error>(self, bytes: &[u8]) -> Result<T, E> {
        let array = <[u8; N]>::try_from(bytes).map_err(|_| E::invalid_length(bytes.len(), &self))?;
        Ok((self.make)(array))
    }
}

/// serde for a newtype over `[u8; N]` that has `Display` and `FromStr<Err = ParseError>`.
macro_rules! fixed_serde {
    ($name:ident, $len:expr, $what:expr) => {
        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                if serializer.is_human_readable() {
                    serializer.collect_str(self)
                } else {
                    serializer.serialize_bytes(&self.0)
                }
            }
        }

        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let visitor = $crate::fixed::FixedVisitor::<$name, { $len }> {
                    what: $what,
                    parse: <$name as std::str::FromStr>::from_str,
                    make: $name,
                };
                if deserializer.is_human_readable() {
                    deserializer.deserialize_str(visitor)
                } else {
                    deserializer.deserialize_bytes(visitor)
                }
            }
        }
    };
}

/// Conversions and the canonical form (the bytes themselves, no prefix) of a newtype over `[u8; N]`.
macro_rules! fixed_codec {
    ($name:ident, $len:expr) => {
        impl $name {
            /// The bytes.
            #[must_use]
            pub const fn as_bytes(&self) -> &[u8; $len] {
                &self.0
            }
        }

        impl AsRef<[u8]> for $name {
            fn as_ref(&self) -> &[u8] {
                &self.0
            }
        }

        impl From<[u8; $len]> for $name {
            fn from(bytes: [u8; $len]) -> Self {
                Self(bytes)
            }
        }

        impl From<$name> for [u8; $len] {
            fn from(value: $name) -> Self {
                value.0
            }
        }

        impl $crate::codec::Encode for $name {
            fn encode(&self, out: &mut $crate::codec::Writer) {
                out.raw(&self.0);
            }
        }

        impl $crate::codec::Decode for $name {
            fn decode(input: &mut $crate::codec::Reader<'_>) -> Result<Self, $crate::error::CodecError> {
                Ok(Self(input.array()?))
            }
        }
    };
}

/// `Display`, `Debug`, `FromStr` as strict lower-case hex, plus `fixed_serde` and `fixed_codec`.
macro_rules! fixed_hex {
    ($name:ident, $len:expr, $what:expr) => {
        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                // Into a buffer first: answers are full of these, and a formatter's call for each byte costs.
                let mut digits = [0u8; 2 * $len];
                hex::encode_to_slice(self.0, &mut digits).map_err(|_| std::fmt::Error)?;
                f.write_str(std::str::from_utf8(&digits).map_err(|_| std::fmt::Error)?)
            }
        }

        impl std::fmt::Debug for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                write!(f, "{}({self})", stringify!($name))
            }
        }

        impl std::str::FromStr for $name {
            type Err = $crate::error::ParseError;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                $crate::fixed::parse_hex(text).map(Self)
            }
        }

        $crate::fixed::fixed_serde!($name, $len, $what);
        $crate::fixed::fixed_codec!($name, $len);
    };
}

pub(crate) use {fixed_codec, fixed_hex, fixed_serde};

#[cfg(test)]
mod tests;
