//! The canonical encoding of everything that is signed or hashed.
//!
//! | value | bytes |
//! |---|---|
//! | `u8` … `u128` | big-endian, fixed width |
//! | `bool` | one byte, 0 or 1 |
//! | fixed-width bytes (hash, key, signature) | the bytes |
//! | byte string | `u32` length, then the bytes |
//! | text | its UTF-8 bytes as a byte string |
//! | list | `u32` count, then the elements |
//! | optional value | one byte 0, or one byte 1 and the value |
//! | map | list of pairs in strictly ascending order of the key's bytes |
//! | top-level object | one version byte, then its fields in the documented order |
//!
//! There are no floats, no varints and no padding: one value has exactly one encoding, and a decoder refuses everything else,
//! including bytes behind the object. Decoders name a bound for each length before they allocate for it.

mod reader;
mod writer;

pub use reader::Reader;
pub use writer::Writer;

use crate::error::CodecError;

/// A value with one canonical encoding.
pub trait Encode {
    /// Appends the encoding.
    fn encode(&self, out: &mut Writer);

    /// The encoding as bytes of its own.
    fn to_bytes(&self) -> Vec<u8> {
        let mut out = Writer::new();
        self.encode(&mut out);
        out.into_bytes()
    }
}

/// A value that can be read back from its canonical encoding. For every accepted input, encoding the result gives the input
/// again.
pub trait Decode: Sized {
    /// Reads one value and leaves the reader behind it.
    ///
    /// # Errors
    /// [`CodecError`] where the bytes are not the canonical encoding of a valid value.
    fn decode(input: &mut Reader<'_>) -> Result<Self, CodecError>;

    /// Reads one value that must fill `bytes` exactly.
    ///
    /// # Errors
    /// As [`Decode::decode`], and [`CodecError::TrailingBytes`].
    fn from_bytes(bytes: &[u8]) -> Result<Self, CodecError> {
        let mut input = Reader::new(bytes);
        let value = Self::decode(&mut input)?;
        input.finish()?;
        Ok(value)
    }
}

#[cfg(test)]
mod tests;
