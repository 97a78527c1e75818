//! One group of requests: sorted, admitted, and as entries of the journal.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use pyralog_crypto::{Checkpoint, PartitionCheckpoint};

use crate::Error;
use crate::chain::ChainWrite;
use crate::logs::PartitionState;
use crate::notary::Log;
use crate::queue::{CheckpointReply, Operation, Reply, Request};
use crate::replica::Written;
use crate::stats::Counters;
use crate::stream::Stream;

/// An entry of the journal, on its way there.
pub(super) struct Due<'a> {
    pub(super) stream: u64,
    pub(super) position: u64,
    pub(super) bytes: Cow<'a, [u8]>,
}

/// A group, sorted by what its requests touch.
#[derive(Default)]
pub(super) struct Group {
    pub(super) wal: Vec<(Bytes, Reply)>,
    pub(super) marks: Vec<(Bytes, Reply)>,
    pub(super) leaves: Parts<Log>,
    pub(super) records: Parts<PartitionState>,
    pub(super) written: Vec<(Written, Reply)>,
    pub(super) barriers: Vec<Reply>,
    pub(super) checkpoints: Vec<(Arc<Log>, CheckpointReply<Checkpoint>, Reply)>,
    pub(super) partition_checkpoints: Vec<(Arc<PartitionState>, CheckpointReply<PartitionCheckpoint>, Reply)>,
    pub(super) reset: Option<(u64, Reply)>,
    pub(super) chain: Option<(Box<ChainWrite>, Reply)>,
}

/// What goes to each stream, by its number.
pub(super) type Parts<S> = BTreeMap<u64, Part<S>>;

/// What goes to one stream.
pub(super) struct Part<S: Stream> {
    pub(super) to: Arc<S>,
    pub(super) submissions: Vec<S::Submission>,
    pub(super) replies: Vec<Reply>,
}

/// Sorts requests by what they touch, each kind in its order.
pub(super) fn sort(requests: Vec<Request>) -> Group {
    let mut group = Group::default();
    for Request { operation, reply, .. } in requests {
        match operation {
            Operation::WalEntry(entry) => group.wal.push((entry, reply)),
            Operation::WalReset(height) => group.reset = Some((height, reply)),
            Operation::Mark(mark) => group.marks.push((mark, reply)),
            Operation::Leaves(log, submission) => add(&mut group.leaves, log, submission, reply),
            Operation::Records(partition, batch) => add(&mut group.records, partition, batch, reply),
            Operation::Replica(written) => group.written.push((written, reply)),
            Operation::Barrier => group.barriers.push(reply),
            Operation::Checkpoint(log, then) => group.checkpoints.push((log, then, reply)),
            Operation::PartitionCheckpoint(partition, then) => {
                group.partition_checkpoints.push((partition, then, reply))
            }
            Operation::Chain(write) => group.chain = Some((write, reply)),
        }
    }
    group
}

fn add<S: Stream>(parts: &mut Parts<S>, to: Arc<S>, submission: S::Submission, reply: Reply) {
    let stream = to.stream();
    let part = parts.entry(stream).or_insert_with(|| Part { to, submissions: Vec::new(), replies: Vec::new() });
    part.submissions.push(submission);
    part.replies.push(reply);
}

/// Tells those whose stream takes nothing, or for which there is no space, and answers the others.
pub(super) fn admit<S: Stream>(parts: Parts<S>, low: Option<&Error>) -> Parts<S> {
    let refusal = |to: &S| to.refusal().or_else(|| low.filter(|_| to.is_durable()).cloned());
    let admitted = parts.into_iter().filter_map(|(stream, part)| match refusal(&part.to) {
        None => Some((stream, part)),
        Some(reason) => {
            part.replies.into_iter().for_each(|reply| reply.unavailable(reason.clone()));
            None
        }
    });
    admitted.collect()
}

/// The entries of the journal for what is appended.
pub(super) fn entries<S: Stream>(parts: &Parts<S>) -> impl Iterator<Item = Due<'_>> {
    let durable = parts.iter().filter(|(_, part)| part.to.is_durable());
    durable.map(|(stream, part)| Due { stream: *stream, position: part.to.next(), bytes: S::entry(&part.submissions) })
}

/// The entries of the journal for what replicas took.
pub(super) fn replica_entries(written: &[(Written, Reply)]) -> impl Iterator<Item = Due<'_>> {
    written.iter().map(|(written, _)| Due {
        stream: written.stream(),
        position: written.position,
        bytes: written.bytes[..].into(),
    })
}

/// Where the submissions to one stream begin in it.
pub(super) struct Accepted {
    firsts: Vec<u64>,
    next: u64,
    bytes: usize,
}

impl Accepted {
    pub(super) fn of<S: Stream>(to: &S, submissions: &[S::Submission]) -> Self {
        let mut next = to.next();
        let first_of = |submission: &S::Submission| {
            let first = next;
            next += S::items(submission) as u64;
            first
        };
        let firsts = submissions.iter().map(first_of).collect();
        Self { firsts, next, bytes: submissions.iter().map(S::bytes).sum() }
    }

    pub(super) fn items(&self) -> usize {
        self.firsts.first().map_or(0, |first| (self.next - first) as usize)
    }

    /// Tells those who submitted, in their order, what became of it.
    pub(super) fn tell<S: Stream>(&self, counters: &Counters, replies: Vec<Reply>, outcome: &Result<(), Error>) {
        if outcome.is_ok() {
            S::count(counters, self.items(), self.bytes);
        }
        super::tell(replies, outcome, |place| (self.firsts.get(place).copied().unwrap_or(0), self.next));
    }
}
