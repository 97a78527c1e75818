//! A few members of which everything is said: who hears whom, and whose disk writes.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use bytes::Bytes;
use pyralog_crypto::{Decode, Record};

use super::node::{Node, PARTITION};
use crate::logs::tests::record;
use crate::member::{Acked, Effect, Input, Unplaced};
use crate::payload;
use crate::replication::{AckMode, Answer, Command, EpochStore, MemberId, NodeSet};

/// Members from 1 on, of which 1 leads.
pub(super) struct Few {
    pub(super) nodes: Vec<Node>,
    epochs: EpochStore,
    /// Whom nobody hears, and who hears nobody.
    pub(super) away: BTreeSet<usize>,
    packets: VecDeque<(usize, usize, Input)>,
    answers: BTreeMap<u64, Result<Acked, Unplaced>>,
    tickets: u64,
    coordinator_only: bool,
}

impl Few {
    pub(super) fn new(members: u64, copies: usize) -> Self {
        Self::spread(members, members as usize, copies, false)
    }

    /// Of which each record has so many copies.
    pub(super) fn spread(members: u64, replication: usize, copies: usize, coordinator_only: bool) -> Self {
        let ids: Vec<MemberId> = (1..=members).map(MemberId).collect();
        let nodeset = NodeSet::new(ids.iter().copied(), replication, copies).unwrap();
        let nodes = ids.iter().map(|id| Node::new(*id, 100 + id.0, nodeset.clone())).collect();
        let (away, packets, answers) = Default::default();
        let epochs = EpochStore::new(nodeset);
        let mut few = Self { nodes, epochs, away, packets, answers, tickets: 0, coordinator_only };
        few.lead(0);
        few
    }

    /// It takes the next epoch, and everything that follows is done.
    pub(super) fn lead(&mut self, place: usize) {
        let taken = self.epochs.apply(&Command::TakeEpoch { sequencer: self.nodes[place].id, nodeset: None });
        let Answer::Taken(taken) = taken else { panic!("{taken:?}") };
        self.step(place, Input::Lead { partition: PARTITION, taken, coordinator_only: self.coordinator_only });
        self.settle();
    }

    /// One record of this number; the ticket of its append.
    pub(super) fn append(&mut self, place: usize, number: u64, mode: AckMode) -> u64 {
        self.append_payload(place, payload(&[record(number)]).unwrap(), mode)
    }

    pub(super) fn append_payload(&mut self, place: usize, payload: Bytes, mode: AckMode) -> u64 {
        self.tickets += 1;
        self.step(place, Input::Append { partition: PARTITION, ticket: self.tickets, mode, epoch: None, payload });
        self.tickets
    }

    /// What was answered, if anything was.
    pub(super) fn answer(&self, ticket: u64) -> Option<Result<Acked, Unplaced>> {
        self.answers.get(&ticket).copied()
    }

    /// All that is on its way arrives, and what follows from that; no disk writes.
    pub(super) fn deliver(&mut self) {
        while let Some((from, to, input)) = self.packets.pop_front() {
            if !self.away.contains(&from) && !self.away.contains(&to) {
                self.step(to, input);
            }
        }
    }

    /// Its disk writes what waits.
    pub(super) fn drive(&mut self, place: usize) {
        for _ in 0..8 {
            let effects = self.nodes[place].drive();
            self.take(place, effects);
        }
    }

    /// Time passes for everybody.
    pub(super) fn settle(&mut self) {
        for _ in 0..100 {
            for place in 0..self.nodes.len() {
                self.drive(place);
                self.step(place, Input::Tick);
            }
            self.deliver();
        }
    }

    /// The numbers of the records that it shows.
    pub(super) fn numbers(&self, place: usize) -> Vec<u64> {
        let mut numbers = Vec::new();
        let mut visit = |stored: crate::segment::Stored<'_>| {
            let found = Record::from_bytes(stored.bytes).unwrap();
            numbers.push(u64::from_be_bytes(found.key().unwrap()[..].try_into().unwrap()));
            true
        };
        self.nodes[place].partition().unwrap().read(0, &mut visit).unwrap();
        numbers
    }

    fn step(&mut self, place: usize, input: Input) {
        let effects = self.nodes[place].step(input);
        self.take(place, effects);
    }

    fn take(&mut self, place: usize, effects: Vec<Effect>) {
        let from = self.nodes[place].id;
        for effect in effects {
            match effect {
                Effect::Send { to, partition, note } => {
                    self.packets.push_back((place, to.0 as usize - 1, Input::Note { from, partition, note }));
                }
                Effect::Ask { partition, command } if !self.away.contains(&place) => {
                    let answer = self.epochs.apply(&command);
                    self.packets.push_back((place, place, Input::Answer { partition, answer }));
                }
                Effect::Appended { ticket, acked } => {
                    let other = self.answers.insert(ticket, acked);
                    assert_eq!(other, None, "two answers to append {ticket}");
                }
                Effect::Ask { .. } | Effect::Stopped { .. } | Effect::Damaged { .. } => {}
            }
        }
    }
}
