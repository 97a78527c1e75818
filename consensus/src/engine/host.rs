//! The engine's state besides the BFT core.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use bytes::Bytes;
use pyralog_crypto::{PublicKey, Signature, Signer};
use tendermint::{Time, block::Commit};

use super::attendance::Attendance;
use super::candidates::Candidates;
use super::context::{CoreInput, Ctx, SharedSet, SignedProposal, SignedVote};
use super::evidence_pool::EvidencePool;
use super::guard::SignGuard;
use super::outbox::Outbox;
use super::signatures::SignatureCache;
use super::wire::Body;
use super::{Effect, EngineConfig, History, PeerNumber, Report, SignMark, SignerState, Ticket, Timer};
use crate::application::{Application, TxSource};
use crate::block::{
    ChainState, DuplicateVote, EvidenceContext, Quorum, Timestamp, ValidatorAddress, ValidatorSet, ValueId,
};
use crate::error::EngineError;

/// Where the engine stands.
#[derive(Debug)]
pub(super) enum Phase {
    /// Before [`super::Input::Start`].
    Created,
    /// Between heights: `chain.height` is durable, the next has not begun.
    Waiting,
    /// The core works on `chain.height + 1`.
    Running,
    /// `chain.height + 1` is decided and executed; its block must become durable.
    Committing(Box<Pending>),
    /// After a fatal error.
    Stopped,
}

/// A decided height until it is durable.
#[derive(Debug)]
pub(super) struct Pending {
    pub(super) ticket: Ticket,
    pub(super) next: Arc<ChainState>,
    pub(super) commit: Commit,
    pub(super) txs: Vec<Bytes>,
    pub(super) synced: bool,
}

/// What the core decided.
#[derive(Debug)]
pub(super) struct Decision {
    pub(super) round: u32,
    pub(super) value: ValueId,
    pub(super) signatures: Vec<(ValidatorAddress, Signature)>,
}

/// What one validator signed twice, as the core gives it.
pub(super) type DoubleVotes = (ValidatorAddress, Vec<(SignedVote, SignedVote)>);

/// Names a verified message for limiting how often it is forwarded: kind, height, round, step, sender.
pub(super) type RelayKey = (u8, u64, u32, u8, ValidatorAddress);

pub(super) struct Host<A> {
    pub(super) config: EngineConfig,
    pub(super) ctx: Ctx,
    pub(super) app: A,
    pub(super) txs: Box<dyn TxSource>,
    pub(super) history: Box<dyn History>,
    pub(super) signer: Option<Box<dyn Signer>>,
    pub(super) chain: Arc<ChainState>,
    /// The sets of `chain.height + 1` and `+ 2`.
    pub(super) set: SharedSet,
    pub(super) next_set: SharedSet,
    pub(super) phase: Phase,
    pub(super) now: Timestamp,
    pub(super) out: Vec<Effect>,
    pub(super) outbox: Outbox,
    pub(super) guard: SignGuard,
    pub(super) signatures: SignatureCache,
    pub(super) candidates: Candidates,
    pub(super) evidence: EvidencePool,
    /// Double votes whose height is not committed yet.
    pub(super) offences: Vec<DuplicateVote>,
    /// Inputs for the core.
    pub(super) queue: VecDeque<CoreInput>,
    pub(super) timers: BTreeSet<Timer>,
    /// Votes for a height that has not begun: at most two per sender, round and step.
    pub(super) early: BTreeMap<(u64, ValidatorAddress, u8, u32), Vec<SignedVote>>,
    /// Proposals that came too early or too late, by round; the core sees them only if two thirds vote for them all the same.
    pub(super) untimely: BTreeMap<u32, Vec<SignedProposal>>,
    pub(super) relayed: BTreeMap<RelayKey, (u32, Timestamp)>,
    /// Parts served on request since the last retry tick.
    pub(super) served: BTreeMap<ValueId, u32>,
    /// Values whose block bytes are in the WAL of this height.
    pub(super) logged: BTreeSet<ValueId>,
    pub(super) decision: Option<Decision>,
    /// Whether the core decided the last height itself, so that late precommits can be fed to it.
    pub(super) core_decided: bool,
    /// The commit of `chain.height`, for the next block.
    pub(super) last_commit: Option<Commit>,
    pub(super) height_started: Timestamp,
    pub(super) replaying: bool,
    /// Positions of our own signatures in the WAL of this height.
    pub(super) recorded: BTreeSet<SignMark>,
    /// The WAL of `chain.height + 1`, until it is replayed.
    pub(super) wal: Vec<CoreInput>,
    /// Rounds for which a value was asked during replay.
    pub(super) deferred: Vec<u32>,
    /// A signature was refused while the core worked; its error is ours.
    pub(super) refused: bool,
    /// The highest height that somebody claims to have committed.
    pub(super) sync_target: u64,
    pub(super) sync_asked: Option<Timestamp>,
    pub(super) sync_queue: BTreeMap<u64, (PeerNumber, Bytes, Commit)>,
    pub(super) attendance: Attendance,
    /// The height at the last look of the observation at start.
    pub(super) observed_height: u64,
    /// How often it was prolonged in a row without old blocks coming in.
    pub(super) prolonged: u32,
    /// How often it was prolonged after a torn WAL.
    pub(super) torn_looks: u32,
}

impl<A: Application> Host<A> {
    /// The height that the core works on, or will.
    pub(super) fn height(&self) -> u64 {
        self.chain.height + 1
    }

    pub(super) fn is_running(&self) -> bool {
        matches!(self.phase, Phase::Running)
    }

    pub(super) fn is_stopped(&self) -> bool {
        matches!(self.phase, Phase::Stopped)
    }

    pub(super) fn quorum(&self) -> Quorum {
        #[cfg(any(test, all(feature = "testkit", debug_assertions)))]
        if self.config.canary.quorum_off_by_one {
            return Quorum::OffByOne;
        }
        Quorum::TwoThirds
    }

    pub(super) fn report(&mut self, report: Report) {
        self.out.push(Effect::Report(report));
    }

    pub(super) fn fail(&mut self, error: EngineError) {
        if !self.is_stopped() {
            self.phase = Phase::Stopped;
            self.out.push(Effect::Fatal(error));
        }
    }

    pub(super) fn schedule(&mut self, timer: Timer, after_ns: u64) {
        self.timers.insert(timer);
        self.out.push(Effect::Schedule { timer, after_ns });
    }

    pub(super) fn cancel(&mut self, timer: Timer) {
        if self.timers.remove(&timer) {
            self.out.push(Effect::Cancel(timer));
        }
    }

    /// Cancels the timers of the core.
    pub(super) fn cancel_steps(&mut self) {
        let is_step = |timer: &Timer| {
            matches!(
                timer,
                Timer::Propose { .. } | Timer::Prevote { .. } | Timer::Precommit { .. } | Timer::Rebroadcast { .. }
            )
        };
        let steps: Vec<_> = self.timers.iter().copied().filter(is_step).collect();
        for timer in steps {
            self.cancel(timer);
        }
    }

    /// Publishes once everything before it is durable.
    pub(super) fn publish(&mut self, body: &Body, attempt: u32) {
        self.outbox.gossip(body.to_wire(attempt).into(), self.guard.top(), &mut self.out);
    }

    /// An attempt number for a retransmission: milliseconds, so that it differs from all before it, also after a restart.
    pub(super) fn attempt(&self) -> u32 {
        ((self.now.0 / 1_000_000) as u32).max(1)
    }

    /// The validator set of a height near ours.
    pub(super) fn set_of(&self, height: u64) -> Option<&SharedSet> {
        match height.checked_sub(self.chain.height) {
            Some(1) => Some(&self.set),
            Some(2) => Some(&self.next_set),
            _ => None,
        }
    }

    /// A valid signature with our key was seen. Above what has left this node it means that somebody else signs with it.
    pub(super) fn saw_own(&mut self, mark: SignMark) {
        #[cfg(any(test, all(feature = "testkit", debug_assertions)))]
        if self.config.canary.wal_not_synced {
            return; // It keeps no mark to compare with.
        }
        #[cfg(any(test, all(feature = "testkit", debug_assertions)))]
        if self.config.canary.unattended {
            return;
        }
        if self.guard.saw_own(mark, self.outbox.mark()) {
            self.suspended();
        }
    }

    pub(super) fn suspended(&mut self) {
        self.outbox.drop_unreleased();
        self.report_signer();
    }

    pub(super) fn report_signer(&mut self) {
        let report = Report::Signer { state: self.signer_state(), watching: self.guard.observing };
        self.report(report);
    }

    pub(super) fn signer_state(&self) -> SignerState {
        match self.guard.state(self.height()) {
            SignerState::Active if !self.is_member() => SignerState::Following,
            state => state,
        }
    }

    pub(super) fn own_key(&self, address: &ValidatorAddress) -> Option<PublicKey> {
        self.guard.own_key(address)
    }

    /// Remembers the double votes that the core found.
    pub(super) fn collect_offences(&mut self, found: impl IntoIterator<Item = DoubleVotes>) {
        for (address, pairs) in found {
            for (a, b) in &pairs {
                let Some(round) = a.message.round.as_u32() else { continue };
                let height = a.message.height.0;
                let step = super::context::step_of(a.message.step);
                if self.own_key(&address).is_some() {
                    if self.guard.saw_conflict(SignMark { height, round, step }) {
                        self.suspended();
                    }
                    continue;
                }
                let vote = |v: &SignedVote| (v.message.signed_value().copied(), v.signature);
                let pair = DuplicateVote { address, step, height, round, votes: [vote(a), vote(b)] };
                if self.offences.len() < 256 && !self.offences.contains(&pair) {
                    self.offences.push(pair);
                }
            }
        }
    }
}

/// What the chain knows of past heights: the last from memory, the others from the node's store.
pub(super) struct Past<'a> {
    pub(super) chain: &'a ChainState,
    pub(super) history: &'a dyn History,
}

impl EvidenceContext for Past<'_> {
    fn validators(&self, height: u64) -> Option<ValidatorSet> {
        if height == self.chain.height {
            return Some(self.chain.last_validators.clone());
        }
        self.history.validators(height)
    }

    fn block_time(&self, height: u64) -> Option<Time> {
        if height == self.chain.height {
            return Some(self.chain.last_time);
        }
        self.history.block_time(height)
    }
}
