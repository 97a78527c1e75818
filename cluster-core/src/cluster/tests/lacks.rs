//! What members say that they lack.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use super::copysets::{RECORDS, create, fill, held, spread_over};
use super::leaving::{SPARSE, refused, removed};
use super::world::{LONG, World, runtime};
use crate::cluster::{Cluster, Lacks};

/// Waits until a member sees it.
async fn until(world: &World, by: usize, what: &str, seen: impl Fn(&Cluster) -> bool) {
    let begin = Instant::now();
    while !seen(&world.cluster(by)) {
        let lacks = world.cluster(by).lacks();
        assert!(begin.elapsed() < LONG, "{what}: {lacks:?}, {:#?}", world.groups());
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

async fn until_whole(world: &World) {
    for place in 0..world.nodes.len() {
        until(world, place, "all members are whole", Cluster::is_whole).await;
    }
}

#[test]
fn a_member_that_lost_its_disk_is_shown_as_lacking_records_until_it_has_them_and_then_the_next_one_may_lose_its_own() {
    runtime(async {
        let mut world = World::new(3).await;
        let name = create(&world, SPARSE).await;
        let (mut next, mut acknowledged) = (0, BTreeMap::new());
        fill(&world, &name, &mut next, &mut acknowledged).await;
        until_whole(&world).await;
        for (place, seed) in [(2, 11), (0, 12), (1, 13)] {
            // It gets nothing for the time being.
            world.net.set_asked(false);
            world.wipe(place, seed).await;
            let (other, id) = ((place + 1) % 3, world.nodes[place].id);
            assert!(!world.cluster(other).is_whole());
            world.stored_by(&name, 3).await;
            let lacks = Lacks { records: true, ..Lacks::default() };
            until(&world, other, "it lacks records", |cluster| cluster.lacks().get(&id) == Some(&lacks)).await;
            assert!(!world.cluster(other).is_whole() && !world.cluster(place).is_whole());

            world.net.set_asked(true);
            until(&world, other, "all members are whole", Cluster::is_whole).await;
            let all: Vec<_> = (0..3).map(|place| held(&world, place, &name)).collect();
            let few = (0..RECORDS).filter(|offset| all.iter().filter(|held| held[*offset].is_some()).count() < 2);
            // Those of the segment that is open had their copies from the beginning.
            assert_eq!(few.count(), 0);
            assert!(world.cluster(other).partitions().iter().all(|status| status.lost == Some(0)));
        }
        world.end().await;
    });
}

#[test]
fn records_that_were_on_two_disks_that_were_lost_are_shown_by_all_members() {
    runtime(async {
        let mut world = World::new(3).await;
        let name = create(&world, SPARSE).await;
        let (mut next, mut acknowledged) = (0, BTreeMap::new());
        fill(&world, &name, &mut next, &mut acknowledged).await;
        let all = spread_over(&world, &name, RECORDS, 2).await;
        until_whole(&world).await;
        let on_both = |other: usize| {
            let on = |place: usize, offset: usize| all[place][offset].is_some();
            (0..RECORDS).filter(|offset| on(2, *offset) && on(other, *offset) && !on(1 - other, *offset)).count()
        };
        let other = if on_both(0) > on_both(1) { 0 } else { 1 };
        let lost = on_both(other) as u64;
        assert!(lost > 0);
        world.net.set_asked(false);
        for (place, seed) in [(2, 11), (other, 12)] {
            world.wipe(place, seed).await;
            world.stored_by(&name, 3).await;
        }
        world.net.set_asked(true);
        for place in 0..3 {
            let is_known = |cluster: &Cluster| {
                let lacks = Lacks { lost: true, ..Lacks::default() };
                let all = cluster.lacks();
                all.len() == 3 && all.values().all(|said| *said == lacks)
            };
            until(&world, place, "records are lost", is_known).await;
            let of: Vec<_> = world.cluster(place).partitions().iter().map(|status| status.lost).collect();
            assert_eq!(of, [Some(lost)]);
            assert!(!world.cluster(place).is_whole());
        }
        // They do not come back with a start.
        world.kill(1).await;
        world.restart(1).await;
        until(&world, 1, "records are lost", |cluster| cluster.partitions()[0].lost == Some(lost)).await;
        world.end().await;
    });
}

#[test]
fn nobody_is_removed_while_another_member_lacks_blocks_of_the_chain() {
    runtime(async {
        let world = World::new(3).await;
        until_whole(&world).await;
        let ids: Vec<_> = world.nodes.iter().map(|node| node.id).collect();
        world.cluster(1).set_lacking(true, false);
        let lacks = |cluster: &Cluster| cluster.lacks().get(&ids[1]).is_some_and(|lacks| lacks.blocks);
        until(&world, 0, "it lacks blocks", lacks).await;
        assert_eq!(world.cluster(0).lacks()[&ids[1]].words(), ["blocks"]);
        assert!(!world.cluster(0).is_whole() && !world.cluster(1).is_whole());
        let reason = refused(&world, 0, ids[2]).await;
        assert!(reason.contains("member 2 does not have all blocks of the chain yet"), "{reason}");
        world.cluster(1).set_lacking(false, false);
        until_whole(&world).await;
        removed(&world, 0, ids[2]).await;
        until(&world, 0, "the others are whole", Cluster::is_whole).await;
        world.end().await;
    });
}

#[test]
fn who_is_down_has_said_nothing() {
    runtime(async {
        let mut world = World::new(3).await;
        until_whole(&world).await;
        world.kill(2).await;
        assert!(!world.cluster(0).is_whole());
        assert!(!world.cluster(0).lacks().contains_key(&world.nodes[2].id));
        world.restart(2).await;
        until_whole(&world).await;
        world.end().await;
    });
}
