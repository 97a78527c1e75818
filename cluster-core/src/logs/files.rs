//! The records of one partition, on disk or in memory.

use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};

use pyralog_crypto::MAX_RECORD_BYTES;

use super::partition::RecordBatch;
use super::{LogSpec, Place, Storage};
use crate::Error;
use crate::items;
use crate::segment::{Item, MemoryLog, RecordLog, Retention, SegmentLog};

/// The open files of a partition.
pub(super) struct PartitionFiles {
    records: Records,
    /// Records that readers may see. Stored with Release when all that belongs to them is there.
    size: AtomicU64,
}

enum Records {
    Disk(Box<SegmentLog>),
    Memory(MemoryLog),
}

impl PartitionFiles {
    /// Opens the files, or makes them where they were not made yet.
    pub(super) fn open(place: &Place, stream: u64, spec: &LogSpec, was_made: bool) -> Result<Self, Error> {
        let records = match spec.storage {
            Storage::Memory => Records::Memory(MemoryLog::new(stream, spec.segment_bytes)),
            Storage::Disk => {
                if was_made && SegmentLog::stream_of(place.disk.as_ref(), &place.dir)?.is_none() {
                    return Err(Error::damaged(&place.dir, 0, "the segments of the partition are missing"));
                }
                Records::Disk(Box::new(SegmentLog::open(&place.disk, &place.dir, stream, spec.segment_bytes)?.0))
            }
        };
        let size = AtomicU64::new(records.log().next_offset());
        Ok(Self { records, size })
    }

    pub(super) fn records(&self) -> &dyn RecordLog {
        self.records.log()
    }

    pub(super) fn size(&self) -> u64 {
        self.size.load(Ordering::Acquire)
    }

    /// Appends what the journal holds durably.
    pub(super) fn append(&self, batches: &[RecordBatch]) -> Result<(), Error> {
        let records = batches.iter().flat_map(|batch| batch.times.iter().zip(&batch.records));
        let items: Vec<Item<'_>> = records.map(|(time, bytes)| Item { timestamp: *time, bytes }).collect();
        self.add(&items)
    }

    fn add(&self, items: &[Item<'_>]) -> Result<(), Error> {
        let first = self.records().append(items)?;
        self.size.store(first + items.len() as u64, Ordering::Release);
        Ok(())
    }

    /// Takes an entry of the journal: records from offset `first` on. Those that are here are skipped.
    pub(super) fn replay(&self, place: &Place, first: u64, bytes: &[u8]) -> Result<(), Error> {
        let next = self.records().next_offset();
        let damaged = |why: String| Err(Error::damaged(&place.dir, 0, why));
        let items = items::decode(bytes, MAX_RECORD_BYTES);
        let item = |bytes| RecordBatch::time_of(bytes).map(|timestamp| Item { timestamp, bytes });
        let items: Option<Vec<Item<'_>>> = items.and_then(|items| items.into_iter().map(item).collect());
        let Some(items) = items else {
            return damaged(format!("the journal's records from {first} on are none"));
        };
        if first > next {
            return damaged(format!("the files end before record {next}, and the journal goes on with record {first}"));
        }
        let known = usize::try_from(next - first).unwrap_or(usize::MAX).min(items.len());
        if known < items.len() { self.add(&items[known..]) } else { Ok(()) }
    }

    /// Makes everything appended so far durable and answers the offset behind it.
    pub(super) fn settle(&self) -> Result<u64, Error> {
        self.records().sync()
    }

    /// Lets whole segments go that need not be kept at `now_ms`.
    pub(super) fn retain(&self, retention: &Retention, now_ms: u64) -> Result<(), Error> {
        let segments = self.records().segments();
        let up_to = retention.trim_to(&segments, now_ms);
        if segments.first().is_some_and(|first| first.first < up_to) { self.records().trim(up_to) } else { Ok(()) }
    }

    /// Why appends are refused, if they are.
    pub(super) fn retracted(&self) -> Option<Error> {
        None
    }

    /// Checks every byte and makes derived files again that are wrong; answers their names, and gives what is damaged to `damage`.
    pub(super) fn verify(&self, damage: &mut dyn FnMut(Error)) -> Vec<PathBuf> {
        match &self.records {
            Records::Disk(segments) => segments.verify(damage),
            Records::Memory(_) => Vec::new(),
        }
    }
}

impl Records {
    fn log(&self) -> &dyn RecordLog {
        match self {
            Self::Disk(segments) => segments.as_ref(),
            Self::Memory(memory) => memory,
        }
    }
}
