//! What a run gave, for people and as JSON.

use std::fmt;

use pyralog_crypto::Hash;
use serde::Serialize;

/// A rule that did not hold.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Violation {
    /// Which rule.
    pub rule: Rule,
    /// What happened.
    pub what: String,
    /// Nanoseconds since the start of the run.
    pub at_ns: u64,
}

/// What must hold whatever happens.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Rule {
    /// Honest nodes have one block at each height, and one state after it.
    Agreement,
    /// No honest validator signs two things for one height, round and step.
    DoubleSign,
    /// Who precommitted a block prevotes another only with proof that two thirds did so later.
    Lock,
    /// A precommit for a block rests on prevotes of two thirds.
    Quorum,
    /// A signature leaves only after it is durable, in the WAL and under the mark.
    Durability,
    /// Proposals come from whose turn it is.
    Proposer,
    /// Nobody proposes or prevotes times from the future, and no such block is decided.
    Time,
    /// Every committed block is valid, all its transactions pass, and its execution gives what the node says.
    Execution,
    /// The sum of all balances, stakes and the pool never changes.
    Supply,
    /// An anchored log only grows, and only as its owner signed.
    Anchor,
    /// The light client accepts every committed block.
    LightClient,
    /// A transaction that must be refused is.
    HostileTx,
    /// Honest nodes never hold anything against each other, nor stop, nor take an own signature for a stranger's.
    Blame,
    /// After everything heals, all honest nodes go on.
    Liveness,
    /// A validator that an honest node caught signing twice is named in a block.
    Evidence,
}

/// A finished run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Outcome {
    /// Its seed.
    pub seed: u64,
    /// BLAKE3 over all effects in order.
    pub trace: Hash,
    /// How many effects that were.
    pub effects: u64,
    /// Virtual nanoseconds.
    pub virtual_ns: u64,
    /// The highest committed height.
    pub height: u64,
    /// What the run went through.
    pub counts: Counts,
    /// The first rule that did not hold.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub violation: Option<Violation>,
}

/// How much of everything happened: a simulation in which nothing happens proves nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Counts {
    /// Messages delivered.
    pub messages: u64,
    /// Crashes of nodes.
    pub crashes: u64,
    /// Heights of which a node replayed a WAL.
    pub replays: u64,
    /// Starts after which a node had to abstain.
    pub abstentions: u64,
    /// Signers that stopped because of a signature of their own that they did not know.
    pub suspensions: u64,
    /// Committed transactions.
    pub txs: u64,
    /// Committed anchors.
    pub anchors: u64,
    /// Hostile transactions that were refused.
    pub refused: u64,
    /// Changes of the validator set.
    pub set_changes: u64,
    /// Decisions after round 0.
    pub late_rounds: u64,
    /// Blocks that nodes got by catching up.
    pub synced: u64,
    /// Proposals that were not timely.
    pub untimely: u64,
    /// Proposed blocks that honest nodes found invalid.
    pub invalid_blocks: u64,
    /// Messages that honest nodes held against the Byzantine validator.
    pub rejected: u64,
    /// Offenders named in blocks.
    pub punished: u64,
}

impl Counts {
    /// Adds another run.
    pub fn add(&mut self, other: &Self) {
        self.messages += other.messages;
        self.crashes += other.crashes;
        self.replays += other.replays;
        self.abstentions += other.abstentions;
        self.suspensions += other.suspensions;
        self.txs += other.txs;
        self.anchors += other.anchors;
        self.refused += other.refused;
        self.set_changes += other.set_changes;
        self.late_rounds += other.late_rounds;
        self.synced += other.synced;
        self.untimely += other.untimely;
        self.invalid_blocks += other.invalid_blocks;
        self.rejected += other.rejected;
        self.punished += other.punished;
    }
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self:?}")
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { seed, trace, effects, virtual_ns, height, counts, violation } = self;
        let seconds = virtual_ns / 1_000_000_000;
        writeln!(f, "seed {seed}: height {height} in {seconds} virtual seconds, {effects} effects, trace {trace}")?;
        writeln!(f, "{counts:?}")?;
        match violation {
            None => Ok(()),
            Some(Violation { rule, what, at_ns }) => {
                writeln!(f, "VIOLATION of {rule} after {} ms: {what}", at_ns / 1_000_000)?;
                writeln!(f, "replay with: make sim SEED={seed}")
            }
        }
    }
}
