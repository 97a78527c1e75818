//! What a member keeps of a record whose bytes are on other members only.
//!
//! ```text
//! stub = 2:u8 timestamp:u64 length:u32 leaf[32]                 45 bytes, integers big-endian
//! ```
//!
//! A stub stands in the place of an encoded record: as an item of the journal, in segments, and in what members send each other. An encoded record
//! begins with its version, 1; no version of a record may ever be 2. `length` is the bytes of the record, and `leaf` its hash as a
//! leaf of the trees. So offsets, segments, roots and proofs are the same on a member that has the record and on one that has its stub.

use pyralog_crypto::{Blake3, Hash, MAX_RECORD_BYTES, MAX_TIMESTAMP, MerkleHash};

use crate::parts::{u32_at, u64_at};

/// Bytes of a stub.
pub const STUB_BYTES: usize = 45;

/// First byte of a stub.
const STUB: u8 = 2;
/// First byte of an encoded record.
const RECORD: u8 = 1;

/// What is known of a record without its bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stub {
    /// Of the record: milliseconds since 1970-01-01T00:00:00Z, at most [`MAX_TIMESTAMP`].
    pub timestamp: u64,
    /// Bytes of the encoded record: 1 to [`MAX_RECORD_BYTES`].
    pub length: u32,
    /// Hash of the encoded record as a leaf.
    pub leaf: Hash,
}

impl Stub {
    /// The stub of an encoded record; `None` for what is none as far as its front shows, and for a stub.
    #[must_use]
    pub fn of(record: &[u8]) -> Option<Self> {
        let timestamp = record_time(record)?;
        let length = u32::try_from(record.len()).ok().filter(|length| sound_length(*length))?;
        Some(Self { timestamp, length, leaf: Blake3::leaf(record) })
    }

    /// Its bytes.
    #[must_use]
    pub fn to_bytes(&self) -> [u8; STUB_BYTES] {
        let mut bytes = [0; STUB_BYTES];
        bytes[0] = STUB;
        bytes[1..9].copy_from_slice(&self.timestamp.to_be_bytes());
        bytes[9..13].copy_from_slice(&self.length.to_be_bytes());
        bytes[13..].copy_from_slice(&self.leaf.0);
        bytes
    }

    /// The stub that an item is; `None` for a record, and for anything else.
    #[must_use]
    pub fn read(item: &[u8]) -> Option<Self> {
        if item.len() != STUB_BYTES || item[0] != STUB {
            return None;
        }
        let mut leaf = Hash([0; 32]);
        leaf.0.copy_from_slice(&item[13..]);
        let stub = Self { timestamp: u64_at(item, 1), length: u32_at(item, 9), leaf };
        (stub.timestamp <= MAX_TIMESTAMP && sound_length(stub.length)).then_some(stub)
    }

    /// Whether this is the encoded record that it stands for.
    #[must_use]
    pub fn fits(&self, record: &[u8]) -> bool {
        Self::of(record).as_ref() == Some(self)
    }
}

/// Whether an item is a stub.
#[must_use]
pub fn is_stub(item: &[u8]) -> bool {
    Stub::read(item).is_some()
}

/// The hash of an item as a leaf: that of the record, whichever of both it is.
#[must_use]
pub fn leaf_of(item: &[u8]) -> Hash {
    Stub::read(item).map_or_else(|| Blake3::leaf(item), |stub| stub.leaf)
}

/// Bytes of the record, whichever of both an item is.
#[must_use]
pub fn real_len(item: &[u8]) -> usize {
    Stub::read(item).map_or(item.len(), |stub| stub.length as usize)
}

/// Items, each behind its length, with a stub in the place of each record; `None` for bytes that are not one or more records and stubs.
#[cfg(test)]
pub(crate) fn stub_batch(items: &[u8]) -> Option<bytes::Bytes> {
    let stub = |item: &&[u8]| Stub::read(item).or_else(|| Stub::of(item)).map(|stub| stub.to_bytes());
    let stubs: Vec<[u8; STUB_BYTES]> =
        crate::items::decode(items, MAX_RECORD_BYTES)?.iter().map(stub).collect::<Option<_>>()?;
    Some(crate::items::encode(stubs.iter().map(|stub| &stub[..])).into())
}

/// The timestamp in an item, where it is a stub, or a record as far as its front shows.
pub(crate) fn time_of(item: &[u8]) -> Option<u64> {
    record_time(item).or_else(|| Stub::read(item).map(|stub| stub.timestamp))
}

fn record_time(record: &[u8]) -> Option<u64> {
    let head = record.get(..9).filter(|head| head[0] == RECORD)?;
    Some(u64_at(head, 1)).filter(|time| *time <= MAX_TIMESTAMP)
}

fn sound_length(length: u32) -> bool {
    (1..=MAX_RECORD_BYTES).contains(&(length as usize))
}

#[cfg(test)]
mod tests;
