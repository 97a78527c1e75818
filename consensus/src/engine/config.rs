//! The engine's own settings. None of them must be equal on all nodes; what must is in [`crate::block::ConsensusParams`].

use std::time::Duration;

use malachitebft_core_types::LinearTimeouts;

/// Settings of one engine. Durations in nanoseconds.
#[derive(Clone, Debug)]
pub struct EngineConfig {
    /// A height begins this long after the one before began, at the earliest. Precommits that arrive in between get into the commit.
    pub block_interval_ns: u64,
    /// At each start the engine watches for its own signatures this long before it signs anything. At least two block intervals, or it may hear
    /// nothing in time.
    pub observe_ns: u64,
    /// How long round 0 waits for a proposal.
    pub propose_ns: u64,
    /// How much longer each further round waits for one.
    pub propose_delta_ns: u64,
    /// How long round 0 waits after two thirds of prevotes, or of precommits, that do not agree.
    pub vote_ns: u64,
    /// How much longer each further round does.
    pub vote_delta_ns: u64,
    /// No step waits longer.
    pub max_step_ns: u64,
    /// How often own votes and certificates are sent again while a round does not end.
    pub rebroadcast_ns: u64,
    /// How often missing parts are asked for, and missing blocks.
    pub retry_ns: u64,
    /// Planted faults for the simulator.
    #[cfg(any(test, all(feature = "testkit", debug_assertions)))]
    pub canary: Canary,
}

impl EngineConfig {
    /// For networks with blocks every half second.
    pub const DEFAULTS: Self = Self {
        block_interval_ns: 500_000_000,
        observe_ns: 1_000_000_000,
        propose_ns: 1_500_000_000,
        propose_delta_ns: 500_000_000,
        vote_ns: 500_000_000,
        vote_delta_ns: 250_000_000,
        max_step_ns: 60_000_000_000,
        rebroadcast_ns: 1_000_000_000,
        retry_ns: 250_000_000,
        #[cfg(any(test, all(feature = "testkit", debug_assertions)))]
        canary: Canary::NONE,
    };

    pub(super) fn timeouts(&self) -> LinearTimeouts {
        LinearTimeouts {
            propose: Duration::from_nanos(self.propose_ns),
            propose_delta: Duration::from_nanos(self.propose_delta_ns),
            prevote: Duration::from_nanos(self.vote_ns),
            prevote_delta: Duration::from_nanos(self.vote_delta_ns),
            precommit: Duration::from_nanos(self.vote_ns),
            precommit_delta: Duration::from_nanos(self.vote_delta_ns),
            rebroadcast: Duration::from_nanos(self.rebroadcast_ns),
            max_timeout: Duration::from_nanos(self.max_step_ns),
        }
    }
}

impl Default for EngineConfig {
    fn default() -> Self {
        Self::DEFAULTS
    }
}

/// Faults that the simulator must notice. Each switches off one thing that safety rests on.
#[cfg(any(test, all(feature = "testkit", debug_assertions)))]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Canary {
    /// One third of the power decides instead of two.
    pub quorum_off_by_one: bool,
    /// Signatures leave, and heights end, without waiting for any ticket; no mark is kept.
    pub wal_not_synced: bool,
    /// At recovery only height, round and step of the last signature are kept: the lock is forgotten. The node goes on signing above that.
    pub lock_forgotten: bool,
    /// This node counts another validator as the proposer.
    pub wrong_proposer: bool,
    /// Proposals with any time are voted for, and we propose times far in the future.
    pub time_rule_off: bool,
    /// After a start it asks nobody what it may have signed before, and believes nobody who tells.
    pub unattended: bool,
}

#[cfg(any(test, all(feature = "testkit", debug_assertions)))]
impl Canary {
    /// No fault.
    pub const NONE: Self = Self {
        quorum_off_by_one: false,
        wal_not_synced: false,
        lock_forgotten: false,
        wrong_proposer: false,
        time_rule_off: false,
        unattended: false,
    };
}
