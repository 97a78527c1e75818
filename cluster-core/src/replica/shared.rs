//! What the members' machines, the writer and the settler share of one replicated partition.

use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use pyralog_crypto::Record;

use super::held::{Checked, Due, Frontier, Held, Reached, Step, records_in};
use crate::Error;
use crate::applier::Apply;
use crate::event::{Completion, Ticket};
use crate::items;
use crate::logs::{LogName, Partition, PartitionState, RecordBatch, check_append};
use crate::queue::{Operation, Queue};
use crate::replication::{Change, Copies, Entry, Epoch, Lsn, MemberState, Payload, Producers, Stamp};
use crate::stream::Stream;
use crate::stub::{Stub, is_stub};
use crate::tree::TrimmedPrefix;

/// Where stubs are wanted so many times the bytes are read that are given.
const STUBBED: usize = 4;

/// One replicated partition on this member.
pub struct Replica {
    pub(super) stream: u64,
    /// Whose records they become.
    pub(super) of: Arc<PartitionState>,
    queue: Arc<Queue>,
    /// Locked also while a request is queued, so that entries stand in the journal as they were taken.
    held: Mutex<Held>,
    /// What the tables have, for who writes them.
    pub(super) saved: Mutex<super::snapshot::Saved>,
}

/// An entry of a replica on its way to the journal, and what is to be done when it is there.
pub(crate) struct Written {
    pub(crate) replica: Arc<Replica>,
    pub(crate) position: u64,
    pub(crate) bytes: Bytes,
    due: Option<Due>,
}

impl Replica {
    pub(super) fn new(
        stream: u64,
        of: Arc<PartitionState>,
        queue: Arc<Queue>,
        held: Held,
        saved: super::snapshot::Saved,
    ) -> Self {
        Self { stream, of, queue, held: Mutex::new(held), saved: Mutex::new(saved) }
    }

    /// What a storing member knows, durable or not: give it to one that begins.
    #[must_use]
    pub fn state(&self) -> MemberState {
        self.held().state.clone()
    }

    /// How far the records go, durable or not.
    #[must_use]
    pub fn frontier(&self) -> Frontier {
        self.held().handed
    }

    /// How far its records are final, as far as it was told.
    #[must_use]
    pub fn released(&self) -> Lsn {
        self.held().state.released()
    }

    /// How far they can be read.
    #[must_use]
    pub fn applied(&self) -> Frontier {
        self.held().applied
    }

    /// Whether something is released that has no copy here: records must be taken from another member.
    #[must_use]
    pub fn lacks(&self) -> bool {
        self.held().lacks()
    }

    /// The producers of all epochs before this one, if the records go so far, durable here or not: what is released is final.
    #[must_use]
    pub fn producers_before(&self, epoch: Epoch) -> Option<Producers> {
        let held = self.held();
        (held.producers.next().epoch == epoch).then(|| held.producers.clone())
    }

    /// Bytes of the copies in memory.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.held().bytes
    }

    /// Why what the journal holds could not be given to the partition's files, if so.
    #[must_use]
    pub fn broken(&self) -> Option<Error> {
        self.of.broken()
    }

    pub(crate) fn dir(&self) -> &Path {
        self.of.dir()
    }

    /// Makes the partition's files where a crash, or the disk, kept them from being made with the replica.
    ///
    /// # Errors
    /// What the disk answered.
    pub(crate) fn open_first(&self) -> Result<(), Error> {
        self.of.open_first()
    }

    /// The log that it is a partition of.
    #[must_use]
    pub fn log(&self) -> &LogName {
        &self.of.spec.name
    }

    /// Handle of the partition that the records are read from.
    #[must_use]
    pub fn partition(&self) -> Partition {
        Partition::new(Arc::clone(&self.queue), Arc::clone(&self.of))
    }

    /// Makes changes durable that a storing member asked for, all or none, behind all earlier ones. They are seen at once.
    ///
    /// # Errors
    /// [`Error::Size`] for bytes that hold no records, which [`payload_records`] tells before, or why the store failed; the completion is then
    /// dropped uncalled.
    pub fn persist(self: &Arc<Self>, changes: Vec<Change>, done: Completion) -> Result<Ticket, Error> {
        let checked = check(Step::Changes(changes))?;
        self.push(&mut self.held(), &checked, done)
    }

    /// Takes records over from another member's files: `items` are those from offset `first` on, as [`Replica::records`] gives them, and `reached` says
    /// where the last one is, where that member knows it and it is released here. `false` where others are due by now.
    ///
    /// # Errors
    /// [`Error::Size`] for bytes that are no records, or why the store failed; the completion is then dropped uncalled.
    pub fn catch_up(
        self: &Arc<Self>,
        first: u64,
        items: Bytes,
        reached: Option<Reached>,
        done: Completion,
    ) -> Result<bool, Error> {
        let empty = items.is_empty();
        // Only what is released counts: a recovery asks for what is behind it.
        let released = self.held().state.released();
        let mut held = self.held();
        // A record that this member promised to keep stays, whatever the other one has of it.
        let (items, all) = held.fill(items);
        let reached = reached.filter(|to| to.lsn <= released && all);
        let further = reached.as_ref().map(|to| to.lsn);
        let checked = check(Step::Records { first, reached, items })?;
        // Whoever goes on behind records without positions is told the same position again, where there is none behind it.
        let Frontier { lsn: here, between, .. } = held.handed;
        let known = further.is_none_or(|lsn| lsn < here || (lsn == here && !between));
        let due = first == held.handed.offset && !(empty && known);
        if due { self.push(&mut held, &checked, done).map(|_| true) } else { Ok(false) }
    }

    /// What is left here of the records that were removed; `None` where that is too much to be passed on.
    #[must_use]
    pub fn trimmed(&self) -> Option<TrimmedPrefix> {
        self.of.trimmed()
    }

    /// Goes on behind records that the other members have removed: they are missing here for good. `false` where others are due by now, or some are still
    /// on their way to the files.
    ///
    /// # Errors
    /// [`Error::Damaged`] where what is here are other records, or why the store failed; the completion is then dropped uncalled.
    pub fn go_behind(self: &Arc<Self>, prefix: TrimmedPrefix, done: Completion) -> Result<bool, Error> {
        let mut held = self.held();
        if held.applied != held.handed || prefix.end() <= held.handed.offset {
            return Ok(false);
        }
        self.of.open()?;
        if !self.of.begins(&prefix) {
            let why = "the records here are not those that the other members had: remove the member and add it again";
            return Err(Error::damaged(self.of.dir(), 0, why));
        }
        let checked = check(Step::Behind(Arc::new(prefix)))?;
        self.push(&mut held, &checked, done).map(|_| true)
    }

    /// The records from offset `from` on, at most about `most` bytes of them, one at least where there is one; and where the last one is, if
    /// they go as far as can be read. Each is given as it is here; where `stubs`, its leaf stands for it.
    ///
    /// # Errors
    /// [`Error::NoSuchRecord`] where `from` is before the first or behind the next record, [`Error::Damaged`].
    pub fn records(&self, from: u64, most: usize, stubs: bool) -> Result<(Bytes, Option<Reached>), Error> {
        let (applied, end) = self.end();
        let (mut items, mut next, mut read) = (Vec::new(), from, 0);
        if from < applied.offset {
            self.partition().read(from, &mut |record| {
                let stub = if stubs { Stub::of(record.bytes).map(|stub| stub.to_bytes()) } else { None };
                let item = stub.as_ref().map_or(record.bytes, |stub| &stub[..]);
                items.extend_from_slice(&(item.len() as u32).to_be_bytes());
                items.extend_from_slice(item);
                (next, read) = (record.offset + 1, read + record.bytes.len());
                next < applied.offset && items.len() < most && read < STUBBED * most
            })?;
        }
        Ok((items.into(), end.filter(|_| next == applied.offset)))
    }

    /// How far the records can be read, and where the last one is, if that is known.
    fn end(&self) -> (Frontier, Option<Reached>) {
        let held = self.held();
        let reached = || Reached { lsn: held.applied.lsn, producers: held.settled.clone() };
        (held.applied, (!held.applied.between).then(reached))
    }

    /// Takes a step and queues it. Where it cannot be queued the store has failed.
    fn push(self: &Arc<Self>, held: &mut Held, checked: &Checked, done: Completion) -> Result<Ticket, Error> {
        self.queue.usable()?;
        // What it brings to the files needs them.
        self.of.open()?;
        self.of.unusable_for_replica().map_or(Ok(()), Err)?;
        self.check_files(held)?;
        let (position, bytes) = (held.next, Bytes::from(checked.step.to_bytes()));
        let due = held.step(checked);
        let cost = bytes.len() as u64;
        let written = Written { replica: Arc::clone(self), position, bytes, due };
        self.queue.push(Operation::Replica(written), cost, Some(done))
    }

    /// Whether the files have what the replica knows to be there, and no more: records would get other offsets than on other members.
    ///
    /// # Errors
    /// [`Error::Damaged`].
    fn check_files(&self, held: &Held) -> Result<(), Error> {
        let (found, least, most) = (self.of.next(), held.applied.offset, held.handed.offset);
        if (least..=most).contains(&found) {
            return Ok(());
        }
        let why = format!(
            "the partition has {found} records, and its replica knows of {least} to {most}: restore the files that belong together, or remove the member and add it again"
        );
        Err(Error::damaged(self.of.dir(), 0, why))
    }

    /// [`Replica::check_files`] for who checks everything; the partition's files are open.
    pub(crate) fn check(&self) -> Result<(), Error> {
        self.of.open()?;
        self.check_files(&self.held())
    }

    /// Takes an entry of the journal at a start; what the tables and the files have is skipped.
    ///
    /// # Errors
    /// [`Error::Damaged`], or why the partition's files are not used.
    pub(crate) fn replay(&self, position: u64, bytes: &[u8]) -> Result<(), Error> {
        let mut held = self.held();
        let damaged = |why: String| Err(Error::damaged(self.of.dir(), 0, why));
        if position < held.next {
            return Ok(());
        }
        if position > held.next {
            let next = held.next;
            return damaged(format!("entry {next} of its replica is missing, and entry {position} is there"));
        }
        let step = Step::from_bytes(&Bytes::copy_from_slice(bytes)).and_then(Checked::of);
        match step {
            Ok(step) => {
                let due = held.step(&step);
                self.bring(&mut held, due)
            }
            Err(why) => damaged(format!("entry {position} of its replica is none: {why}")),
        }
    }

    /// Brings to the files, at a start, what is released.
    ///
    /// # Errors
    /// [`Error::Damaged`] where the files have less than they had, or why they are not used.
    pub(super) fn resume(&self) -> Result<(), Error> {
        let mut held = self.held();
        let due = held.resume();
        self.bring(&mut held, due)
    }

    fn bring(&self, held: &mut Held, due: Option<Due>) -> Result<(), Error> {
        let Some(Due { behind, batches, mut first, to }) = due else { return Ok(()) };
        // Where something could not be brought nothing behind it is, not even a position without a record.
        self.of.broken().map_or(Ok(()), Err)?;
        if let Some(prefix) = behind {
            self.of.replay_prefix(&prefix)?;
        }
        for batch in batches {
            self.of.replay(first, batch.bytes())?;
            first += batch.len() as u64;
        }
        held.applied(to);
        Ok(())
    }

    /// The files have what was handed over up to here.
    pub(crate) fn note_applied(&self, to: Frontier) {
        self.held().applied(to);
    }

    pub(super) fn held(&self) -> MutexGuard<'_, Held> {
        // Nothing in the locked sections panics.
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Copies for Replica {
    fn copy(&self, lsn: Lsn) -> Result<Option<Entry>, Error> {
        self.held().copy(lsn)
    }

    fn copies_after(&self, lsn: Lsn, most: usize) -> Result<Vec<(u64, Entry)>, Error> {
        self.held().copies_after(lsn, most)
    }
}

impl Written {
    pub(crate) fn stream(&self) -> u64 {
        self.replica.stream
    }

    /// What the entry brings to the files, now that the journal has it.
    pub(crate) fn take_due(&mut self) -> Option<Apply> {
        let Due { behind, batches, to: frontier, .. } = self.due.take()?;
        let (to, reached) = (Arc::clone(&self.replica.of), Some((Arc::clone(&self.replica), frontier)));
        Some(Apply { to, behind, batches, reached })
    }
}

/// Records as what a sequencer numbers, and storing members keep, as one.
///
/// # Errors
/// [`Error::Size`] for what [`crate::check_append`] refuses.
pub fn payload(records: &[Record]) -> Result<Bytes, Error> {
    wrapped(Payload::Plain, records)
}

/// The same, of a producer: sent again with the same stamp it stands there once.
///
/// # Errors
/// As [`payload`]; also for a stamp with sequence number 0.
pub fn stamped_payload(stamp: Stamp, records: &[Record]) -> Result<Bytes, Error> {
    if stamp.sequence == 0 {
        let allowed = "1 or more, rising by 1";
        return Err(Error::Size { what: "the sequence number of an append", found: 0, allowed });
    }
    wrapped(Payload::Stamped(stamp), records)
}

fn wrapped(kind: Payload, records: &[Record]) -> Result<Bytes, Error> {
    let encoded = check_append(records)?;
    Ok(kind.wrap(RecordBatch::new(records, encoded).bytes()))
}

/// How many records a payload holds; `None` for what is none, and where something stands for one of them.
#[must_use]
pub fn payload_records(payload: &Bytes) -> Option<u64> {
    match records_in(payload)? {
        Some(records) if items::iter(&records).any(is_stub) => None,
        Some(records) => RecordBatch::count(&records).map(|count| count as u64),
        None => Some(0),
    }
}

/// Whether these are records, or stubs, each behind its length, as [`Replica::records`] gives them.
#[must_use]
pub(crate) fn are_records(items: &[u8]) -> bool {
    RecordBatch::count(items).is_some()
}

fn check(step: Step) -> Result<Checked, Error> {
    let allowed = "one or more records, each behind its length";
    Checked::of(step).map_err(|_| Error::Size { what: "what is to be replicated", found: 0, allowed })
}

impl std::fmt::Debug for Replica {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Replica")
            .field("stream", &self.stream)
            .field("frontier", &self.frontier())
            .finish_non_exhaustive()
    }
}
