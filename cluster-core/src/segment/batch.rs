//! One batch of records as bytes.

use super::{Item, Stored};
use crate::parts::{u32_at, u64_at};

/// Bytes before the records of a batch.
pub(super) const BATCH_HEADER: usize = 28;
/// Bytes before the bytes of a record.
pub(super) const RECORD_HEADER: usize = 12;

const MAGIC: [u8; 4] = *b"PYB1";
/// A single read checks one batch, and an index names each: larger ones make reads dear, smaller ones writes.
const PART_BYTES: usize = 16 << 10;

/// What distinguishes one segment file from all others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Identity {
    pub(super) stream: u64,
    /// Offset of its first record.
    pub(super) base: u64,
    pub(super) salt: u64,
}

impl Identity {
    /// A checksum to go on from, so that it covers the identity and `kind` as well.
    pub(super) fn crc(self, kind: u32) -> u32 {
        let mut covered = [0; 28];
        covered[..4].copy_from_slice(&kind.to_be_bytes());
        covered[4..12].copy_from_slice(&self.stream.to_be_bytes());
        covered[12..20].copy_from_slice(&self.base.to_be_bytes());
        covered[20..].copy_from_slice(&self.salt.to_be_bytes());
        crc32c::crc32c(&covered)
    }
}

/// The header of a batch that checks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct BatchHeader {
    /// Bytes of the records.
    pub(super) length: u32,
    pub(super) count: u32,
    body_crc: u32,
    /// Offset of the first record.
    pub(super) offset: u64,
}

impl BatchHeader {
    /// Reads the first [`BATCH_HEADER`] bytes at a position of the file.
    pub(super) fn decode(bytes: &[u8], identity: Identity, position: u64) -> Option<Self> {
        let header = Self {
            length: u32_at(bytes, 4),
            count: u32_at(bytes, 8),
            body_crc: u32_at(bytes, 12),
            offset: u64_at(bytes, 16),
        };
        let sound = bytes[..4] == MAGIC
            && u32_at(bytes, 24) == crc(&bytes[..24], identity, position)
            && header.length as usize <= super::MAX_BATCH_BYTES
            && header.count > 0
            && header.offset.checked_add(u64::from(header.count)).is_some();
        sound.then_some(header)
    }

    /// Bytes of the whole batch.
    pub(super) fn bytes(&self) -> u64 {
        BATCH_HEADER as u64 + u64::from(self.length)
    }

    /// Offset behind the last record.
    pub(super) fn next(&self) -> u64 {
        self.offset + u64::from(self.count)
    }

    /// Whether these are the batch's records.
    pub(super) fn covers(&self, body: &[u8]) -> bool {
        body.len() == self.length as usize && crc32c::crc32c(body) == self.body_crc
    }
}

/// Bytes of the records of a batch.
pub(super) fn body_bytes(items: &[Item<'_>]) -> usize {
    items.iter().map(|item| RECORD_HEADER + item.bytes.len()).sum()
}

/// The records in parts that become a batch each: of about [`PART_BYTES`], and at least one record.
pub(super) fn parts<'i, 'b>(mut items: &'i [Item<'b>]) -> impl Iterator<Item = &'i [Item<'b>]> {
    std::iter::from_fn(move || {
        let mut bytes = 0;
        let fits = |item: &&Item<'_>| {
            bytes += RECORD_HEADER + item.bytes.len();
            bytes <= PART_BYTES
        };
        let count = items.iter().take_while(fits).count().max(1);
        let (part, rest) = items.split_at_checked(count)?;
        items = rest;
        Some(part)
    })
}

/// Puts the whole batch behind what is in `buffer`. The caller has checked the size.
pub(super) fn encode(
    buffer: &mut Vec<u8>,
    identity: Identity,
    position: u64,
    offset: u64,
    items: &[Item<'_>],
) -> BatchHeader {
    let begin = buffer.len();
    buffer.extend([0; BATCH_HEADER]);
    for item in items {
        buffer.extend_from_slice(&item.timestamp.to_be_bytes());
        buffer.extend_from_slice(&(item.bytes.len() as u32).to_be_bytes());
        buffer.extend_from_slice(item.bytes);
    }
    let body = &buffer[begin + BATCH_HEADER..];
    let (length, count) = (body.len() as u32, items.len() as u32);
    let header = BatchHeader { length, count, body_crc: crc32c::crc32c(body), offset };
    let head = &mut buffer[begin..begin + BATCH_HEADER];
    head[..4].copy_from_slice(&MAGIC);
    head[4..8].copy_from_slice(&header.length.to_be_bytes());
    head[8..12].copy_from_slice(&header.count.to_be_bytes());
    head[12..16].copy_from_slice(&header.body_crc.to_be_bytes());
    head[16..24].copy_from_slice(&header.offset.to_be_bytes());
    let crc = crc(&head[..24], identity, position);
    head[24..].copy_from_slice(&crc.to_be_bytes());
    header
}

/// The records of a batch, or `None` where the bytes are not exactly so many records.
pub(super) fn records<'a>(header: &BatchHeader, mut body: &'a [u8]) -> Option<Vec<Stored<'a>>> {
    // A record has at least its header, so a count above that is a lie that must not reserve memory.
    let mut records = Vec::with_capacity((header.count as usize).min(body.len() / RECORD_HEADER));
    for offset in header.offset..header.next() {
        let (head, rest) = body.split_at_checked(RECORD_HEADER)?;
        let (bytes, rest) = rest.split_at_checked(u32_at(head, 8) as usize)?;
        records.push(Stored { offset, timestamp: u64_at(head, 0), bytes });
        body = rest;
    }
    body.is_empty().then_some(records)
}

fn crc(fields: &[u8], identity: Identity, position: u64) -> u32 {
    let crc = crc32c::crc32c_append(identity.crc(super::KIND), &position.to_be_bytes());
    crc32c::crc32c_append(crc, fields)
}
