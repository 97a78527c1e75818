//! One record of a log: key, value, headers, timestamp, and their one encoding.
//!
//! ```text
//! record  = version:u8 (1) timestamp:u64 key:option<bytes> value:bytes headers:list<header>        at most 1 MiB in all
//! header  = name:text (1 to 255 bytes) value:bytes                                                 at most 256 of them
//! ```
//!
//! The parts are those of [`crate::codec`]: integers big-endian, byte strings and texts behind a `u32` length, lists behind a
//! `u32` count, an optional value behind a byte 0 or 1. So a record has exactly one encoding, and hashes of records agree everywhere.
//!
//! The timestamp counts milliseconds since 1970-01-01T00:00:00Z, without leap seconds. It is unsigned, since no record was made before
//! then (the date of an old document belongs in a header), and at most 2^63 - 1, so that it fits the signed fields of other protocols.

use bytes::Bytes;

use crate::codec::{Decode, Encode, Reader, Writer};
use crate::error::{CodecError, RecordError};
use crate::hash::{Blake3, Hash, MerkleHash};

/// Most bytes of one encoded record.
pub const MAX_RECORD_BYTES: usize = 1 << 20;
/// Most headers of one record.
pub const MAX_RECORD_HEADERS: usize = 256;
/// Most bytes of a header's name; the fewest are 1.
pub const MAX_HEADER_NAME_BYTES: usize = 255;
/// Highest timestamp, in milliseconds since 1970.
pub const MAX_TIMESTAMP: u64 = i64::MAX as u64;

const VERSION: u8 = 1;
/// Bytes of a record with an empty value and nothing else.
const FIXED_BYTES: usize = 1 + 8 + 1 + 4 + 4;
/// Bytes of the length before a byte string or text.
const LENGTH_BYTES: usize = 4;

/// A header: name and value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Header {
    /// 1 to [`MAX_HEADER_NAME_BYTES`] bytes of UTF-8. Names may repeat.
    pub name: String,
    /// Any bytes.
    pub value: Bytes,
}

/// A record within its bounds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    timestamp: u64,
    key: Option<Bytes>,
    value: Bytes,
    headers: Vec<Header>,
}

impl Record {
    /// A record of a timestamp (milliseconds since 1970), an optional key, a value, and headers whose order is kept. An empty key is
    /// not the same as none.
    ///
    /// # Errors
    /// [`RecordError`] names the bound that is exceeded.
    pub fn new(timestamp: u64, key: Option<Bytes>, value: Bytes, headers: Vec<Header>) -> Result<Self, RecordError> {
        if timestamp > MAX_TIMESTAMP {
            return Err(RecordError::Timestamp { max: MAX_TIMESTAMP, found: timestamp });
        }
        if headers.len() > MAX_RECORD_HEADERS {
            return Err(RecordError::TooManyHeaders { max: MAX_RECORD_HEADERS, found: headers.len() });
        }
        if let Some(header) = headers.iter().find(|header| !fits_name(&header.name)) {
            return Err(RecordError::HeaderName { max: MAX_HEADER_NAME_BYTES, found: header.name.len() });
        }
        let record = Self { timestamp, key, value, headers };
        let found = record.encoded_len();
        if found > MAX_RECORD_BYTES {
            return Err(RecordError::TooLarge { max: MAX_RECORD_BYTES, found });
        }
        Ok(record)
    }

    /// Milliseconds since 1970-01-01T00:00:00Z, as the producer said.
    #[must_use]
    pub const fn timestamp(&self) -> u64 {
        self.timestamp
    }

    /// The key, if there is one.
    #[must_use]
    pub fn key(&self) -> Option<&Bytes> {
        self.key.as_ref()
    }

    /// The value.
    #[must_use]
    pub fn value(&self) -> &Bytes {
        &self.value
    }

    /// The headers, in the producer's order.
    #[must_use]
    pub fn headers(&self) -> &[Header] {
        &self.headers
    }

    /// BLAKE3 leaf hash of the encoding: what the tree of the record's segment holds ([`crate::partition`]).
    #[must_use]
    pub fn leaf_hash(&self) -> Hash {
        Blake3::leaf(&self.to_bytes())
    }

    /// Bytes of the encoding.
    #[must_use]
    pub fn encoded_len(&self) -> usize {
        let key = self.key.as_ref().map_or(0, |key| LENGTH_BYTES + key.len());
        let headers = self.headers.iter().map(|header| header_len(&header.name, &header.value));
        FIXED_BYTES + key + self.value.len() + headers.sum::<usize>()
    }
}

impl Encode for Record {
    fn encode(&self, out: &mut Writer) {
        out.u8(VERSION).u64(self.timestamp);
        out.option(self.key.as_ref(), |out, key| {
            out.bytes(key);
        });
        out.bytes(&self.value).list(&self.headers, |out, header| {
            out.text(&header.name).bytes(&header.value);
        });
    }

    fn to_bytes(&self) -> Vec<u8> {
        let mut out = Writer::with_capacity(self.encoded_len());
        self.encode(&mut out);
        out.into_bytes()
    }
}

impl Decode for Record {
    fn decode(input: &mut Reader<'_>) -> Result<Self, CodecError> {
        let before = input.remaining();
        input.version("record", VERSION)?;
        let timestamp = input.u64()?;
        if timestamp > MAX_TIMESTAMP {
            return Err(CodecError::Invalid { what: "record timestamp", why: "above 2^63 - 1" });
        }
        let key = input.option(|input| input.bytes(MAX_RECORD_BYTES))?;
        let value = input.bytes(MAX_RECORD_BYTES)?;
        let headers = input.list(MAX_RECORD_HEADERS, |input| {
            let name = input.text(MAX_HEADER_NAME_BYTES)?;
            if name.is_empty() {
                return Err(CodecError::Invalid { what: "header name", why: "empty" });
            }
            Ok((name, input.bytes(MAX_RECORD_BYTES)?))
        })?;
        let found = before - input.remaining();
        if found > MAX_RECORD_BYTES {
            return Err(CodecError::TooLong { what: "record", max: MAX_RECORD_BYTES, found });
        }
        // Nothing was copied before the bound of the whole was checked.
        let own = |(name, value): (&str, &[u8])| Header { name: name.to_owned(), value: Bytes::copy_from_slice(value) };
        Ok(Self {
            timestamp,
            key: key.map(Bytes::copy_from_slice),
            value: Bytes::copy_from_slice(value),
            headers: headers.into_iter().map(own).collect(),
        })
    }
}

fn fits_name(name: &str) -> bool {
    (1..=MAX_HEADER_NAME_BYTES).contains(&name.len())
}

fn header_len(name: &str, value: &[u8]) -> usize {
    2 * LENGTH_BYTES + name.len() + value.len()
}

#[cfg(test)]
mod tests;
