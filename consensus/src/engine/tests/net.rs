//! A network of engines in one thread: virtual time, loss, crashes that lose what was not synced.
#![allow(clippy::unwrap_used, clippy::panic, clippy::expect_used)]

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use pyralog_crypto::{Decode, Hash, MerkleHash, PublicKey, Sha256, Signer, SigningKey};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use tendermint::{Time, block::Commit};

use super::super::*;
pub(super) use super::app::{OwnKey, Pool, TestApp};
use crate::block::testing::{CHAIN, key, public};
use crate::block::*;

pub(super) const MS: u64 = 1_000_000;
pub(super) const GENESIS: u64 = 1_800_000_000_000 * MS;

/// What survives a crash.
#[derive(Default)]
pub(super) struct Disk {
    pub(super) wal: Vec<Bytes>,
    pub(super) unsynced: Vec<(Ticket, Bytes)>,
    pub(super) mark: Option<SignMark>,
    pub(super) blocks: Vec<CommittedBlock>,
}

#[derive(Clone)]
struct Store(Arc<Mutex<Disk>>);

impl History for Store {
    fn commit(&self, height: u64) -> Option<Commit> {
        self.0.lock().unwrap().blocks.get(height as usize - 1).map(|b| b.commit.clone())
    }

    fn validators(&self, height: u64) -> Option<ValidatorSet> {
        self.0.lock().unwrap().blocks.get(height as usize - 1).map(|b| b.validators.clone())
    }

    fn block_time(&self, height: u64) -> Option<Time> {
        self.0.lock().unwrap().blocks.get(height as usize - 1).map(|b| b.block.header.time)
    }
}

pub(super) struct Node {
    pub(super) key: Option<SigningKey>,
    pub(super) engine: Option<Engine<TestApp>>,
    pub(super) disk: Arc<Mutex<Disk>>,
    pub(super) pool: Pool,
    pub(super) config: EngineConfig,
    /// Added to the network's time.
    pub(super) clock: i64,
    pub(super) reports: Vec<Report>,
    pub(super) fatal: Option<crate::error::EngineError>,
    /// Everything it gossiped since the last start.
    pub(super) sent: Vec<Bytes>,
    /// How often each signed position left: to find double signs.
    pub(super) signed: BTreeMap<SignMark, BTreeSet<Vec<u8>>>,
    seen: BTreeSet<Hash>,
    timers: BTreeMap<Timer, u64>,
    life: u64,
    pub(super) truncated: bool,
    pub(super) verdicts: BTreeMap<Verdict, u64>,
}

enum Event {
    Gossip { from: usize, bytes: Bytes },
    Timer { timer: Timer, generation: u64 },
    Durable(Durable2),
    Sync { from: usize, block: Bytes, commit: Bytes },
}

enum Durable2 {
    Wal(Ticket),
    Mark(Ticket, SignMark),
    Commit(Ticket, Box<CommittedBlock>),
}

type Filter = Box<dyn FnMut(u64, usize, usize, &Bytes) -> bool>;

pub(super) struct Net {
    pub(super) nodes: Vec<Node>,
    pub(super) now: u64,
    events: BTreeMap<(u64, u64), (usize, u64, Event)>,
    count: u64,
    rng: ChaCha8Rng,
    /// Messages lost, of 1000.
    pub(super) loss: u32,
    /// Whether a message (time in ms, from, to, bytes) passes.
    pub(super) filter: Filter,
    pub(super) genesis: ChainState,
    generation: u64,
}

pub(super) fn genesis_of(members: &[(PublicKey, u64)], params: ConsensusParams) -> ChainState {
    let set = ValidatorSet::new(members).unwrap();
    ChainState::genesis(CHAIN, Timestamp(GENESIS).to_time(), set, params, Hash([0xaa; 32])).unwrap()
}

#[allow(clippy::needless_update)] // Not with the canaries.
pub(super) fn fast() -> EngineConfig {
    EngineConfig {
        block_interval_ns: 200 * MS,
        observe_ns: 100 * MS,
        propose_ns: 500 * MS,
        propose_delta_ns: 100 * MS,
        vote_ns: 200 * MS,
        vote_delta_ns: 50 * MS,
        max_step_ns: 3_000 * MS,
        rebroadcast_ns: 300 * MS,
        retry_ns: 100 * MS,
        ..EngineConfig::DEFAULTS
    }
}

impl Net {
    /// `validators` nodes with power 10 each, and `full` nodes without a key.
    pub(super) fn new(seed: u64, validators: u8, full: usize) -> Self {
        let members: Vec<_> = (1..=validators).map(|i| (public(i), 10)).collect();
        Self::with(seed, genesis_of(&members, ConsensusParams::DEFAULTS), (1..=validators).map(key).collect(), full)
    }

    pub(super) fn with(seed: u64, genesis: ChainState, keys: Vec<SigningKey>, full: usize) -> Self {
        let keys = keys.into_iter().map(Some).chain((0..full).map(|_| None));
        let nodes = keys
            .map(|key| Node {
                key,
                engine: None,
                disk: Arc::default(),
                pool: Pool::default(),
                config: fast(),
                clock: 0,
                reports: vec![],
                fatal: None,
                sent: vec![],
                signed: BTreeMap::new(),
                seen: BTreeSet::new(),
                timers: BTreeMap::new(),
                life: 0,
                truncated: false,
                verdicts: BTreeMap::new(),
            })
            .collect();
        let rng = ChaCha8Rng::seed_from_u64(seed);
        let filter: Filter = Box::new(|_, _, _, _| true);
        Self {
            nodes,
            now: GENESIS + MS,
            events: BTreeMap::new(),
            count: 0,
            rng,
            loss: 0,
            filter,
            genesis,
            generation: 0,
        }
    }

    pub(super) fn start_all(&mut self) {
        for i in 0..self.nodes.len() {
            self.start(i);
        }
    }

    /// Starts a node from its disk.
    pub(super) fn start(&mut self, i: usize) {
        // No two starts have the same.
        let number = self.generation;
        let node = &mut self.nodes[i];
        assert!(node.engine.is_none());
        let disk = node.disk.lock().unwrap();
        let chain = disk
            .blocks
            .last()
            .map_or_else(|| self.genesis.clone(), |b| ChainState::from_bytes(&b.chain_bytes()).unwrap());
        let mut app = TestApp::new();
        (app.height, app.hash) = (chain.height, chain.app_hash);
        app.punished = disk.blocks.iter().flat_map(|b| b.misbehavior.clone()).collect();
        let signer = node.key.as_ref().map(|k| Box::new(OwnKey(SigningKey::from_seed(*k.seed()))) as Box<dyn Signer>);
        let recovery = Recovery {
            config: node.config.clone(),
            chain,
            app,
            txs: Box::new(node.pool.clone()),
            history: Box::new(Store(Arc::clone(&node.disk))),
            signer,
            wal: WalRecovery { entries: disk.wal.clone(), truncated: std::mem::take(&mut node.truncated) },
            mark: disk.mark,
            number,
        };
        drop(disk);
        node.engine = Some(Engine::recover(recovery).unwrap());
        node.seen.clear();
        node.sent.clear();
        self.step(i, Input::Start);
    }

    /// Stops a node; what was not synced is gone.
    pub(super) fn crash(&mut self, i: usize) {
        let node = &mut self.nodes[i];
        node.engine = None;
        node.life += 1;
        node.timers.clear();
        node.disk.lock().unwrap().unsynced.clear();
    }

    pub(super) fn engine(&self, i: usize) -> &Engine<TestApp> {
        self.nodes[i].engine.as_ref().unwrap()
    }

    pub(super) fn height(&self, i: usize) -> u64 {
        self.nodes[i].disk.lock().unwrap().blocks.len() as u64
    }

    pub(super) fn blocks(&self, i: usize) -> Vec<CommittedBlock> {
        self.nodes[i].disk.lock().unwrap().blocks.clone()
    }

    pub(super) fn run_ms(&mut self, ms: u64) {
        let end = self.now + ms * MS;
        self.run_until(end, |_| false);
        self.now = end;
    }

    /// Until all running nodes have `height`; panics when that takes more than `ms`.
    pub(super) fn run_to(&mut self, height: u64, ms: u64) {
        let end = self.now + ms * MS;
        let done = self.run_until(end, |net| {
            (0..net.nodes.len()).filter(|i| net.nodes[*i].engine.is_some()).all(|i| net.height(i) >= height)
        });
        let heights: Vec<_> = (0..self.nodes.len()).map(|i| self.height(i)).collect();
        assert!(
            done,
            "heights {heights:?} instead of {height}: {:?}",
            self.nodes.iter().map(|n| n.reports.last()).collect::<Vec<_>>()
        );
    }

    fn run_until(&mut self, end: u64, done: impl Fn(&Self) -> bool) -> bool {
        while !done(self) {
            let Some((&(at, seq), _)) = self.events.first_key_value() else { return done(self) };
            if at > end {
                return false;
            }
            self.now = self.now.max(at);
            let (i, life, event) = self.events.remove(&(at, seq)).unwrap();
            if self.nodes[i].life == life && self.nodes[i].engine.is_some() {
                self.handle(i, event);
            }
        }
        true
    }

    fn handle(&mut self, i: usize, event: Event) {
        match event {
            Event::Gossip { from, bytes } => {
                if self.nodes[i].seen.insert(Sha256::digest(&bytes)) {
                    self.count += 1;
                    let (id, peer) = (MessageId(self.count), PeerNumber(from as u64));
                    self.step(i, Input::Gossip { id, peer, bytes });
                }
            }
            Event::Timer { timer, generation } => {
                if self.nodes[i].timers.get(&timer) == Some(&generation) {
                    self.nodes[i].timers.remove(&timer);
                    self.step(i, Input::Elapsed(timer));
                }
            }
            Event::Sync { from, block, commit } => {
                self.step(i, Input::SyncBlock { peer: PeerNumber(from as u64), block, commit });
            }
            Event::Durable(what) => {
                let ticket = {
                    let mut disk = self.nodes[i].disk.lock().unwrap();
                    match what {
                        Durable2::Wal(ticket) => {
                            let synced = disk.unsynced.iter().take_while(|(t, _)| *t <= ticket).count();
                            let entries: Vec<_> = disk.unsynced.drain(..synced).map(|(_, bytes)| bytes).collect();
                            disk.wal.extend(entries);
                            ticket
                        }
                        Durable2::Mark(ticket, mark) => {
                            assert!(Some(mark) > disk.mark, "marks only rise");
                            disk.mark = Some(mark);
                            ticket
                        }
                        Durable2::Commit(ticket, block) => {
                            assert_eq!(disk.blocks.len() as u64 + 1, block.height);
                            disk.blocks.push(*block);
                            ticket
                        }
                    }
                };
                self.step(i, Input::Durable(ticket));
            }
        }
    }

    pub(super) fn step(&mut self, i: usize, input: Input) {
        let node = &mut self.nodes[i];
        let now = Timestamp((self.now as i64 + node.clock) as u64);
        let effects = node.engine.as_mut().unwrap().step(now, input);
        for effect in effects {
            self.apply(i, effect);
        }
    }

    fn post(&mut self, i: usize, after: u64, event: Event) {
        self.count += 1;
        let life = self.nodes[i].life;
        self.events.insert((self.now + after, self.count), (i, life, event));
    }

    fn latency(&mut self) -> u64 {
        self.rng.random_range(2 * MS..20 * MS)
    }

    fn apply(&mut self, i: usize, effect: Effect) {
        match effect {
            Effect::WalAppend { ticket, bytes } => {
                WalEntry::from_bytes(&bytes).unwrap();
                self.nodes[i].disk.lock().unwrap().unsynced.push((ticket, bytes));
                self.post(i, MS, Event::Durable(Durable2::Wal(ticket)));
            }
            Effect::WalReset { .. } => {
                let mut disk = self.nodes[i].disk.lock().unwrap();
                disk.wal.clear();
                disk.unsynced.clear();
            }
            Effect::Mark { ticket, mark } => self.post(i, MS, Event::Durable(Durable2::Mark(ticket, mark))),
            Effect::Commit { ticket, block } => self.post(i, 2 * MS, Event::Durable(Durable2::Commit(ticket, block))),
            Effect::Gossip { bytes } => self.gossip(i, bytes),
            Effect::Schedule { timer, after_ns } => {
                self.generation += 1;
                let generation = self.generation;
                self.nodes[i].timers.insert(timer, generation);
                self.post(i, after_ns, Event::Timer { timer, generation });
            }
            Effect::Cancel(timer) => {
                self.nodes[i].timers.remove(&timer);
            }
            Effect::NeedSync { height, .. } => self.sync(i, height),
            Effect::Verdict { verdict, .. } => *self.nodes[i].verdicts.entry(verdict).or_insert(0) += 1,
            Effect::Report(report) => self.nodes[i].reports.push(report),
            Effect::Fatal(error) => self.nodes[i].fatal = Some(error),
            Effect::PenalisePeer { .. } | Effect::NewHeight { .. } | Effect::TxAnswer { .. } => {}
        }
    }

    fn sync(&mut self, i: usize, height: u64) {
        let have: Vec<usize> = (0..self.nodes.len())
            .filter(|j| *j != i && self.nodes[*j].engine.is_some() && self.height(*j) >= height)
            .collect();
        let ms = (self.now - GENESIS) / MS;
        if have.is_empty() {
            return;
        }
        let from = have[self.rng.random_range(0..have.len())];
        if !(self.filter)(ms, from, i, &Bytes::new()) {
            return;
        }
        let blocks = self.blocks(from);
        for block in blocks.iter().skip(height as usize - 1).take(4) {
            let after = self.latency();
            let event = Event::Sync { from, block: block.block_bytes.clone(), commit: block.commit_bytes() };
            self.post(i, after, event);
        }
    }

    /// Delivers to everybody, as the filter and luck allow; checks that nothing signed twice leaves.
    pub(super) fn gossip(&mut self, i: usize, bytes: Bytes) {
        self.check_signed(i, &bytes);
        self.nodes[i].sent.push(bytes.clone());
        for j in (0..self.nodes.len()).filter(|j| *j != i) {
            let ms = (self.now - GENESIS) / MS;
            let lost = self.rng.random_range(0..1000) < self.loss;
            if (self.filter)(ms, i, j, &bytes) && !lost {
                let after = self.latency();
                self.post(j, after, Event::Gossip { from: i, bytes: bytes.clone() });
            }
        }
    }

    /// Puts a message into the network as if node `from` had sent it, without the checks on honest nodes.
    pub(super) fn inject(&mut self, from: usize, to: usize, bytes: Bytes) {
        self.post(to, MS, Event::Gossip { from, bytes });
    }
}

pub(super) fn count_reports(node: &Node, which: impl Fn(&Report) -> bool) -> usize {
    node.reports.iter().filter(|r| which(r)).count()
}
