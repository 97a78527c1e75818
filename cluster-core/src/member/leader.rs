//! A sequencer, and the clients that wait for it.

use std::collections::VecDeque;

use bytes::Bytes;

use crate::replica::{Frontier, PartitionId};
use crate::replication::{AckMode, Epoch, Lsn, Metadata, NodeSet, Refusal, Sequencer, SequencerEffect, SequencerInput};

/// Appends of one partition that wait for their answer, at most.
const MAX_WAITING: usize = 4096;

/// Where an append is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Placed {
    /// Offset of its first record.
    pub offset: u64,
    /// Its position.
    pub lsn: Lsn,
}

/// Why an append has no place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unplaced {
    /// This member has no sequencer of the partition; nothing was stored.
    NotLeader,
    /// Too much waits: try again later; nothing was stored.
    Busy,
    /// Too large, or not records; nothing was stored.
    Invalid,
    /// The sequencer was replaced, or time is up: the append may or may not come to be.
    Unknown {
        /// Members that have said that they have a copy; 0 where the sequencer has stopped.
        copies: usize,
        /// Copies that were wanted.
        wanted: usize,
    },
}

/// One epoch of a partition that this member leads.
#[derive(Debug)]
pub(super) struct Leader {
    pub(super) sequencer: Sequencer,
    pub(super) nodeset: NodeSet,
    /// Offset of the epoch's first record, once it is known.
    base: Option<u64>,
    /// Records of all appends of the epoch that were answered.
    answered: u64,
    /// Those that were not, in order.
    waiting: VecDeque<Waiting>,
    /// What was released last.
    released: Lsn,
    /// Ticks for which nothing was to be done.
    pub(super) idle: u32,
}

#[derive(Debug)]
struct Waiting {
    ticket: u64,
    number: u64,
    records: u64,
    ticks: u32,
    /// Whether its client was told that time is up.
    told: bool,
}

/// An answer to a client.
pub(super) type Answered = (u64, Result<Placed, Unplaced>);

impl Leader {
    pub(super) fn new(partition: PartitionId, taken: &Metadata) -> Self {
        let sequencer = Sequencer::new(taken).of_partition(partition.0);
        let released = Lsn::new(taken.epoch, 0);
        let nodeset = taken.nodeset.clone();
        Self { sequencer, nodeset, base: None, answered: 0, waiting: VecDeque::new(), released, idle: 0 }
    }

    pub(super) fn epoch(&self) -> Epoch {
        self.sequencer.epoch()
    }

    /// Takes an append of so many records.
    pub(super) fn append(
        &mut self,
        ticket: u64,
        payload: Bytes,
        records: u64,
        out: &mut Vec<SequencerEffect>,
    ) -> Option<Unplaced> {
        if self.waiting.len() >= MAX_WAITING {
            return Some(Unplaced::Busy);
        }
        self.idle = 0;
        let mut refused = None;
        for effect in self.sequencer.step(SequencerInput::Append { ticket, mode: AckMode::Durable, payload }) {
            match effect {
                SequencerEffect::Accepted { ticket, lsn } => {
                    self.waiting.push_back(Waiting { ticket, number: lsn.number, records, ticks: 0, told: false });
                }
                SequencerEffect::Refused { why, .. } => {
                    refused = Some(match why {
                        Refusal::Busy | Refusal::Recovering => Unplaced::Busy,
                        Refusal::Stopped => Unplaced::NotLeader,
                        Refusal::TooLarge | Refusal::Malformed | Refusal::Gap { .. } | Refusal::UnknownProducer => {
                            Unplaced::Invalid
                        }
                    });
                }
                other => out.push(other),
            }
        }
        refused
    }

    /// What can be answered now; `frontier` is that of this member's own files.
    pub(super) fn answer(&mut self, frontier: Option<Frontier>, out: &mut Vec<Answered>) {
        if self.base.is_none() {
            self.base = frontier.and_then(|frontier| self.base_of(frontier));
        }
        let Some(base) = self.base.filter(|_| self.sequencer.is_clean()) else { return };
        let Lsn { epoch, number: good } = self.sequencer.known_good();
        while let Some(first) = self.waiting.front().filter(|first| first.number <= good) {
            let placed = Placed { offset: base + self.answered, lsn: Lsn::new(epoch, first.number) };
            self.answered += first.records;
            out.extend((!first.told).then_some((first.ticket, Ok(placed))));
            self.waiting.pop_front();
        }
    }

    /// Offset of the epoch's first record, if the files are as far as this epoch and what is in them of it is not answered yet.
    fn base_of(&self, frontier: Frontier) -> Option<u64> {
        let Frontier { lsn, offset, between } = frontier;
        let here = lsn.epoch == self.epoch() && !between;
        let of_epoch: u64 = self.waiting.iter().take_while(|of| of.number <= lsn.number).map(|of| of.records).sum();
        here.then(|| offset.checked_sub(of_epoch)).flatten()
    }

    /// Whether there is something to release that was not released.
    pub(super) fn releases(&mut self) -> bool {
        let good = self.sequencer.known_good();
        let new = self.sequencer.is_clean() && good > self.released;
        if new {
            self.released = good;
        }
        new
    }

    /// Whether it waits for others.
    pub(super) fn is_busy(&self) -> bool {
        !self.sequencer.is_stopped() && (!self.sequencer.is_clean() || !self.waiting.is_empty())
    }

    /// Some time has passed: those who wait for longer than `most` ticks are told.
    pub(super) fn tick(&mut self, most: u32, out: &mut Vec<Answered>) {
        let wanted = self.nodeset.copies();
        for of in &mut self.waiting {
            of.ticks = of.ticks.saturating_add(1);
            if of.ticks > most && !std::mem::replace(&mut of.told, true) {
                let copies = self.sequencer.copies(of.number);
                out.push((of.ticket, Err(Unplaced::Unknown { copies, wanted })));
            }
        }
    }

    /// The sequencer has stopped: nobody will hear of what is not answered.
    pub(super) fn give_up(&mut self, out: &mut Vec<Answered>) {
        let wanted = self.nodeset.copies();
        let waiting = self.waiting.drain(..).filter(|of| !of.told);
        out.extend(waiting.map(|of| (of.ticket, Err(Unplaced::Unknown { copies: 0, wanted }))));
    }
}
