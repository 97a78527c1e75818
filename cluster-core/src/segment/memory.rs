//! Records that live only as long as the process.

use std::collections::VecDeque;
use std::sync::{PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use bytes::Bytes;

use super::batch::RECORD_HEADER;
use super::{Item, RecordLog, SegmentInfo, Stored, VisitRecords, fitting, require_batch};
use crate::Error;

/// A stream in memory only. Nothing survives a restart; segments exist so that it is trimmed as one on disk is.
#[derive(Debug)]
pub struct MemoryLog {
    stream: u64,
    segment_bytes: u64,
    segments: RwLock<VecDeque<Segment>>,
}

#[derive(Debug)]
struct Segment {
    info: SegmentInfo,
    records: Vec<(u64, Bytes)>,
}

impl Segment {
    fn new(first: u64) -> Self {
        let info = SegmentInfo { first, next: first, bytes: 0, min_time: 0, max_time: 0 };
        Self { info, records: Vec::new() }
    }

    fn push(&mut self, item: &Item<'_>) {
        let info = &mut self.info;
        info.min_time = if self.records.is_empty() { item.timestamp } else { info.min_time.min(item.timestamp) };
        info.max_time = info.max_time.max(item.timestamp);
        info.next += 1;
        info.bytes += (RECORD_HEADER + item.bytes.len()) as u64;
        self.records.push((item.timestamp, Bytes::copy_from_slice(item.bytes)));
    }
}

impl MemoryLog {
    /// An empty stream. `stream` is for messages; a segment is full when its records have `segment_bytes`.
    #[must_use]
    pub fn new(stream: u64, segment_bytes: u64) -> Self {
        Self { stream, segment_bytes, segments: RwLock::new(VecDeque::from([Segment::new(0)])) }
    }

    fn segments(&self) -> RwLockReadGuard<'_, VecDeque<Segment>> {
        // Nothing in the locked sections panics.
        self.segments.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn segments_mut(&self) -> RwLockWriteGuard<'_, VecDeque<Segment>> {
        self.segments.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// The record at an offset, if it is there.
    fn record(&self, offset: u64) -> Option<(u64, Bytes)> {
        let segments = self.segments();
        let behind = segments.partition_point(|segment| segment.info.first <= offset);
        let segment = segments.get(behind.checked_sub(1)?)?;
        segment.records.get((offset - segment.info.first) as usize).cloned()
    }
}

impl RecordLog for MemoryLog {
    fn first_offset(&self) -> u64 {
        self.segments().front().map_or(0, |segment| segment.info.first)
    }

    fn next_offset(&self) -> u64 {
        self.segments().back().map_or(0, |segment| segment.info.next)
    }

    fn append(&self, items: &[Item<'_>]) -> Result<u64, Error> {
        require_batch(items)?;
        let mut segments = self.segments_mut();
        let next = segments.back().map_or(0, |last| last.info.next);
        let mut rest = items;
        while let Some(last) = segments.back_mut() {
            // No stub is in memory: others keep no records of it.
            let (count, _) = fitting(rest, last.info.bytes, self.segment_bytes, <[u8]>::len);
            let (part, later) = rest.split_at(count);
            part.iter().for_each(|item| last.push(item));
            rest = later;
            if rest.is_empty() {
                break;
            }
            let full = last.info.next;
            segments.push_back(Segment::new(full));
        }
        Ok(next)
    }

    fn sync(&self) -> Result<u64, Error> {
        Ok(self.next_offset())
    }

    fn read(&self, from: u64, visit: VisitRecords<'_>) -> Result<(), Error> {
        let (first, next) = (self.first_offset(), self.next_offset());
        if from < first || from > next {
            return Err(Error::NoSuchRecord { stream: self.stream, first, next, asked: from });
        }
        // The lock is not held while the visitor runs: it may append.
        let mut offset = from;
        while let Some((timestamp, bytes)) = self.record(offset) {
            if !visit(Stored { offset, timestamp, bytes: &bytes }) {
                break;
            }
            offset += 1;
        }
        Ok(())
    }

    fn offset_at(&self, timestamp: u64) -> Result<Option<u64>, Error> {
        let segments = self.segments();
        let segment = segments.iter().find(|segment| !segment.records.is_empty() && segment.info.max_time >= timestamp);
        Ok(segment.and_then(|segment| {
            let place = segment.records.iter().position(|(time, _)| *time >= timestamp)?;
            Some(segment.info.first + place as u64)
        }))
    }

    fn segments_from(&self, from: u64) -> Vec<SegmentInfo> {
        let segments = self.segments();
        let last = segments.len().saturating_sub(1);
        let before = segments.partition_point(|segment| segment.info.next <= from).min(last);
        segments.iter().skip(before).map(|segment| segment.info).collect()
    }

    fn trim(&self, up_to: u64) -> Result<(), Error> {
        let mut segments = self.segments_mut();
        while segments.len() > 1 && segments[0].info.next <= up_to {
            segments.pop_front();
        }
        Ok(())
    }
}
