//! A stream on disk: sealed segments, and one that is written.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use super::active::{Active, Unsynced};
use super::batch::Identity;
use super::file;
use super::index::IndexKind;
use super::recent::Recent;
use super::sealed::Sealed;
use super::{Item, MAX_UNSYNCED, RecordLog, SegmentInfo, VisitRecords, Weigh, fitting, require_batch};
use crate::Error;
use crate::disk::Disk;
use crate::parts::CutTail;
use crate::slot::SlotFile;

mod fill;
pub(super) mod open;
mod source;

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
    weigh: Weigh,
    /// Locked by whoever writes a segment anew, for as long as that takes; before the others. Whoever appends, syncs or trims does not wait for it.
    fills: Mutex<()>,
    /// Locked by whoever appends, for as long as that takes; before those that follow.
    appends: Mutex<()>,
    /// What is certainly there. Locked by whoever syncs or trims, for as long as that takes; before `view`.
    synced: Mutex<SlotFile>,
    /// Locked for writing only while memory and the page cache change.
    view: RwLock<View>,
    recent: Recent,
    /// The first failure of a write, which is remembered for good.
    failure: OnceLock<Error>,
}

#[derive(Debug)]
struct View {
    /// Oldest first.
    sealed: Vec<Arc<Sealed>>,
    active: Active,
    /// Sealed segments of which not all is durable.
    unsynced: Vec<Unsynced>,
    /// Whether the directory holds names that are not durable.
    unnamed: bool,
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
        open::open(disk, dir, stream, segment_bytes, <[u8]>::len)
    }

    /// As [`Self::open`], of the records of a log: a stub counts for what its record would.
    ///
    /// # Errors
    /// As [`Self::open`].
    pub fn open_records(
        disk: &Arc<dyn Disk>,
        dir: &Path,
        stream: u64,
        segment_bytes: u64,
    ) -> Result<(Self, SegmentRecovery), Error> {
        open::open(disk, dir, stream, segment_bytes, crate::stub::real_len)
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
        let mut remade = Vec::new();
        for segment in sealed {
            match self.check(segment) {
                Ok(paths) => remade.extend(paths),
                Err(error) => damage(error),
            }
        }
        remade
    }

    /// Checks a sealed segment; where it was filled meanwhile, what is there now.
    fn check(&self, mut segment: Arc<Sealed>) -> Result<Vec<PathBuf>, Error> {
        loop {
            let checked = self.recent.rebuild(self.disk.as_ref(), &segment);
            let newer = self.view().newer(&segment);
            match (checked, newer) {
                (Err(_), Some(newer)) => segment = newer,
                (checked, _) => return checked,
            }
        }
    }

    /// The segments, as they count for [`super::Retention`] of a stream whose other copies may hold records where this one has stubs, or in other batches.
    /// What is removed must not depend on either. So a sealed one counts for what it should have at least, which all but its last record fill; and the last
    /// one for its records.
    pub(crate) fn counted_alike(&self) -> Vec<SegmentInfo> {
        let view = self.view();
        let mut infos = view.infos(0);
        if let Some((last, sealed)) = infos.split_last_mut() {
            last.bytes = view.active.held;
            sealed.iter_mut().for_each(|segment| segment.bytes = self.segment_bytes);
        }
        infos
    }

    /// Why the stream refuses to be written, if it does.
    #[must_use]
    pub fn failure(&self) -> Option<Error> {
        self.failure.get().cloned()
    }

    fn view(&self) -> RwLockReadGuard<'_, View> {
        self.view.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn view_mut(&self) -> RwLockWriteGuard<'_, View> {
        self.view.write().unwrap_or_else(PoisonError::into_inner)
    }

    fn synced(&self) -> MutexGuard<'_, SlotFile> {
        // Nothing in the locked sections panics.
        self.synced.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Writes, unless an earlier write failed.
    fn write<T>(&self, act: impl FnOnce() -> Result<T, Error>) -> Result<T, Error> {
        match self.failure.get() {
            Some(failure) => Err(failure.clone()),
            // The first failure is the one that counts.
            None => act().inspect_err(|failure| {
                let _earlier = self.failure.set(failure.clone());
            }),
        }
    }

    /// Makes durable what was appended before. Appends go on meanwhile.
    fn sync_with(&self, synced: &mut SlotFile) -> Result<u64, Error> {
        let (unsynced, unnamed, first, next) = {
            let view = self.view();
            let unsynced: Vec<Unsynced> = view.unsynced.iter().cloned().chain([view.active.unsynced()]).collect();
            (unsynced, view.unnamed, view.first(), view.active.next())
        };
        let known = open::read_mark(synced).unwrap_or_default();
        if known == (first, next) && !unnamed {
            return Ok(next);
        }
        unsynced.iter().try_for_each(Unsynced::sync)?;
        if unnamed {
            self.disk.sync_dir(&self.dir).map_err(|e| Error::sync(&self.dir, e))?;
        }
        synced.put(&open::mark(first, next))?;
        let mut view = self.view_mut();
        // The last one is the active one of then.
        view.unsynced.drain(..unsynced.len() - 1);
        // A name that came since stands for a segment that came since.
        view.unnamed &= !view.unsynced.is_empty();
        Ok(next)
    }

    /// Goes on with record `base`, as if all before it had been appended and removed; what is here of them goes. Nothing where the stream is there or
    /// further. What the caller keeps of them must be durable.
    ///
    /// # Errors
    /// What the disk answered; it is final for writing.
    pub(crate) fn jump(&self, base: u64) -> Result<(), Error> {
        let _turn = self.appends.lock().unwrap_or_else(PoisonError::into_inner);
        let mut synced = self.synced();
        self.write(|| {
            if base <= self.view().active.next() {
                return Ok(());
            }
            // A start takes it for a segment that was never synced, until the record says that the stream begins with it.
            let active = Active::create(self.disk.as_ref(), &self.dir, self.stream, base)?;
            active.unsynced().sync()?;
            self.disk.sync_dir(&self.dir).map_err(|e| Error::sync(&self.dir, e))?;
            synced.put(&open::mark(base, base))?;
            let gone: Vec<PathBuf> = {
                let mut view = self.view_mut();
                let old = std::mem::replace(&mut view.active, active);
                view.unsynced.clear();
                view.unnamed = false;
                let sealed = view.sealed.drain(..).map(|segment| segment.path.clone());
                sealed.chain([old.path]).collect()
            };
            self.recent.close_before(base);
            gone.iter().try_for_each(|path| open::remove(self.disk.as_ref(), path))?;
            self.disk.sync_dir(&self.dir).map_err(|e| Error::sync(&self.dir, e))
        })
    }

    /// Seals the active segment and begins the next one.
    fn turn(&self) -> Result<(), Error> {
        if self.view().unsynced.len() >= MAX_UNSYNCED {
            self.sync_with(&mut self.synced())?;
        }
        let (sealed, unsynced) = {
            let active = &self.view().active;
            (active.seal()?, active.unsynced())
        };
        let active = Active::create(self.disk.as_ref(), &self.dir, self.stream, sealed.footer.next)?;
        let mut view = self.view_mut();
        view.sealed.push(Arc::new(sealed));
        view.active = active;
        view.unsynced.push(unsynced);
        view.unnamed = true;
        Ok(())
    }
}

impl View {
    fn first(&self) -> u64 {
        self.sealed.first().map_or(self.active.identity.base, |segment| segment.identity.base)
    }

    /// Where a sealed segment stands, written anew or not.
    fn place(&self, base: u64) -> Option<usize> {
        self.sealed.binary_search_by_key(&base, |segment| segment.identity.base).ok()
    }

    /// The segment that stands in the place of this one since it was filled.
    fn newer(&self, segment: &Sealed) -> Option<Arc<Sealed>> {
        let there = &self.sealed[self.place(segment.identity.base)?];
        (there.identity != segment.identity).then(|| Arc::clone(there))
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

impl RecordLog for SegmentLog {
    fn first_offset(&self) -> u64 {
        self.view().first()
    }

    fn next_offset(&self) -> u64 {
        self.view().active.next()
    }

    fn append(&self, items: &[Item<'_>]) -> Result<u64, Error> {
        require_batch(items)?;
        let _turn = self.appends.lock().unwrap_or_else(PoisonError::into_inner);
        self.write(|| {
            let first = self.view().active.next();
            let mut rest = items;
            while !rest.is_empty() {
                let held = self.view().active.held;
                let (count, held) = fitting(rest, held, self.segment_bytes, self.weigh);
                let (part, later) = rest.split_at(count);
                if part.is_empty() {
                    self.turn()?;
                } else {
                    // Nobody else changes the active segment; readers go on while it is written.
                    let written = self.view().active.write(part)?;
                    self.view_mut().active.add(&written, held)?;
                }
                rest = later;
            }
            Ok(first)
        })
    }

    fn sync(&self) -> Result<u64, Error> {
        let mut synced = self.synced();
        self.write(|| self.sync_with(&mut synced))
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
        let mut synced = self.synced();
        self.write(|| {
            let (gone, first) = {
                let view = self.view();
                let count = view.sealed.iter().take_while(|segment| segment.footer.next <= up_to).count();
                let first = view.sealed.get(count).map_or(view.active.identity.base, |kept| kept.identity.base);
                (view.sealed[..count].to_vec(), first)
            };
            if gone.is_empty() {
                return Ok(());
            }
            // The segment that will be the first must be there for certain, and the record comes before the removal: a file that is missing
            // without it is damage.
            let next = self.sync_with(&mut synced)?;
            synced.put(&open::mark(first, next))?;
            self.view_mut().sealed.drain(..gone.len());
            self.recent.close_before(first);
            for segment in gone {
                open::remove(self.disk.as_ref(), &segment.path)?;
            }
            self.disk.sync_dir(&self.dir).map_err(|e| Error::sync(&self.dir, e))
        })
    }
}
