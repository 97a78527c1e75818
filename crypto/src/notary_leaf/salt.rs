//! Salts of commitments.

use std::fmt;

use crate::codec::{Decode, Encode, Reader, Writer};
use crate::error::{CodecError, ParseError};
use crate::fixed::{fixed_serde, parse_hex};

/// 32 random bytes that hide what a commitment commits to. Whoever holds the salt can test guesses, so `Debug` shows nothing;
/// it is no secret any more once a receipt with it is handed out. `Display` and serde write it out as hex: receipts carry it.
///
/// Use a fresh salt for each commitment: opening one commitment must not help to guess another.
#[derive(Clone, PartialEq, Eq)]
pub struct Salt(pub [u8; 32]);

fixed_serde!(Salt, 32, "salt");

impl Salt {
    /// The bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl From<[u8; 32]> for Salt {
    fn from(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }
}

impl fmt::Debug for Salt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Salt(..)")
    }
}

impl fmt::Display for Salt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        crate::Hash(self.0).fmt(f)
    }
}

impl std::str::FromStr for Salt {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        parse_hex(text).map(Self)
    }
}

impl Encode for Salt {
    fn encode(&self, out: &mut Writer) {
        out.raw(&self.0);
    }
}

impl Decode for Salt {
    fn decode(input: &mut Reader<'_>) -> Result<Self, CodecError> {
        Ok(Self(input.array()?))
    }
}
