//! The records of one append.

use std::sync::OnceLock;

use bytes::Bytes;
use pyralog_crypto::codec::Writer;
use pyralog_crypto::{CodecError, Hash, MAX_RECORD_BYTES, Record};

use crate::Error;
use crate::items::{self, ITEM_HEADER};
use crate::parts::u32_at;
use crate::segment::Item;
use crate::stub;

/// Most records of one append.
pub const MAX_APPEND_RECORDS: usize = 4096;
/// Most bytes of the records of one append, encoded.
pub const MAX_APPEND_BYTES: usize = 4 << 20;

/// Refuses what one append cannot take, and answers the bytes of the records, encoded.
///
/// # Errors
/// [`Error::Size`] for none or more than [`MAX_APPEND_RECORDS`], or more than [`MAX_APPEND_BYTES`].
pub fn check_append(records: &[Record]) -> Result<usize, Error> {
    if records.is_empty() || records.len() > MAX_APPEND_RECORDS {
        return Err(Error::Size { what: "an append", found: records.len() as u64, allowed: "1 to 4096 records" });
    }
    let bytes: usize = records.iter().map(Record::encoded_len).sum();
    if bytes > MAX_APPEND_BYTES {
        let allowed = "at most 4194304 bytes of records, encoded";
        return Err(Error::Size { what: "an append", found: bytes as u64, allowed });
    }
    Ok(bytes)
}

/// The records of one append, or the stubs that stand for some of them: see [`crate::stub`].
#[derive(Debug)]
pub(crate) struct RecordBatch {
    times: Vec<u64>,
    /// As one entry of the journal: see [`crate::items`].
    bytes: Bytes,
    /// Of the leaves that the records are.
    hashes: OnceLock<Vec<Hash>>,
}

impl RecordBatch {
    /// Encodes records, which have `encoded` bytes together.
    pub(crate) fn new(records: &[Record], encoded: usize) -> Self {
        let mut out = Writer::with_capacity(encoded + ITEM_HEADER * records.len());
        for record in records {
            out.u32(record.encoded_len() as u32).put(record);
        }
        let times = records.iter().map(Record::timestamp).collect();
        Self { times, bytes: out.into_bytes().into(), hashes: OnceLock::new() }
    }

    /// The batch that has these bytes as its entry of the journal.
    ///
    /// # Errors
    /// [`CodecError`] for bytes that are not one or more records, as far as their fronts show, or stubs.
    pub(crate) fn decode(bytes: Bytes) -> Result<Self, CodecError> {
        let times = items::decode(&bytes, MAX_RECORD_BYTES)
            .and_then(|items| items.into_iter().map(Self::time_of).collect::<Option<Vec<u64>>>());
        let times = times.ok_or(CodecError::Invalid { what: "records", why: "these are none" })?;
        Ok(Self { times, bytes, hashes: OnceLock::new() })
    }

    /// How many records these bytes hold, as [`RecordBatch::decode`] would see it.
    pub(crate) fn count(bytes: &[u8]) -> Option<usize> {
        let (mut rest, mut count) = (bytes, 0);
        while !rest.is_empty() {
            let (header, behind) = rest.split_at_checked(ITEM_HEADER)?;
            let (record, behind) = behind.split_at_checked(u32_at(header, 0) as usize)?;
            Self::time_of(record).filter(|_| record.len() <= MAX_RECORD_BYTES)?;
            (rest, count) = (behind, count + 1);
        }
        (count > 0).then_some(count)
    }

    /// The records as one entry of the journal.
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Number of records.
    pub(crate) fn len(&self) -> usize {
        self.times.len()
    }

    /// The records, encoded.
    pub(crate) fn items(&self) -> impl Iterator<Item = Item<'_>> {
        let records = self.times.iter().zip(items::iter(&self.bytes));
        records.map(|(time, bytes)| Item { timestamp: *time, bytes })
    }

    /// The leaf hashes, which whoever asks first computes.
    pub(crate) fn hashes(&self) -> &[Hash] {
        self.hashes.get_or_init(|| items::iter(&self.bytes).map(stub::leaf_of).collect())
    }

    /// The timestamp in an encoded record, where it is one as far as its front shows, or in its stub.
    pub(super) fn time_of(item: &[u8]) -> Option<u64> {
        stub::time_of(item)
    }
}
