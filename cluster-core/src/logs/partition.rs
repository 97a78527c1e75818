//! The handle of one partition.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use pyralog_crypto::{PartitionCheckpoint, PartitionConsistency, Record, RecordProof};

use super::Storage;
use super::batch::{RecordBatch, check_append};
use super::state::PartitionState;
use crate::Error;
use crate::event::{Completion, Ticket};
use crate::queue::{CheckpointReply, Operation, Queue};
use crate::segment::{SegmentInfo, Stored};
use crate::stream::Stream;

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

    /// Appends 1 to [`super::MAX_APPEND_RECORDS`] records of together at most [`super::MAX_APPEND_BYTES`] bytes. They get consecutive offsets, told by
    /// the event, and are durable all together or not at all.
    ///
    /// # Errors
    /// [`Error::Size`], [`Error::Busy`], [`Error::NoSuchLog`] for a log that was deleted, [`Error::LogRetracted`], [`Error::Damaged`] for a
    /// partition whose files cannot be opened, [`Error::Closed`], or why the store failed; the completion is then dropped uncalled.
    pub fn append_then(&self, records: &[Record], done: Completion) -> Result<Ticket, Error> {
        let encoded = check_append(records)?;
        self.require_writable()?;
        // Encoding and hashing happen here, in the caller's thread, not in the one writer; and hashing while that one writes.
        let batch = Arc::new(RecordBatch::new(records, encoded));
        let (state, bytes) = (Arc::clone(&self.state), batch.bytes().len() as u64);
        let ticket = self.queue.push(Operation::Records(state, Arc::clone(&batch)), bytes, Some(done))?;
        batch.hashes();
        Ok(ticket)
    }

    /// Refuses what the writer would have to refuse, and opens the files, or makes them: their damage is then the caller's error and not
    /// the store's.
    fn require_writable(&self) -> Result<(), Error> {
        self.queue.usable()?;
        self.queue.space.check()?;
        self.state.made()?;
        self.state.refusal().map_or(Ok(()), Err)
    }

    /// Offsets of the first record that is still there, and behind the last durable one.
    ///
    /// # Errors
    /// [`Error::Damaged`], or why the files could not be opened.
    pub fn range(&self) -> Result<(u64, u64), Error> {
        Ok(self.state.files()?.map_or((0, 0), |files| (files.records().first_offset(), files.size())))
    }

    /// Offset behind the last durable record, as far as the files are open, and 0 where they are not. It opens nothing and waits for nobody: whoever
    /// has read the partition may ask for it in any thread.
    #[must_use]
    pub fn end(&self) -> u64 {
        self.state.next()
    }

    /// Gives the durable records from offset `from` on to `visit`, in order, until it answers `false`. The bytes are those of
    /// [`Record`], or of its [`Stub`] where this member of a cluster does not keep it: see [`Stored::stub`]. Waits for those that only the journal has yet.
    ///
    /// # Errors
    /// [`Error::NoSuchRecord`] where `from` is before the first or behind the next record, [`Error::Damaged`].
    pub fn read(&self, from: u64, visit: &mut dyn FnMut(Stored<'_>) -> bool) -> Result<(), Error> {
        let Some(files) = self.state.files()? else {
            return if from == 0 { Ok(()) } else { Err(self.state.no_record(from)) };
        };
        let size = files.size();
        if from > size {
            let first = files.records().first_offset();
            return Err(Error::NoSuchRecord { stream: self.state.stream, first, next: size, asked: from });
        }
        let (mut next, mut wanted) = (from, true);
        while wanted && next < size {
            // A record shows itself to readers when its hash is in the trees.
            let ready = files.wait_for(next + 1)?.min(size);
            if ready <= next {
                break;
            }
            files.records().read(next, &mut |record| {
                let here = record.offset < ready;
                wanted = !here || visit(record);
                here && wanted
            })?;
            next = ready;
        }
        Ok(())
    }

    /// Puts encoded records in the places of their stubs, durably, and answers how many of them, from the first on, are in theirs now.
    /// `records` have rising offsets; those that are there already are passed over. Nothing else changes,
    /// and readers go on. A segment is written anew for it, so give many records of one segment at once.
    ///
    /// # Errors
    /// [`Error::NotTheRecord`] for one that is not the record of its offset, and [`Error::NoSuchRecord`] for one that was removed: then none of its segment is
    /// changed, and those of earlier segments are. [`Error::DiskLow`], [`Error::Damaged`], why the store failed, or what the disk answered.
    pub fn fill(&self, records: &[(u64, Bytes)]) -> Result<usize, Error> {
        let mut done = 0;
        while done < records.len() {
            self.queue.usable()?;
            self.queue.space.measure()?;
            match self.state.fill(&records[done..], &|| self.queue.usable())? {
                0 => break,
                filled => done += filled,
            }
        }
        Ok(done)
    }

    /// Offset of the first record whose timestamp is `timestamp` (milliseconds since 1970) or higher, if there is one.
    ///
    /// # Errors
    /// [`Error::Damaged`].
    pub fn offset_at(&self, timestamp: u64) -> Result<Option<u64>, Error> {
        match self.state.files()? {
            Some(files) => {
                let ready = files.wait_for(files.size())?;
                Ok(files.records().offset_at(timestamp)?.filter(|offset| *offset < ready))
            }
            None => Ok(None),
        }
    }

    /// What is known of its segments, oldest first.
    ///
    /// # Errors
    /// As [`Partition::range`].
    pub fn segments(&self) -> Result<Vec<SegmentInfo>, Error> {
        let Some(files) = self.state.files()? else { return Ok(Vec::new()) };
        files.wait_for(files.size())?;
        Ok(files.records().segments())
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
        self.state.open()?;
        self.state.unusable().map_or(Ok(()), Err)?;
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
        let checked = files.verify(damage);
        self.state.unusable().map_or(Ok(Some(checked)), Err)
    }

    /// What the writer knows of it.
    pub(crate) fn state(&self) -> &Arc<PartitionState> {
        &self.state
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
    /// Records that are there, or their stubs.
    pub(crate) records: u64,
    /// Those of them that are stubs only.
    pub(crate) stubs: u64,
    /// Derived files that were made again.
    pub(crate) remade: Vec<PathBuf>,
}

#[cfg(test)]
mod tests;
