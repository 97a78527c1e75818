//! The recovery of one earlier epoch, by the sequencer of a later one.

mod decide;

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use super::rule::{Rule, broken};
use super::{Command, Content, Entry, Epoch, Fence, Lsn, MAX_UNACKNOWLEDGED, MemberId, Message, NodeSet, Precedence};
use decide::{Decision, Digests, decide};

/// Copies of a mutation that are on their way, at most.
const STORES: usize = 64;

/// What a recovery wants done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum RecoveryEffect {
    /// Send a message.
    Send(MemberId, Message),
    /// Ask the epoch store to advance the last clean epoch.
    Advance(Command),
}

/// One attempt: digest, mutation, clean, and then the last clean epoch. Whatever fails, another attempt begins from the start, under
/// a higher fence.
#[derive(Debug)]
pub(super) struct Recovery {
    nodeset: NodeSet,
    epoch: Epoch,
    fence: Fence,
    phase: Phase,
    answers: u64,
}

#[derive(Debug)]
enum Phase {
    /// Waits for the digests of enough members.
    Digest { pieces: BTreeMap<MemberId, Pieces> },
    /// Waits until all copies are stored. `set` are the members of the digest.
    Mutation { known_good: u64, set: BTreeSet<MemberId>, mutation: Mutation },
    /// Waits until all members of the digest are clean.
    Clean { known_good: u64, waiting: BTreeSet<MemberId> },
    /// Waits for the epoch store.
    Advance { known_good: u64 },
}

/// What has come of one member's digest.
#[derive(Debug, Default)]
struct Pieces {
    known_good: u64,
    entries: BTreeMap<u64, Entry>,
    /// Last number that came, and whether there is more behind it.
    after: u64,
    complete: bool,
}

#[derive(Debug)]
struct Mutation {
    contents: BTreeMap<u64, Content>,
    unsent: VecDeque<(u64, MemberId)>,
    waiting: BTreeSet<(u64, MemberId)>,
}

impl Recovery {
    /// A recovery of this epoch; [`Recovery::resend`] begins it.
    pub fn new(nodeset: NodeSet, epoch: Epoch, fence: Fence) -> Self {
        Self { nodeset, epoch, fence, phase: Phase::Digest { pieces: BTreeMap::new() }, answers: 0 }
    }

    /// The epoch that is recovered.
    pub fn epoch(&self) -> Epoch {
        self.epoch
    }

    /// Answers so far that it waited for.
    pub fn answers(&self) -> u64 {
        self.answers
    }

    /// Asks again for all that is waited for.
    pub fn resend(&self) -> Vec<RecoveryEffect> {
        let (epoch, fence) = (self.epoch, self.fence);
        let send = |to: &MemberId, message| RecoveryEffect::Send(*to, message);
        match &self.phase {
            Phase::Digest { pieces } => {
                let open =
                    self.nodeset.members().iter().filter(|member| pieces.get(member).is_none_or(|p| !p.complete));
                let after = |member| pieces.get(member).map_or(0, |pieces| pieces.after);
                open.map(|to| send(to, Message::Digest { epoch, fence, after: after(to) })).collect()
            }
            Phase::Mutation { known_good, mutation, .. } => {
                mutation.waiting.iter().filter_map(|copy| self.store(*known_good, mutation, *copy)).collect()
            }
            Phase::Clean { waiting, .. } => {
                waiting.iter().map(|to| send(to, Message::Clean { epoch, fence })).collect()
            }
            Phase::Advance { known_good } => {
                vec![RecoveryEffect::Advance(Command::AdvanceClean { epoch, known_good: *known_good })]
            }
        }
    }

    /// Takes an answer. Those of others than the epoch's nodeset and to other attempts are ignored.
    pub fn step(&mut self, from: MemberId, message: Message) -> Vec<RecoveryEffect> {
        if !self.nodeset.contains(from) {
            return Vec::new();
        }
        match message {
            Message::Digested { epoch, fence, after, known_good, entries, more } if self.is_mine(epoch, fence) => {
                self.digested(from, after, known_good, entries, more)
            }
            Message::Stored { lsn, precedence: Precedence::Recovery(fence) } if self.is_mine(lsn.epoch, fence) => {
                self.stored(from, lsn.number)
            }
            Message::Cleaned { epoch, fence } if self.is_mine(epoch, fence) => self.cleaned(from),
            _ => Vec::new(),
        }
    }

    fn is_mine(&self, epoch: Epoch, fence: Fence) -> bool {
        epoch == self.epoch && fence == self.fence
    }

    fn digested(
        &mut self,
        from: MemberId,
        after: u64,
        known_good: u64,
        entries: Vec<(u64, Entry)>,
        more: bool,
    ) -> Vec<RecoveryEffect> {
        let Phase::Digest { pieces } = &mut self.phase else { return Vec::new() };
        let piece = pieces.entry(from).or_default();
        if piece.complete || piece.after != after || !is_piece(after, known_good, &entries, more) {
            return Vec::new();
        }
        self.answers += 1;
        piece.known_good = piece.known_good.max(known_good);
        piece.after = entries.last().map_or(after, |(number, _)| *number);
        piece.complete = !more;
        piece.entries.extend(entries);
        // A member that says ever more is known good makes this no larger.
        piece.entries = piece.entries.split_off(&(piece.known_good + 1));
        if more {
            let next = Message::Digest { epoch: self.epoch, fence: self.fence, after: piece.after };
            return vec![RecoveryEffect::Send(from, next)];
        }
        if pieces.values().filter(|pieces| pieces.complete).count() < digest_quorum(&self.nodeset) {
            return Vec::new();
        }
        let complete = std::mem::take(pieces).into_iter().filter(|(_, pieces)| pieces.complete);
        self.mutate(complete.collect())
    }

    fn mutate(&mut self, pieces: BTreeMap<MemberId, Pieces>) -> Vec<RecoveryEffect> {
        let known_good = pieces.values().map(|pieces| pieces.known_good).max().unwrap_or(0);
        let digests: Digests = pieces.into_iter().map(|(member, pieces)| (member, pieces.entries)).collect();
        let Decision { contents, copies } = decide(&self.nodeset, known_good, &digests, self.fence.attempt);
        let mut unsent: VecDeque<(u64, MemberId)> = copies.into_iter().collect();
        let waiting = unsent.drain(..unsent.len().min(STORES)).collect();
        let set = digests.into_keys().collect();
        self.phase = Phase::Mutation { known_good, set, mutation: Mutation { contents, unsent, waiting } };
        self.resend()
    }

    fn stored(&mut self, from: MemberId, number: u64) -> Vec<RecoveryEffect> {
        let Phase::Mutation { known_good, set, mutation } = &mut self.phase else { return Vec::new() };
        if !mutation.waiting.remove(&(number, from)) {
            return Vec::new();
        }
        self.answers += 1;
        let known_good = *known_good;
        if let Some(next) = mutation.unsent.pop_front() {
            mutation.waiting.insert(next);
            let Phase::Mutation { mutation, .. } = &self.phase else { return Vec::new() };
            return self.store(known_good, mutation, next).into_iter().collect();
        }
        if !mutation.waiting.is_empty() {
            return Vec::new();
        }
        let waiting = std::mem::take(set);
        self.phase = match broken(Rule::CleanSkipped) {
            true => Phase::Advance { known_good },
            false => Phase::Clean { known_good, waiting },
        };
        self.resend()
    }

    fn store(&self, known_good: u64, mutation: &Mutation, (number, to): (u64, MemberId)) -> Option<RecoveryEffect> {
        let content = mutation.contents.get(&number)?.clone();
        let entry = Entry { content, precedence: Precedence::Recovery(self.fence) };
        let lsn = Lsn::new(self.epoch, number);
        Some(RecoveryEffect::Send(to, Message::Store { lsn, entry, known_good, early: false }))
    }

    /// Rule 8.
    fn cleaned(&mut self, from: MemberId) -> Vec<RecoveryEffect> {
        let Phase::Clean { known_good, waiting } = &mut self.phase else { return Vec::new() };
        if !waiting.remove(&from) {
            return Vec::new();
        }
        self.answers += 1;
        if !waiting.is_empty() {
            return Vec::new();
        }
        self.phase = Phase::Advance { known_good: *known_good };
        self.resend()
    }
}

/// Rule 7: members whose digests are needed, and which are mutated.
fn digest_quorum(nodeset: &NodeSet) -> usize {
    if broken(Rule::DigestOfMajority) {
        return nodeset.members().len() / 2 + 1;
    }
    if broken(Rule::DigestOfFew) {
        return nodeset.copies();
    }
    if broken(Rule::MutationOfFew) {
        return nodeset.quorum();
    }
    nodeset.recovery_quorum()
}

/// Whether a member can have sent this piece: numbers rise, and none is further above the member's last known good than a sequencer and a
/// bridge behind it can come. So what is kept and decided is bounded, whatever a peer sends.
fn is_piece(after: u64, known_good: u64, entries: &[(u64, Entry)], more: bool) -> bool {
    let Some(highest) = known_good.checked_add(MAX_UNACKNOWLEDGED as u64 + 1) else { return false };
    let mut last = after.max(known_good);
    let rising = entries.iter().all(|(number, _)| {
        let rises = *number > last;
        last = *number;
        rises
    });
    rising && last <= highest.max(after) && highest < u64::MAX && !(more && entries.is_empty())
}

#[cfg(test)]
mod tests;
