//! The network.

use rand_chacha::ChaCha20Rng;
use rand_core::{Rng, SeedableRng};

use super::*;

/// A datagram on its way.
struct Flying {
    at: Duration,
    from: SocketAddr,
    to: SocketAddr,
    bytes: Vec<u8>,
}

pub(super) struct Node {
    pub machine: Bootstrap,
    wake: Option<Duration>,
    /// What the machine has told, but datagrams.
    pub told: Vec<Effect>,
}

/// Nodes, by their number.
pub(super) struct Net {
    pub now: Duration,
    pub rng: ChaCha20Rng,
    pub nodes: std::collections::BTreeMap<u8, Node>,
    flying: Vec<Flying>,
    /// Of a thousand datagrams so many are lost, and so many come twice.
    pub lost: u32,
    pub doubled: u32,
    /// A datagram takes this long, and up to so much longer.
    pub way: Duration,
    pub late: Duration,
    /// Datagrams sent by each node, and their bytes.
    pub sent: std::collections::BTreeMap<SocketAddr, (usize, usize)>,
    /// Changes datagrams on their way.
    pub meddle: fn(&mut Vec<u8>),
}

impl Net {
    pub(super) fn new(seed: u64, nodes: &[u8]) -> Self {
        let mut net = Self {
            now: Duration::ZERO,
            rng: ChaCha20Rng::seed_from_u64(seed),
            nodes: Default::default(),
            flying: Vec::new(),
            lost: 0,
            doubled: 0,
            way: Duration::from_millis(20),
            late: Duration::ZERO,
            sent: Default::default(),
            meddle: |_| {},
        };
        for n in nodes {
            net.start(*n, Limits::DEFAULTS);
        }
        net
    }

    pub(super) fn start(&mut self, n: u8, limits: Limits) {
        let machine = Bootstrap::new(NETWORK, limits);
        self.nodes.insert(n, Node { machine, wake: None, told: Vec::new() });
        self.input(n, Input::Publish(Box::new(record(n, 1)), Some(static_key(n))));
    }

    pub(super) fn below(&mut self, end: u32) -> u32 {
        self.rng.next_u32() % end.max(1)
    }

    pub(super) fn input(&mut self, n: u8, input: Input<'_>) {
        let node = self.nodes.get_mut(&n).unwrap();
        let effects = node.machine.step(self.now, &mut self.rng, input);
        node.wake = None;
        for effect in effects {
            match effect {
                Effect::Send { to, bytes } => self.send(address(n), to, bytes),
                Effect::WakeAt(at) => self.nodes.get_mut(&n).unwrap().wake = Some(at),
                other => self.nodes.get_mut(&n).unwrap().told.push(other),
            }
        }
    }

    /// Puts a datagram on its way, whoever sends it.
    pub(super) fn send(&mut self, from: SocketAddr, to: SocketAddr, mut bytes: Vec<u8>) {
        let sent = self.sent.entry(from).or_default();
        *sent = (sent.0 + 1, sent.1 + bytes.len());
        (self.meddle)(&mut bytes);
        let copies = if self.below(1_000) < self.doubled { 2 } else { 1 };
        for _ in 0..copies {
            if self.below(1_000) >= self.lost {
                let late = self.late * self.below(1_000) / 1_000;
                self.flying.push(Flying { at: self.now + self.way + late, from, to, bytes: bytes.clone() });
            }
        }
    }

    /// Goes on for this long.
    pub(super) fn run_for(&mut self, time: Duration) {
        let end = self.now + time;
        loop {
            let flying = self.flying.iter().enumerate().map(|(at, flying)| (flying.at, at)).min();
            let waking = self.nodes.iter().filter_map(|(n, node)| Some((node.wake?, *n))).min();
            let next = flying.map(|(at, _)| at).into_iter().chain(waking.map(|(at, _)| at)).min();
            let Some(next) = next.filter(|next| *next <= end) else { break };
            self.now = self.now.max(next);
            match (flying, waking) {
                (Some((at, index)), _) if at == next => {
                    let Flying { from, to, bytes, .. } = self.flying.swap_remove(index);
                    let reached = self.nodes.keys().copied().find(|n| address(*n) == to);
                    reached.into_iter().for_each(|n| self.input(n, Input::Datagram { from, bytes: &bytes }));
                }
                (_, Some((_, n))) => self.input(n, Input::Wake),
                _ => {}
            }
        }
        self.now = end;
    }

    /// What a node was told since the last time.
    pub(super) fn told(&mut self, n: u8) -> Vec<Effect> {
        std::mem::take(&mut self.nodes.get_mut(&n).unwrap().told)
    }
}
