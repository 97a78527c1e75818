//! One engine with its ledger, for the network that makes seeds and for single fuzzed inputs.

use bytes::Bytes;
use pyralog_consensus::block::{Step, Timestamp, ValidatorAddress};
use pyralog_consensus::engine::{
    Effect, Engine, EngineConfig, Input, MessageId, PeerNumber, Recovery, SignMark, Timer, Verdict, WalRecovery,
    WireMessage,
};
use pyralog_consensus::error::EngineError;
use pyralog_consensus::genesis::Genesis;
use pyralog_consensus::ledger::{Ledger, LedgerOptions};
use pyralog_consensus::mempool::{Mempool, MempoolLimits};
use pyralog_crypto::{Encode, Signer, SigningKey};

use super::chain::{CHAIN, Run, Stored, key, run};

/// The number under which engines ask who is there.
const NUMBER: u64 = 7;
/// Timers until it signs: it asks a few times who is there before it has watched long enough.
const ATTENDED: usize = 6;
/// Timers that a fuzzed engine lives through at most after the input.
const TIMERS: usize = 12;

pub(super) struct Node {
    pub engine: Engine<Ledger>,
}

#[allow(clippy::expect_used, reason = "the states are ours: made by the code under test from a constant genesis")]
pub(super) fn ledger(store: &Stored) -> Ledger {
    Ledger::open(Box::new(store.clone()), CHAIN, LedgerOptions::default()).expect("the ledger of the store")
}

impl Node {
    #[allow(clippy::expect_used, reason = "as for the ledger")]
    pub fn fresh(genesis: &Genesis, store: &Stored, signer: Option<SigningKey>) -> Self {
        let chain = genesis.chain_state().expect("the first state");
        Self { engine: recover(chain, store, signer, WalRecovery::default(), None).expect("nothing to replay") }
    }
}

fn recover(
    chain: pyralog_consensus::block::ChainState,
    store: &Stored,
    signer: Option<SigningKey>,
    wal: WalRecovery,
    mark: Option<SignMark>,
) -> Result<Engine<Ledger>, EngineError> {
    Engine::recover(Recovery {
        config: EngineConfig::default(),
        chain,
        app: ledger(store),
        txs: Box::new(Mempool::new(MempoolLimits::default())),
        history: Box::new(store.clone()),
        signer: signer.map(|key| Box::new(key) as Box<dyn Signer>),
        wal,
        mark,
        number: NUMBER,
    })
}

/// What a fuzzed input led to.
#[derive(Debug, Default)]
pub(super) struct Outcome {
    pub verdicts: usize,
    pub accepted: usize,
    pub fatal: Option<String>,
}

/// A validator at the height after the base of the run, for one input.
pub(super) struct Probe {
    engine: Engine<Ledger>,
    store: Stored,
    now: u64,
    timers: Vec<(u64, Timer)>,
    outcome: Outcome,
}

impl Probe {
    /// Recovers with these WAL entries.
    ///
    /// # Errors
    /// The entries are damaged.
    pub fn new(entries: Vec<Bytes>) -> Result<Self, EngineError> {
        let Run { base, blocks, .. } = run();
        let base = &base.copy();
        let last = &blocks[super::chain::BASE as usize - 1];
        let chain = last.chain.as_ref().clone();
        let now = Timestamp::from_time(chain.last_time).unwrap_or_default().0 + 100_000_000;
        // It may have signed everything up to the base, and nothing after.
        let mark = SignMark { height: super::chain::BASE, round: u32::from(u16::MAX), step: Step::Precommit };
        let engine = recover(chain, base, Some(key(100)), WalRecovery { entries, truncated: false }, Some(mark))?;
        let mut probe = Self { engine, store: base.clone(), now, timers: Vec::new(), outcome: Outcome::default() };
        probe.input(Input::Start);
        probe.attend();
        probe.elapse(ATTENDED);
        Ok(probe)
    }

    /// The other validators say that they are there.
    #[allow(clippy::expect_used, reason = "keys in memory sign anything")]
    fn attend(&mut self) {
        let to = (ValidatorAddress::of(&key(100).public_key()), NUMBER);
        for other in 101..104 {
            let message = WireMessage::presence(CHAIN, &key(other), super::chain::BASE + 1, to, 0);
            let bytes = message.expect("a presence").to_bytes().into();
            self.input(Input::Gossip { id: MessageId(0), peer: PeerNumber(1), bytes });
        }
        self.outcome = Outcome::default();
    }

    pub fn gossip(mut self, bytes: &[u8]) -> Outcome {
        let bytes = Bytes::copy_from_slice(bytes);
        self.input(Input::Gossip { id: MessageId(1), peer: PeerNumber(1), bytes });
        self.finish()
    }

    pub fn sync(mut self, blocks: Vec<(Bytes, Bytes)>) -> (Outcome, u64) {
        self.input(Input::PeerHeight { peer: PeerNumber(1), height: super::chain::BASE + blocks.len() as u64 });
        for (block, commit) in blocks {
            self.input(Input::SyncBlock { peer: PeerNumber(1), block, commit });
        }
        let height = self.engine.chain().height;
        (self.finish(), height)
    }

    /// Lives through some timers.
    pub fn finish(mut self) -> Outcome {
        self.elapse(TIMERS);
        self.outcome
    }

    fn elapse(&mut self, count: usize) {
        for _ in 0..count {
            let Some(next) = (0..self.timers.len()).min_by_key(|i| self.timers[*i]) else { return };
            let (at, timer) = self.timers.swap_remove(next);
            self.now = self.now.max(at);
            self.input(Input::Elapsed(timer));
        }
    }

    /// One input; whatever it asks to be durable is so at once.
    fn input(&mut self, input: Input) {
        let mut inputs = vec![input];
        while let Some(input) = inputs.pop() {
            for effect in self.engine.step(Timestamp(self.now), input) {
                match effect {
                    Effect::WalAppend { ticket, .. } | Effect::Mark { ticket, .. } => {
                        inputs.insert(0, Input::Durable(ticket));
                    }
                    Effect::Commit { ticket, block } => {
                        self.store.write(&block.writes);
                        inputs.insert(0, Input::Durable(ticket));
                    }
                    Effect::Schedule { timer, after_ns } => {
                        self.timers.retain(|(_, other)| *other != timer);
                        self.timers.push((self.now.saturating_add(after_ns), timer));
                    }
                    Effect::Cancel(timer) => self.timers.retain(|(_, other)| *other != timer),
                    Effect::Verdict { verdict, .. } => {
                        self.outcome.verdicts += 1;
                        self.outcome.accepted += usize::from(verdict == Verdict::Accept);
                    }
                    Effect::Fatal(error) => self.outcome.fatal = Some(error.to_string()),
                    _ => {}
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::super::chain::BASE;
    use super::*;

    #[test]
    fn a_probe_takes_part_in_the_height_after_the_base() {
        let outcome = |bytes: &[u8]| Probe::new(Vec::new()).unwrap().gossip(bytes);
        let now = run().gossip.iter().filter(|(height, _)| *height == BASE + 1);
        let kinds: std::collections::BTreeSet<u8> =
            now.filter(|(_, bytes)| outcome(bytes).accepted == 1).map(|(_, bytes)| bytes[1]).collect();
        assert!(kinds.contains(&1) && kinds.contains(&2), "votes and proposals are accepted, not only {kinds:?}");
        assert_eq!(outcome(b"noise").accepted, 0);
    }

    #[test]
    fn a_probe_catches_up_with_real_blocks() {
        let blocks = run().blocks.iter().filter(|block| block.height > BASE);
        let blocks: Vec<_> = blocks.map(|block| (block.block_bytes.clone(), block.commit_bytes())).collect();
        let (outcome, height) = Probe::new(Vec::new()).unwrap().sync(blocks.clone());
        assert_eq!((outcome.fatal, height), (None, BASE + blocks.len() as u64));
    }
}
