//! Putting records in the places of their stubs.

use std::path::PathBuf;
use std::sync::{Arc, PoisonError};

use bytes::Bytes;

use super::super::active::{Active, Opened};
use super::super::batch::{self, Identity};
use super::super::cursor::{Cursor, Tally};
use super::super::file::{self, FILE_HEADER, Footer};
use super::super::sealed::Sealed;
use super::super::{Item, RecordLog};
use super::{SegmentLog, open};
use crate::Error;
use crate::disk::{Disk, File};
use crate::parts::temporary;

/// Bytes that wait for one write, at least.
const WRITE_BYTES: usize = 1 << 20;

/// A segment that is written anew, and has no name yet.
struct Anew {
    file: Arc<dyn File>,
    path: PathBuf,
    identity: Identity,
    tally: Tally,
    /// Bytes behind what is written.
    waiting: Vec<u8>,
}

/// The segment that is written anew.
struct Old {
    file: Arc<dyn File>,
    path: PathBuf,
    identity: Identity,
    footer: Footer,
    /// Whether it is sealed, and so will be the new one.
    sealed: bool,
}

impl SegmentLog {
    /// Puts records in the places of their stubs, durably, in the segment of the first of them, and answers how many of them, from the first on, have
    /// theirs now: those of that segment. `records` have rising offsets. What is there already is passed over. Nothing else changes, and readers go
    /// on; whoever appends waits while it is the segment that is written. A crash leaves the segment as it was or as it is to be. `may` is asked once more
    /// before the new file takes its place. Memory: as a batch, beside the records.
    ///
    /// # Errors
    /// [`Error::NotTheRecord`], [`Error::NoSuchRecord`] for one that was removed, what `may` answers, [`Error::Damaged`], and what the disk answered:
    /// then nothing is changed. What it answers while the new file takes its place is final for writing.
    pub(crate) fn fill(&self, records: &[(u64, Bytes)], may: &dyn Fn() -> Result<(), Error>) -> Result<usize, Error> {
        let Some((first, _)) = records.first() else { return Ok(0) };
        let _turn = self.fills.lock().unwrap_or_else(PoisonError::into_inner);
        self.failure().map_or(Ok(()), Err)?;
        let Some(sealed) = self.sealed_with(*first)? else { return self.fill_active(records, may) };
        let Sealed { path, identity, footer, .. } = sealed.as_ref();
        let file = self.disk.open(path).map_err(|e| self.trimmed(&sealed).unwrap_or(Error::io("open", path, e)))?;
        let old = Old { file, path: path.clone(), identity: *identity, footer: *footer, sealed: true };
        self.fill_old(&old, records, |made| self.exchange(&sealed, made, may))
            .map_err(|reason| self.trimmed(&sealed).unwrap_or(reason))
    }

    /// The same in the segment that is written.
    fn fill_active(&self, records: &[(u64, Bytes)], may: &dyn Fn() -> Result<(), Error>) -> Result<usize, Error> {
        let _appends = self.appends.lock().unwrap_or_else(PoisonError::into_inner);
        let old = {
            let view = self.view();
            let Active { file, path, identity, .. } = &view.active;
            let (file, path, footer) = (Arc::clone(file), path.clone(), view.active.footer());
            Old { file, path, identity: *identity, footer, sealed: false }
        };
        if records.first().is_some_and(|(first, _)| *first < old.identity.base) {
            // It was sealed in between: whoever comes again finds it so.
            return Ok(0);
        }
        self.fill_old(&old, records, |made| self.exchange_active(made, may))
    }

    fn fill_old(
        &self,
        old: &Old,
        records: &[(u64, Bytes)],
        exchange: impl FnOnce(Anew) -> Result<(), Error>,
    ) -> Result<usize, Error> {
        let count = records.iter().take_while(|(offset, _)| *offset < old.footer.next).count();
        let records = &records[..count];
        if self.lacking(records)? > 0 {
            self.write_anew(old, records).and_then(exchange).inspect_err(|_| {
                // The next start removes it as well.
                let _may_be_gone = self.disk.remove(&temporary(&old.path));
            })?;
        }
        Ok(count)
    }

    /// The sealed segment of a record; `None` where the last one will have it, or has.
    fn sealed_with(&self, offset: u64) -> Result<Option<Arc<Sealed>>, Error> {
        let view = self.view();
        let (first, next) = (view.first(), view.active.next());
        if offset < first {
            return Err(Error::NoSuchRecord { stream: self.stream, first, next, asked: offset });
        }
        Ok(view.sealed.iter().find(|segment| offset < segment.footer.next).map(Arc::clone))
    }

    /// The error of a segment that a trim has removed.
    fn trimmed(&self, segment: &Sealed) -> Option<Error> {
        self.sealed_with(segment.identity.base).err()
    }

    /// How many of these records are not there but for their stubs.
    fn lacking(&self, records: &[(u64, Bytes)]) -> Result<usize, Error> {
        if records.is_empty() {
            return Ok(0);
        }
        let (mut due, mut lacking, mut wrong) = (records.iter().peekable(), 0, None);
        let refused = |offset| Err(Error::NotTheRecord { stream: self.stream, offset });
        if let Some(pair) = records.windows(2).find(|pair| pair[1].0 <= pair[0].0) {
            return refused(pair[1].0);
        }
        self.read(records.first().map_or(0, |(offset, _)| *offset), &mut |stored| {
            if let Some((offset, record)) = due.next_if(|(offset, _)| *offset == stored.offset) {
                match stored.stub() {
                    Some(stub) if stub.fits(record) => lacking += 1,
                    None if stored.bytes == record => {}
                    _ => wrong = Some(*offset),
                }
            }
            wrong.is_none() && due.peek().is_some()
        })?;
        wrong.map_or(Ok(lacking), refused)
    }

    /// Writes the segment with these records, durably, under a temporary name.
    fn write_anew(&self, old: &Old, records: &[(u64, Bytes)]) -> Result<Anew, Error> {
        let mut made = Anew::create(self.disk.as_ref(), old)?;
        let mut due = records.iter().peekable();
        let mut cursor = Cursor::new(old.file.as_ref(), &old.path, old.identity, FILE_HEADER, old.footer.end);
        while let Some(batch) = cursor.next(0)? {
            let items = batch.records.iter().map(|stored| {
                let record = due.next_if(|(offset, _)| *offset == stored.offset);
                Item { timestamp: stored.timestamp, bytes: record.map_or(stored.bytes, |(_, record)| record) }
            });
            made.push(&items.collect::<Vec<_>>())?;
        }
        made.finish(old)?;
        Ok(made)
    }

    /// Puts the new file in the place of the old one, durably, and makes its indexes.
    fn exchange(&self, old: &Arc<Sealed>, made: Anew, may: &dyn Fn() -> Result<(), Error>) -> Result<(), Error> {
        let new = Arc::new(Sealed::new(old.path.clone(), made.identity, made.tally.footer));
        let mut synced = self.synced();
        may()?;
        let there = self.write(|| {
            // What is not synced may be cut off, and come from the journal as it was.
            if open::read_mark(&synced).is_none_or(|(_, next)| next < new.footer.next) {
                self.sync_with(&mut synced)?;
            }
            {
                // Whoever finds the segment in memory and opens its file has both old or both new.
                let mut view = self.view_mut();
                let Some(place) = view.place(old.identity.base) else { return Ok(false) };
                self.disk.rename(&made.path, &old.path).map_err(|e| Error::io("rename", &made.path, e))?;
                view.sealed[place] = Arc::clone(&new);
            }
            self.disk.sync_dir(&self.dir).map_err(|e| Error::sync(&self.dir, e))?;
            Ok(true)
        })?;
        drop(synced);
        if !there {
            return self.gone(old);
        }
        self.recent.close(old);
        if let Err(reason) = self.recent.rebuild(self.disk.as_ref(), &new) {
            // Whoever reads makes them, or does without.
            tracing::warn!(%reason, "the indexes of a segment that was filled could not be made");
        }
        Ok(())
    }

    /// The same of the segment that is written, while nobody appends.
    fn exchange_active(&self, made: Anew, may: &dyn Fn() -> Result<(), Error>) -> Result<(), Error> {
        let mut synced = self.synced();
        may()?;
        self.write(|| {
            // What is not synced may be cut off, and come from the journal as it was.
            let next = self.sync_with(&mut synced)?;
            {
                let mut view = self.view_mut();
                let (base, path) = (view.active.identity.base, view.active.path.clone());
                self.disk.rename(&made.path, &path).map_err(|e| Error::io("rename", &made.path, e))?;
                let Opened { active, .. } =
                    Active::open(self.disk.as_ref(), &self.dir, self.stream, base, next, None, self.weigh)?;
                view.active = active;
            }
            self.disk.sync_dir(&self.dir).map_err(|e| Error::sync(&self.dir, e))
        })
    }

    fn gone(&self, segment: &Sealed) -> Result<(), Error> {
        let why = "the segment is not there any more";
        Err(self.trimmed(segment).unwrap_or_else(|| Error::damaged(&segment.path, 0, why)))
    }
}

impl Anew {
    fn create(disk: &dyn Disk, old: &Old) -> Result<Self, Error> {
        let path = temporary(&old.path);
        // The salt is another one.
        let (file, identity) = file::create(disk, &path, old.identity.stream, old.identity.base)?;
        Ok(Self { file, path, identity, tally: Tally::new(identity), waiting: Vec::new() })
    }

    /// Adds the records of a batch, in batches of some KiB.
    fn push(&mut self, items: &[Item<'_>]) -> Result<(), Error> {
        for part in batch::parts(items) {
            let (begin, position) = (self.waiting.len(), self.tally.footer.end);
            let header = batch::encode(&mut self.waiting, self.identity, position, self.tally.footer.next, part);
            // The indexes are made when the file has its name.
            let _point = self.tally.add(&header, &self.waiting[begin..], part.iter().map(|item| item.timestamp));
            if self.waiting.len() >= WRITE_BYTES {
                self.flush()?;
            }
        }
        Ok(())
    }

    fn flush(&mut self) -> Result<(), Error> {
        let position = self.tally.footer.end - self.waiting.len() as u64;
        self.file.write_at(&self.waiting, position).map_err(|e| Error::io("write", &self.path, e))?;
        self.waiting.clear();
        Ok(())
    }

    /// Seals the file, where the old one is, and makes it durable. It must have as many records.
    fn finish(&mut self, old: &Old) -> Result<(), Error> {
        self.flush()?;
        let footer = self.tally.footer;
        if footer.next != old.footer.next {
            return Err(Error::damaged(&old.path, old.footer.end, "the footer does not fit the batches"));
        }
        if old.sealed {
            let seal = footer.encode(self.identity);
            self.file.write_at(&seal, footer.end).map_err(|e| Error::io("seal", &self.path, e))?;
        }
        self.file.sync().map_err(|e| Error::sync(&self.path, e))
    }
}
