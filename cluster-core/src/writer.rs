//! The one writer: takes groups from the queue, makes each durable with one write of the journal, then tells all tickets.

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError};
use std::time::Instant;

use bytes::Bytes;

use crate::Error;
use crate::applier::{Applier, Apply};
use crate::chain::{ChainFile, ChainWrite};
use crate::journal::{Entry, Journal, MAX_GROUP_BYTES};
use crate::logs::{PartitionState, Partitions};
use crate::mark::Mark;
use crate::notary::Log;
use crate::queue::{CheckpointReply, Queue, Reply, Request, refuse};
use crate::replica::{self, Written};
use crate::settler::{Done, Job, Settler};
use crate::slot::SlotFile;
use crate::stats::{Counters, count};
use crate::stream::Stream;
use crate::wal::{self, WalPlace};

mod group;

use group::{Accepted, Due, Group, Part, Parts, admit, entries, replica_entries, sort};

/// From this many journal files on the WAL's entries leave the oldest one, where nothing else keeps it.
const CARRY_FILES: usize = 4;
/// With this many journal files in use nothing is written before what they hold is settled.
pub(crate) const MOST_FILES: usize = 8;

/// Owns everything that is written.
pub(crate) struct Writer {
    pub(crate) queue: Arc<Queue>,
    pub(crate) counters: Arc<Counters>,
    pub(crate) journal: Journal,
    pub(crate) wal: WalPlace,
    /// The groups from this one on are needed by a partition that cannot be used, by stream; until its log is deleted.
    pub(crate) pinned: BTreeMap<u64, u64>,
    /// Before `settler`, which waits for it.
    pub(crate) applier: Applier,
    pub(crate) settler: Settler,
    /// What the journal's groups before this one say is in files of its own.
    pub(crate) settled: u64,
    /// Whether the logs are being settled.
    pub(crate) settling: bool,
    pub(crate) mark_file: SlotFile,
    pub(crate) mark: Mark,
    pub(crate) chain: Arc<ChainFile>,
    pub(crate) partitions: Partitions,
    pub(crate) replicas: Arc<replica::Table>,
}

impl Writer {
    /// Serves groups until the queue is closed and empty, then leaves nothing for the next start to do.
    pub(crate) fn run(mut self) {
        let guard = PanicGuard(Arc::clone(&self.queue));
        loop {
            let group = self.queue.take(true);
            if group.is_empty() {
                break;
            }
            self.serve(group);
        }
        self.finish();
        drop(guard);
    }

    /// Serves one group without waiting; `false` where nothing waits.
    pub(crate) fn drive(&mut self) -> bool {
        let group = self.queue.take(false);
        let some = !group.is_empty();
        if some {
            self.serve(group);
        }
        some
    }

    /// Syncs what the journal still holds and ends it, so that the next start has nothing to do.
    pub(crate) fn finish(&mut self) {
        if self.queue.failure().is_some() {
            return;
        }
        let ended = self.await_settled().and_then(|()| self.settle()).and_then(|()| self.journal.close());
        if let Err(reason) = ended {
            tracing::error!(%reason, "could not sync the logs at the end");
            self.queue.fail(&reason);
        }
    }

    fn serve(&mut self, requests: Vec<Request>) {
        let started = Instant::now();
        if let Some(reason) = self.queue.failure() {
            requests.into_iter().for_each(|request| refuse(request, &reason));
            return;
        }
        if let Err(reason) = self.commit(sort(requests)) {
            tracing::error!(%reason, "the store has failed and refuses everything from now on");
            self.queue.fail(&reason);
        }
        self.counters.group(started.elapsed());
    }

    /// Makes a group durable: all that goes into the journal with one write, then mark and chain; each part is told as soon as it is.
    /// Consensus comes first: it waits for nobody's trees. After a failure the rest is refused.
    fn commit(&mut self, group: Group) -> Result<(), Error> {
        let Group { wal, marks, leaves, records, written, barriers, checkpoints, partition_checkpoints, reset, chain } =
            group;
        if self.journal.files().0 >= MOST_FILES {
            self.await_settled()?;
        }
        let low = self.queue.space.check().err();
        let (leaves, records) = (admit(leaves, low.as_ref()), admit(records, low.as_ref()));
        let appended = entries(&leaves).chain(entries(&records)).chain(replica_entries(&written)).collect();
        let journaled = self.append(&wal, reset.as_ref().map(|(height, _)| *height), appended);
        let mut outcome = journaled.map(|first| self.place(&wal, reset.is_some(), first));
        self.tell_wal(wal, &outcome);
        outcome = self.commit_marks(marks, outcome);
        if let Some((_, reply)) = reset {
            tell(vec![reply], &outcome, |_| (0, 0));
        }
        if let Some((write, reply)) = chain {
            let is_block = matches!(*write, ChainWrite::Block(_));
            let written = outcome.and_then(|()| self.chain.write(*write));
            let height = written.as_ref().copied().unwrap_or(0);
            outcome = written.map(|_| ());
            if outcome.is_ok() && is_block {
                count(&self.counters.blocks, 1);
            }
            tell(vec![reply], &outcome, |_| (height, height));
        }
        let grew = !leaves.is_empty() || !records.is_empty() || !written.is_empty();
        outcome = self.apply(leaves, outcome);
        outcome = self.hand_over(records, outcome);
        outcome = self.release_records(written, outcome);
        tell(barriers, &outcome, |_| (0, 0));
        if grew {
            // The next append is told.
            let _told_then = self.queue.space.measure();
        }
        for (log, then, reply) in checkpoints {
            outcome = sign(outcome, then, reply, || log.sign_present());
        }
        for (partition, then, reply) in partition_checkpoints {
            outcome = sign(outcome, then, reply, || partition.sign_present());
        }
        outcome.and_then(|()| self.look_after_journal())
    }

    /// Writes what goes into the journal, as one group where it fits, and answers the number of the first group.
    fn append(&mut self, wal: &[(Bytes, Reply)], reset: Option<u64>, appended: Vec<Due<'_>>) -> Result<u64, Error> {
        // A reset comes alone: it begins after all entries before it, and none of this group follows it.
        let records = reset.map(wal::Record::Reset).into_iter();
        let records = records.chain(wal.iter().map(|(entry, _)| wal::Record::Entry(entry.clone())));
        let records = (self.wal.next..).zip(records);
        let own =
            records.map(|(position, record)| Due { stream: wal::STREAM, position, bytes: record.encode().into() });
        self.append_all(&own.chain(appended).collect::<Vec<_>>())
    }

    /// Writes entries in as few groups as can hold them. What one caller asks for is one entry, so nothing of it is torn apart.
    fn append_all(&mut self, mut entries: &[Due<'_>]) -> Result<u64, Error> {
        let first = self.journal.next_group();
        while !entries.is_empty() {
            let mut bytes = 0;
            let fits = |entry: &&Due<'_>| {
                bytes += 20 + entry.bytes.len();
                bytes <= MAX_GROUP_BYTES
            };
            let count = entries.iter().take_while(fits).count().max(1);
            let (part, rest) = entries.split_at(count);
            let part: Vec<Entry<'_>> = part
                .iter()
                .map(|Due { stream, position, bytes }| Entry { stream: *stream, position: *position, bytes })
                .collect();
            self.journal.append(&part)?;
            entries = rest;
        }
        Ok(first)
    }

    /// Notes where the WAL now stands; `first` is the group that was written.
    fn place(&mut self, wal: &[(Bytes, Reply)], reset: bool, first: u64) {
        if reset {
            self.wal = WalPlace { next: self.wal.next + 1, live: self.wal.next, group: first, entries: 0 };
        } else if self.wal.is_empty() {
            self.wal.group = first;
        }
        self.wal.next += wal.len() as u64;
        self.wal.entries += wal.len() as u64;
    }

    fn tell_wal(&self, wal: Vec<(Bytes, Reply)>, outcome: &Result<(), Error>) {
        let (entries, replies): (Vec<Bytes>, Vec<Reply>) = wal.into_iter().unzip();
        if outcome.is_ok() {
            count(&self.counters.wal_entries, entries.len());
            count(&self.counters.wal_bytes, entries.iter().map(Bytes::len).sum());
        }
        let size = self.wal.entries;
        let first = size.saturating_sub(entries.len() as u64);
        tell(replies, outcome, |place| (first + place as u64, size));
    }

    /// Begins what is to be done behind the writer, and takes what is done of it.
    fn look_after_journal(&mut self) -> Result<(), Error> {
        if let Some(spare) = self.journal.begin_spare() {
            self.settler.begin(Job::Spare(spare));
        }
        if !self.settling && self.journal.active_group() > self.settled {
            self.begin_settling();
        }
        while let Some(done) = self.settler.next(false)? {
            self.take(done)?;
        }
        Ok(())
    }

    fn begin_settling(&mut self) {
        self.settling = true;
        self.settler.begin(Job::Settle { up_to: self.journal.next_group(), applied: self.applier.handed() });
    }

    /// Waits until the logs are settled, if they are being settled.
    fn await_settled(&mut self) -> Result<(), Error> {
        while self.settling {
            if let Some(done) = self.settler.next(true)? {
                self.take(done)?;
            }
        }
        Ok(())
    }

    /// Makes everything that the journal holds durable in files of its own.
    fn settle(&mut self) -> Result<(), Error> {
        self.begin_settling();
        self.await_settled()
    }

    fn take(&mut self, done: Done) -> Result<(), Error> {
        match done {
            Done::Spare(spare, made) => {
                self.journal.end_spare(spare, made);
                Ok(())
            }
            Done::Settled(up_to) => {
                (self.settled, self.settling) = (up_to, false);
                self.release()?;
                // Where a partition holds the oldest file, carrying would free nothing.
                let held_by_wal = self.pinned.is_empty() && self.journal.releasable(self.settled) > 0;
                if held_by_wal && self.journal.files().0 >= CARRY_FILES { self.carry() } else { Ok(()) }
            }
        }
    }

    /// Writes the live WAL records of the oldest journal file once more, so that a long height does not keep every file behind it.
    fn carry(&mut self) -> Result<(), Error> {
        let mut records = Vec::new();
        let live = self.wal.live;
        let end = self.journal.oldest(|_, Entry { stream, position, bytes }| {
            if stream == wal::STREAM && position >= live {
                records.push(Due { stream, position, bytes: bytes.to_vec().into() });
            }
            Ok(())
        })?;
        self.append_all(&records)?;
        self.wal.group = self.wal.group.max(end);
        self.release()
    }

    /// Gives back the journal files that nothing needs.
    fn release(&mut self) -> Result<(), Error> {
        let partitions = self.partitions.lock().unwrap_or_else(PoisonError::into_inner);
        self.pinned.retain(|stream, _| partitions.contains_key(stream) || self.replicas.has_stream(*stream));
        drop(partitions);
        let pinned = self.pinned.values().copied().min().unwrap_or(u64::MAX);
        // What a partition could not take is not settled.
        self.journal.settle(self.settled.min(pinned), self.wal.needs_from())
    }

    fn commit_marks(&mut self, marks: Vec<(Bytes, Reply)>, outcome: Result<(), Error>) -> Result<(), Error> {
        let (values, replies): (Vec<Bytes>, Vec<Reply>) = marks.into_iter().unzip();
        let Some(last) = values.last() else { return outcome };
        let outcome = outcome.and_then(|()| self.mark_file.put(last));
        if outcome.is_ok() {
            self.mark.published(last.clone());
        }
        tell(replies, &outcome, |_| (0, 0));
        outcome
    }

    /// Gives what the journal holds to the notary logs.
    fn apply(&self, leaves: Parts<Log>, mut outcome: Result<(), Error>) -> Result<(), Error> {
        for Part { to, submissions, replies } in leaves.into_values() {
            let accepted = Accepted::of(to.as_ref(), &submissions);
            outcome = outcome.and_then(|()| to.apply(submissions));
            accepted.tell::<Log>(&self.counters, replies, &outcome);
        }
        outcome
    }

    /// Counts what the journal holds of the partitions, and has it applied beside the writer. Those who append are told meanwhile; what they then
    /// read waits for it.
    fn hand_over(&mut self, records: Parts<PartitionState>, mut outcome: Result<(), Error>) -> Result<(), Error> {
        let (mut job, mut told) = (Vec::new(), Vec::new());
        for Part { to, submissions, replies } in records.into_values() {
            let accepted = Accepted::of(to.as_ref(), &submissions);
            if outcome.is_ok() {
                to.accept(accepted.items());
            }
            job.push(Apply { to, behind: None, batches: submissions, reached: None });
            told.push((accepted, replies));
        }
        // First, since a completion may read.
        outcome = outcome.and_then(|()| if job.is_empty() { Ok(()) } else { self.applier.hand_over(job) });
        for (accepted, replies) in told {
            accepted.tell::<PartitionState>(&self.counters, replies, &outcome);
        }
        outcome
    }

    /// Has applied what replicas release, now that the journal says so, and tells them that it does.
    fn release_records(&mut self, written: Vec<(Written, Reply)>, mut outcome: Result<(), Error>) -> Result<(), Error> {
        let (mut job, mut replies) = (Vec::new(), Vec::new());
        for (mut written, reply) in written {
            if let Some(apply) = written.take_due().filter(|_| outcome.is_ok()) {
                let (records, bytes) = apply.batches.iter().fold((0, 0), |(records, bytes), batch| {
                    (records + batch.len(), bytes + PartitionState::bytes(batch))
                });
                if let Some(prefix) = &apply.behind {
                    apply.to.accept_prefix(prefix);
                }
                apply.to.accept(records);
                PartitionState::count(&self.counters, records, bytes);
                job.push(apply);
            }
            replies.push(reply);
        }
        outcome = outcome.and_then(|()| if job.is_empty() { Ok(()) } else { self.applier.hand_over(job) });
        tell(replies, &outcome, |_| (0, 0));
        outcome
    }
}

/// Hands a checkpoint out that `record` has recorded durably.
fn sign<T>(
    outcome: Result<(), Error>,
    mut then: CheckpointReply<T>,
    reply: Reply,
    record: impl FnOnce() -> Result<T, Error>,
) -> Result<(), Error> {
    if let Err(reason) = outcome {
        then.send(Err(reason.clone()));
        reply.fatal(reason.clone());
        return Err(reason);
    }
    let checkpoint = record();
    let failure = checkpoint.as_ref().err().cloned();
    then.send(checkpoint);
    match failure {
        None => reply.durable(0, 0),
        // The log was deleted meanwhile, or the like.
        Some(reason) if !reason.is_fatal() => reply.unavailable(reason),
        Some(reason) => {
            reply.fatal(reason.clone());
            return Err(reason);
        }
    }
    Ok(())
}

/// Tells replies, in order, what became of them.
fn tell(replies: Vec<Reply>, outcome: &Result<(), Error>, numbers: impl Fn(usize) -> (u64, u64)) {
    for (place, reply) in replies.into_iter().enumerate() {
        match outcome {
            Ok(()) => {
                let (first, size) = numbers(place);
                reply.durable(first, size);
            }
            Err(reason) => reply.fatal(reason.clone()),
        }
    }
}

/// Poisons the queue when the writer panics, so that nobody waits for ever.
struct PanicGuard(Arc<Queue>);

impl Drop for PanicGuard {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.fail(&Error::WriterStopped("it panicked".into()));
        }
    }
}

#[cfg(test)]
mod tests;
