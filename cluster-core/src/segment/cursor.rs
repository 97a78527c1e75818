//! Reading the batches of a segment file one after the other, each checked before anything of it is given.

use std::path::Path;

use super::batch::{self, BATCH_HEADER, BatchHeader, Identity};
use super::file::{FILE_HEADER, Footer};
use super::{INDEX_BYTES, Stored};
use crate::Error;
use crate::disk::File;
use crate::window::Window;

/// Bytes read at once. Memory: this or one batch.
const AHEAD: usize = 64 << 10;

/// A place between two batches.
pub(super) struct Cursor<'a> {
    window: Window<'a>,
    path: &'a Path,
    identity: Identity,
    /// Where the next batch begins.
    pub(super) position: u64,
    /// Offset that it must begin with, where known.
    due: Option<u64>,
    end: u64,
}

/// A batch that checks.
pub(super) struct Batch<'a> {
    pub(super) header: BatchHeader,
    /// All of its bytes.
    pub(super) whole: &'a [u8],
    pub(super) records: Vec<Stored<'a>>,
}

impl<'a> Cursor<'a> {
    /// Reads from `position`, where a batch begins, to `end`.
    pub(super) fn new(file: &'a dyn File, path: &'a Path, identity: Identity, position: u64, end: u64) -> Self {
        let due = (position == FILE_HEADER).then_some(identity.base);
        Self { window: Window::new(file, path, AHEAD), path, identity, position, due, end }
    }

    /// The next batch that holds a record at or after `from`; `None` at the end.
    ///
    /// # Errors
    /// [`Error::Damaged`] where a batch does not check or does not follow the one before it.
    pub(super) fn next(&mut self, from: u64) -> Result<Option<Batch<'_>>, Error> {
        loop {
            if self.position >= self.end {
                return Ok(None);
            }
            let header = self.header()?;
            let position = self.position;
            self.position += header.bytes();
            self.due = Some(header.next());
            if header.next() > from {
                return self.batch(header, position).map(Some);
            }
        }
    }

    fn header(&mut self) -> Result<BatchHeader, Error> {
        let position = self.position;
        let header = match self.window.read(position, BATCH_HEADER)? {
            Some(bytes) => BatchHeader::decode(bytes, self.identity, position),
            None => None,
        };
        let header = header.filter(|header| position + header.bytes() <= self.end);
        let Some(header) = header else { return Err(self.damaged(position, "the header of a batch does not check")) };
        match self.due {
            Some(due) if due != header.offset => {
                let why = format!("a batch begins with record {}, due is record {due}", header.offset);
                Err(self.damaged(position, &why))
            }
            _ => Ok(header),
        }
    }

    fn batch(&mut self, header: BatchHeader, position: u64) -> Result<Batch<'_>, Error> {
        let path = self.path;
        let damaged = |why| Error::damaged(path, position, why);
        let whole = self.window.read(position, header.bytes() as usize)?;
        let whole = whole.ok_or_else(|| damaged("a batch is cut short"))?;
        let body = &whole[BATCH_HEADER..];
        if !header.covers(body) {
            return Err(damaged("the records of a batch do not check"));
        }
        let records =
            batch::records(&header, body).ok_or_else(|| damaged("a batch does not consist of its records"))?;
        Ok(Batch { header, whole, records })
    }

    fn damaged(&self, position: u64, why: &str) -> Error {
        Error::damaged(self.path, position, why)
    }
}

/// An entry of both indexes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Point {
    /// Offset of the batch's first record.
    pub(super) offset: u64,
    /// Highest timestamp of all records of the segment before it; 0 for the first batch.
    pub(super) time: u64,
    /// Where the batch begins.
    pub(super) position: u64,
}

/// Counts the batches of a segment, and says which of them go into the indexes: the first one, and then each that begins at least
/// [`INDEX_BYTES`] behind the last one that did.
#[derive(Debug, Clone)]
pub(super) struct Tally {
    pub(super) footer: Footer,
    indexed: u64,
}

impl Tally {
    pub(super) fn new(identity: Identity) -> Self {
        Self { footer: Footer::empty(identity), indexed: 0 }
    }

    /// Counts the next batch, `whole` with its header, whose records have `times`.
    pub(super) fn add(
        &mut self,
        header: &BatchHeader,
        whole: &[u8],
        times: impl Iterator<Item = u64>,
    ) -> Option<Point> {
        let footer = &mut self.footer;
        let point = Point { offset: header.offset, time: footer.max_time, position: footer.end };
        let indexes = footer.batches == 0 || footer.end - self.indexed >= INDEX_BYTES;
        for time in times {
            let first = footer.next == header.offset && footer.batches == 0;
            footer.min_time = if first { time } else { footer.min_time.min(time) };
            footer.max_time = footer.max_time.max(time);
            footer.next += 1;
        }
        footer.batches += 1;
        footer.end += whole.len() as u64;
        footer.crc = crc32c::crc32c_append(footer.crc, whole);
        if !indexes {
            return None;
        }
        footer.entries += 1;
        self.indexed = point.position;
        Some(point)
    }
}
