//! A network in memory: seeded, with a clock for each node.

use std::collections::BTreeMap;

use rand_core::Rng;

use super::*;

/// A datagram on its way.
#[derive(Clone)]
pub(super) struct Packet {
    pub from: SocketAddr,
    pub to: SocketAddr,
    pub bytes: Vec<u8>,
}

impl Packet {
    pub(super) fn kind(&self) -> u8 {
        self.bytes[0]
    }
}

/// What the network does to datagrams, in thousandths; delays in milliseconds.
#[derive(Clone, Copy, Default)]
pub(super) struct Faults {
    pub lost: u32,
    pub doubled: u32,
    pub late: u32,
}

/// One node and what its driver believes.
pub(super) struct Node {
    pub machine: Option<Rosenpass>,
    number: usize,
    /// Whom it begins with; the others it answers.
    pub begins: Vec<usize>,
    pub answers: Vec<usize>,
    pub pre_shared_key: Option<[u8; 32]>,
    /// Its clock is ahead of the network's by this.
    pub ahead: Duration,
    /// Key of each peer, and since when by the network's clock.
    pub keys: BTreeMap<KeyId, ([u8; 32], Duration)>,
    /// Every key it was ever told.
    pub told: Vec<[u8; 32]>,
    pub expired: usize,
    pub errors: Vec<RosenpassError>,
    wake: Option<Duration>,
}

/// The network.
pub(super) struct Net {
    pub now: Duration,
    pub nodes: Vec<Node>,
    pub faults: Faults,
    /// Everything that was sent.
    pub sent: Vec<Packet>,
    /// What is held back instead of being delivered.
    pub hold: Box<dyn Fn(&Packet) -> bool>,
    pub held: Vec<Packet>,
    /// The first violation that the driver has seen.
    pub violation: Option<String>,
    flying: BTreeMap<(Duration, u64), Packet>,
    count: u64,
    rng: ChaCha20Rng,
}

impl Net {
    /// Two nodes that both begin, not started yet.
    pub(super) fn pair(seed: u64) -> Self {
        Self::new(seed, vec![(vec![1], vec![]), (vec![0], vec![])])
    }

    /// Two nodes of which the first begins and the second knows no address.
    pub(super) fn one_way(seed: u64) -> Self {
        Self::new(seed, vec![(vec![1], vec![]), (vec![], vec![0])])
    }

    /// Nodes, each with those it begins with and those that it answers only.
    pub(super) fn new(seed: u64, nodes: Vec<(Vec<usize>, Vec<usize>)>) -> Self {
        let node = |(number, (begins, answers))| Node {
            machine: None,
            number,
            begins,
            answers,
            pre_shared_key: None,
            ahead: Duration::ZERO,
            keys: BTreeMap::new(),
            told: Vec::new(),
            expired: 0,
            errors: Vec::new(),
            wake: None,
        };
        Self {
            now: secs(1_000),
            nodes: nodes.into_iter().enumerate().map(node).collect(),
            faults: Faults::default(),
            sent: Vec::new(),
            hold: Box::new(|_| false),
            held: Vec::new(),
            violation: None,
            flying: BTreeMap::new(),
            count: 0,
            rng: rng(seed),
        }
    }

    /// Starts a node, or starts it anew: nothing is remembered but its keys.
    pub(super) fn start(&mut self, n: usize) {
        self.nodes[n].machine = Some(Rosenpass::new(keys(n), fastest(), Limits::DEFAULTS));
        self.nodes[n].keys.clear();
        let named = |peer: usize| vec![address(peer)];
        let begins: Vec<_> = self.nodes[n].begins.iter().map(|peer| (*peer, named(*peer))).collect();
        let answers: Vec<_> = self.nodes[n].answers.iter().map(|peer| (*peer, Vec::new())).collect();
        for (peer, endpoints) in begins.into_iter().chain(answers) {
            let pre_shared_key = self.nodes[n].pre_shared_key.map(Into::into);
            let public_key = keys(peer).public;
            self.input(n, Input::AddPeer(PeerSettings { public_key, pre_shared_key, endpoints }));
        }
    }

    pub(super) fn started(mut self) -> Self {
        (0..self.nodes.len()).for_each(|n| self.start(n));
        self
    }

    /// The node is gone, with what it knew.
    pub(super) fn crash(&mut self, n: usize) {
        let node = &mut self.nodes[n];
        (node.machine, node.wake) = (None, None);
        node.keys.clear();
    }

    pub(super) fn id(&self, n: usize) -> KeyId {
        self.nodes[n].machine.as_ref().map_or_else(|| KeyId::of(&keys(n).public), Rosenpass::id)
    }

    /// One step of one node.
    pub(super) fn input(&mut self, n: usize, input: Input<'_>) {
        let now = self.now + self.nodes[n].ahead;
        let Some(machine) = &mut self.nodes[n].machine else { return };
        let effects = machine.step(now, &mut self.rng, input);
        self.nodes[n].wake = None;
        for effect in effects {
            self.take(n, effect);
        }
    }

    /// Delivers bytes, as anybody can.
    pub(super) fn deliver(&mut self, packet: &Packet) {
        let to = self.nodes.iter().position(|node| address(node.number) == packet.to);
        if let Some(n) = to {
            self.input(n, Input::Datagram { from: packet.from, bytes: &packet.bytes });
        }
    }

    fn take(&mut self, n: usize, effect: Effect) {
        let (now, ahead) = (self.now, self.nodes[n].ahead);
        let node = &mut self.nodes[n];
        match effect {
            Effect::Send { to, bytes } => self.send(Packet { from: address(n), to, bytes }),
            Effect::NewKey { peer, key, .. } => {
                let key = *key.as_bytes();
                if key == [0; 32] {
                    self.violation.get_or_insert(format!("node {n} was told a key of zeros"));
                } else if node.told.contains(&key) {
                    self.violation.get_or_insert(format!("node {n} was told a key twice"));
                }
                node.told.push(key);
                node.keys.insert(peer, (key, now));
            }
            Effect::KeyExpired { peer } => {
                node.expired += 1;
                node.keys.remove(&peer);
            }
            Effect::Refused { error, .. } => node.errors.push(error),
            Effect::WakeAt(at) => node.wake = Some(at.saturating_sub(ahead)),
        }
    }

    fn send(&mut self, packet: Packet) {
        self.sent.push(packet.clone());
        if (self.hold)(&packet) {
            self.held.push(packet);
            return;
        }
        let copies = 1 + u32::from(self.chance(self.faults.doubled));
        for _ in 0..copies {
            if self.chance(self.faults.lost) {
                continue;
            }
            let late = if self.faults.late == 0 { 0 } else { self.rng.next_u32() % self.faults.late };
            self.count += 1;
            self.flying.insert((self.now + millis(5 + u64::from(late)), self.count), packet.clone());
        }
    }

    pub(super) fn chance(&mut self, per_mille: u32) -> bool {
        per_mille > 0 && self.rng.next_u32() % 1_000 < per_mille
    }

    pub(super) fn below(&mut self, bound: u32) -> u32 {
        self.rng.next_u32() % bound
    }

    /// Goes on for so long.
    pub(super) fn run_for(&mut self, time: Duration) {
        let end = self.now + time;
        let mut woken = 0;
        while self.violation.is_none() {
            let packet = self.flying.first_key_value().map(|((at, _), _)| *at);
            let wake = (0..self.nodes.len()).filter_map(|n| Some((self.nodes[n].wake?, n))).min();
            let next = packet.into_iter().chain(wake.map(|(at, _)| at)).min();
            let Some(at) = next.filter(|at| *at <= end) else { break };
            woken = if packet != Some(at) && at <= self.now { woken + 1 } else { 0 };
            if woken > 20 {
                self.violation = Some("a node wants to be woken again and again".into());
            }
            self.now = self.now.max(at);
            self.look_at_ages();
            if packet == Some(at) {
                if let Some((_, packet)) = self.flying.pop_first() {
                    self.deliver(&packet);
                }
            } else if let Some((_, n)) = wake {
                self.input(n, Input::Wake);
            }
        }
        self.now = end;
        self.look_at_ages();
    }

    /// No key is older than a key may be: the driver was told in time. A node whose clock jumps is told at its next step.
    fn look_at_ages(&mut self) {
        for (n, node) in self.nodes.iter().enumerate() {
            let oldest = node.keys.values().map(|(_, since)| self.now.saturating_sub(*since)).max();
            if oldest.is_some_and(|age| age > REJECT_AFTER + millis(1)) {
                self.violation.get_or_insert(format!("node {n} still has a key of {oldest:?}"));
            }
        }
    }

    pub(super) fn key(&self, of: usize, with: usize) -> Option<[u8; 32]> {
        self.nodes[of].keys.get(&self.id(with)).map(|(key, _)| *key)
    }

    /// Whether both have a key, and the same.
    pub(super) fn agree(&self, one: usize, other: usize) -> bool {
        self.key(one, other).is_some() && self.key(one, other) == self.key(other, one)
    }

    /// Whether both have a key, and not the same.
    pub(super) fn differ(&self, one: usize, other: usize) -> bool {
        let (one, other) = (self.key(one, other), self.key(other, one));
        one.is_some() && other.is_some() && one != other
    }

    /// The last datagram of a kind that a node sent.
    pub(super) fn last(&self, from: usize, kind: u8) -> Option<Packet> {
        self.sent.iter().rev().find(|packet| packet.from == address(from) && packet.kind() == kind).cloned()
    }

    /// Takes the errors of a node.
    pub(super) fn errors(&mut self, n: usize) -> Vec<RosenpassError> {
        std::mem::take(&mut self.nodes[n].errors)
    }
}
