//! Plans and worlds for tests of the simulator itself.

use pyralog_consensus::engine::CommittedBlock;

use super::disk::Crash;
use super::plan::{Fault, Links, MS, Plan, SECOND};
use super::world::World;

/// Rounds that fail half way, and nodes that lose everything unsynced all the time: what makes a lock matter.
#[cfg_attr(not(debug_assertions), expect(dead_code, reason = "for the canaries, which only a debug build has"))]
pub(super) fn crashing(seed: u64) -> Plan {
    let crash = |k: u64| Fault::Crash {
        node: ((k * 7 + seed) % 4) as usize,
        effects: 1 + (k * 13 + seed * 5) % 45,
        crash: Crash::Lose,
        down: 60 * MS,
    };
    Plan {
        links: Links { loss: 250, duplicates: 0, latency: (20 * MS, 300 * MS) },
        faults: (1..=30).map(|k| (k * 400 * MS, crash(k))).collect(),
        chaos: 12 * SECOND,
        ..Plan::calm(seed)
    }
}

/// Everybody loses power again and again while entries are on their way to slow disks, which tears WALs.
pub(super) fn torn(seed: u64) -> Plan {
    let blackout = |k: u64| (k * 900 * MS + seed * 17 * MS, Fault::Blackout { crash: Crash::Torn, down: 50 * MS });
    Plan {
        sync_time: (30 * MS, 60 * MS),
        faults: (1..=5).map(blackout).collect(),
        chaos: 6 * SECOND,
        ..Plan::calm(seed)
    }
}

/// The network of a plan after some heights.
pub(super) fn grown(plan: Plan, heights: u64) -> World {
    let config = plan.engine.clone();
    let mut world = World::new(plan, |_| config.clone()).unwrap();
    while world.nodes[0].height() < heights {
        let happening = world.next().unwrap();
        world.happen(happening).unwrap();
    }
    world
}

/// The blocks that node 0 committed.
pub(super) fn blocks(world: &World) -> Vec<CommittedBlock> {
    let disk = world.nodes[0].disk.lock();
    (1..=disk.height()).filter_map(|height| disk.block(height).cloned()).collect()
}
