//! A sequencer, and the clients that wait for it.

use std::collections::VecDeque;

use bytes::Bytes;

use crate::replica::{Frontier, PartitionId};
use crate::replication::{
    AckMode, Epoch, Lsn, MemberId, Metadata, NodeSet, Payload, ProducerId, Producers, Refusal, Sequencer,
    SequencerEffect, SequencerInput,
};

/// Appends of one partition that wait for their answer, and clients that wait for them, at most.
const MAX_WAITING: usize = 4096;

/// Where an append is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Placed {
    /// Offset of its first record.
    pub offset: u64,
    /// Its position.
    pub lsn: Lsn,
}

/// What an append that is acknowledged has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Acked {
    /// It is durable, and so is everything before it: its place is final.
    Durable(Placed),
    /// It is as safe as it wanted to be, and not durable yet, as far as is known: it may still be lost. It has no offset as long as it, or something before it, may be.
    Early {
        /// Its position.
        lsn: Lsn,
        /// How safe it is; never [`AckMode::Durable`].
        mode: AckMode,
    },
}

impl Acked {
    /// Its place, where that is final.
    #[must_use]
    pub fn durable(self) -> Option<Placed> {
        match self {
            Self::Durable(placed) => Some(placed),
            Self::Early { .. } => None,
        }
    }
}

/// Why an append has no place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unplaced {
    /// This member has no sequencer of the partition; nothing was stored.
    NotLeader,
    /// Too much waits: try again later; nothing was stored.
    Busy,
    /// Too large, or not records, or of a producer that wants an early acknowledgement; nothing was stored.
    Invalid,
    /// The disk of this member is full, and nobody else leads yet; nothing was stored.
    DiskFull,
    /// The sequencer was replaced, or time is up: the append may or may not come to be.
    Unknown {
        /// Members that have said that they have a copy; 0 where the sequencer has stopped.
        copies: usize,
        /// Copies that were wanted.
        wanted: usize,
    },
    /// An append of this producer before it is missing; nothing was stored.
    Gap {
        /// The sequence number that is next.
        expected: u64,
    },
    /// The producer was never opened or is forgotten, or the append is older than its last ones that are known; nothing was stored.
    UnknownProducer,
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
    /// Clients that wait for those.
    clients: usize,
    /// What was released last.
    released: Lsn,
    /// Ticks for which nothing was to be done.
    pub(super) idle: u32,
}

#[derive(Debug)]
struct Waiting {
    number: u64,
    records: u64,
    producer: Option<ProducerId>,
    mode: AckMode,
    /// Who was not told yet, not even that time is up; more than one where a producer has sent it again.
    clients: Vec<Client>,
}

#[derive(Debug)]
struct Client {
    ticket: u64,
    ticks: u32,
}

impl Client {
    fn new(ticket: u64) -> Self {
        Self { ticket, ticks: 0 }
    }
}

/// An answer to a client.
pub(super) type Answered = (u64, Result<Acked, Unplaced>);

impl Leader {
    /// `avoid` is to store no records, as long as there are enough others.
    pub(super) fn new(partition: PartitionId, taken: &Metadata, avoid: Option<MemberId>) -> Self {
        let sequencer = Sequencer::new(taken).of_partition(partition.0).avoiding(avoid);
        let released = Lsn::new(taken.epoch, 0);
        let nodeset = taken.nodeset.clone();
        let waiting = VecDeque::new();
        Self { sequencer, nodeset, base: None, answered: 0, waiting, clients: 0, released, idle: 0 }
    }

    pub(super) fn epoch(&self) -> Epoch {
        self.sequencer.epoch()
    }

    /// The epoch whose producers it lacks.
    pub(super) fn awaits_producers(&self) -> Option<Epoch> {
        self.sequencer.awaits_producers().then(|| self.epoch())
    }

    /// Those of all earlier epochs.
    pub(super) fn take_producers(&mut self, producers: Producers) {
        // They have no effects.
        let _none = self.sequencer.step(SequencerInput::Producers(producers));
    }

    /// Takes an append of so many records; answers at once where it is refused, or was answered before.
    pub(super) fn append(
        &mut self,
        ticket: u64,
        mode: AckMode,
        payload: Bytes,
        records: u64,
        out: &mut Vec<SequencerEffect>,
    ) -> Option<Result<Acked, Unplaced>> {
        if self.waiting.len().max(self.clients) >= MAX_WAITING {
            return Some(Err(Unplaced::Busy));
        }
        let kind = Payload::unwrap(&payload).map(|(kind, _)| kind);
        // Whoever sends it again counts on the first answer, and goes on with the next number: what is lost would end the producer.
        if mode != AckMode::Durable && kind != Some(Payload::Plain) {
            return Some(Err(Unplaced::Invalid));
        }
        self.idle = 0;
        let producer = match kind {
            Some(Payload::Stamped(stamp)) => Some(stamp.producer),
            _ => None,
        };
        let mut answer = None;
        for effect in self.sequencer.step(SequencerInput::Append { ticket, mode, payload }) {
            match effect {
                SequencerEffect::Accepted { ticket, lsn } => {
                    let clients = vec![Client::new(ticket)];
                    self.waiting.push_back(Waiting { number: lsn.number, records, producer, mode, clients });
                    self.clients += 1;
                }
                SequencerEffect::Duplicate { ticket, lsn, offset, .. } => {
                    answer = match offset {
                        Some(offset) => Some(Ok(Acked::Durable(Placed { offset, lsn }))),
                        None => self.join(ticket, lsn).err().map(Err),
                    };
                }
                SequencerEffect::Refused { why, .. } => answer = Some(Err(why.into())),
                other => out.push(other),
            }
        }
        answer
    }

    /// Has one more client wait for what was accepted at this position.
    fn join(&mut self, ticket: u64, lsn: Lsn) -> Result<(), Unplaced> {
        let waiting =
            self.waiting.iter_mut().find(|of| of.number == lsn.number).filter(|_| lsn.epoch == self.sequencer.epoch());
        // Where it is was known to a build that kept no offsets.
        let waiting = waiting.ok_or(Unplaced::UnknownProducer)?;
        waiting.clients.push(Client::new(ticket));
        self.clients += 1;
        Ok(())
    }

    /// What can be answered now; `frontier` is that of this member's own files.
    pub(super) fn answer(&mut self, frontier: Option<Frontier>, out: &mut Vec<Answered>) {
        if self.base.is_none() {
            self.base = frontier.and_then(|frontier| self.base_of(frontier));
        }
        let Some(base) = self.base.filter(|_| self.sequencer.is_clean()) else { return };
        let Lsn { epoch, number: good } = self.sequencer.known_good();
        while self.waiting.front().is_some_and(|first| first.number <= good) {
            let Some(first) = self.waiting.pop_front() else { break };
            let placed = Placed { offset: base + self.answered, lsn: Lsn::new(epoch, first.number) };
            self.answered += first.records;
            self.clients -= first.clients.len();
            if let Some(producer) = first.producer {
                self.sequencer.placed(producer, placed.lsn, placed.offset);
            }
            out.extend(first.clients.iter().map(|client| (client.ticket, Ok(Acked::Durable(placed)))));
        }
    }

    /// The entry at this position is as safe as its append wanted: whoever does not wait until it is durable is told.
    pub(super) fn early(&mut self, lsn: Lsn, out: &mut Vec<Answered>) {
        if lsn.epoch != self.epoch() {
            return;
        }
        let Ok(place) = self.waiting.binary_search_by_key(&lsn.number, |of| of.number) else { return };
        let Some(of) = self.waiting.get_mut(place).filter(|of| of.mode != AckMode::Durable) else { return };
        self.clients -= of.clients.len();
        let acked = Acked::Early { lsn, mode: of.mode };
        out.extend(of.clients.drain(..).map(|client| (client.ticket, Ok(acked))));
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
            let copies = self.sequencer.copies(of.number);
            let late = |client: &mut Client| {
                client.ticks = client.ticks.saturating_add(1);
                client.ticks > most
            };
            for client in of.clients.extract_if(.., late) {
                self.clients -= 1;
                out.push((client.ticket, Err(Unplaced::Unknown { copies, wanted })));
            }
        }
    }

    /// The sequencer has stopped: nobody will hear of what is not answered.
    pub(super) fn give_up(&mut self, out: &mut Vec<Answered>) {
        let wanted = self.nodeset.copies();
        let clients = self.waiting.drain(..).flat_map(|of| of.clients);
        out.extend(clients.map(|client| (client.ticket, Err(Unplaced::Unknown { copies: 0, wanted }))));
        self.clients = 0;
    }
}

impl From<Refusal> for Unplaced {
    fn from(why: Refusal) -> Self {
        match why {
            Refusal::Busy | Refusal::Recovering => Self::Busy,
            Refusal::Stopped => Self::NotLeader,
            Refusal::TooLarge | Refusal::Malformed => Self::Invalid,
            Refusal::Gap { expected } => Self::Gap { expected },
            Refusal::UnknownProducer => Self::UnknownProducer,
        }
    }
}
