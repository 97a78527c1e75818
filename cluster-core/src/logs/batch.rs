//! The records of one append.

use pyralog_crypto::{Blake3, Encode, Hash, MAX_TIMESTAMP, MerkleHash, Record};

use crate::Error;
use crate::parts::u64_at;

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

/// The records of one append.
pub(crate) struct RecordBatch {
    pub(super) times: Vec<u64>,
    /// Encoded.
    pub(super) records: Vec<Vec<u8>>,
    /// Of the leaves that the records are.
    pub(super) hashes: Vec<Hash>,
}

impl RecordBatch {
    pub(super) fn new(records: &[Record]) -> Self {
        let times = records.iter().map(Record::timestamp).collect();
        let records: Vec<Vec<u8>> = records.iter().map(Encode::to_bytes).collect();
        let hashes = records.iter().map(|record| Blake3::leaf(record)).collect();
        Self { times, records, hashes }
    }

    /// The timestamp in an encoded record, where it is one as far as its front shows.
    pub(super) fn time_of(record: &[u8]) -> Option<u64> {
        let head = record.get(..9).filter(|head| head[0] == 1)?;
        Some(u64_at(head, 1)).filter(|time| *time <= MAX_TIMESTAMP)
    }
}
