//! A simulated node: a real engine with a real ledger and mempool on a simulated disk.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::Result;
use bytes::Bytes;
use pyralog_consensus::block::{ChainState, Timestamp, ValidatorAddress};
use pyralog_consensus::engine::{Engine, EngineConfig, Input, Recovery, SignerState, Timer};
use pyralog_consensus::genesis::Genesis;
use pyralog_consensus::ledger::{Ledger, LedgerOptions};
use pyralog_consensus::mempool::{Mempool, MempoolLimits};
use pyralog_crypto::{Blake3, Hash, MerkleHash, codec::Decode};

use super::disk::{Crash, Disk, SharedDisk};
use super::plan::SECOND;
use super::random::Random;
use super::setting::{CHAIN, GENESIS, node_key};

pub(super) struct Node {
    number: usize,
    pub(super) address: ValidatorAddress,
    pub(super) engine: Option<Engine<Ledger>>,
    pub(super) disk: SharedDisk,
    config: EngineConfig,
    /// What its clock shows beyond the true time, nanoseconds.
    pub(super) clock: i64,
    /// The most that it showed beyond before it was set anew, and until when that counts.
    before: (i64, u64),
    /// Counts starts: events of an earlier life are void.
    pub(super) life: u64,
    /// Effects until it crashes, how, and for how long.
    pub(super) fuse: Option<(u64, Crash, u64)>,
    pub(super) timers: BTreeMap<Timer, u64>,
    seen: BTreeSet<Hash>,
    /// Whom it caught signing twice since its start.
    pub(super) caught: BTreeSet<ValidatorAddress>,
    /// A copy of its home, and whether it has been started from one.
    copy: Option<Disk>,
    pub(super) restored: bool,
}

impl Node {
    pub(super) fn new(number: usize, genesis: &Genesis, config: EngineConfig, clock: i64) -> Self {
        Self {
            number,
            address: ValidatorAddress::of(&node_key(number).public_key()),
            engine: None,
            disk: SharedDisk::new(Disk::with_state(genesis.state())),
            config,
            clock,
            before: (clock, 0),
            life: 0,
            fuse: None,
            timers: BTreeMap::new(),
            seen: BTreeSet::new(),
            caught: BTreeSet::new(),
            copy: None,
            restored: false,
        }
    }

    /// Builds the engine from what the disk kept.
    pub(super) fn start(&mut self, genesis: &Genesis) -> Result<()> {
        let chain = match self.disk.lock().last() {
            None => genesis.chain_state()?,
            Some(block) => ChainState::from_bytes(&block.chain_bytes())?,
        };
        let app = Ledger::open(Box::new(self.disk.clone()), CHAIN, LedgerOptions::default())?;
        let (wal, mark) = {
            let disk = self.disk.lock();
            (disk.recover_wal(), disk.mark())
        };
        let recovery = Recovery {
            config: self.config.clone(),
            chain,
            app,
            txs: Box::new(Mempool::new(MempoolLimits::default())),
            history: Box::new(self.disk.clone()),
            signer: Some(Box::new(node_key(self.number))),
            wal,
            mark,
            number: self.life,
        };
        self.engine = Some(Engine::recover(recovery)?);
        self.seen.clear();
        self.caught.clear();
        Ok(())
    }

    pub(super) fn crash(&mut self, crash: Crash, random: &mut Random) {
        self.engine = None;
        self.life += 1;
        self.fuse = None;
        self.timers.clear();
        self.disk.lock().crash(crash, random);
    }

    pub(super) fn copy_home(&mut self) {
        self.copy = Some(self.disk.lock().copy());
    }

    /// Puts the copy in the place of what a node that is down had.
    pub(super) fn restore_home(&mut self) {
        if let Some(copy) = self.copy.take() {
            *self.disk.lock() = copy;
            self.restored = true;
        }
    }

    /// One step of the engine; nothing if it is down.
    pub(super) fn step(&mut self, now: u64, input: Input) -> Vec<pyralog_consensus::engine::Effect> {
        let clock = Timestamp(self.clock_at(now));
        self.engine.as_mut().map(|engine| engine.step(clock, input)).unwrap_or_default()
    }

    /// What its clock shows.
    pub(super) fn clock_at(&self, now: u64) -> u64 {
        (GENESIS + now).saturating_add_signed(self.clock)
    }

    /// The latest that its clock has shown of late.
    pub(super) fn latest_clock(&self, now: u64) -> u64 {
        let (before, until) = self.before;
        let clock = if now < until { self.clock.max(before) } else { self.clock };
        (GENESIS + now).saturating_add_signed(clock)
    }

    pub(super) fn set_clock(&mut self, now: u64, clock: i64) {
        let (before, until) = self.before;
        // It may be set more than once while a vote waits for its round.
        let most = if now < until { self.clock.max(before) } else { self.clock };
        self.before = (most, now + 20 * SECOND);
        self.clock = clock;
    }

    /// Whether these bytes are new to it, as gossip networks filter.
    pub(super) fn is_new(&mut self, bytes: &Bytes) -> bool {
        self.seen.insert(Blake3::digest(bytes))
    }

    pub(super) fn is_up(&self) -> bool {
        self.engine.is_some()
    }

    pub(super) fn height(&self) -> u64 {
        self.disk.lock().height()
    }

    /// Whether it abstains at the height under way.
    pub(super) fn abstains(&self) -> bool {
        self.engine.as_ref().is_some_and(|engine| matches!(engine.signer_state(), SignerState::Abstaining { .. }))
    }
}

#[cfg(test)]
mod tests {
    use super::super::plan::{MS, Plan};
    use super::super::setting::genesis;
    use super::*;

    fn node() -> (Node, Genesis) {
        let plan = Plan::of(1);
        let genesis = genesis(&plan).unwrap();
        (Node::new(0, &genesis, plan.engine, 5), genesis)
    }

    #[test]
    fn a_clock_that_is_set_back_is_judged_by_what_it_showed_for_a_while() {
        let (mut node, _) = node();
        assert_eq!((node.clock_at(7), node.latest_clock(7)), (GENESIS + 12, GENESIS + 12));
        node.set_clock(7, -3);
        assert_eq!((node.clock_at(7), node.latest_clock(7)), (GENESIS + 4, GENESIS + 12));
        assert_eq!(node.latest_clock(30 * SECOND), GENESIS + 30 * SECOND - 3);
    }

    #[test]
    fn a_crash_ends_a_life_and_a_start_recovers_what_the_disk_kept() {
        let (mut node, genesis) = node();
        assert!(!node.is_up() && node.step(0, Input::Start).is_empty(), "nothing runs before the start");
        node.start(&genesis).unwrap();
        assert!(node.is_up() && !node.abstains() && !node.step(MS, Input::Start).is_empty());
        assert!(node.is_new(&Bytes::from_static(b"x")) && !node.is_new(&Bytes::from_static(b"x")));
        let life = node.life;
        node.crash(Crash::Lose, &mut Random::new(1, super::super::random::Stream::Disk));
        assert!(!node.is_up() && node.life > life && node.timers.is_empty());
        node.start(&genesis).unwrap();
        assert!(node.is_new(&Bytes::from_static(b"x")), "and knows nothing of before");
        assert_eq!(node.height(), 0);
    }
}
