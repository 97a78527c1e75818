//! The segment that is written.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::batch::{self, BATCH_HEADER, BatchHeader, Identity};
use super::cursor::{Cursor, Point, Tally};
use super::file::{self, FILE_HEADER, FOOTER, Footer};
use super::index::{Index, IndexKind};
use super::sealed::Sealed;
use super::{Item, Weigh, weight};
use crate::Error;
use crate::disk::{Disk, File};
use crate::parts::CutTail;

/// A growing segment with its indexes.
#[derive(Debug)]
pub(super) struct Active {
    pub(super) file: Arc<dyn File>,
    pub(super) path: PathBuf,
    pub(super) identity: Identity,
    tally: Tally,
    /// Bytes of the records and of what stands before each: those of the record where there is a stub.
    pub(super) held: u64,
    offsets: Index,
    times: Index,
}

/// Batches that were written behind the last one, and do not count yet.
pub(super) struct Written<'i, 'b> {
    bytes: Vec<u8>,
    /// Each with where it begins in `bytes`.
    batches: Vec<(BatchHeader, usize, &'i [Item<'b>])>,
}

/// A segment as it was found.
pub(super) struct Opened {
    pub(super) active: Active,
    /// It, where it is sealed and the next one follows.
    pub(super) sealed: Option<Sealed>,
    pub(super) cut: Option<CutTail>,
}

/// A file of which not all is durable.
#[derive(Debug, Clone)]
pub(super) struct Unsynced {
    file: Arc<dyn File>,
    path: PathBuf,
}

impl Unsynced {
    /// Makes what was written so far durable. A failure is final.
    pub(super) fn sync(&self) -> Result<(), Error> {
        self.file.sync().map_err(|e| Error::sync(&self.path, e))
    }
}

impl Active {
    /// Makes the segment whose first record will be `base`, not durably.
    pub(super) fn create(disk: &dyn Disk, dir: &Path, stream: u64, base: u64) -> Result<Self, Error> {
        let path = file::path(dir, base);
        let (file, identity) = file::create(disk, &path, stream, base)?;
        Self::begin(disk, path, file, identity)
    }

    fn begin(disk: &dyn Disk, path: PathBuf, file: Arc<dyn File>, identity: Identity) -> Result<Self, Error> {
        let index = |kind: IndexKind| Index::create(disk, kind.path(&path), kind, identity);
        let (offsets, times) = (index(IndexKind::Offsets)?, index(IndexKind::Times)?);
        Ok(Self { file, path, identity, tally: Tally::new(identity), held: 0, offsets, times })
    }

    /// Opens a segment that is not sealed, or whose seal nothing relies on yet. The records below `synced` must be there. Batches behind
    /// them that check are kept, and written once more: where an earlier sync failed, only the page cache may have them.
    /// Its seal counts where the segment that follows begins with `next`, where it should. What does not check is cut off: the journal still has it.
    pub(super) fn open(
        disk: &dyn Disk,
        dir: &Path,
        stream: u64,
        base: u64,
        synced: u64,
        next: Option<u64>,
        weigh: Weigh,
    ) -> Result<Opened, Error> {
        let path = file::path(dir, base);
        let (file, identity) = file::open(disk, &path, stream, base)?;
        let mut this = Self::begin(disk, path, file, identity)?;
        let size = this.file.size().map_err(|e| Error::io("measure", &this.path, e))?;
        let (file, path) = (Arc::clone(&this.file), this.path.clone());
        let mut cursor = Cursor::new(file.as_ref(), &path, identity, FILE_HEADER, size);
        loop {
            let batch = match cursor.next(0) {
                Ok(Some(batch)) => batch,
                Ok(None) => break,
                Err(Error::Damaged { .. }) if this.next() >= synced => break,
                Err(error) => return Err(error),
            };
            if batch.header.next() > synced {
                let at = this.end();
                file.write_at(batch.whole, at).map_err(|e| Error::io("write", &path, e))?;
            }
            let point = this.tally.add(&batch.header, batch.whole, batch.records.iter().map(|record| record.timestamp));
            this.index(point)?;
            this.held += batch.records.iter().map(|record| weight(record.bytes, weigh)).sum::<u64>();
        }
        if this.next() < synced {
            let why = format!("the file ends before record {synced}, which was synced");
            return Err(Error::damaged(&path, this.end(), why));
        }
        let seal = this.seal_in(size)?;
        if next == Some(this.next()) && seal == Some(this.footer()) {
            return Ok(Opened { sealed: Some(this.seal()?), active: this, cut: None });
        }
        let end = this.end();
        if size > end {
            this.file.set_len(end).map_err(|e| Error::io("truncate", &path, e))?;
        }
        let cut = (size > end && seal.is_none()).then(|| CutTail { file: path, offset: end, bytes: size - end });
        Ok(Opened { active: this, cut, sealed: None })
    }

    /// The seal behind the last batch of the file, which has `size` bytes.
    fn seal_in(&self, size: u64) -> Result<Option<Footer>, Error> {
        let end = self.end();
        if size != end + FOOTER {
            return Ok(None);
        }
        let mut tail = [0; FOOTER as usize];
        let read = self.file.read_at(&mut tail, end).map_err(|e| Error::io("read", &self.path, e))?;
        Ok(Footer::decode(&tail[..read], self.identity, end))
    }

    /// Writes records behind the last one in batches of some KiB, with one write, not synced. They count when [`Active::add`] has them.
    pub(super) fn write<'i, 'b>(&self, items: &'i [Item<'b>]) -> Result<Written<'i, 'b>, Error> {
        let (position, mut offset) = (self.end(), self.next());
        let parts: Vec<_> = batch::parts(items).collect();
        let mut bytes = Vec::with_capacity(batch::body_bytes(items) + BATCH_HEADER * parts.len());
        let mut batches = Vec::with_capacity(parts.len());
        for part in parts {
            let begin = bytes.len();
            let header = batch::encode(&mut bytes, self.identity, position + begin as u64, offset, part);
            offset = header.next();
            batches.push((header, begin, part));
        }
        self.file.write_at(&bytes, position).map_err(|e| Error::io("append to", &self.path, e))?;
        Ok(Written { bytes, batches })
    }

    /// Counts what was written, with which the segment holds so many bytes. After an error nothing may be added any more.
    pub(super) fn add(&mut self, Written { bytes, batches }: &Written<'_, '_>, held: u64) -> Result<(), Error> {
        self.held = held;
        for (header, begin, part) in batches {
            let whole = &bytes[*begin..*begin + header.bytes() as usize];
            let point = self.tally.add(header, whole, part.iter().map(|item| item.timestamp));
            self.index(point)?;
        }
        Ok(())
    }

    fn index(&mut self, point: Option<Point>) -> Result<(), Error> {
        let Some(point) = point else { return Ok(()) };
        self.offsets.push(point)?;
        self.times.push(point)
    }

    /// What must be synced for all that was appended so far to be durable.
    pub(super) fn unsynced(&self) -> Unsynced {
        Unsynced { file: Arc::clone(&self.file), path: self.path.clone() }
    }

    /// Writes the footer, and what is left of the indexes, not durably. Nothing may be appended afterwards.
    pub(super) fn seal(&self) -> Result<Sealed, Error> {
        let footer = self.footer();
        let bytes = footer.encode(self.identity);
        self.file.write_at(&bytes, footer.end).map_err(|e| Error::io("seal", &self.path, e))?;
        self.offsets.finish()?;
        self.times.finish()?;
        Ok(Sealed::new(self.path.clone(), self.identity, footer))
    }

    /// Where to begin reading for the last batch whose key is below `bound`.
    pub(super) fn start(&self, kind: IndexKind, bound: u64) -> u64 {
        let index = match kind {
            IndexKind::Offsets => &self.offsets,
            IndexKind::Times => &self.times,
        };
        // A page that does not check costs time, not records: the segment is read from its front then.
        index.find(bound).ok().flatten().unwrap_or(FILE_HEADER)
    }

    /// What a seal would say now.
    pub(super) fn footer(&self) -> Footer {
        self.tally.footer
    }

    /// Offset behind the last record.
    pub(super) fn next(&self) -> u64 {
        self.tally.footer.next
    }

    fn end(&self) -> u64 {
        self.tally.footer.end
    }
}
