//! A real network of four validators in memory: where seeds come from, and what decoded messages are fed to.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use bytes::Bytes;
use pyralog_consensus::application::{StateStore, StoreError};
use pyralog_consensus::block::{ConsensusParams, Timestamp};
use pyralog_consensus::engine::{CommittedBlock, Effect, History, Input, MessageId, PeerNumber, Ticket, Timer};
use pyralog_consensus::genesis::{Genesis, GenesisLog, GenesisParts, GenesisValidator};
use pyralog_consensus::ledger::{LedgerParams, POWER_UNIT};
use pyralog_consensus::tx::LogName;
use pyralog_crypto::{Address, SigningKey};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::node::Node;
use super::seeds;

pub(super) const CHAIN: &str = "pyralog-dev-fuzz";
/// 2026-06-01T00:00:00Z.
const GENESIS_TIME: u64 = 1_780_272_000_000_000_000;
const VALIDATORS: u8 = 4;
/// The seed of the losses: one that makes the network send messages of every kind.
const LOSSES: u64 = 11;
/// The height after which fuzzed messages arrive, and its neighbours that the run goes on to.
pub(super) const BASE: u64 = 3;
const LAST: u64 = 6;

/// A key by number: 0..10 are accounts, 100.. validators, 200 the owner of a log.
pub(super) fn key(n: u8) -> SigningKey {
    SigningKey::from_seed([n; 32])
}

/// The account of a key.
pub(super) fn address(n: u8) -> Address {
    Address::from_key(&key(n).public_key())
}

/// State and blocks of a chain at rest.
#[derive(Clone, Debug, Default)]
pub(super) struct Stored {
    pub state: Arc<Mutex<BTreeMap<Vec<u8>, Vec<u8>>>>,
    pub blocks: Arc<Mutex<Vec<CommittedBlock>>>,
}

impl Stored {
    pub fn write(&self, writes: &[(Vec<u8>, Option<Vec<u8>>)]) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        for (key, value) in writes {
            match value {
                Some(value) => state.insert(key.clone(), value.clone()),
                None => state.remove(key),
            };
        }
    }

    /// The same contents, to be changed apart.
    pub fn copy(&self) -> Self {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let blocks = self.blocks.lock().unwrap_or_else(PoisonError::into_inner).clone();
        Self { state: Arc::new(Mutex::new(state)), blocks: Arc::new(Mutex::new(blocks)) }
    }

    fn at<T>(&self, height: u64, take: impl Fn(&CommittedBlock) -> T) -> Option<T> {
        let blocks = self.blocks.lock().unwrap_or_else(PoisonError::into_inner);
        blocks.get(usize::try_from(height.checked_sub(1)?).ok()?).map(take)
    }
}

impl StateStore for Stored {
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        Ok(self.state.lock().unwrap_or_else(PoisonError::into_inner).get(key).cloned())
    }
}

impl History for Stored {
    fn commit(&self, height: u64) -> Option<tendermint::block::Commit> {
        self.at(height, |block| block.commit.clone())
    }

    fn validators(&self, height: u64) -> Option<pyralog_consensus::block::ValidatorSet> {
        self.at(height, |block| block.validators.clone())
    }

    fn block_time(&self, height: u64) -> Option<tendermint::Time> {
        self.at(height, |block| block.block.header.time)
    }
}

/// What a run leaves behind.
#[derive(Debug)]
pub(super) struct Run {
    pub genesis: Genesis,
    /// The blocks from height 1 on, as node 0 committed them.
    pub blocks: Vec<CommittedBlock>,
    /// State and blocks after height [`BASE`].
    pub base: Stored,
    /// Gossip by the height its sender was at.
    pub gossip: Vec<(u64, Bytes)>,
    /// WAL entries likewise.
    pub wal: Vec<(u64, Bytes)>,
}

/// The run, made once.
pub(super) fn run() -> &'static Run {
    static RUN: OnceLock<Run> = OnceLock::new();
    RUN.get_or_init(|| Net::new(LOSSES).run())
}

#[allow(clippy::expect_used, reason = "constant parts; the first test that runs would show it")]
pub(super) fn genesis() -> Genesis {
    let validator = |i: u8| GenesisValidator {
        key: key(100 + i).public_key(),
        name: format!("validator-{i}"),
        owner: address(i),
        stake: 10 * POWER_UNIT,
    };
    let log = GenesisLog { owner: key(200).public_key(), name: LogName::new("notary").expect("a log name") };
    Genesis::new(GenesisParts {
        chain_id: CHAIN.into(),
        genesis_time: Timestamp(GENESIS_TIME).to_time(),
        consensus_params: ConsensusParams::DEFAULTS,
        validators: (0..VALIDATORS).map(validator).collect(),
        accounts: (0..10).map(|n| (address(n), 1_000_000_000_000)).collect(),
        logs: vec![log],
        params: LedgerParams { max_validators: 8, ..LedgerParams::DEFAULTS },
    })
    .expect("a sound genesis")
}

/// Messages by the height their sender was at.
type Seen = Vec<(u64, Bytes)>;

struct Net {
    genesis: Genesis,
    nodes: Vec<Node>,
    stores: Vec<Stored>,
    queue: VecDeque<(usize, Input)>,
    timers: BTreeSet<(u64, usize, Timer)>,
    now: u64,
    messages: u64,
    loss: ChaCha8Rng,
    /// Gossip and WAL entries.
    seen: (Seen, Seen),
    base: Option<Stored>,
}

impl Net {
    fn new(losses: u64) -> Self {
        let genesis = genesis();
        let stores: Vec<Stored> = (0..VALIDATORS).map(|_| Stored::default()).collect();
        let nodes = (0u8..).zip(&stores).map(|(i, store)| {
            store.write(genesis.state());
            Node::fresh(&genesis, store, Some(key(100 + i)))
        });
        let nodes: Vec<Node> = nodes.collect();
        let queue = (0..nodes.len()).map(|i| (i, Input::Start)).collect();
        let loss = ChaCha8Rng::seed_from_u64(losses);
        let (timers, seen) = (BTreeSet::new(), (Vec::new(), Vec::new()));
        Self { genesis, nodes, stores, queue, timers, now: GENESIS_TIME + 1, messages: 0, loss, seen, base: None }
    }

    fn run(mut self) -> Run {
        for (i, bundle) in (0u64..).zip(seeds::transactions()) {
            for node in 0..self.nodes.len() {
                self.queue.push_back((node, Input::Tx { reply: i, bundle: bundle.clone() }));
            }
        }
        let mut steps = 0u64;
        while self.nodes[0].engine.chain().height < LAST {
            steps += 1;
            assert!(
                steps < 200_000,
                "the network of the fuzz targets stands still at {:?}",
                self.nodes[0].engine.round()
            );
            if let Some((node, input)) = self.queue.pop_front() {
                self.step(node, input);
            } else if let Some((at, node, timer)) = self.timers.pop_first() {
                self.now = self.now.max(at);
                self.step(node, Input::Elapsed(timer));
            }
        }
        let blocks = self.stores[0].blocks.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let (gossip, wal) = self.seen;
        Run { genesis: self.genesis, blocks, base: self.base.unwrap_or_default(), gossip, wal }
    }

    fn step(&mut self, node: usize, input: Input) {
        let height = self.nodes[node].engine.chain().height + 1;
        let durable = |ticket: Ticket| (node, Input::Durable(ticket));
        for effect in self.nodes[node].engine.step(Timestamp(self.now), input) {
            match effect {
                Effect::WalAppend { ticket, bytes } => {
                    self.seen.1.push((height, bytes));
                    self.queue.push_back(durable(ticket));
                }
                Effect::Mark { ticket, .. } => self.queue.push_back(durable(ticket)),
                Effect::Commit { ticket, block } => {
                    self.commit(node, *block);
                    self.queue.push_back(durable(ticket));
                }
                Effect::Gossip { bytes } => self.gossip(node, height, &bytes),
                Effect::Schedule { timer, after_ns } => {
                    self.timers.retain(|(_, n, t)| (*n, *t) != (node, timer));
                    self.timers.insert((self.now + after_ns, node, timer));
                }
                Effect::Cancel(timer) => self.timers.retain(|(_, n, t)| (*n, *t) != (node, timer)),
                Effect::NeedSync { height, .. } => self.serve(node, height),
                Effect::Fatal(error) => unreachable!("node {node}: {error}"),
                _ => {}
            }
        }
    }

    fn commit(&mut self, node: usize, block: CommittedBlock) {
        let store = &self.stores[node];
        store.write(&block.writes);
        let height = block.height;
        store.blocks.lock().unwrap_or_else(PoisonError::into_inner).push(block);
        if node == 0 && height == BASE {
            self.base = Some(store.copy());
        }
    }

    /// A quarter of the messages is lost, so that rounds fail and parts are asked for. One validator votes twice.
    fn gossip(&mut self, from: usize, height: u64, bytes: &Bytes) {
        self.seen.0.push((height, bytes.clone()));
        let twice = seeds::conflicting_vote(bytes, &key(103));
        for to in (0..self.nodes.len()).filter(|to| *to != from) {
            for bytes in std::iter::once(bytes).chain(&twice) {
                if self.loss.random_range(0..4) > 0 {
                    self.messages += 1;
                    let (id, peer) = (MessageId(self.messages), PeerNumber(from as u64));
                    self.queue.push_back((to, Input::Gossip { id, peer, bytes: bytes.clone() }));
                }
            }
        }
    }

    fn serve(&mut self, node: usize, height: u64) {
        for peer in (0..self.nodes.len()).filter(|peer| *peer != node) {
            if let Some((block, commit)) = self.stores[peer].at(height, |b| (b.block_bytes.clone(), b.commit_bytes())) {
                self.queue.push_back((node, Input::SyncBlock { peer: PeerNumber(peer as u64), block, commit }));
                return;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_network_shows_everything_that_seeds_need() {
        let run = run();
        assert!(run.blocks.len() as u64 >= LAST);
        let kinds: BTreeSet<u8> = run.gossip.iter().map(|(_, bytes)| bytes[1]).collect();
        assert_eq!(kinds, (1..=8).collect(), "every kind of consensus message");
        let kinds: BTreeSet<u8> = run.wal.iter().map(|(_, bytes)| bytes[1]).collect();
        assert!(kinds.is_superset(&BTreeSet::from([1, 2, 3, 4])), "WAL entries: {kinds:?}");
        assert!(run.blocks.iter().any(|b| !b.misbehavior.is_empty()), "evidence in a block");
        assert!(run.blocks.iter().map(|b| b.block.data.len()).sum::<usize>() >= seeds::transactions().len());
    }
}
