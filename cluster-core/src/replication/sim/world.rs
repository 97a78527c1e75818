//! Everything that takes part in a history, and how it is connected.

use bytes::Bytes;

use super::super::rule::{Rule, broken};
use super::super::{
    Answer, Command, Content, EpochStore, Found, Lsn, MemberEffect, MemberId, MemberInput, Metadata, NodeSet, Reader,
    Sequencer, SequencerEffect, SequencerInput, Verdict,
};
use super::host::Host;
use super::network::{Network, Packet};
use super::oracle::Oracle;
use super::rng::Rng;
use super::trace::Trace;

/// First id of the processes that run sequencers; there are few, so sequencers get each other's messages.
const SEQUENCERS: u64 = 100;
/// How many such processes there are.
const PROCESSES: usize = 3;
/// First id of the readers.
const READERS: u64 = 200;

/// One sequencer, as long as its process lives.
#[derive(Debug)]
pub(super) struct Seat {
    pub process: MemberId,
    pub alive: bool,
    pub sequencer: Sequencer,
    pub taken: Metadata,
    /// Accepted and not acknowledged: number and record.
    pub open: Vec<(Lsn, u64)>,
}

/// The members, the sequencers, the epoch store, the readers, and what is on its way between them.
#[derive(Debug)]
pub(super) struct World {
    pub rng: Rng,
    pub trace: Trace,
    pub oracle: Oracle,
    pub network: Network,
    pub hosts: Vec<Host>,
    pub seats: Vec<Seat>,
    pub readers: Vec<(MemberId, Reader)>,
    /// Of a thousand steps of a member: its disk is done at once.
    pub prompt: usize,
    nodeset: NodeSet,
    store: EpochStore,
    records: u64,
}

impl World {
    pub fn new(rng: Rng, nodeset: NodeSet, trace: Trace, oracle: Oracle) -> Self {
        Self {
            rng,
            trace,
            oracle,
            network: Network::default(),
            hosts: nodeset.members().iter().map(|id| Host::new(*id)).collect(),
            seats: Vec::new(),
            readers: Vec::new(),
            prompt: 1000,
            store: EpochStore::new(nodeset.clone()),
            nodeset,
            records: 0,
        }
    }

    pub fn deliver(&mut self, packet: Packet) {
        self.trace.note(&packet);
        match packet {
            Packet::Peer { from, to, message } => {
                if let Some(place) = self.hosts.iter().position(|host| host.id == to) {
                    self.feed_host(place, MemberInput::Message { from, message });
                } else if let Some(place) = self.readers.iter().position(|(id, _)| *id == to) {
                    let reader = &mut self.readers[place].1;
                    if let Some(verdict) = reader.step(from, &message) {
                        let lsn = reader.lsn();
                        self.readers.remove(place);
                        self.heard(lsn, &verdict);
                    }
                } else {
                    for seat in 0..self.seats.len() {
                        if self.seats[seat].process == to {
                            self.feed_seat(seat, SequencerInput::Message { from, message: message.clone() });
                        }
                    }
                }
            }
            Packet::Command { from, seat, command } => {
                let answer = self.store.apply(&command);
                self.oracle.store(answer.metadata());
                self.network.send(Packet::Answer { to: from, seat, answer });
            }
            Packet::Answer { seat: Some(seat), answer, .. } => self.feed_seat(seat, SequencerInput::Answer(answer)),
            Packet::Answer { to, seat: None, answer } => {
                if let Some(place) = self.hosts.iter().position(|host| host.id == to) {
                    self.feed_host(place, MemberInput::Metadata(answer.metadata().clone()));
                }
            }
        }
    }

    fn feed_host(&mut self, place: usize, input: MemberInput) {
        if !self.hosts[place].up {
            return;
        }
        let effects = self.hosts[place].step(input);
        self.send_of(place, effects);
        if self.rng.chance(self.prompt) {
            self.sync(place, usize::MAX);
        }
    }

    pub fn sync(&mut self, place: usize, writes: usize) {
        if self.hosts[place].up && self.hosts[place].waiting() > 0 {
            self.trace.note(&("sync", self.hosts[place].id, writes));
            let effects = self.hosts[place].sync(writes);
            self.send_of(place, effects);
            self.oracle.state(self.hosts[place].id, self.hosts[place].durable_state());
        }
    }

    fn send_of(&mut self, place: usize, effects: Vec<MemberEffect>) {
        let from = self.hosts[place].id;
        for effect in effects {
            match effect {
                MemberEffect::Send { to, message } => {
                    self.oracle.said(from, &message);
                    self.network.send(Packet::Peer { from, to, message });
                }
                MemberEffect::Consult { from: first } => {
                    let command = Command::Ask { from: first };
                    self.network.send(Packet::Command { from, seat: None, command });
                }
                MemberEffect::Persist { .. } => {}
            }
        }
    }

    pub fn feed_seat(&mut self, seat: usize, input: SequencerInput) {
        if !self.seats[seat].alive {
            return;
        }
        let from = self.seats[seat].process;
        for effect in self.seats[seat].sequencer.step(input) {
            match effect {
                SequencerEffect::Send { to, message } => self.network.send(Packet::Peer { from, to, message }),
                SequencerEffect::Ask(command) => {
                    self.network.send(Packet::Command { from, seat: Some(seat), command });
                }
                SequencerEffect::Accepted { ticket, lsn } => {
                    self.oracle.accepted(lsn, ticket);
                    self.seats[seat].open.push((lsn, ticket));
                }
                SequencerEffect::Acknowledged { lsn } => self.acknowledged(seat, lsn),
                SequencerEffect::Refused { .. } => {}
                SequencerEffect::Stopped { newer } => {
                    self.trace.note(&("stopped", seat, newer));
                    self.seats[seat].open.clear();
                }
            }
        }
    }

    fn acknowledged(&mut self, seat: usize, lsn: Lsn) {
        let open = &mut self.seats[seat].open;
        if let Some(place) = open.iter().position(|(at, _)| *at == lsn) {
            let (_, record) = open.remove(place);
            self.trace.note(&("acknowledged", lsn, record));
            self.oracle.acknowledged(lsn, record);
        }
    }

    pub fn append(&mut self, seat: usize) {
        if !self.seats[seat].alive {
            return;
        }
        self.records += 1;
        let record = self.records;
        self.trace.note(&("append", seat, record));
        self.oracle.appended(record);
        let payload = Bytes::copy_from_slice(&record.to_be_bytes());
        self.feed_seat(seat, SequencerInput::Append { ticket: record, payload });
    }

    pub fn tick(&mut self, seat: usize) {
        self.trace.note(&("tick", seat));
        self.feed_seat(seat, SequencerInput::Tick);
    }

    /// A sequencer of a new epoch.
    pub fn activate(&mut self) {
        let process = MemberId(SEQUENCERS + (self.seats.len() % PROCESSES) as u64);
        let Answer::Taken(taken) = self.store.apply(&Command::TakeEpoch { sequencer: process }) else { return };
        self.trace.note(&("activate", self.seats.len(), taken.epoch));
        self.oracle.taken(&taken);
        self.oracle.store(&taken);
        let sequencer = Sequencer::new(&taken);
        self.seats.push(Seat { process, alive: true, sequencer, taken, open: Vec::new() });
    }

    pub fn kill(&mut self, seat: usize) {
        self.trace.note(&("kill", seat));
        self.seats[seat].alive = false;
    }

    /// The process of a sequencer restarts. It takes a new epoch (rule 12); where the rule is broken, it goes on in the old one.
    pub fn restart_seat(&mut self, seat: usize) {
        self.kill(seat);
        if !broken(Rule::NumberReused) {
            self.activate();
            return;
        }
        let taken = self.seats[seat].taken.clone();
        let skip = self.seats[seat].sequencer.known_good().number;
        self.seats[seat].sequencer = Sequencer::resumed(&taken, skip);
        self.seats[seat].open.clear();
        self.seats[seat].alive = true;
    }

    pub fn crash(&mut self, place: usize) {
        if self.hosts[place].up {
            let writes = self.rng.below(self.hosts[place].waiting() + 1);
            self.trace.note(&("crash", self.hosts[place].id, writes));
            self.hosts[place].crash(writes);
        }
    }

    pub fn recover(&mut self, place: usize) {
        if !self.hosts[place].up {
            self.trace.note(&("recover", self.hosts[place].id));
            self.hosts[place].restart();
        }
    }

    /// A reader that talks to the members like everybody else.
    pub fn ask(&mut self, lsn: Lsn) {
        let id = MemberId(READERS + self.trace.step);
        let reader = Reader::new(self.nodeset.clone(), lsn);
        for (to, message) in reader.questions() {
            self.network.send(Packet::Peer { from: id, to, message });
        }
        self.readers.push((id, reader));
        if self.readers.len() > 4 {
            self.readers.remove(0);
        }
    }

    fn heard(&mut self, lsn: Lsn, verdict: &Verdict) {
        self.trace.note(&("read", lsn, verdict));
        self.oracle.read(lsn, verdict);
    }

    /// Every reader that could be there now reads everything, and gets every answer it could get. The first position that none of
    /// them can tell anything of.
    pub fn read_all(&mut self) -> Lsn {
        let mut lsn = Lsn::new(super::super::Epoch(1), 1);
        loop {
            let found: Vec<Found> = self.hosts.iter().filter_map(|host| host.found(lsn)).collect();
            let nothing = found.iter().filter(|found| **found == Found::Nothing).count();
            let mut verdicts: Vec<Verdict> = Vec::new();
            for found in found {
                if let Found::Copy(content) = found {
                    let verdict = Verdict::Found(content);
                    if !verdicts.contains(&verdict) {
                        verdicts.push(verdict);
                    }
                }
            }
            if nothing >= self.nodeset.quorum() {
                verdicts.push(Verdict::Gap);
            }
            verdicts.iter().for_each(|verdict| self.oracle.read(lsn, verdict));
            lsn = match verdicts.first() {
                _ if self.oracle.violation().is_some() => return lsn,
                None | Some(Verdict::Gap) => return lsn,
                Some(Verdict::Found(Content::Bridge)) => Lsn::new(super::super::Epoch(lsn.epoch.0 + 1), 1),
                Some(Verdict::Found(_)) => Lsn::new(lsn.epoch, lsn.number + 1),
            };
        }
    }

    /// Whether recoveries get on, and readers, when one member is away.
    pub fn can_spare_one(&self) -> bool {
        self.nodeset.recovery_quorum() < self.nodeset.members().len()
    }

    /// The sequencer of the newest epoch.
    pub fn last_seat(&self) -> Option<usize> {
        self.seats.len().checked_sub(1)
    }
}
