//! The reading half of the canonical encoding.

use super::Decode;
use crate::error::CodecError;

/// Reads canonical encodings off a slice. Never panics, never allocates more than the input can fill.
#[derive(Debug, Clone)]
pub struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    /// Starts at the front of `bytes`.
    #[must_use]
    pub const fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    /// Bytes not read yet.
    #[must_use]
    pub const fn remaining(&self) -> usize {
        self.rest.len()
    }

    /// One byte.
    ///
    /// # Errors
    /// [`CodecError::UnexpectedEnd`].
    pub fn u8(&mut self) -> Result<u8, CodecError> {
        Ok(self.array::<1>()?[0])
    }

    /// Two bytes, big-endian.
    ///
    /// # Errors
    /// [`CodecError::UnexpectedEnd`].
    pub fn u16(&mut self) -> Result<u16, CodecError> {
        self.array().map(u16::from_be_bytes)
    }

    /// Four bytes, big-endian.
    ///
    /// # Errors
    /// [`CodecError::UnexpectedEnd`].
    pub fn u32(&mut self) -> Result<u32, CodecError> {
        self.array().map(u32::from_be_bytes)
    }

    /// Eight bytes, big-endian.
    ///
    /// # Errors
    /// [`CodecError::UnexpectedEnd`].
    pub fn u64(&mut self) -> Result<u64, CodecError> {
        self.array().map(u64::from_be_bytes)
    }

    /// Sixteen bytes, big-endian.
    ///
    /// # Errors
    /// [`CodecError::UnexpectedEnd`].
    pub fn u128(&mut self) -> Result<u128, CodecError> {
        self.array().map(u128::from_be_bytes)
    }

    /// One byte that must be 0 or 1.
    ///
    /// # Errors
    /// [`CodecError::UnexpectedEnd`], [`CodecError::Tag`].
    pub fn bool(&mut self) -> Result<bool, CodecError> {
        match self.u8()? {
            0 => Ok(false),
            1 => Ok(true),
            found => Err(CodecError::Tag { what: "flag", found: found.into() }),
        }
    }

    /// Exactly `N` bytes.
    ///
    /// # Errors
    /// [`CodecError::UnexpectedEnd`].
    pub fn array<const N: usize>(&mut self) -> Result<[u8; N], CodecError> {
        let Some((head, rest)) = self.rest.split_first_chunk::<N>() else {
            return Err(CodecError::UnexpectedEnd { needed: N, left: self.rest.len() });
        };
        self.rest = rest;
        Ok(*head)
    }

    /// `length` bytes, borrowed.
    ///
    /// # Errors
    /// [`CodecError::UnexpectedEnd`].
    pub fn raw(&mut self, length: usize) -> Result<&'a [u8], CodecError> {
        let Some((head, rest)) = self.rest.split_at_checked(length) else {
            return Err(CodecError::UnexpectedEnd { needed: length, left: self.rest.len() });
        };
        self.rest = rest;
        Ok(head)
    }

    /// A byte string of at most `max` bytes, borrowed.
    ///
    /// # Errors
    /// [`CodecError::TooLong`] before anything else is read, [`CodecError::UnexpectedEnd`].
    pub fn bytes(&mut self, max: usize) -> Result<&'a [u8], CodecError> {
        let length = self.length("byte string", max)?;
        self.raw(length)
    }

    /// Text of at most `max` bytes of UTF-8, borrowed.
    ///
    /// # Errors
    /// As [`Reader::bytes`], and [`CodecError::Invalid`] where it is not UTF-8.
    pub fn text(&mut self, max: usize) -> Result<&'a str, CodecError> {
        std::str::from_utf8(self.bytes(max)?).map_err(|_| CodecError::Invalid { what: "text", why: "not UTF-8" })
    }

    /// A list of at most `max` elements, each read by `f`.
    ///
    /// # Errors
    /// [`CodecError::TooLong`] before anything is allocated, and whatever `f` answers.
    pub fn list<T>(
        &mut self,
        max: usize,
        mut f: impl FnMut(&mut Self) -> Result<T, CodecError>,
    ) -> Result<Vec<T>, CodecError> {
        let count = self.length("list", max)?;
        // An element has at least one byte, so a count above what is left is a lie that must not reserve memory.
        let mut items = Vec::with_capacity(count.min(self.rest.len() / size_of::<T>().max(1)));
        for _ in 0..count {
            items.push(f(self)?);
        }
        Ok(items)
    }

    /// An optional value, read by `f`.
    ///
    /// # Errors
    /// [`CodecError::Tag`] unless the flag is 0 or 1, and whatever `f` answers.
    pub fn option<T>(&mut self, f: impl FnOnce(&mut Self) -> Result<T, CodecError>) -> Result<Option<T>, CodecError> {
        if self.bool()? { f(self).map(Some) } else { Ok(None) }
    }

    /// Another object, in place.
    ///
    /// # Errors
    /// Whatever the object's decoder answers.
    pub fn get<T: Decode>(&mut self) -> Result<T, CodecError> {
        T::decode(self)
    }

    /// The version byte of a top-level object.
    ///
    /// # Errors
    /// [`CodecError::Version`] where it is not `expected`.
    pub fn version(&mut self, what: &'static str, expected: u8) -> Result<(), CodecError> {
        let found = self.u8()?;
        if found == expected { Ok(()) } else { Err(CodecError::Version { what, expected, found }) }
    }

    /// Ends the reading.
    ///
    /// # Errors
    /// [`CodecError::TrailingBytes`] where anything is left.
    pub fn finish(self) -> Result<(), CodecError> {
        if self.rest.is_empty() { Ok(()) } else { Err(CodecError::TrailingBytes(self.rest.len())) }
    }

    fn length(&mut self, what: &'static str, max: usize) -> Result<usize, CodecError> {
        let found = self.u32()? as usize;
        if found > max { Err(CodecError::TooLong { what, max, found }) } else { Ok(found) }
    }
}
