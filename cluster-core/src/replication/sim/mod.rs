//! A simulator of one partition: members with disks, sequencers, zombies among them, the epoch store and readers, in one thread, against
//! an adversary whose every step comes from a seed.
//!
//! A history has two parts. In the first one the adversary loses, doubles, reorders, holds back and freezes messages, has disks
//! lag, members come into the nodeset and leave it with new epochs, crash (what waited for the disk is lost, or the first part of it is not) and restart, sequencers die, restart, or live on as zombies
//! beside newer ones, and recoveries begin anew with other members. Every seed has other habits, see [`plan`], so that what takes
//! many steps of one kind comes up as well. In the second part everything heals, but for one member at times, and
//! everything must come to an end.
//!
//! **Lost disks.** A member whose disk is lost never returns; another one comes into the nodeset instead of it, with an empty disk, and takes over what is
//! released. Everything is *fully replicated* when the newest epoch was taken after the last loss, all epochs before it are clean, and every
//! member of its nodeset has taken over all of them. Fewer than W disks are lost between two such moments, and never so many that fewer
//! than max(q, W) members of an epoch that is not clean are left. Then no acknowledged record is lost.
//!
//! [`oracle`] remembers what everybody was told and names the first invariant that is broken. All readers that could be there are tried: after
//! many steps every position is read with every answer that a reader could get at that moment.
//!
//! `PYRALOG_SIM_SEEDS=20000` runs so many seeds instead of the usual number, `PYRALOG_SIM_FIRST` begins with another one.

mod adversary;
mod clients;
mod fair;
mod host;
mod network;
mod oracle;
mod plan;
mod rng;
pub(crate) use rng::Rng as SimRng;
mod trace;
mod world;

use super::{MemberId, NodeSet};
use oracle::{Oracle, Violation};
use plan::Plan;
use rng::Rng;
use trace::Trace;
use world::World;

/// How a history ended.
#[derive(Debug)]
struct Outcome {
    violation: Option<Violation>,
    /// Of everything that happened.
    digest: u64,
    /// The last steps, where they were wanted.
    words: String,
    epochs: usize,
    acknowledged: usize,
    /// Acknowledged before they were durable, and lost.
    early: (usize, usize),
    positions: usize,
    /// Disks that were lost.
    disks: usize,
}

/// What is wanted of a history. It is the same history in any case.
#[derive(Debug, Clone, Copy, Default)]
struct Wish {
    /// Keep the last steps in words.
    words: bool,
    /// Go on as long as clients see nothing wrong.
    clients_only: bool,
}

/// Runs the history of this seed, up to the first violation.
fn run(seed: u64, nodeset: &NodeSet, wish: Wish) -> Outcome {
    let mut rng = Rng::new(seed);
    let mut plan = Plan::new(&mut rng);
    let mut world = World::new(rng, nodeset.clone(), Trace::new(wish.words), Oracle::new(wish.clients_only));
    world.prompt = plan.prompt;
    world.change = plan.change;
    world.activate();
    while world.trace.step < plan.steps as u64 && world.oracle.violation().is_none() {
        world.trace.step += 1;
        adversary::step(&mut world, &mut plan);
    }
    if world.oracle.violation().is_none() {
        fair::heal(&mut world);
    }
    Outcome {
        violation: world.oracle.violation().cloned(),
        digest: world.trace.digest(),
        words: world.trace.words(),
        epochs: world.seats.len(),
        acknowledged: world.oracle.acknowledgements(),
        early: world.oracle.early(),
        positions: world.oracle.positions().len(),
        disks: world.losses(),
    }
}

/// N members, R copies, W before an acknowledgement.
fn nodeset(members: u64, replication: usize, copies: usize) -> NodeSet {
    NodeSet::new((1..=members).map(MemberId), replication, copies).expect("possible settings")
}

mod hostile_tests;
mod tests;
