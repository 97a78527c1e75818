//! The writing half of the canonical encoding.

use super::Encode;

/// Appends canonical encodings to a buffer.
#[derive(Debug, Clone, Default)]
pub struct Writer(Vec<u8>);

impl Writer {
    /// An empty buffer.
    #[must_use]
    pub const fn new() -> Self {
        Self(Vec::new())
    }

    /// An empty buffer with room for `bytes`.
    #[must_use]
    pub fn with_capacity(bytes: usize) -> Self {
        Self(Vec::with_capacity(bytes))
    }

    /// A buffer that begins with a domain and a chain id, both as byte strings: the head of every signed byte string.
    #[must_use]
    pub fn signing(domain: &str, chain_id: &str) -> Self {
        let mut out = Self::with_capacity(8 + domain.len() + chain_id.len() + 160);
        out.text(domain).text(chain_id);
        out
    }

    /// One byte.
    pub fn u8(&mut self, value: u8) -> &mut Self {
        self.0.push(value);
        self
    }

    /// Two bytes, big-endian.
    pub fn u16(&mut self, value: u16) -> &mut Self {
        self.raw(&value.to_be_bytes())
    }

    /// Four bytes, big-endian.
    pub fn u32(&mut self, value: u32) -> &mut Self {
        self.raw(&value.to_be_bytes())
    }

    /// Eight bytes, big-endian.
    pub fn u64(&mut self, value: u64) -> &mut Self {
        self.raw(&value.to_be_bytes())
    }

    /// Sixteen bytes, big-endian.
    pub fn u128(&mut self, value: u128) -> &mut Self {
        self.raw(&value.to_be_bytes())
    }

    /// One byte, 0 or 1.
    pub fn bool(&mut self, value: bool) -> &mut Self {
        self.u8(value.into())
    }

    /// Bytes of a width both sides know; no prefix.
    pub fn raw(&mut self, bytes: &[u8]) -> &mut Self {
        self.0.extend_from_slice(bytes);
        self
    }

    /// A byte string: `u32` length, then the bytes.
    ///
    /// # Panics
    /// For 4 GiB and more, which no object of the project can reach: each has a bound far below.
    pub fn bytes(&mut self, bytes: &[u8]) -> &mut Self {
        self.length(bytes.len()).raw(bytes)
    }

    /// Text, as the byte string of its UTF-8 form.
    ///
    /// # Panics
    /// As [`Writer::bytes`].
    pub fn text(&mut self, text: &str) -> &mut Self {
        self.bytes(text.as_bytes())
    }

    /// A list: `u32` count, then each element as `f` writes it.
    ///
    /// # Panics
    /// For 2^32 elements and more, see [`Writer::bytes`].
    pub fn list<T>(&mut self, items: &[T], mut f: impl FnMut(&mut Self, &T)) -> &mut Self {
        self.length(items.len());
        for item in items {
            f(self, item);
        }
        self
    }

    /// An optional value: one byte 0, or one byte 1 and the value as `f` writes it.
    pub fn option<T>(&mut self, value: Option<&T>, f: impl FnOnce(&mut Self, &T)) -> &mut Self {
        self.bool(value.is_some());
        if let Some(value) = value {
            f(self, value);
        }
        self
    }

    /// Another object, in place.
    pub fn put(&mut self, value: &impl Encode) -> &mut Self {
        value.encode(self);
        self
    }

    /// Bytes written so far.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// The buffer.
    #[must_use]
    pub fn into_bytes(self) -> Vec<u8> {
        self.0
    }

    fn length(&mut self, length: usize) -> &mut Self {
        // Cannot happen: every encodable type is bounded far below 2^32 bytes. Writing a wrapped length would forge an encoding.
        assert!(length <= u32::MAX as usize, "byte strings and lists are bounded below 2^32");
        self.u32(length as u32)
    }
}
