//! What a seed stands for: the network, its faults and who misbehaves. All of it is drawn before the run begins.

use pyralog_consensus::engine::EngineConfig;

use super::disk::Crash;
use super::random::{Random, Stream};

pub(super) const MS: u64 = 1_000_000;
pub(super) const SECOND: u64 = 1_000 * MS;
/// How far the clocks of honest nodes may differ, and how much of that they use.
pub(super) const PRECISION: u64 = 200 * MS;
const GOOD_CLOCK: u64 = 90 * MS;

/// A run.
#[derive(Clone, Debug)]
pub(super) struct Plan {
    pub(super) seed: u64,
    /// Nodes that are validators at genesis, with equal power.
    pub(super) validators: usize,
    /// Nodes with a key and no stake at genesis; they may bond.
    pub(super) standby: usize,
    /// A validator that misbehaves, and how.
    pub(super) byzantine: Option<(usize, Mischief)>,
    pub(super) links: Links,
    /// Every node talks to every other, or to the two beside it only.
    pub(super) full_mesh: bool,
    /// What each node's clock shows beyond the true time at first, nanoseconds.
    pub(super) clocks: Vec<i64>,
    /// Faults, by time since the start.
    pub(super) faults: Vec<(u64, Fault)>,
    /// How long faults last, nanoseconds; then everything heals.
    pub(super) chaos: u64,
    /// Time a sync of the disk takes, from and to.
    pub(super) sync_time: (u64, u64),
    /// Nanoseconds between transactions.
    pub(super) load_every: u64,
    pub(super) engine: EngineConfig,
}

/// What links do to messages. Chances of 1000.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Links {
    pub(super) loss: u32,
    pub(super) duplicates: u32,
    /// From and to, nanoseconds; the spread reorders.
    pub(super) latency: (u64, u64),
}

impl Links {
    pub(super) const HEALTHY: Self = Self { loss: 0, duplicates: 0, latency: (2 * MS, 20 * MS) };
}

/// Something goes wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    /// A node stops right after its `effects`-th effect from now on and starts again later.
    Crash { node: usize, effects: u64, crash: Crash, down: u64 },
    /// All nodes stop at once.
    Blackout { crash: Crash, down: u64 },
    /// Nodes of one side hear only each other.
    Partition { side: Vec<bool>, lasts: u64 },
    /// A clock is set to another time.
    ClockJump { node: usize, ahead: i64 },
    /// A copy of a node's home is made.
    Copy { node: usize },
    /// A node stops, and later starts again from the copy of its home.
    Restore { node: usize, down: u64 },
    /// A node stops with all that it wrote, and starts again later.
    Stop { node: usize, down: u64 },
}

/// What the Byzantine validator does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Mischief {
    /// Signs two votes.
    pub(super) votes: bool,
    /// Proposes two blocks.
    pub(super) proposals: bool,
    /// Proposes blocks with transactions that fail.
    pub(super) bad_blocks: bool,
    /// Sends bytes that mean nothing, and messages with some bytes changed.
    pub(super) garbage: bool,
    /// Sends signed votes for any round, and asks for parts of blocks that do not exist.
    pub(super) flood: bool,
    /// Keeps parts of its blocks back.
    pub(super) withhold: bool,
    /// Says nothing at times.
    pub(super) silence: bool,
    /// Gives wrong blocks to those who catch up, and claims heights that do not exist.
    pub(super) lie: bool,
}

impl Plan {
    pub(super) fn of(seed: u64) -> Self {
        let mut random = Random::new(seed, Stream::Plan);
        let r = &mut random;
        let validators = 4;
        let standby = [0, 0, 1, 2][r.below(4)];
        let nodes = validators + standby;
        let chaos = r.between(3 * SECOND, 7 * SECOND);
        let byzantine = r.chance(600).then(|| (r.below(validators), Mischief::draw(r)));
        let links = Links {
            loss: [0, 20, 100, 200, 300][r.below(5)],
            duplicates: [0, 50, 200][r.below(3)],
            latency: [(MS, 10 * MS), (5 * MS, 60 * MS), (20 * MS, 300 * MS)][r.below(3)],
        };
        let bad_clock = r.chance(250).then(|| r.below(nodes));
        let clocks = (0..nodes).map(|node| clock(r, bad_clock == Some(node))).collect();
        let mut faults: Vec<_> =
            (0..r.below(8)).map(|_| (r.between(0, chaos), Fault::draw(r, nodes, bad_clock))).collect();
        faults.sort_by_key(|(at, _)| *at);
        Self {
            seed,
            validators,
            standby,
            byzantine,
            links,
            full_mesh: r.chance(600),
            clocks,
            faults,
            chaos,
            sync_time: [(0, MS), (MS, 5 * MS), (MS, 60 * MS)][r.below(3)],
            load_every: r.between(60 * MS, 250 * MS),
            engine: engine(),
        }
    }

    /// Four validators, no trouble.
    pub(super) fn calm(seed: u64) -> Self {
        Self {
            standby: 0,
            byzantine: None,
            links: Links::HEALTHY,
            full_mesh: true,
            clocks: vec![0; 4],
            faults: Vec::new(),
            chaos: 3_600 * SECOND,
            ..Self::of(seed)
        }
    }

    /// The chain stands still in the middle of a height that node 0 has signed rounds of: two others stop, one of them for long. Node 0 stops too,
    /// and comes back from a copy of its home that was made before. Only node 3 knows what it signed.
    pub(super) fn restored(seed: u64) -> Self {
        let at = 2 * SECOND + seed % 25 * 20 * MS;
        let stop = |node, down| (at, Fault::Stop { node, down });
        let faults = vec![
            (at - 100 * MS, Fault::Copy { node: 0 }),
            stop(1, 4 * SECOND),
            stop(2, 8 * SECOND),
            (at + 2 * SECOND, Fault::Restore { node: 0, down: SECOND }),
        ];
        Self { faults, chaos: 12 * SECOND, ..Self::calm(seed) }
    }

    pub(super) fn nodes(&self) -> usize {
        self.validators + self.standby
    }

    pub(super) fn is_byzantine(&self, node: usize) -> bool {
        self.byzantine.is_some_and(|(byzantine, _)| byzantine == node)
    }

    /// A clock that is right again.
    pub(super) fn good_clock(random: &mut Random) -> i64 {
        clock(random, false)
    }
}

impl Mischief {
    fn draw(r: &mut Random) -> Self {
        Self {
            votes: r.chance(400),
            proposals: r.chance(400),
            bad_blocks: r.chance(250),
            garbage: r.chance(300),
            flood: r.chance(200),
            withhold: r.chance(250),
            silence: r.chance(250),
            lie: r.chance(400),
        }
    }
}

impl Fault {
    fn draw(r: &mut Random, nodes: usize, bad_clock: Option<usize>) -> Self {
        let crash = [Crash::Lose, Crash::Lose, Crash::Keep, Crash::Some, Crash::Torn][r.below(5)];
        let down = r.between(10 * MS, 1_500 * MS);
        match r.below(10) {
            0..=4 => Self::Crash { node: r.below(nodes), effects: r.between(1, 60), crash, down },
            5 | 6 => Self::Blackout { crash, down: down.min(500 * MS) },
            7 | 8 => {
                let side = (0..nodes).map(|_| r.chance(500)).collect();
                Self::Partition { side, lasts: r.between(100 * MS, 3 * SECOND) }
            }
            _ => {
                let node = bad_clock.unwrap_or_else(|| r.below(nodes));
                Self::ClockJump { node, ahead: clock(r, bad_clock == Some(node)) }
            }
        }
    }
}

fn clock(r: &mut Random, bad: bool) -> i64 {
    let size = if bad { r.between(PRECISION + 2 * GOOD_CLOCK, 5 * SECOND) } else { r.between(0, GOOD_CLOCK) } as i64;
    if r.chance(500) { size } else { -size }
}

/// Settings for short runs. A debug build has one more, which stays as it is.
#[cfg_attr(not(debug_assertions), expect(clippy::needless_update))]
fn engine() -> EngineConfig {
    EngineConfig {
        block_interval_ns: 250 * MS,
        observe_ns: 200 * MS,
        propose_ns: 600 * MS,
        propose_delta_ns: 200 * MS,
        vote_ns: 300 * MS,
        vote_delta_ns: 100 * MS,
        max_step_ns: 3 * SECOND,
        rebroadcast_ns: 400 * MS,
        retry_ns: 150 * MS,
        ..EngineConfig::DEFAULTS
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_gives_one_plan_and_seeds_differ() {
        let plan = |seed| format!("{:?}", Plan::of(seed));
        assert_eq!(plan(3), plan(3));
        assert_ne!(plan(3), plan(4));
    }

    #[test]
    fn every_kind_of_trouble_is_drawn() {
        let plans: Vec<_> = (0..200).map(Plan::of).collect();
        let mischief = |which: fn(&Mischief) -> bool| plans.iter().filter_map(|p| p.byzantine).any(|(_, m)| which(&m));
        assert!(plans.iter().any(|p| p.byzantine.is_none()));
        assert!(
            mischief(|m| m.votes) && mischief(|m| m.proposals) && mischief(|m| m.bad_blocks) && mischief(|m| m.garbage)
        );
        assert!(mischief(|m| m.flood) && mischief(|m| m.withhold) && mischief(|m| m.silence) && mischief(|m| m.lie));
        let fault = |which: fn(&Fault) -> bool| plans.iter().flat_map(|p| &p.faults).any(|(_, f)| which(f));
        assert!(fault(|f| matches!(f, Fault::Crash { crash: Crash::Torn, .. })));
        assert!(
            fault(|f| matches!(f, Fault::Blackout { crash: Crash::Torn, .. }))
                && fault(|f| matches!(f, Fault::Partition { .. }))
        );
        assert!(fault(|f| matches!(f, Fault::ClockJump { .. })));
        let bad = |plan: &Plan| plan.clocks.iter().any(|clock| clock.unsigned_abs() > GOOD_CLOCK);
        assert!(plans.iter().any(bad));
        for plan in &plans {
            let bad = plan.clocks.iter().filter(|clock| clock.unsigned_abs() > GOOD_CLOCK).count();
            assert!(bad <= 1, "the other clocks are inside the precision");
            assert!(plan.faults.is_sorted_by_key(|(at, _)| *at));
        }
    }
}
