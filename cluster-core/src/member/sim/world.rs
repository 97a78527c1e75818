//! A cluster in one thread, and what happens to it.

use std::collections::BTreeMap;

use bytes::Bytes;
use pyralog_crypto::Encode;

use super::clients::Clients;
use super::node::{Node, PARTITION};
use super::oracle::Oracle;
use crate::member::{Effect, Input, Note};
use crate::payload;
use crate::replication::{AckMode, Answer, Command, EpochStore, MemberId, NodeSet, SimRng};

/// How hostile a history is, in so many of a thousand.
#[derive(Debug, Clone, Copy)]
pub(super) struct Plan {
    pub(super) members: u64,
    pub(super) copies: usize,
    pub(super) lose: usize,
    pub(super) double: usize,
    pub(super) crash: usize,
    pub(super) doom: usize,
    pub(super) lead: usize,
    pub(super) trim: usize,
}

/// Anything on its way, to a place in [`World::nodes`].
struct Packet {
    to: usize,
    /// The life that it is for, where another one would be wrong.
    life: Option<u64>,
    body: Body,
}

enum Body {
    Note {
        from: MemberId,
        bytes: Bytes,
    },
    Answer(Answer),
    /// To the epoch store, from `to`.
    Ask(Command),
}

pub(super) struct World {
    rng: SimRng,
    plan: Plan,
    pub(super) nodes: Vec<Node>,
    epochs: EpochStore,
    packets: Vec<Packet>,
    tickets: u64,
    /// Notes about records that were removed before another member had them.
    pub(super) trimmed: usize,
    pub(super) oracle: Oracle,
    pub(super) clients: Clients,
    /// Tickets that were not answered, and where they were asked, in which life.
    asked: BTreeMap<u64, (usize, u64)>,
}

impl World {
    pub(super) fn new(seed: u64, plan: Plan) -> Self {
        let ids: Vec<MemberId> = (1..=plan.members).map(MemberId).collect();
        let nodeset = NodeSet::new(ids.iter().copied(), ids.len(), plan.copies).unwrap();
        let nodes = ids.iter().map(|id| Node::new(*id, seed * 31 + id.0, nodeset.clone())).collect();
        let epochs = EpochStore::new(nodeset);
        let (rng, oracle, clients) = (SimRng::new(seed), Oracle::default(), Clients::new());
        let (packets, asked, tickets, trimmed) = Default::default();
        Self { rng, plan, nodes, epochs, packets, tickets, trimmed, oracle, clients, asked }
    }

    /// So many things happen.
    pub(super) fn run(&mut self, steps: usize) {
        for _ in 0..steps {
            let Plan { crash, doom, lead, trim, .. } = self.plan;
            let place = self.rng.below(self.nodes.len());
            match self.rng.weighted(&[1000, 400, 150, 120, lead, crash, doom, trim, 4 * (crash + doom)]) {
                0 => self.deliver(),
                1 => self.drive(place),
                2 => self.tick(place),
                3 => self.append(),
                4 => self.send(place, Some(self.nodes[place].life), Body::Ask(take(self.nodes[place].id))),
                5 => self.nodes[place].crash(),
                6 => {
                    let operations = self.rng.below(40) as u64;
                    self.nodes[place].doom(operations);
                }
                7 => self.nodes[place].trim(),
                _ => {
                    self.nodes[place].start();
                    self.look(place);
                }
            }
        }
    }

    /// Somebody leads, and so does nobody else.
    pub(super) fn begin(&mut self) {
        self.send(0, Some(self.nodes[0].life), Body::Ask(take(self.nodes[0].id)));
        for round in 0.. {
            assert!(round < 3000, "nobody leads: {:?}", self.epochs);
            if self.nodes.iter().any(Node::leads) {
                break;
            }
            self.breathe(round);
        }
    }

    /// Everything heals: all members come to have the same records, and all that were acknowledged.
    pub(super) fn heal(&mut self) {
        self.plan = Plan { lose: 0, double: 0, crash: 0, doom: 0, lead: 0, trim: 0, ..self.plan };
        for place in 0..self.nodes.len() {
            // A cut that did not come yet comes now.
            self.nodes[place].crash();
            self.nodes[place].start();
            assert!(self.nodes[place].is_running());
        }
        let begin = self.rng.below(self.nodes.len());
        self.send(begin, Some(self.nodes[begin].life), Body::Ask(take(self.nodes[begin].id)));
        let before = self.oracle.acknowledged();
        for round in 0..3000 {
            self.append();
            self.breathe(round);
            if round > 50 && self.oracle.acknowledged() > before + 20 && !self.clients.wait() {
                break;
            }
        }
        self.ask_producers_again();
        let stuck: Vec<_> = self.nodes.iter().map(Node::describe).collect();
        let grew = self.oracle.acknowledged() > before + 20;
        assert!(grew, "nothing is acknowledged any more: {stuck:#?} {:?}", self.epochs);
        self.agree();
    }

    /// All members come to have the same records, and all that were acknowledged.
    pub(super) fn agree(&mut self) {
        self.plan = Plan { lose: 0, double: 0, crash: 0, doom: 0, lead: 0, trim: 0, ..self.plan };
        let mut ends = Vec::new();
        for round in 0..3000 {
            self.breathe(round);
            let end = |node: &Node| node.partition().map(|partition| partition.range().unwrap().1);
            ends = self.nodes.iter().map(|node| (node.is_complete(), end(node))).collect();
            let same = ends.iter().all(|(complete, end)| *complete && *end == ends[0].1);
            if same && self.packets.is_empty() && self.unanswered().is_empty() {
                break;
            }
        }
        assert!(self.unanswered().is_empty(), "clients wait for ever: {:?}", self.unanswered());
        let stuck: Vec<_> = self.nodes.iter().map(Node::describe).collect();
        let same = ends.iter().all(|end| *end == (true, ends[0].1));
        assert!(same, "the members differ: {ends:?} {stuck:#?} {:?}", self.epochs);
        for place in 0..self.nodes.len() {
            let partition = self.nodes[place].partition().unwrap();
            self.oracle.look_at_all(&partition);
        }
    }

    /// Tickets of which a member that lives owes an answer.
    fn unanswered(&self) -> Vec<u64> {
        let lives = |(place, life): &(usize, u64)| self.nodes[*place].is_running() && self.nodes[*place].life == *life;
        self.asked.iter().filter(|(_, asked)| lives(asked)).map(|(ticket, _)| *ticket).collect()
    }

    /// Everybody has a turn.
    fn breathe(&mut self, round: usize) {
        // An epoch that a member asked for in an earlier life has nobody.
        if round % 50 == 49 && !self.nodes.iter().any(Node::leads) {
            let place = self.rng.below(self.nodes.len());
            self.send(place, Some(self.nodes[place].life), Body::Ask(take(self.nodes[place].id)));
        }
        for place in 0..self.nodes.len() {
            self.drive(place);
            self.tick(place);
        }
        for _ in 0..self.packets.len().min(500) {
            self.deliver();
        }
    }

    fn look(&mut self, place: usize) {
        if let Some(partition) = self.nodes[place].partition() {
            self.oracle.look(&partition);
        }
    }

    fn append(&mut self) {
        let leaders: Vec<usize> = (0..self.nodes.len()).filter(|place| self.nodes[*place].leads()).collect();
        let any = self.rng.below(self.nodes.len());
        let place = self.rng.pick(&leaders).copied().unwrap_or(any);
        if !self.nodes[place].is_running() {
            return;
        }
        self.tickets += 1;
        if self.rng.chance(400) {
            let payload = self.clients.next(self.tickets, &mut self.rng, &mut self.oracle);
            return self.send_append(place, AckMode::Durable, payload);
        }
        let modes = [AckMode::Durable, AckMode::Durable, AckMode::Replicated, AckMode::Cached];
        let mode = self.rng.pick(&modes).copied().unwrap_or_default();
        let records = self.oracle.ask(self.tickets, mode, 1 + self.rng.below(4) as u64);
        self.send_append(place, mode, payload(&records).unwrap());
    }

    /// Under the newest ticket.
    fn send_append(&mut self, place: usize, mode: AckMode, payload: Bytes) {
        self.asked.insert(self.tickets, (place, self.nodes[place].life));
        let append = Input::Append { partition: PARTITION, ticket: self.tickets, mode, epoch: None, payload };
        self.step(place, append);
    }

    /// Whoever leads has the first answers to everything that it must have answers to.
    fn ask_producers_again(&mut self) {
        assert!(!self.clients.wait(), "a producer is not answered");
        let Some(place) = self.nodes.iter().position(|node| node.epoch() == Some(self.epochs.epoch())) else { return };
        let before = self.clients.again;
        let all = self.clients.everything(self.tickets + 1);
        let asked = all.len();
        for payload in all {
            self.tickets += 1;
            self.send_append(place, AckMode::Durable, payload);
        }
        assert_eq!(self.clients.again - before, asked, "not all are answered at once");
    }

    fn drive(&mut self, place: usize) {
        let effects = self.nodes[place].drive();
        self.take(place, effects);
    }

    fn tick(&mut self, place: usize) {
        self.step(place, Input::Tick);
    }

    fn step(&mut self, place: usize, input: Input) {
        let effects = self.nodes[place].step(input);
        self.take(place, effects);
    }

    fn take(&mut self, place: usize, effects: Vec<Effect>) {
        let Node { id: from, life, .. } = self.nodes[place];
        let epoch = self.nodes[place].epoch();
        for effect in effects {
            match effect {
                Effect::Send { to, note, .. } => {
                    let bytes = Bytes::from(note.to_bytes());
                    self.send(to.0 as usize - 1, None, Body::Note { from, bytes });
                }
                Effect::Ask { command, .. } => self.send(place, Some(life), Body::Ask(command)),
                Effect::Appended { ticket, acked } => {
                    self.asked.remove(&ticket);
                    let newest = epoch == Some(self.epochs.epoch());
                    if !self.clients.hear(ticket, acked, newest, &mut self.oracle) {
                        self.oracle.hear(ticket, acked);
                    }
                }
                Effect::Stopped { .. } | Effect::Damaged { .. } => {}
            }
        }
    }

    fn send(&mut self, to: usize, life: Option<u64>, body: Body) {
        self.packets.push(Packet { to, life, body });
    }

    fn deliver(&mut self) {
        if self.packets.is_empty() {
            return;
        }
        let packet = self.packets.swap_remove(self.rng.below(self.packets.len()));
        if self.rng.chance(self.plan.lose) {
            return;
        }
        let Packet { to, life, body } = packet;
        if let Body::Note { from, bytes } = &body
            && self.rng.chance(self.plan.double)
        {
            self.send(to, life, Body::Note { from: *from, bytes: bytes.clone() });
        }
        let alive = life.is_none_or(|life| life == self.nodes[to].life);
        match body {
            Body::Note { from, bytes } => {
                let note = Note::from_shared(&bytes).unwrap();
                self.trimmed += usize::from(matches!(note, Note::Trimmed(_)));
                self.step(to, Input::Note { from, partition: PARTITION, note });
            }
            // A question may be heard though whoever asked is gone.
            Body::Ask(command) => {
                let answer = self.epochs.apply(&command);
                self.send(to, life, Body::Answer(answer));
            }
            Body::Answer(Answer::Taken(taken)) if alive => {
                self.step(to, Input::Lead { partition: PARTITION, taken, coordinator_only: false })
            }
            Body::Answer(answer) if alive => self.step(to, Input::Answer { partition: PARTITION, answer }),
            Body::Answer(_) => {}
        }
    }
}

fn take(sequencer: MemberId) -> Command {
    Command::TakeEpoch { sequencer, nodeset: None }
}
