//! A stream on disk: sealed segments, and one that is written.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use super::active::Active;
use super::batch::Identity;
use super::cursor::Cursor;
use super::file;
use super::index::IndexKind;
use super::sealed::Sealed;
use super::{Item, RecordLog, SegmentInfo, VisitRecords, fitting, require_batch};
use crate::Error;
use crate::disk::{Disk, File};
use crate::parts::CutTail;
use crate::slot::SlotFile;

pub(super) mod open;

/// What was found when a stream was opened.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct SegmentRecovery {
    /// Offset of the first record.
    pub first: u64,
    /// Offset behind the last record. The journal may have further ones.
    pub next: u64,
    /// What did not check behind the synced records of the last segment, and was cut off.
    pub cut: Option<CutTail>,
}

/// The records of one stream on disk. See the module documentation.
#[derive(Debug)]
pub struct SegmentLog {
    disk: Arc<dyn Disk>,
    dir: PathBuf,
    stream: u64,
    segment_bytes: u64,
    /// Locked by whoever writes, for as long as that takes; before `view`.
    writer: Mutex<Writer>,
    /// Locked for writing only while memory and the page cache change.
    view: RwLock<View>,
    /// Whose turn it is to make an index again.
    rebuilds: Mutex<()>,
}

#[derive(Debug)]
struct Writer {
    /// What is certainly there.
    synced: SlotFile,
    failure: Option<Error>,
}

#[derive(Debug)]
struct View {
    /// Oldest first.
    sealed: Vec<Arc<Sealed>>,
    active: Active,
}

/// Where to read on.
struct Source {
    file: Arc<dyn File>,
    path: PathBuf,
    identity: Identity,
    start: u64,
    end: u64,
    /// Offset behind its last record.
    next: u64,
}

impl SegmentLog {
    /// Opens the stream in a directory, or makes an empty one. A segment is full when its records have `segment_bytes`, which should stay
    /// the same: see [`RecordLog::append`]. Reads the last segment and of the others header and footer.
    ///
    /// # Errors
    /// [`Error::Damaged`] names what is missing or does not check; [`Error::DiskFull`]; what the disk answered.
    pub fn open(
        disk: &Arc<dyn Disk>,
        dir: &Path,
        stream: u64,
        segment_bytes: u64,
    ) -> Result<(Self, SegmentRecovery), Error> {
        open::open(disk, dir, stream, segment_bytes)
    }

    /// Stream of the segments in a directory; `None` where there are none.
    ///
    /// # Errors
    /// [`Error::Damaged`] where the header of the first does not check, and what the disk answered.
    pub fn stream_of(disk: &dyn Disk, dir: &Path) -> Result<Option<u64>, Error> {
        open::stream_of(disk, dir)
    }

    /// Checks every byte of every sealed segment and of its indexes, and puts indexes in place of those that are wrong. Answers the names
    /// of these; each segment that is damaged or cannot be read is given to `damage`. The last segment is checked when the stream is opened, and by
    /// every read.
    pub fn verify(&self, damage: &mut dyn FnMut(Error)) -> Vec<PathBuf> {
        let sealed = self.view().sealed.clone();
        let _turn = self.rebuilds.lock().unwrap_or_else(PoisonError::into_inner);
        let mut replaced = Vec::new();
        for segment in sealed {
            match segment.rebuild(self.disk.as_ref()) {
                Ok(paths) => replaced.extend(paths),
                Err(error) => damage(error),
            }
        }
        replaced
    }

    /// Why the stream refuses to be written, if it does.
    #[must_use]
    pub fn failure(&self) -> Option<Error> {
        self.writer().failure.clone()
    }

    fn writer(&self) -> MutexGuard<'_, Writer> {
        // Nothing in the locked sections panics.
        self.writer.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn view(&self) -> RwLockReadGuard<'_, View> {
        self.view.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn view_mut(&self) -> RwLockWriteGuard<'_, View> {
        self.view.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// Writes, unless an earlier write failed; a failure is remembered for good.
    fn write<T>(&self, act: impl FnOnce(&mut Writer) -> Result<T, Error>) -> Result<T, Error> {
        let mut writer = self.writer();
        if let Some(failure) = &writer.failure {
            return Err(failure.clone());
        }
        let done = act(&mut writer);
        writer.failure = done.as_ref().err().cloned();
        done
    }

    fn sync_with(&self, writer: &mut Writer) -> Result<u64, Error> {
        let view = self.view();
        view.active.sync()?;
        let next = view.active.next();
        writer.synced.put(&open::mark(view.first(), next))?;
        Ok(next)
    }

    /// Seals the active segment and begins the next one.
    fn turn(&self, writer: &mut Writer) -> Result<(), Error> {
        let next = self.sync_with(writer)?;
        let sealed = self.view().active.seal()?;
        let active = Active::create(self.disk.as_ref(), &self.dir, self.stream, next)?;
        let mut view = self.view_mut();
        view.sealed.push(Arc::new(sealed));
        view.active = active;
        Ok(())
    }

    /// Where record `offset` stands, or, for `Times`, where the first one at or after a time may stand in the segment of `offset`.
    fn source(&self, offset: u64, kind: IndexKind, bound: u64) -> Result<Source, Error> {
        let view = self.view();
        let (first, next) = (view.first(), view.active.next());
        if offset < first || offset > next {
            return Err(Error::NoSuchRecord { stream: self.stream, first, next, asked: offset });
        }
        let behind = view.sealed.partition_point(|segment| segment.footer.next <= offset);
        let Some(sealed) = view.sealed.get(behind).map(Arc::clone) else {
            let Active { file, path, identity, .. } = &view.active;
            let (start, footer) = (view.active.start(kind, bound), view.active.footer());
            let (file, path) = (Arc::clone(file), path.clone());
            return Ok(Source { file, path, identity: *identity, start, end: footer.end, next: footer.next });
        };
        drop(view);
        let opened = sealed.handle(self.disk.as_ref());
        // Removed by a trim since it was looked up.
        let first = self.first_offset();
        if opened.is_err() && offset < first {
            return Err(Error::NoSuchRecord { stream: self.stream, first, next, asked: offset });
        }
        let (file, path) = (opened?, sealed.path.clone());
        let start = sealed.start(self.disk.as_ref(), &self.rebuilds, kind, bound);
        let Sealed { identity, footer, .. } = *sealed;
        Ok(Source { file, path, identity, start, end: footer.end, next: footer.next })
    }
}

impl View {
    fn first(&self) -> u64 {
        self.sealed.first().map_or(self.active.identity.base, |segment| segment.identity.base)
    }

    fn infos(&self, from: u64) -> Vec<SegmentInfo> {
        let before = self.sealed.partition_point(|segment| segment.footer.next <= from);
        let sealed = self.sealed[before..].iter().map(|segment| (segment.identity, segment.footer, file::FOOTER));
        let all = sealed.chain([(self.active.identity, self.active.footer(), 0)]);
        let info = |(identity, footer, seal): (Identity, file::Footer, u64)| SegmentInfo {
            first: identity.base,
            next: footer.next,
            bytes: footer.end + seal,
            min_time: footer.min_time,
            max_time: footer.max_time,
        };
        all.map(info).collect()
    }
}

impl Source {
    fn cursor(&self) -> Cursor<'_> {
        Cursor::new(self.file.as_ref(), &self.path, self.identity, self.start, self.end)
    }
}

impl RecordLog for SegmentLog {
    fn first_offset(&self) -> u64 {
        self.view().first()
    }

    fn next_offset(&self) -> u64 {
        self.view().active.next()
    }

    fn append(&self, items: &[Item<'_>]) -> Result<u64, Error> {
        require_batch(items)?;
        self.write(|writer| {
            let first = self.view().active.next();
            let mut rest = items;
            while !rest.is_empty() {
                let held = self.view().active.footer().record_bytes();
                let (part, later) = rest.split_at(fitting(rest, held, self.segment_bytes));
                if part.is_empty() {
                    self.turn(writer)?;
                } else {
                    self.view_mut().active.append(part)?;
                }
                rest = later;
            }
            Ok(first)
        })
    }

    fn sync(&self) -> Result<u64, Error> {
        self.write(|writer| self.sync_with(writer))
    }

    fn read(&self, from: u64, visit: VisitRecords<'_>) -> Result<(), Error> {
        let mut offset = from;
        loop {
            let source = self.source(offset, IndexKind::Offsets, offset.saturating_add(1))?;
            if source.next == offset {
                return Ok(());
            }
            let mut cursor = source.cursor();
            while let Some(batch) = cursor.next(offset)? {
                if batch.header.offset > offset {
                    break;
                }
                for record in batch.records.iter().filter(|record| record.offset >= offset) {
                    if !visit(*record) {
                        return Ok(());
                    }
                }
                offset = batch.header.next();
            }
            if offset != source.next {
                let why =
                    format!("record {offset} is not in the segment, which should end before record {}", source.next);
                return Err(Error::damaged(&source.path, source.end, why));
            }
        }
    }

    fn offset_at(&self, timestamp: u64) -> Result<Option<u64>, Error> {
        let infos = self.view().infos(0);
        let Some(info) = infos.iter().find(|info| info.next > info.first && info.max_time >= timestamp) else {
            return Ok(None);
        };
        let source = self.source(info.first, IndexKind::Times, timestamp)?;
        let mut cursor = source.cursor();
        while let Some(batch) = cursor.next(info.first)? {
            if let Some(found) = batch.records.iter().find(|record| record.timestamp >= timestamp) {
                return Ok(Some(found.offset));
            }
        }
        Err(Error::damaged(&source.path, source.end, "no record has the highest timestamp that the segment names"))
    }

    fn segments_from(&self, from: u64) -> Vec<SegmentInfo> {
        self.view().infos(from)
    }

    fn trim(&self, up_to: u64) -> Result<(), Error> {
        self.write(|writer| {
            let (gone, first) = {
                let view = self.view();
                let count = view.sealed.iter().take_while(|segment| segment.footer.next <= up_to).count();
                let first = view.sealed.get(count).map_or(view.active.identity.base, |kept| kept.identity.base);
                (view.sealed[..count].to_vec(), first)
            };
            if gone.is_empty() {
                return Ok(());
            }
            // The record comes first: a file that is missing without it is damage.
            let synced = open::read_mark(&writer.synced).map_or(first, |(_, next)| next.max(first));
            writer.synced.put(&open::mark(first, synced))?;
            self.view_mut().sealed.drain(..gone.len());
            for segment in gone {
                open::remove(self.disk.as_ref(), &segment.path)?;
            }
            self.disk.sync_dir(&self.dir).map_err(|e| Error::sync(&self.dir, e))
        })
    }
}
