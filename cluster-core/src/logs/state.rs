//! What readers and the writer share of one partition.

use std::borrow::Cow;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use bytes::Bytes;
use pyralog_crypto::PartitionCheckpoint;

use super::batch::RecordBatch;
use super::files::PartitionFiles;
use super::{LogSpec, Place, Storage};
use crate::Error;
use crate::items::ITEM_HEADER;
use crate::registry::{Made, Registry};
use crate::stats::{Counters, count};
use crate::stream::Stream;
use crate::tree::TrimmedPrefix;

/// What readers and the writer share. Its files are made at the first append and opened when they are first needed: thousands of
/// partitions that rest cost nothing.
pub(crate) struct PartitionState {
    pub(super) stream: u64,
    pub(crate) spec: Arc<LogSpec>,
    pub(super) number: u32,
    pub(super) place: Place,
    files: OnceLock<PartitionFiles>,
    /// Why they are not used, where what the journal holds of them could not be given to them.
    broken: OnceLock<Error>,
    /// What was made of the files, if anything. Locked by whoever opens them; before `writes`.
    made: Mutex<Option<Made>>,
    /// Whether the log was deleted.
    deleted: AtomicBool,
    /// Whether records come from a replica only.
    replicated: AtomicBool,
    /// Partitions of the same log of which that is so.
    replicas: Arc<AtomicUsize>,
    /// Whose turn it is to put records in the places of their stubs, or to delete; before `upkeep`.
    fills: Mutex<()>,
    /// Whose turn it is to apply, to sign or to delete.
    writes: Mutex<()>,
    /// Whose turn it is to settle, to let go of records or to delete, however long that takes; before `writes`.
    upkeep: Mutex<()>,
}

impl PartitionState {
    pub(super) fn new(
        stream: u64,
        spec: Arc<LogSpec>,
        number: u32,
        place: Place,
        made: Option<Made>,
        replicas: Arc<AtomicUsize>,
    ) -> Self {
        let (made, deleted) = (Mutex::new(made), AtomicBool::new(false));
        let (files, broken, replicated, fills, writes, upkeep) = Default::default();
        Self { stream, spec, number, place, files, broken, made, deleted, replicated, replicas, fills, writes, upkeep }
    }

    /// The files, opened, where they were ever made.
    pub(super) fn files(&self) -> Result<Option<&PartitionFiles>, Error> {
        self.opened(false)
    }

    /// The files, opened, and made where they were not.
    pub(super) fn made(&self) -> Result<&PartitionFiles, Error> {
        self.opened(true)?.ok_or_else(|| self.gone())
    }

    /// The files; where they were never made only if they are to be made now.
    fn opened(&self, make: bool) -> Result<Option<&PartitionFiles>, Error> {
        if let Some(reason) = self.broken.get() {
            return Err(reason.clone());
        }
        if let Some(files) = self.files.get() {
            return Ok(Some(files));
        }
        let mut made = self.made_lock();
        // Opening repairs the files, so nobody may do it while another one uses them: who waited for the lock finds them open.
        if let Some(files) = self.files.get() {
            return Ok(Some(files));
        }
        if made.is_none() && !make {
            return Ok(None);
        }
        // Files of a log that the table does not name would be in the way of the next start.
        self.not_deleted()?;
        let files = PartitionFiles::open(&self.place, self.stream, &self.spec, self.number, *made)?;
        if made.is_none() {
            if self.spec.storage == Storage::Disk {
                // From now on it is damage when they are not there. Nobody may append before that.
                self.registry().put_made(self.stream, Made::Files)?;
            }
            *made = Some(Made::Files);
        }
        Ok(Some(self.files.get_or_init(|| files)))
    }

    pub(super) fn some_files(&self, asked: u64) -> Result<&PartitionFiles, Error> {
        self.files()?.ok_or_else(|| self.no_record(asked))
    }

    /// The error of whoever asks a partition that never had a record.
    pub(super) fn no_record(&self, asked: u64) -> Error {
        Error::NoSuchRecord { stream: self.stream, first: 0, next: 0, asked }
    }

    /// Opens the files, or makes them.
    pub(crate) fn open(&self) -> Result<(), Error> {
        self.made().map(|_| ())
    }

    /// Takes an entry of the journal; what the files have is skipped.
    ///
    /// # Errors
    /// Why this partition is not used then: the journal must keep the entry for when its files are whole again.
    pub(crate) fn replay(&self, first: u64, bytes: &[u8]) -> Result<(), Error> {
        let replayed = self.made().and_then(|files| files.replay(first, bytes));
        if let Err(reason) = &replayed {
            // The first reason is the one that counts.
            let _later = self.broken.set(reason.clone());
        }
        replayed
    }

    /// What is left of the segments that were removed; `None` where they are too many to be passed on.
    pub(crate) fn trimmed(&self) -> Option<TrimmedPrefix> {
        self.used_files().and_then(PartitionFiles::trimmed)
    }

    /// Whether nothing that is here contradicts a prefix.
    pub(crate) fn begins(&self, prefix: &TrimmedPrefix) -> bool {
        self.used_files().is_some_and(|files| files.begins(prefix))
    }

    /// Counts the records of a prefix that the journal holds durably.
    pub(crate) fn accept_prefix(&self, prefix: &TrimmedPrefix) {
        if let Some(files) = self.files.get() {
            files.accept_prefix(prefix);
        }
    }

    /// Goes on behind a prefix. One that is here already is skipped.
    ///
    /// # Errors
    /// What the disk answered.
    pub(crate) fn begin_behind(&self, prefix: &TrimmedPrefix) -> Result<(), Error> {
        let _turn = self.upkeep();
        let _writes = self.writes();
        self.used_files().map_or(Ok(()), |files| files.begin_behind(prefix))
    }

    /// As [`Self::begin_behind`], of an entry of the journal at a start.
    ///
    /// # Errors
    /// Why this partition is not used then.
    pub(crate) fn replay_prefix(&self, prefix: &TrimmedPrefix) -> Result<(), Error> {
        let replayed = self.made().and_then(|files| {
            files.accept_prefix(prefix);
            files.begin_behind(prefix)
        });
        if let Err(reason) = &replayed {
            // The first reason is the one that counts.
            let _later = self.broken.set(reason.clone());
        }
        replayed
    }

    /// At a start: puts the files aside, under a name with this number, and makes empty ones. Where it was begun it is finished.
    ///
    /// # Errors
    /// What the disk answered.
    pub(crate) fn set_aside(&self, number: u64) -> Result<(), Error> {
        if self.made_lock().is_none() {
            return Ok(());
        }
        super::aside::set_aside(&self.place, self.stream, &self.spec, number)
    }

    /// A number for [`Self::set_aside`] that was not used.
    ///
    /// # Errors
    /// What the disk answered.
    pub(crate) fn next_aside(&self) -> Result<u64, Error> {
        super::aside::next_number(&self.place)
    }

    /// From now on records come from a replica only.
    ///
    /// # Errors
    /// [`Error::Replicated`] where that is so already, [`Error::NotReplicable`], or why the partition takes nothing.
    pub(crate) fn begin_replica(&self) -> Result<(), Error> {
        if self.spec.storage == Storage::Memory {
            return Err(Error::NotReplicable { name: self.spec.name.to_string() });
        }
        self.made()?;
        self.unusable().map_or(Ok(()), Err)?;
        if self.set_replicated() { Ok(()) } else { Err(self.is_replica()) }
    }

    /// The table says that records come from a replica only; `false` where that was so before.
    pub(crate) fn set_replicated(&self) -> bool {
        let is_first = !self.replicated.swap(true, Ordering::AcqRel);
        self.replicas.fetch_add(usize::from(is_first), Ordering::AcqRel);
        is_first
    }

    /// Takes appends of its own again, where the whole log does.
    pub(crate) fn end_replica(&self) {
        let was = self.replicated.swap(false, Ordering::AcqRel);
        self.replicas.fetch_sub(usize::from(was), Ordering::AcqRel);
    }

    /// Makes the files where they were never made.
    ///
    /// # Errors
    /// As [`Self::open`].
    pub(crate) fn open_first(&self) -> Result<(), Error> {
        // What was made and cannot be opened is the trouble of whoever uses it.
        let is_made = self.made_lock().is_some();
        if is_made { Ok(()) } else { self.open() }
    }

    /// Where its files are.
    pub(crate) fn dir(&self) -> &std::path::Path {
        &self.place.dir
    }

    /// Why nothing can be brought to its files, if so.
    pub(crate) fn unusable(&self) -> Option<Error> {
        if let Err(gone) = self.not_deleted() {
            return Some(gone);
        }
        self.broken().or_else(|| self.files.get().and_then(PartitionFiles::retracted))
    }

    /// The same of records that other members have: those that were signed here may still be on their way.
    pub(crate) fn unusable_for_replica(&self) -> Option<Error> {
        if let Err(gone) = self.not_deleted() {
            return Some(gone);
        }
        let files = self.files.get().filter(|files| files.has_signed());
        self.broken().or_else(|| files.and_then(PartitionFiles::retracted))
    }

    /// Why what the journal holds could not be given to its files, if so.
    pub(crate) fn broken(&self) -> Option<Error> {
        self.broken.get().cloned()
    }

    pub(crate) fn is_replicated(&self) -> bool {
        self.replicated.load(Ordering::Acquire)
    }

    /// Lets go what the log need not keep at `now_ms`. Appends go on meanwhile.
    pub(super) fn retain(&self, now_ms: u64) -> Result<(), Error> {
        let _turn = self.upkeep();
        match self.used_files() {
            Some(files) => files.retain(&self.spec.retention, now_ms, self.is_replicated()),
            None => Ok(()),
        }
    }

    /// Puts records in the places of their stubs, in the segment of the first one: see [`crate::segment::SegmentLog::fill`]. Appends, syncs and the
    /// retention go on meanwhile.
    pub(super) fn fill(&self, records: &[(u64, Bytes)], may: &dyn Fn() -> Result<(), Error>) -> Result<usize, Error> {
        let _turn = self.fills.lock().unwrap_or_else(PoisonError::into_inner);
        self.not_deleted()?;
        self.files()?.map_or(Ok(0), |files| files.fill(records, may))
    }

    /// From now on nothing is written, and no file is made or opened.
    pub(super) fn delete(&self) {
        let _fill = self.fills.lock().unwrap_or_else(PoisonError::into_inner);
        let _turn = self.upkeep();
        // Whoever is about to make files has made them, and the caller removes them.
        let _made = self.made_lock();
        let _writes = self.writes();
        self.deleted.store(true, Ordering::Release);
        if let Some(files) = self.files.get() {
            files.give_up();
        }
    }

    /// Counts records that the journal holds durably. They are applied soon; who reads them waits for that.
    pub(crate) fn accept(&self, records: usize) {
        if let Some(files) = self.files.get() {
            files.accept(records as u64);
        }
    }

    /// The files, where they are open and the log is not deleted.
    fn used_files(&self) -> Option<&PartitionFiles> {
        self.files.get().filter(|_| !self.is_deleted())
    }

    fn not_deleted(&self) -> Result<(), Error> {
        if self.is_deleted() { Err(self.gone()) } else { Ok(()) }
    }

    fn is_deleted(&self) -> bool {
        self.deleted.load(Ordering::Acquire)
    }

    /// Records the present size and root as handed out for signing, durably, and answers them.
    pub(crate) fn sign_present(&self) -> Result<PartitionCheckpoint, Error> {
        let files = self.files.get().ok_or_else(|| self.gone())?;
        // Before it is this one's turn: others apply meanwhile.
        files.wait_for(files.size())?;
        let _writes = self.writes();
        self.not_deleted()?;
        files.sign_present()
    }

    fn is_replica(&self) -> Error {
        Error::Replicated { name: self.spec.name.to_string() }
    }

    fn gone(&self) -> Error {
        Error::NoSuchLog { name: self.spec.name.to_string() }
    }

    fn made_lock(&self) -> MutexGuard<'_, Option<Made>> {
        // Nothing in the locked sections panics.
        self.made.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn writes(&self) -> MutexGuard<'_, ()> {
        self.writes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn upkeep(&self) -> MutexGuard<'_, ()> {
        self.upkeep.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn registry(&self) -> MutexGuard<'_, Registry> {
        self.place.registry.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Stream for PartitionState {
    type Submission = Arc<RecordBatch>;

    fn stream(&self) -> u64 {
        self.stream
    }

    fn is_durable(&self) -> bool {
        self.spec.storage == Storage::Disk
    }

    fn refusal(&self) -> Option<Error> {
        // A log of which one partition is the cluster's is the cluster's.
        self.unusable().or_else(|| (self.replicas.load(Ordering::Acquire) > 0).then(|| self.is_replica()))
    }

    fn next(&self) -> u64 {
        self.files.get().map_or(0, PartitionFiles::size)
    }

    fn items(submission: &Arc<RecordBatch>) -> usize {
        submission.len()
    }

    fn bytes(submission: &Arc<RecordBatch>) -> usize {
        submission.bytes().len() - ITEM_HEADER * submission.len()
    }

    fn entry(submissions: &[Arc<RecordBatch>]) -> Cow<'_, [u8]> {
        match submissions {
            [one] => one.bytes().into(),
            many => many.iter().map(|batch| batch.bytes()).collect::<Vec<_>>().concat().into(),
        }
    }

    fn apply(&self, submissions: Vec<Arc<RecordBatch>>) -> Result<(), Error> {
        let _writes = self.writes();
        // What comes between an append and a deletion is deleted.
        self.used_files().map_or(Ok(()), |files| files.append(&submissions))
    }

    fn settle(&self) -> Result<(), Error> {
        let _turn = self.upkeep();
        self.used_files().map_or(Ok(()), PartitionFiles::settle)
    }

    fn count(counters: &Counters, items: usize, bytes: usize) {
        count(&counters.records, items);
        count(&counters.record_bytes, bytes);
    }
}
