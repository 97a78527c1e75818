//! What goes into the engine and what comes out.

use std::fmt;

use bytes::Bytes;
use pyralog_crypto::Hash;

use super::{CommittedBlock, SignMark};
use crate::application::CheckedTx;
use crate::error::EngineError;
use crate::tx::TxError;

/// Names a gossip message of the driver until its [`Effect::Verdict`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MessageId(pub u64);

/// Names a peer, as the driver numbers them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct PeerNumber(pub u64);

/// Names something that must become durable.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Ticket(pub u64);

/// An event for the engine.
#[derive(Clone, Debug)]
pub enum Input {
    /// Begin. Once, first.
    Start,
    /// A message of the consensus topic. Answered by exactly one [`Effect::Verdict`].
    Gossip {
        /// Names it in the verdict.
        id: MessageId,
        /// Who forwarded it.
        peer: PeerNumber,
        /// Its bytes.
        bytes: Bytes,
    },
    /// A committed block that a peer gave on [`Effect::NeedSync`].
    SyncBlock {
        /// Who gave it.
        peer: PeerNumber,
        /// [`CommittedBlock::block_bytes`].
        block: Bytes,
        /// [`CommittedBlock::commit_bytes`].
        commit: Bytes,
    },
    /// A peer's claim of its last height (from identify, status or sync answers). Unproven: it only starts [`Effect::NeedSync`].
    PeerHeight {
        /// Who.
        peer: PeerNumber,
        /// The last height it committed.
        height: u64,
    },
    /// A timer that was scheduled fired.
    Elapsed(Timer),
    /// What the ticket names is durable. WAL tickets become durable in order: one covers all before it.
    Durable(Ticket),
    /// Transactions for the mempool that go in together. Answered by [`Effect::TxAnswer`].
    Tx {
        /// Chosen by the driver.
        reply: u64,
        /// One transaction, or an anchor and its companion.
        bundle: Vec<Bytes>,
    },
    /// The operator says that no other process signs with this key: forget the suspension, sign again above the highest height where a
    /// signature of ours was seen.
    SignerResume,
}

/// Something for the driver to do. In the order given, unless it says otherwise.
#[derive(Clone, Debug)]
pub enum Effect {
    /// Append an entry to the consensus WAL; report [`Input::Durable`] once it is synced.
    WalAppend {
        /// To report.
        ticket: Ticket,
        /// The entry.
        bytes: Bytes,
    },
    /// Empty the WAL: everything in it is about heights below `height`. Needs no sync: entries of older heights are recognised.
    WalReset {
        /// The height that begins.
        height: u64,
    },
    /// Store the mark (replacing the one before) and sync; report [`Input::Durable`].
    Mark {
        /// To report.
        ticket: Ticket,
        /// The mark.
        mark: SignMark,
    },
    /// Persist a decided block with its state writes atomically and sync; report [`Input::Durable`].
    Commit {
        /// To report.
        ticket: Ticket,
        /// The block.
        block: Box<CommittedBlock>,
    },
    /// Publish on the consensus topic.
    Gossip {
        /// The message.
        bytes: Bytes,
    },
    /// What to do with a message that was received.
    Verdict {
        /// Which.
        id: MessageId,
        /// What.
        verdict: Verdict,
    },
    /// Report [`Input::Elapsed`] after this long. Replaces the same timer.
    Schedule {
        /// Which.
        timer: Timer,
        /// Nanoseconds from now.
        after_ns: u64,
    },
    /// Forget a timer. One that fires all the same is ignored.
    Cancel(Timer),
    /// Get the blocks from this height on from peers and give them as [`Input::SyncBlock`] in order. Repeated while needed, so a request
    /// under way can be kept.
    NeedSync {
        /// The first missing height.
        height: u64,
        /// The highest height that somebody claims.
        target: u64,
    },
    /// A peer sent what no correct peer sends.
    PenalisePeer {
        /// Who.
        peer: PeerNumber,
        /// Why, for the log.
        reason: &'static str,
    },
    /// A height is committed, durable and executed; queries may now see it.
    NewHeight {
        /// It.
        height: u64,
    },
    /// The answer to [`Input::Tx`].
    TxAnswer {
        /// Which.
        reply: u64,
        /// Whether the mempool took it.
        result: Result<Vec<CheckedTx>, TxError>,
    },
    /// Stop the node: going on could break safety. No further input has an effect.
    Fatal(EngineError),
    /// For logs and metrics.
    Report(Report),
}

/// What a gossip network does with a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Verdict {
    /// Forward it.
    Accept,
    /// Do not forward it (old, known, too early).
    Ignore,
    /// Do not forward it and hold it against the sender.
    Reject,
}

/// A timer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Timer {
    /// Genesis time.
    Genesis,
    /// The end of watching for own signatures at start.
    Observe,
    /// The next height may begin.
    NextHeight {
        /// It.
        height: u64,
    },
    /// No proposal came.
    Propose {
        /// Height.
        height: u64,
        /// Round.
        round: u32,
    },
    /// Prevotes do not agree.
    Prevote {
        /// Height.
        height: u64,
        /// Round.
        round: u32,
    },
    /// Precommits do not agree.
    Precommit {
        /// Height.
        height: u64,
        /// Round.
        round: u32,
    },
    /// Send own messages again.
    Rebroadcast {
        /// Height.
        height: u64,
        /// Round.
        round: u32,
    },
    /// Ask again for parts and blocks.
    Retry,
}

/// What happened, for people. Nothing in the engine depends on it being read.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Report {
    /// A round begins.
    Round {
        /// Height.
        height: u64,
        /// Round.
        round: u32,
        /// Whose turn it is.
        proposer: crate::block::ValidatorAddress,
        /// Whether that is us.
        ours: bool,
    },
    /// A block is decided.
    Decided {
        /// Height.
        height: u64,
        /// Round.
        round: u32,
        /// Header hash.
        hash: Hash,
        /// Transactions in it.
        txs: usize,
        /// Precommits for it in the commit.
        signatures: usize,
        /// By catching up.
        synced: bool,
    },
    /// A proposal is not timely; we prevote nil.
    Untimely {
        /// Height.
        height: u64,
        /// Round.
        round: u32,
    },
    /// A proposed block is invalid; we prevote nil.
    InvalidBlock {
        /// Height.
        height: u64,
        /// Why.
        reason: String,
    },
    /// A validator signed twice; evidence waits for a block.
    Equivocation {
        /// Who.
        validator: crate::block::ValidatorAddress,
        /// At which height.
        height: u64,
    },
    /// The signer's state changed.
    Signer {
        /// To what.
        state: SignerState,
        /// Whether it still watches what others know of it, after a start: it signs nothing whatever the state, and nothing else that a copy
        /// of this home may contradict should be said either.
        watching: bool,
    },
    /// After start: too few others are there to sign, or to know what we signed.
    Unattended {
        /// The power of those who are, ours included.
        power: u64,
        /// The power of all validators.
        total: u64,
    },
    /// The WAL was replayed.
    Replayed {
        /// Height.
        height: u64,
        /// Entries fed to the core.
        entries: usize,
    },
    /// The core refused an input; harmless.
    CoreError(String),
    /// A message was refused as no correct peer sends it.
    Rejected {
        /// Who forwarded it.
        peer: PeerNumber,
        /// Why.
        reason: &'static str,
    },
}

/// Whether this node signs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SignerState {
    /// There is no key: a full node.
    NoKey,
    /// After start: watching for own signatures, until validators with more than two thirds of the power were heard.
    Observing,
    /// There is a key, but it is not in the validator set: a full node. Once it is in the set it watches as after a start.
    Following,
    /// Signs.
    Active,
    /// The WAL's end was torn, or is below the mark: does not sign up to and including this height. If only torn, it signs on where the others do
    /// not decide the height in time; see `docs/node.md`, Signer.
    Abstaining {
        /// The last height without signatures.
        through: u64,
    },
    /// A signature of ours was seen that this process did not make: signs nothing until [`Input::SignerResume`].
    Suspended {
        /// What was seen.
        seen: SignMark,
    },
}

impl fmt::Display for SignerState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoKey => f.write_str("no validator key: following as a full node"),
            Self::Observing => f.write_str(
                "watching for own signatures; signs when validators with more than two thirds of the power were heard",
            ),
            Self::Following => f.write_str("not in the validator set: following as a full node"),
            Self::Active => f.write_str("active"),
            Self::Abstaining { through } => {
                write!(f, "abstaining through height {through}, which may have been signed before")
            }
            Self::Suspended { seen } => write!(
                f,
                "suspended: a {seen} with our key was seen that this node did not sign; make sure that no other process uses the key, then run `pyralogd signer resume`"
            ),
        }
    }
}
