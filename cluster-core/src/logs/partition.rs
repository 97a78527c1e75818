//! One partition of a log: its handle, and what readers and the writer share.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use pyralog_crypto::{
    Blake3, Encode, Hash, MAX_TIMESTAMP, MerkleHash, PartitionCheckpoint, PartitionConsistency, Record, RecordProof,
};

use super::files::PartitionFiles;
use super::{LogSpec, Storage};
use crate::Error;
use crate::event::{Completion, Ticket};
use crate::items::ITEM_HEADER;
use crate::queue::{CheckpointReply, Operation, Queue};
use crate::registry::Registry;
use crate::segment::{SegmentInfo, Stored};
use crate::stats::{Counters, count};
use crate::stream::Stream;

/// Most records of one append.
pub const MAX_APPEND_RECORDS: usize = 4096;
/// Most bytes of the records of one append, encoded.
pub const MAX_APPEND_BYTES: usize = 4 << 20;

/// What a checkpoint counts for in a group, in bytes: it costs a sync of its own.
const CHECKPOINT_COST: u64 = 64 << 10;

/// Handle of one partition. Reads go to the files and may run in many threads; they see durable records only.
#[derive(Clone)]
pub struct Partition {
    queue: Arc<Queue>,
    state: Arc<PartitionState>,
}

impl Partition {
    pub(crate) fn new(queue: Arc<Queue>, state: Arc<PartitionState>) -> Self {
        Self { queue, state }
    }

    /// Its number in the log, from 0 on.
    #[must_use]
    pub fn number(&self) -> u32 {
        self.state.number
    }

    /// Appends 1 to [`MAX_APPEND_RECORDS`] records of together at most [`MAX_APPEND_BYTES`] bytes. They get consecutive offsets, told by
    /// the event, and are durable all together or not at all.
    ///
    /// # Errors
    /// [`Error::Size`], [`Error::Busy`], [`Error::NoSuchLog`] for a log that was deleted, [`Error::LogRetracted`], [`Error::Damaged`] for a
    /// partition whose files cannot be opened, [`Error::Closed`], or why the store failed; the completion is then dropped uncalled.
    pub fn append_then(&self, records: &[Record], done: Completion) -> Result<Ticket, Error> {
        if records.is_empty() || records.len() > MAX_APPEND_RECORDS {
            return Err(Error::Size { what: "an append", found: records.len() as u64, allowed: "1 to 4096 records" });
        }
        let encoded: usize = records.iter().map(Record::encoded_len).sum();
        if encoded > MAX_APPEND_BYTES {
            let allowed = "at most 4194304 bytes of records, encoded";
            return Err(Error::Size { what: "an append", found: encoded as u64, allowed });
        }
        self.queue.usable()?;
        self.queue.space.check()?;
        // Encoding and hashing happen here, in the caller's thread, not in the one writer; and so does opening the files, whose damage
        // is then this caller's error and not the store's.
        self.state.made()?;
        if let Some(reason) = self.state.refusal() {
            return Err(reason);
        }
        let batch = RecordBatch::new(records);
        let bytes = (encoded + ITEM_HEADER * records.len()) as u64;
        self.queue.push(Operation::Records(Arc::clone(&self.state), batch), bytes, Some(done))
    }

    /// Offsets of the first record that is still there, and behind the last durable one.
    ///
    /// # Errors
    /// [`Error::Damaged`], or why the files could not be opened.
    pub fn range(&self) -> Result<(u64, u64), Error> {
        Ok(self.state.files()?.map_or((0, 0), |files| (files.records().first_offset(), files.size())))
    }

    /// Gives the durable records from offset `from` on to `visit`, in order, until it answers `false`. The bytes are those of
    /// [`Record`].
    ///
    /// # Errors
    /// [`Error::NoSuchRecord`] where `from` is before the first or behind the next record, [`Error::Damaged`].
    pub fn read(&self, from: u64, visit: &mut dyn FnMut(Stored<'_>) -> bool) -> Result<(), Error> {
        let Some(files) = self.state.files()? else {
            let stream = self.state.stream;
            return if from == 0 {
                Ok(())
            } else {
                Err(Error::NoSuchRecord { stream, first: 0, next: 0, asked: from })
            };
        };
        // A record shows itself to readers when its hash is in the trees.
        let size = files.size();
        if from > size {
            let first = files.records().first_offset();
            return Err(Error::NoSuchRecord { stream: self.state.stream, first, next: size, asked: from });
        }
        files.records().read(from, &mut |record| record.offset < size && visit(record))
    }

    /// Offset of the first record whose timestamp is `timestamp` (milliseconds since 1970) or higher, if there is one.
    ///
    /// # Errors
    /// [`Error::Damaged`].
    pub fn offset_at(&self, timestamp: u64) -> Result<Option<u64>, Error> {
        match self.state.files()? {
            Some(files) => Ok(files.records().offset_at(timestamp)?.filter(|offset| *offset < files.size())),
            None => Ok(None),
        }
    }

    /// What is known of its segments, oldest first.
    ///
    /// # Errors
    /// As [`Partition::range`].
    pub fn segments(&self) -> Result<Vec<SegmentInfo>, Error> {
        Ok(self.state.files()?.map_or_else(Vec::new, |files| files.records().segments()))
    }

    /// Records size, number of segments and root of the durable prefix durably and then hands them out for signing. The partition will
    /// never again accept a record while it is shorter than this. Where nothing was appended since the last time, nothing is written.
    ///
    /// # Errors
    /// [`Error::NoCheckpoints`] for a log in memory, and those of [`Partition::append_then`]; `then` is then called with the same error
    /// or dropped.
    pub fn checkpoint_to_sign(
        &self,
        then: impl FnOnce(Result<PartitionCheckpoint, Error>) + Send + 'static,
    ) -> Result<Ticket, Error> {
        if self.state.spec.storage == Storage::Memory {
            return Err(Error::NoCheckpoints { name: self.state.spec.name.to_string() });
        }
        self.queue.usable()?;
        self.queue.space.check()?;
        self.state.made()?;
        if let Some(reason) = self.state.refusal() {
            return Err(reason);
        }
        let then = CheckpointReply(Some(Box::new(then)));
        // Told by `then`; the event itself interests nobody.
        let ignore: Completion = Box::new(|_| ());
        self.queue.push(Operation::PartitionCheckpoint(Arc::clone(&self.state), then), CHECKPOINT_COST, Some(ignore))
    }

    /// A proof that record `offset` is in the partition as `checkpoint` says it is. It is verified before it is given.
    ///
    /// # Errors
    /// [`Error::NoSuchRecord`] where the record is not there (any more), [`Error::NoSuchProof`] where the checkpoint does not have it, [`Error::Damaged`].
    pub fn prove(&self, offset: u64, checkpoint: &PartitionCheckpoint) -> Result<RecordProof, Error> {
        self.state.some_files(offset)?.prove(offset, checkpoint)
    }

    /// A proof that the partition at `new` records continues the one at `old` records. It is verified before it is given.
    ///
    /// # Errors
    /// As [`Partition::prove`].
    pub fn prove_consistency(&self, old: u64, new: u64) -> Result<PartitionConsistency, Error> {
        self.state.some_files(new)?.prove_consistency(old, new)
    }

    /// Checks every byte of its files and rebuilds derived ones that are wrong; `None` where there are no files. What is damaged is given to
    /// `damage`.
    ///
    /// # Errors
    /// Why the files cannot be opened, or appends are refused.
    pub(crate) fn check(&self, damage: &mut dyn FnMut(Error)) -> Result<Option<Checked>, Error> {
        let Some(files) = self.state.files()? else { return Ok(None) };
        let remade = files.verify(damage);
        match self.state.refusal() {
            Some(reason) => Err(reason),
            None => {
                let records = files.size() - files.records().first_offset();
                Ok(Some(Checked { records, rehashed: files.rehashed(), remade }))
            }
        }
    }

    /// Where its files are.
    pub(crate) fn dir(&self) -> &Path {
        &self.state.place.dir
    }
}

impl std::fmt::Debug for Partition {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let PartitionState { stream, spec, number, .. } = self.state.as_ref();
        f.debug_struct("Partition")
            .field("log", &spec.name.as_str())
            .field("number", number)
            .field("stream", stream)
            .finish()
    }
}

/// What the check of a partition looked at and put right.
pub(crate) struct Checked {
    /// Records that are there.
    pub(crate) records: u64,
    /// Records that were hashed again at open.
    pub(crate) rehashed: u64,
    /// Derived files that were made again.
    pub(crate) remade: Vec<PathBuf>,
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
    fn new(records: &[Record]) -> Self {
        let times = records.iter().map(Record::timestamp).collect();
        let records: Vec<Vec<u8>> = records.iter().map(Encode::to_bytes).collect();
        let hashes = records.iter().map(|record| Blake3::leaf(record)).collect();
        Self { times, records, hashes }
    }

    /// The timestamp in an encoded record, where it is one as far as its front shows.
    pub(super) fn time_of(record: &[u8]) -> Option<u64> {
        let head = record.get(..9).filter(|head| head[0] == 1)?;
        Some(crate::frame::u64_at(head, 1)).filter(|time| *time <= MAX_TIMESTAMP)
    }
}

/// What readers and the writer share. Its files are made at the first append and opened when they are first needed: thousands of
/// partitions that rest cost nothing.
pub(crate) struct PartitionState {
    pub(super) stream: u64,
    pub(super) spec: Arc<LogSpec>,
    pub(super) number: u32,
    pub(super) place: super::Place,
    files: OnceLock<PartitionFiles>,
    /// Why they are not used, where what the journal holds of them could not be given to them.
    broken: OnceLock<Error>,
    /// Whether the files were made. Locked by whoever opens them; before `deleted`.
    was_made: Mutex<bool>,
    /// Whether the log was deleted. Locked while something is written.
    deleted: Mutex<bool>,
    /// What is in the files, so that nothing is settled twice.
    settled: AtomicU64,
}

impl PartitionState {
    pub(super) fn new(stream: u64, spec: Arc<LogSpec>, number: u32, place: super::Place, was_made: bool) -> Self {
        let (was_made, deleted) = (Mutex::new(was_made), Mutex::new(false));
        let (files, broken) = (OnceLock::new(), OnceLock::new());
        Self { stream, spec, number, place, files, broken, was_made, deleted, settled: AtomicU64::new(0) }
    }

    /// The files, opened, where they were ever made.
    pub(super) fn files(&self) -> Result<Option<&PartitionFiles>, Error> {
        if let Some(reason) = self.broken.get() {
            return Err(reason.clone());
        }
        if let Some(files) = self.files.get() {
            return Ok(Some(files));
        }
        let was_made = self.was_made();
        if !*was_made {
            return Ok(None);
        }
        self.not_deleted()?;
        self.opened(true).map(|files| Some(self.keep(files)))
    }

    /// The files, opened, and made where they were not.
    pub(super) fn made(&self) -> Result<&PartitionFiles, Error> {
        if let Some(reason) = self.broken.get() {
            return Err(reason.clone());
        }
        if let Some(files) = self.files.get() {
            return Ok(files);
        }
        let mut was_made = self.was_made();
        // Files of a log that the table does not name would be in the way of the next start.
        self.not_deleted()?;
        if let Some(files) = self.files.get() {
            return Ok(files);
        }
        let files = self.opened(*was_made)?;
        if !*was_made && self.spec.storage == Storage::Disk {
            // From now on it is damage when they are not there. Nobody may append before that.
            self.registry().put_made(self.stream)?;
        }
        *was_made = true;
        Ok(self.keep(files))
    }

    fn opened(&self, was_made: bool) -> Result<PartitionFiles, Error> {
        let open = || PartitionFiles::open(&self.place, self.stream, &self.spec, self.number, was_made);
        if self.spec.storage == Storage::Memory {
            return open();
        }
        self.place.handles.take()?;
        open().inspect_err(|_| self.place.handles.give_back())
    }

    /// The caller holds `was_made`.
    fn keep(&self, files: PartitionFiles) -> &PartitionFiles {
        self.settled.store(files.size(), Ordering::Release);
        self.files.get_or_init(|| files)
    }

    fn some_files(&self, asked: u64) -> Result<&PartitionFiles, Error> {
        self.files()?.ok_or(Error::NoSuchRecord { stream: self.stream, first: 0, next: 0, asked })
    }

    /// Takes an entry of the journal; what the files have is skipped.
    ///
    /// # Errors
    /// Why this partition is not used then: the journal must keep the entry for when its files are whole again.
    pub(crate) fn replay(&self, first: u64, bytes: &[u8]) -> Result<(), Error> {
        let replayed = self.made().and_then(|files| files.replay(first, bytes));
        self.settled.store(0, Ordering::Release);
        if let Err(reason) = &replayed {
            // The first reason is the one that counts.
            let _later = self.broken.set(reason.clone());
        }
        replayed
    }

    /// Lets go what the log need not keep at `now_ms`.
    pub(super) fn retain(&self, now_ms: u64) -> Result<(), Error> {
        let deleted = self.deleted();
        match self.files.get() {
            Some(files) if !*deleted => files.retain(&self.spec.retention, now_ms),
            _ => Ok(()),
        }
    }

    /// From now on nothing is written, and no file is made or opened.
    pub(super) fn delete(&self) {
        // Whoever is about to make files has made them, and the caller removes them.
        let _was_made = self.was_made();
        *self.deleted() = true;
    }

    fn not_deleted(&self) -> Result<(), Error> {
        if *self.deleted() { Err(self.gone()) } else { Ok(()) }
    }

    /// Records the present size and root as handed out for signing, durably, and answers them.
    pub(crate) fn sign_present(&self) -> Result<PartitionCheckpoint, Error> {
        let deleted = self.deleted();
        match self.files.get() {
            Some(files) if !*deleted => files.sign_present(),
            _ => Err(self.gone()),
        }
    }

    fn gone(&self) -> Error {
        Error::NoSuchLog { name: self.spec.name.to_string() }
    }

    fn was_made(&self) -> MutexGuard<'_, bool> {
        // Nothing in the locked sections panics.
        self.was_made.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn deleted(&self) -> MutexGuard<'_, bool> {
        self.deleted.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn registry(&self) -> MutexGuard<'_, Registry> {
        self.place.registry.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Stream for PartitionState {
    type Submission = RecordBatch;

    fn stream(&self) -> u64 {
        self.stream
    }

    fn is_durable(&self) -> bool {
        self.spec.storage == Storage::Disk
    }

    fn refusal(&self) -> Option<Error> {
        if let Err(gone) = self.not_deleted() {
            return Some(gone);
        }
        self.broken.get().cloned().or_else(|| self.files.get().and_then(PartitionFiles::retracted))
    }

    fn next(&self) -> u64 {
        self.files.get().map_or(0, PartitionFiles::size)
    }

    fn items(submission: &RecordBatch) -> &[Vec<u8>] {
        &submission.records
    }

    fn apply(&self, submissions: Vec<RecordBatch>) -> Result<(), Error> {
        let deleted = self.deleted();
        match self.files.get() {
            // What comes between an append and a deletion is deleted.
            Some(files) if !*deleted => files.append(&submissions),
            _ => Ok(()),
        }
    }

    fn settle(&self) -> Result<(), Error> {
        let deleted = self.deleted();
        let Some(files) = self.files.get().filter(|_| !*deleted) else { return Ok(()) };
        if self.settled.load(Ordering::Acquire) != files.size() {
            self.settled.store(files.settle()?, Ordering::Release);
        }
        Ok(())
    }

    fn count(counters: &Counters, items: usize, bytes: usize) {
        count(&counters.records, items);
        count(&counters.record_bytes, bytes);
    }
}
