//! A disk that tells written from durable, and loses the difference in a crash.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use pyralog_consensus::application::{StateStore, StoreError};
use pyralog_consensus::block::ValidatorSet;
use pyralog_consensus::engine::{CommittedBlock, History, SignMark, Ticket, WalRecovery};
use tendermint::{Time, block::Commit};

use super::random::Random;

/// What one node keeps: the consensus WAL, the mark, blocks and state.
#[derive(Clone, Debug, Default)]
pub(super) struct Disk {
    wal: Vec<Bytes>,
    /// Written to the WAL in order, not durable yet.
    written: VecDeque<Written>,
    mark: Option<SignMark>,
    next_mark: Option<(Ticket, SignMark)>,
    blocks: Vec<CommittedBlock>,
    next_block: Option<(Ticket, Box<CommittedBlock>)>,
    state: BTreeMap<Vec<u8>, Vec<u8>>,
    torn: bool,
}

#[derive(Clone, Debug)]
enum Written {
    Entry(Ticket, Bytes),
    Reset,
}

/// What a crash leaves of what was not durable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Crash {
    /// Nothing: the power went.
    Lose,
    /// Everything: only the process died.
    Keep,
    /// A part of the WAL, the rest by chance: pages were on their way.
    Some,
    /// As `Some`, and half an entry behind it.
    Torn,
}

impl Disk {
    pub(super) fn with_state(state: &[(Vec<u8>, Option<Vec<u8>>)]) -> Self {
        let mut disk = Self::default();
        disk.apply(state);
        disk
    }

    pub(super) fn append(&mut self, ticket: Ticket, bytes: Bytes) {
        self.written.push_back(Written::Entry(ticket, bytes));
    }

    pub(super) fn reset(&mut self) {
        self.written.push_back(Written::Reset);
    }

    pub(super) fn set_mark(&mut self, ticket: Ticket, mark: SignMark) {
        self.next_mark = Some((ticket, mark));
    }

    pub(super) fn commit(&mut self, ticket: Ticket, block: Box<CommittedBlock>) {
        self.next_block = Some((ticket, block));
    }

    /// The device says that what `ticket` names is down.
    pub(super) fn synced(&mut self, ticket: Ticket) {
        if self.next_mark.is_some_and(|(t, _)| t == ticket) {
            self.keep_mark();
        } else if self.next_block.as_ref().is_some_and(|(t, _)| *t == ticket) {
            self.keep_block();
        } else if self.written.iter().any(|w| matches!(w, Written::Entry(t, _) if *t == ticket)) {
            while let Some(written) = self.written.pop_front() {
                let last = matches!(&written, Written::Entry(t, _) if *t == ticket);
                self.keep(written);
                if last {
                    break;
                }
            }
        }
    }

    /// Loses what was not durable, as `crash` says. `true` if a torn entry was left.
    pub(super) fn crash(&mut self, crash: Crash, random: &mut Random) -> bool {
        let kept = match crash {
            Crash::Lose => 0,
            Crash::Keep => self.written.len(),
            Crash::Some | Crash::Torn => random.between(0, self.written.len() as u64) as usize,
        };
        for written in self.written.drain(..kept).collect::<Vec<_>>() {
            self.keep(written);
        }
        let half = matches!(self.written.front(), Some(Written::Entry(..)));
        self.torn |= crash == Crash::Torn && half;
        self.written.clear();
        let luck = |random: &mut Random| match crash {
            Crash::Lose => false,
            Crash::Keep => true,
            Crash::Some | Crash::Torn => random.chance(500),
        };
        if luck(random) {
            self.keep_mark();
        }
        if luck(random) {
            self.keep_block();
        }
        self.next_mark = None;
        self.next_block = None;
        self.torn
    }

    /// What a copy of the files holds: what is durable.
    pub(super) fn copy(&self) -> Self {
        Self { written: VecDeque::new(), next_mark: None, next_block: None, ..self.clone() }
    }

    /// What a start finds. A torn entry is cut off, and reported at each start until the next reset.
    pub(super) fn recover_wal(&self) -> WalRecovery {
        WalRecovery { entries: self.wal.clone(), truncated: self.torn }
    }

    pub(super) fn mark(&self) -> Option<SignMark> {
        self.mark
    }

    pub(super) fn height(&self) -> u64 {
        self.blocks.len() as u64
    }

    pub(super) fn block(&self, height: u64) -> Option<&CommittedBlock> {
        self.blocks.get(usize::try_from(height.checked_sub(1)?).ok()?)
    }

    pub(super) fn last(&self) -> Option<&CommittedBlock> {
        self.blocks.last()
    }

    /// Whether a durable WAL entry holds these bytes.
    pub(super) fn wal_holds(&self, needle: &[u8]) -> bool {
        self.wal.iter().rev().any(|entry| entry.windows(needle.len()).any(|window| window == needle))
    }

    fn keep(&mut self, written: Written) {
        match written {
            Written::Entry(_, bytes) => self.wal.push(bytes),
            Written::Reset => {
                self.wal.clear();
                self.torn = false;
            }
        }
    }

    fn keep_mark(&mut self) {
        self.mark = self.mark.max(self.next_mark.take().map(|(_, mark)| mark));
    }

    fn keep_block(&mut self) {
        if let Some((_, block)) = self.next_block.take() {
            self.apply(&block.writes);
            self.blocks.push(*block);
        }
    }

    pub(super) fn apply(&mut self, writes: &[(Vec<u8>, Option<Vec<u8>>)]) {
        for (key, value) in writes {
            match value {
                Some(value) => self.state.insert(key.clone(), value.clone()),
                None => self.state.remove(key),
            };
        }
    }
}

/// A disk that its node, its engine and the simulator share.
#[derive(Clone, Debug)]
pub(super) struct SharedDisk(Arc<Mutex<Disk>>);

impl SharedDisk {
    pub(super) fn new(disk: Disk) -> Self {
        Self(Arc::new(Mutex::new(disk)))
    }

    /// One thread uses it, so it is never waited for and never poisoned.
    pub(super) fn lock(&self) -> MutexGuard<'_, Disk> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl StateStore for SharedDisk {
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        Ok(self.lock().state.get(key).cloned())
    }
}

impl History for SharedDisk {
    fn commit(&self, height: u64) -> Option<Commit> {
        self.lock().block(height).map(|block| block.commit.clone())
    }

    fn validators(&self, height: u64) -> Option<ValidatorSet> {
        self.lock().block(height).map(|block| block.validators.clone())
    }

    fn block_time(&self, height: u64) -> Option<Time> {
        self.lock().block(height).map(|block| block.block.header.time)
    }
}

#[cfg(test)]
mod tests {
    use super::super::random::Stream;
    use super::*;
    use pyralog_consensus::block::Step;

    fn entries(disk: &Disk) -> Vec<Bytes> {
        disk.recover_wal().entries
    }

    fn filled() -> Disk {
        let mut disk = Disk::default();
        disk.append(Ticket(1), Bytes::from_static(b"a"));
        disk.append(Ticket(2), Bytes::from_static(b"b"));
        disk.synced(Ticket(2));
        disk.append(Ticket(3), Bytes::from_static(b"c"));
        disk.set_mark(Ticket(4), SignMark { height: 1, round: 0, step: Step::Prevote });
        disk
    }

    #[test]
    fn a_ticket_covers_what_was_written_before_it() {
        let disk = filled();
        assert_eq!(entries(&disk), ["a", "b"]);
        assert!(disk.wal_holds(b"b") && !disk.wal_holds(b"c"));
    }

    #[test]
    fn a_crash_loses_or_keeps_what_was_not_durable() {
        let mut random = Random::new(1, Stream::Disk);
        let mut lost = filled();
        assert!(!lost.crash(Crash::Lose, &mut random));
        assert_eq!((entries(&lost).len(), lost.mark()), (2, None));
        let mut kept = filled();
        assert!(!kept.crash(Crash::Keep, &mut random));
        assert_eq!((entries(&kept).len(), kept.mark().is_some()), (3, true));
    }

    #[test]
    fn a_torn_entry_is_reported_until_the_reset() {
        for seed in 0..20 {
            let mut disk = filled();
            if disk.crash(Crash::Torn, &mut Random::new(seed, Stream::Disk)) {
                let first = disk.recover_wal();
                assert!(first.truncated && first.entries.len() == 2);
                assert!(disk.recover_wal().truncated, "as the node's own WAL does");
                disk.reset();
                disk.append(Ticket(9), Bytes::from_static(b"next"));
                disk.synced(Ticket(9));
                assert!(!disk.recover_wal().truncated);
                return;
            }
        }
        unreachable!("one of twenty crashes tears the entry");
    }

    #[test]
    fn a_reset_is_a_write_like_any_other() {
        let mut disk = filled();
        disk.reset();
        disk.append(Ticket(5), Bytes::from_static(b"d"));
        assert_eq!(entries(&disk).len(), 2, "not durable yet");
        disk.synced(Ticket(5));
        assert_eq!(entries(&disk), ["d"]);
    }
}
