//! The records of one stream: segments on disk, or in memory only.
//!
//! ```text
//! <dir>/synced            first:u64 next:u64, the records that are certainly here (slot file)
//!       <base>.seg        a segment, named after its first record with 20 digits; the last one is written, the others are sealed
//!       <base>.offsets    } indexes: derived, never synced, made again from the segment byte by byte
//!       <base>.times      }
//!
//! segment = header batch* footer?                                                 the footer seals it
//! header  = "PYRASEGM" version:u32 kind:u32 stream:u64 base:u64 salt:u64 zero[20] crc:u32                                64 bytes
//! batch   = "PYB1" length:u32 count:u32 body_crc:u32 offset:u64 header_crc:u32 record[count]                  28 bytes + length
//! record  = timestamp:u64 length:u32 bytes[length]                                `offset` and those after it, one each
//! footer  = "PYRASEAL" next:u64 batches:u64 min_time:u64 max_time:u64 entries:u64 end:u64 whole_crc:u32 crc:u32          64 bytes
//! ```
//!
//! Integers are big-endian, checksums CRC32C. `header_crc` covers kind, stream, base and salt of the file, the position of the batch and the
//! fields before it; `body_crc` the records; `whole_crc` all bytes before the footer. Every read checks what it gives; what does not
//! check is an error with file and position.
//!
//! **Behind the journal.** A record is durable when the journal has it. Segments are written later and synced now and then;
//! what [`RecordLog::sync`] has answered may be released from the journal. After a crash a segment holds at least what was synced, else
//! that is damage; of the rest it keeps what checks, and the caller appends from the journal what is missing.
//!
//! **Sealing.** A segment that has reached its size gets its footer, and the next one is made; neither waits for the disk. The next sync
//! makes both durable before it says so. So a segment whose records were all synced, and which another one follows that has
//! synced records, has a footer, or is damaged. A segment without synced records may be torn or missing after a crash: what stands behind the first one
//! that does not check is removed, since the journal has it.
//!
//! **Stubs.** In a log of records a stub may stand for a record: see [`crate::Stub`]. What a segment holds is then less than what it
//! counts for. A segment may be written anew with records in the places of their stubs: under a temporary name, which takes the place of the old
//! file when it is durable. It has another salt, so that no index of the old file checks.
//!
//! **Threads.** One appends; others may read, sync, fill and trim at the same time. Nobody waits for a sync but who asked for it, and
//! whoever finds sixteen segments waiting for one.
//!
//! **Time.** Timestamps are the producer's and need not rise. The first record at or after a time is the first one
//! that [`RecordLog::read`] would show with a timestamp not below it.

mod active;
mod batch;
mod cursor;
mod file;
mod index;
mod log;
mod memory;
mod recent;
mod retention;
mod sealed;

use std::fmt::Debug;

use crate::Error;
use crate::parts::MAX_PART_BYTES;
use crate::stub::Stub;

pub use log::{SegmentLog, SegmentRecovery};
pub use memory::MemoryLog;
pub use retention::Retention;

/// Kind of file, beside those of frame files and the journal.
const KIND: u32 = 4;
/// Bytes of batches from one entry of an index to the next, at least.
const INDEX_BYTES: u64 = 4096;
/// Segments that wait for a sync, at most: each keeps its file open.
const MAX_UNSYNCED: usize = 16;
/// Most bytes of one batch: 12 for each record, and its bytes.
pub const MAX_BATCH_BYTES: usize = MAX_PART_BYTES;

/// A record to be appended. Its bytes are opaque; the timestamp is for finding it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Item<'a> {
    /// Milliseconds since 1970-01-01T00:00:00Z.
    pub timestamp: u64,
    /// The record.
    pub bytes: &'a [u8],
}

/// A record as it is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stored<'a> {
    /// Its offset in the stream.
    pub offset: u64,
    /// Milliseconds since 1970-01-01T00:00:00Z.
    pub timestamp: u64,
    /// The record, or its stub.
    pub bytes: &'a [u8],
}

impl Stored<'_> {
    /// The stub, where there is only that. Of the records of logs; the leaves of a notary log may look like one.
    #[must_use]
    pub fn stub(&self) -> Option<Stub> {
        Stub::read(self.bytes)
    }
}

/// What is known of a segment without reading it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SegmentInfo {
    /// Offset of its first record.
    pub first: u64,
    /// Offset behind its last record.
    pub next: u64,
    /// Bytes it takes, indexes not counted.
    pub bytes: u64,
    /// Lowest timestamp; 0 where it has no record.
    pub min_time: u64,
    /// Highest timestamp; 0 where it has no record.
    pub max_time: u64,
}

/// Called with one record after the other; `false` ends the reading.
pub type VisitRecords<'a> = &'a mut dyn FnMut(Stored<'_>) -> bool;

/// The records of one stream, with offsets from 0 on and without holes. Reading and writing may go on in many threads; a reader sees
/// what was appended before it came to the end of what it had seen, synced or not.
pub trait RecordLog: Debug + Send + Sync {
    /// Offset of the first record that is still there.
    fn first_offset(&self) -> u64;

    /// Offset that the next record gets.
    fn next_offset(&self) -> u64;

    /// Appends records and answers the offset of the first. They are not durable yet. On disk they become batches of about 16 KiB,
    /// since a read checks whole batches.
    ///
    /// A segment ends before the first record that finds it full: 12 bytes for each of its records, and their bytes, are what it should have
    /// or more. So where segments begin depends on the records alone, not on how many were appended at once: after a crash they begin
    /// where they began before, and the roots that were signed of them hold. Where stubs may stand for records, each counts as its record.
    ///
    /// # Errors
    /// [`Error::Size`] for no records or more than [`MAX_BATCH_BYTES`]. Any other error is final for writing.
    fn append(&self, items: &[Item<'_>]) -> Result<u64, Error>;

    /// Makes everything appended so far durable and answers the offset behind it.
    ///
    /// # Errors
    /// What the disk answered; it is final for writing.
    fn sync(&self) -> Result<u64, Error>;

    /// Gives the records from offset `from` on, in order. Memory: one batch.
    ///
    /// # Errors
    /// [`Error::NoSuchRecord`] where `from` is before the first or behind the next record, [`Error::Damaged`].
    fn read(&self, from: u64, visit: VisitRecords<'_>) -> Result<(), Error>;

    /// Offset of the first record whose timestamp is `timestamp` or higher, if there is one.
    ///
    /// # Errors
    /// [`Error::Damaged`].
    fn offset_at(&self, timestamp: u64) -> Result<Option<u64>, Error>;

    /// The segments that hold records from offset `from` on, oldest first, and in any case the last one, which is not sealed and may be
    /// empty.
    fn segments_from(&self, from: u64) -> Vec<SegmentInfo>;

    /// All segments, oldest first. The last one is not sealed and may be empty.
    fn segments(&self) -> Vec<SegmentInfo> {
        self.segments_from(0)
    }

    /// Removes the sealed segments whose records are all below `up_to`, for ever. See [`Retention`]. A stream that has trees is trimmed by
    /// [`crate::tree::PartitionTree::trim`] only, which keeps what must remain of them.
    ///
    /// # Errors
    /// What the disk answered; it is final for writing.
    fn trim(&self, up_to: u64) -> Result<(), Error>;
}

/// Bytes that an item counts for where segments end.
type Weigh = fn(&[u8]) -> usize;

/// How many of these records a segment takes that holds so many bytes of records and should have `segment_bytes`: as long as it is not
/// full, and the first one in any case where it is empty. And how many bytes it holds then.
fn fitting(items: &[Item<'_>], held: u64, segment_bytes: u64, weigh: Weigh) -> (usize, u64) {
    let (mut count, mut bytes) = (0, held);
    for item in items {
        if bytes >= segment_bytes && bytes > 0 {
            break;
        }
        bytes += weight(item.bytes, weigh);
        count += 1;
    }
    (count, bytes)
}

/// What one record adds to what a segment holds.
fn weight(record: &[u8], weigh: Weigh) -> u64 {
    (batch::RECORD_HEADER + weigh(record)) as u64
}

/// Refuses a batch without records or with too many bytes.
fn require_batch(items: &[Item<'_>]) -> Result<(), Error> {
    let bytes = batch::body_bytes(items);
    if items.is_empty() || bytes > MAX_BATCH_BYTES {
        let allowed = "1 or more records of at most 33554432 bytes in all";
        return Err(Error::Size { what: "a batch of records", found: bytes as u64, allowed });
    }
    Ok(())
}

#[cfg(any(test, feature = "testkit"))]
pub(crate) mod fuzz;

#[cfg(test)]
mod conformance;
#[cfg(test)]
mod crash_tests;
#[cfg(test)]
mod fill_tests;
#[cfg(test)]
mod stub_tests;
#[cfg(test)]
mod sync_tests;
#[cfg(test)]
mod tests;
