//! The one writer: takes groups from the queue, makes each durable with one sync per file, then tells all tickets.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use bytes::Bytes;
use pyralog_crypto::LogId;

use crate::Error;
use crate::chain::{ChainFile, ChainWrite};
use crate::mark::Mark;
use crate::notary::{Log, Submission};
use crate::queue::{CheckpointReply, Operation, Queue, Reply, Request, refuse};
use crate::slot::SlotFile;
use crate::stats::{Counters, count};
use crate::wal::WalFile;

/// The open logs, by id.
pub(crate) type Logs = Arc<Mutex<BTreeMap<LogId, Arc<Log>>>>;

/// Owns everything that is written.
pub(crate) struct Writer {
    pub(crate) queue: Arc<Queue>,
    pub(crate) counters: Arc<Counters>,
    pub(crate) wal: WalFile,
    pub(crate) mark_file: SlotFile,
    pub(crate) mark: Mark,
    pub(crate) chain: Arc<ChainFile>,
    pub(crate) logs: Logs,
}

/// A group, sorted by what its requests touch.
#[derive(Default)]
struct Group {
    wal: Vec<(Bytes, Reply)>,
    marks: Vec<(Bytes, Reply)>,
    leaves: BTreeMap<LogId, LeafGroup>,
    checkpoints: Vec<(Arc<Log>, CheckpointReply, Reply)>,
    reset: Option<(u64, Reply)>,
    chain: Option<(Box<ChainWrite>, Reply)>,
}

struct LeafGroup {
    log: Arc<Log>,
    submissions: Vec<Submission>,
    replies: Vec<Reply>,
}

impl Writer {
    /// Serves groups until the queue is closed and empty, then leaves the trees synced.
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

    /// Syncs derived files, so that the next start has nothing to do.
    pub(crate) fn finish(&self) {
        if self.queue.failure().is_some() {
            return;
        }
        let logs: Vec<Arc<Log>> = self.logs.lock().unwrap_or_else(PoisonError::into_inner).values().cloned().collect();
        for log in logs {
            if let Err(reason) = log.sync_trees() {
                tracing::error!(log = %log.id, %reason, "could not sync the trees at the end");
                self.queue.fail(&reason);
                return;
            }
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

    /// Makes the parts of a group durable, one after the other; each part is told as soon as it is. Consensus comes first: it
    /// waits for nobody's leaves. After a failure the rest is refused.
    fn commit(&mut self, group: Group) -> Result<(), Error> {
        let Group { wal, marks, leaves, checkpoints, reset, chain } = group;
        let mut outcome = self.commit_wal(wal, Ok(()));
        outcome = self.commit_marks(marks, outcome);
        if let Some((height, reply)) = reset {
            outcome = outcome.and_then(|()| self.wal.reset(height));
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
        for group in leaves.into_values() {
            outcome = self.commit_leaves(group, outcome);
        }
        for (log, mut then, reply) in checkpoints {
            let checkpoint = outcome.clone().and_then(|()| log.sign_present());
            outcome = checkpoint.as_ref().map(|_| ()).map_err(Clone::clone);
            then.send(checkpoint);
            tell(vec![reply], &outcome, |_| (0, 0));
        }
        outcome
    }

    fn commit_wal(&mut self, wal: Vec<(Bytes, Reply)>, outcome: Result<(), Error>) -> Result<(), Error> {
        if wal.is_empty() {
            return outcome;
        }
        let (entries, replies): (Vec<Bytes>, Vec<Reply>) = wal.into_iter().unzip();
        let first = outcome.and_then(|()| self.wal.append(&entries));
        if first.is_ok() {
            count(&self.counters.wal_entries, entries.len());
            count(&self.counters.wal_bytes, entries.iter().map(Bytes::len).sum());
        }
        let number = first.as_ref().copied().unwrap_or(0);
        let outcome = first.map(|_| ());
        let size = self.wal.entries();
        tell(replies, &outcome, |place| (number + place as u64, size));
        outcome
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

    fn commit_leaves(&mut self, group: LeafGroup, outcome: Result<(), Error>) -> Result<(), Error> {
        let LeafGroup { log, submissions, replies } = group;
        let first = outcome.and_then(|()| log.append(&submissions));
        let mut next = first.as_ref().copied().unwrap_or(0);
        let firsts: Vec<u64> = submissions
            .iter()
            .map(|submission| {
                let first = next;
                next += submission.leaves.len() as u64;
                first
            })
            .collect();
        let outcome = first.map(|_| ());
        if outcome.is_ok() {
            let leaves = submissions.iter().flat_map(|submission| &submission.leaves);
            count(&self.counters.leaves, leaves.clone().count());
            count(&self.counters.leaf_bytes, leaves.map(Vec::len).sum());
        }
        let size = log.size();
        tell(replies, &outcome, |place| (firsts.get(place).copied().unwrap_or(0), size));
        outcome
    }
}

fn sort(requests: Vec<Request>) -> Group {
    let mut group = Group::default();
    for Request { operation, reply, .. } in requests {
        match operation {
            Operation::WalEntry(entry) => group.wal.push((entry, reply)),
            Operation::WalReset(height) => group.reset = Some((height, reply)),
            Operation::Mark(mark) => group.marks.push((mark, reply)),
            Operation::Leaves { log, leaves, hashes } => {
                let empty = || LeafGroup { log: Arc::clone(&log), submissions: Vec::new(), replies: Vec::new() };
                let part = group.leaves.entry(log.id).or_insert_with(empty);
                part.submissions.push(Submission { leaves, hashes });
                part.replies.push(reply);
            }
            Operation::Checkpoint { log, then } => group.checkpoints.push((log, then, reply)),
            Operation::Chain(write) => group.chain = Some((write, reply)),
        }
    }
    group
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
