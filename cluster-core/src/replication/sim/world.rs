//! Everything that takes part in a history, and how it is connected.

use std::collections::BTreeMap;

use super::super::rule::{Rule, broken};
use super::super::{
    AckMode, Answer, Command, Content, Epoch, EpochStore, Folded, Found, Lsn, MemberEffect, MemberId, MemberInput,
    Metadata, NodeSet, Producers, Reader, Sequencer, SequencerEffect, SequencerInput, Verdict,
};
use super::clients::{Append, Clients, Sent};
use super::host::Host;
use super::network::{Network, Packet};
use super::oracle::{Invariant, Oracle};
use super::rng::Rng;
use super::trace::Trace;

/// First id of the processes that run sequencers; there are few, so sequencers get each other's messages.
const SEQUENCERS: u64 = 100;
/// How many such processes there are.
const PROCESSES: usize = 3;
/// Members that there ever are, at most.
const HOSTS: usize = 12;
/// Most members of a nodeset here.
const WIDEST: usize = 6;
/// First id of the readers.
const READERS: u64 = 200;

/// One sequencer, as long as its process lives.
#[derive(Debug)]
pub(super) struct Seat {
    pub process: MemberId,
    pub alive: bool,
    pub sequencer: Sequencer,
    pub taken: Metadata,
    /// Accepted and not acknowledged: number, record, and when an acknowledgement is wanted.
    pub open: Vec<(Lsn, u64, AckMode)>,
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
    /// Of a thousand new epochs: those that change the nodeset.
    pub change: usize,
    /// Disks that were lost since everything was fully replicated, and in all.
    losses: (usize, usize),
    /// The newest epoch when the last one was lost.
    lost_in: Epoch,
    /// The nodeset of every epoch.
    nodesets: BTreeMap<Epoch, NodeSet>,
    store: EpochStore,
    clients: Clients,
    /// Producers that are known, at most, where they are few.
    few: Option<usize>,
}

impl World {
    pub fn new(mut rng: Rng, nodeset: NodeSet, trace: Trace, oracle: Oracle) -> Self {
        let few = rng.chance(200).then_some(2);
        Self {
            rng,
            trace,
            oracle,
            network: Network::default(),
            hosts: nodeset.members().iter().map(|id| Host::new(*id)).collect(),
            seats: Vec::new(),
            readers: Vec::new(),
            prompt: 1000,
            change: 0,
            losses: (0, 0),
            lost_in: Epoch::NONE,
            nodesets: BTreeMap::from([(Epoch::NONE, nodeset.clone())]),
            store: EpochStore::new(nodeset),
            clients: Clients::new(),
            few,
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
                    let (record, mode) = self.clients.record(ticket);
                    self.oracle.accepted(lsn, record);
                    self.seats[seat].open.push((lsn, record, mode));
                }
                SequencerEffect::Duplicate { ticket, lsn, acknowledged, .. } => {
                    let (record, mode) = self.clients.record(ticket);
                    self.trace.note(&("duplicate", lsn, record, acknowledged));
                    self.seats[seat].open.push((lsn, record, mode));
                    if acknowledged {
                        self.acknowledged(seat, lsn, AckMode::Durable);
                    }
                }
                SequencerEffect::Acknowledged { lsn, mode } => self.acknowledged(seat, lsn, mode),
                SequencerEffect::Refused { ticket, why } => {
                    if self.clients.refused(ticket, why, self.few.is_some()) {
                        let what =
                            format!("{:?} was answered {why:?}", self.clients.sent(self.clients.record(ticket).0));
                        self.oracle.violate(Invariant::ProducerKnown, what);
                    }
                }
                SequencerEffect::Stopped { newer } => {
                    self.trace.note(&("stopped", seat, newer));
                    self.seats[seat].open.clear();
                }
            }
        }
    }

    fn acknowledged(&mut self, seat: usize, lsn: Lsn, mode: AckMode) {
        let own = lsn.epoch == self.seats[seat].sequencer.epoch();
        let open = &mut self.seats[seat].open;
        if mode != AckMode::Durable {
            // It may be lost. Whoever wants it durable waits on.
            for (_, record, _) in open.iter().filter(|(at, ..)| *at == lsn) {
                self.oracle.told(lsn, *record);
            }
            open.retain(|(at, _, wanted)| *at != lsn || *wanted == AckMode::Durable);
            self.trace.note(&("told", lsn, mode));
            return;
        }
        // Once for each append of it.
        while let Some(place) = open.iter().position(|(at, ..)| *at == lsn) {
            let (_, record, _) = open.remove(place);
            self.trace.note(&("acknowledged", lsn, record));
            self.oracle.acknowledged(lsn, record, own);
            if let Some(before) = self.clients.acknowledged(record, lsn).filter(|before| *before != lsn) {
                let what = format!("{:?} is at {before:?} and at {lsn:?}", self.clients.sent(record));
                self.oracle.violate(Invariant::AcknowledgedOnce, what);
            }
            if let Sent::Stamped { stamp, .. } = self.clients.sent(record) {
                self.oracle.stamped(lsn, stamp);
            }
        }
    }

    pub fn append(&mut self, seat: usize) {
        if !self.seats[seat].alive {
            return;
        }
        self.offer_producers(seat);
        let plain = self.seats[seat].sequencer.awaits_producers();
        let append = self.clients.next(&mut self.rng, plain);
        self.send_append(seat, append);
    }

    fn send_append(&mut self, seat: usize, append: Append) {
        let Append { ticket, record, first, mode, payload } = append;
        self.trace.note(&("append", seat, record));
        if first {
            self.oracle.appended(record);
        }
        self.feed_seat(seat, SequencerInput::Append { ticket, mode, payload });
    }

    fn offer_producers(&mut self, seat: usize) {
        if self.seats[seat].sequencer.awaits_producers() {
            let producers = self.producers(|_, _| {});
            self.feed_seat(seat, SequencerInput::Producers(producers));
        }
    }

    /// What producers have no answer to is sent again.
    pub fn append_again(&mut self, seat: usize) {
        self.offer_producers(seat);
        let appends = self.clients.unanswered();
        appends.into_iter().for_each(|append| self.send_append(seat, append));
    }

    /// Whether a producer waits for an answer.
    pub fn has_unanswered(&self) -> bool {
        self.clients.has_unanswered()
    }

    /// Folds what is released anywhere.
    fn producers(&self, mut seen: impl FnMut(Lsn, Folded)) -> Producers {
        let mut producers = self.few.map_or_else(Producers::default, Producers::bounded);
        let mut offset = 0;
        loop {
            let lsn = producers.next();
            let Some(content) = self.copy(lsn) else { return producers };
            let folded = producers.fold(lsn, &content, offset);
            offset += u64::from(matches!(content, Content::Record(_)) && folded == Folded::Counts);
            seen(lsn, folded);
        }
    }

    /// What was acknowledged to producers counts where it was acknowledged.
    pub fn check_producers(&mut self) {
        let mut void = Vec::new();
        self.producers(|lsn, folded| void.extend((folded == Folded::Void).then_some(lsn)));
        self.oracle.void(&void);
    }

    pub fn tick(&mut self, seat: usize) {
        if self.rng.chance(200) {
            // Whoever watches the members may be wrong.
            let wrong = self.rng.chance(300);
            let away = self.hosts.iter().filter(|host| !host.up || (wrong && host.waiting() > 0)).map(|host| host.id);
            let away = away.collect();
            self.feed_seat(seat, SequencerInput::Away(away));
        }
        self.trace.note(&("tick", seat));
        self.feed_seat(seat, SequencerInput::Tick);
    }

    /// A sequencer of a new epoch.
    pub fn activate(&mut self) {
        let process = MemberId(SEQUENCERS + (self.seats.len() % PROCESSES) as u64);
        let change = self.has_lost() || self.rng.chance(self.change);
        let nodeset = change.then(|| self.another_nodeset());
        let mut answer = self.store.apply(&Command::TakeEpoch { sequencer: process, nodeset });
        if matches!(answer, Answer::Refused(_)) {
            // Too many nodesets are not clean.
            answer = self.store.apply(&Command::TakeEpoch { sequencer: process, nodeset: None });
        }
        let Answer::Taken(taken) = answer else { return };
        self.nodesets.insert(taken.epoch, taken.nodeset.clone());
        self.trace.note(&("activate", self.seats.len(), taken.epoch));
        self.oracle.taken(&taken);
        self.oracle.store(&taken);
        let sequencer = self.forgetful(Sequencer::new(&taken));
        self.seats.push(Seat { process, alive: true, sequencer, taken, open: Vec::new() });
    }

    /// The nodeset of the newest epoch with one member more, one less, or one instead of another.
    fn another_nodeset(&mut self) -> NodeSet {
        let old = self.store.nodeset().clone();
        let mut members = old.members().to_vec();
        // Whoever lost its disk goes first.
        let lost = members.iter().position(|member| self.is_lost(*member));
        let kind = if lost.is_some() { 2 } else { self.rng.below(3) };
        let removes = kind == 2 || (kind == 1 && members.len() > old.replication());
        let adds = kind == 2 || (kind == 0 && members.len() < WIDEST);
        if removes {
            let any = self.rng.below(members.len());
            members.swap_remove(lost.unwrap_or(any));
        }
        if adds {
            let others: Vec<MemberId> =
                self.hosts.iter().filter(|host| !host.lost && !old.contains(host.id)).map(|host| host.id).collect();
            let fresh = self.hosts.len() < HOSTS && (others.is_empty() || self.rng.chance(500));
            if fresh {
                self.hosts.push(Host::new(MemberId(self.hosts.len() as u64 + 1)));
            }
            let new = if fresh { self.hosts.last().map(|host| host.id) } else { self.rng.pick(&others).copied() };
            members.extend(new);
        }
        let set = NodeSet::new(members, old.replication(), old.copies());
        set.unwrap_or(old)
    }

    fn is_lost(&self, member: MemberId) -> bool {
        self.hosts.iter().any(|host| host.id == member && host.lost)
    }

    /// Whether a member of the newest nodeset has lost its disk.
    pub fn has_lost(&self) -> bool {
        self.store.nodeset().members().iter().any(|member| self.is_lost(*member))
    }

    /// Whether anybody who stores the epoch of the sequencer is there.
    pub fn is_heard(&self, seat: &Seat) -> bool {
        seat.taken.nodeset.members().iter().any(|member| !self.is_lost(*member))
    }

    /// Disks that were lost.
    pub fn losses(&self) -> usize {
        self.losses.1
    }

    fn metadata(&mut self) -> Metadata {
        self.store.apply(&Command::Ask { from: Epoch::NONE }).metadata().clone()
    }

    /// Everything is fully replicated: the newest epoch is younger than the last loss, all epochs before it are clean, and every member of its
    /// nodeset has taken over all of them.
    fn is_full(&mut self) -> bool {
        let now = self.metadata();
        let begin = Lsn::new(now.epoch, 1);
        let has_all = |host: &Host| !host.lost && host.end() >= begin;
        let mut members = self.hosts.iter().filter(|host| now.nodeset.contains(host.id));
        now.epoch > self.lost_in && now.last_clean == now.epoch.previous() && members.all(has_all)
    }

    /// A disk is lost for ever, unless W would be since everything was fully replicated, or a recovery would not find enough members any more.
    pub fn lose(&mut self, place: usize) {
        if self.is_full() {
            self.losses.0 = 0;
        }
        if self.hosts[place].lost || self.losses.0 + 1 >= self.store.nodeset().copies() {
            return;
        }
        let (id, now) = (self.hosts[place].id, self.metadata());
        let rest = |of: &NodeSet| of.members().iter().filter(|m| **m != id && !self.is_lost(**m)).count();
        if now.unclean().chain([&now.nodeset]).all(|of| rest(of) >= of.recovery_quorum()) {
            self.trace.note(&("lose", id));
            self.hosts[place].lose();
            self.losses = (self.losses.0 + 1, self.losses.1 + 1);
            self.lost_in = now.epoch;
        }
    }

    /// The member takes over what is released and others have.
    pub fn catch_up(&mut self, place: usize) {
        let (id, released) = (self.hosts[place].id, self.hosts[place].durable_state().released());
        if !self.hosts[place].up || !self.is_storing(id) {
            return;
        }
        while let Some(lsn) = Some(self.hosts[place].end()).filter(|lsn| *lsn <= released) {
            let Some(content) = self.copy(lsn) else { break };
            self.hosts[place].take_over(content);
        }
        self.trace.note(&("caught up", id, self.hosts[place].end()));
    }

    /// What anybody has at a position.
    fn copy(&self, lsn: Lsn) -> Option<Content> {
        self.hosts.iter().find_map(|host| match host.found(lsn) {
            Some(Found::Copy(content)) => Some(content),
            _ => None,
        })
    }

    /// Who stores an epoch.
    fn nodeset_of(&self, epoch: Epoch) -> &NodeSet {
        let set = self.nodesets.range(..=epoch).next_back();
        set.map_or(self.store.nodeset(), |(_, set)| set)
    }

    /// Whether the member stores the newest epoch.
    pub fn is_storing(&self, member: MemberId) -> bool {
        self.store.nodeset().contains(member)
    }

    /// The member asks the epoch store of its own accord.
    pub fn poll(&mut self, place: usize) {
        let host = &self.hosts[place];
        if let Some(from) = host.durable_state().clean().next().filter(|_| host.up) {
            self.network.send(Packet::Command { from: host.id, seat: None, command: Command::Ask { from } });
        }
    }

    fn forgetful(&self, sequencer: Sequencer) -> Sequencer {
        match self.few {
            Some(few) => sequencer.with_few_producers(few),
            None => sequencer,
        }
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
        self.seats[seat].sequencer = self.forgetful(Sequencer::resumed(&taken, skip));
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
        if !self.hosts[place].up && !self.hosts[place].lost {
            self.trace.note(&("recover", self.hosts[place].id));
            self.hosts[place].restart();
        }
    }

    /// A reader that talks to the members like everybody else.
    pub fn ask(&mut self, lsn: Lsn) {
        let id = MemberId(READERS + self.trace.step);
        let reader = Reader::new(self.nodeset_of(lsn.epoch).clone(), lsn);
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
        let mut lsn = Lsn::new(Epoch(1), 1);
        loop {
            let nodeset = self.nodeset_of(lsn.epoch);
            let found: Vec<(MemberId, Found)> =
                self.hosts.iter().filter_map(|host| Some((host.id, host.found(lsn)?))).collect();
            let empty = |(id, found): &&(MemberId, Found)| *found == Found::Nothing && nodeset.contains(*id);
            let nothing = found.iter().filter(empty).count();
            let mut verdicts: Vec<Verdict> = Vec::new();
            for (_, found) in found {
                if let Found::Copy(content) = found {
                    let verdict = Verdict::Found(content);
                    if !verdicts.contains(&verdict) {
                        verdicts.push(verdict);
                    }
                }
            }
            if nothing >= nodeset.quorum() {
                verdicts.push(Verdict::Gap);
            }
            verdicts.iter().for_each(|verdict| self.oracle.read(lsn, verdict));
            lsn = match verdicts.first() {
                _ if self.oracle.violation().is_some() => return lsn,
                None | Some(Verdict::Gap) => return lsn,
                Some(Verdict::Found(Content::Bridge)) => Lsn::new(Epoch(lsn.epoch.0 + 1), 1),
                Some(Verdict::Found(_)) => Lsn::new(lsn.epoch, lsn.number + 1),
            };
        }
    }

    /// Whether recoveries get on, and readers, when one member is away.
    pub fn can_spare_one(&self) -> bool {
        self.losses.1 == 0 && self.nodesets.values().all(|nodeset| nodeset.recovery_quorum() < nodeset.members().len())
    }

    /// The sequencer of the newest epoch.
    pub fn last_seat(&self) -> Option<usize> {
        self.seats.len().checked_sub(1)
    }
}
