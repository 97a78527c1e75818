//! Whole networks in one thread: real engines, ledgers and mempools on simulated links, clocks and disks, all from one seed.
//!
//! Reading order: [`Plan`](plan::Plan) (what a seed means), [`World`](world::World) (nodes, links, time), `run` (trouble, healing, the end),
//! `observer` and `audit` (what must hold), `byzantine` and `load` (who makes trouble). A seed replays exactly: `make sim SEED=42`.

mod audit;
mod byzantine;
pub mod cli;
mod disk;
mod links;
mod load;
mod node;
mod observer;
mod outcome;
mod plan;
mod random;
mod run;
mod setting;
mod trace;
mod world;

use anyhow::Result;

pub use outcome::{Counts, Outcome, Rule, Violation};

/// In each so many-th seed a home is restored from an older copy.
const RESTORED: u64 = 16;

/// Runs the network of a seed.
///
/// # Errors
/// It cannot be set up. A rule that does not hold is in the outcome.
pub fn simulate(seed: u64) -> Result<Outcome> {
    // One in so many is of a kind that chance would never draw.
    let plan = if seed.is_multiple_of(RESTORED) { plan::Plan::restored(seed) } else { plan::Plan::of(seed) };
    let config = plan.engine.clone();
    run::run(plan, |_| config.clone())
}

#[cfg(all(test, debug_assertions))]
mod canary_test;
#[cfg(test)]
mod rig_test;
#[cfg(test)]
mod tests;
