//! Members that are to be removed while others do not have what they need.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use super::copysets::{RECORDS, create, fill, held};
use super::world::{LONG, World, append, runtime};
use crate::logs::tests::{record, spec};
use crate::raft::Spread;
use crate::replication::MemberId;
use crate::{LogName, LogSpec};

/// Each record on two of three.
pub(super) const SPARSE: Spread = Spread { nodeset: 3, replication: 2, copies: 2, coordinator_only: false };

/// Asks through a member until another one is removed.
pub(super) async fn removed(world: &World, by: usize, member: MemberId) {
    let begin = Instant::now();
    while let Err(reason) = world.cluster(by).remove(member, false).await {
        assert!(begin.elapsed() < LONG, "{reason}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

pub(super) async fn refused(world: &World, by: usize, member: MemberId) -> String {
    let begin = Instant::now();
    let reason = world.cluster(by).remove(member, false).await.unwrap_err().to_string();
    assert!(begin.elapsed() < LONG / 2, "it took {:?}", begin.elapsed());
    assert!(reason.contains("--may-lose-records"), "{reason}");
    reason
}

fn nodeset(world: &World, by: usize, name: &LogName) -> Vec<MemberId> {
    let status = world.cluster(by).partitions().into_iter().find(|status| status.log == *name && status.number == 0);
    status.unwrap().nodeset.members().to_vec()
}

/// Waits until three that run store the partition, as this member sees it.
async fn settled(world: &World, by: usize, name: &LogName, lost: MemberId) {
    let begin = Instant::now();
    loop {
        let partitions = world.cluster(by).partitions();
        let is = |status: &crate::cluster::PartitionStatus| {
            status.settled && status.nodeset.members().len() == 3 && !status.nodeset.contains(lost)
        };
        if partitions.iter().all(is) {
            return;
        }
        assert!(begin.elapsed() < LONG, "{name}: {partitions:?}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Waits until a member leads all groups: the others need nobody else to follow.
async fn lead(world: &World, place: usize) {
    let (to, begin) = (world.nodes[place].id, Instant::now());
    loop {
        let mut led = true;
        for node in &world.nodes {
            let groups = node.running.as_ref().unwrap().1.groups().clone();
            let leads = |status: crate::raft::Status| status.leader.member == Some(node.id);
            if node.id != to && leads(groups.global().status()) {
                let _again = groups.global().transfer(to).await;
                led = false;
            }
            for shard in groups.shards() {
                if node.id != to && leads(shard.status()) {
                    let _again = shard.transfer(to).await;
                    led = false;
                }
            }
        }
        let groups = world.cluster(place).groups().clone();
        let all = groups.shards().iter().all(|shard| shard.status().leader.member == Some(to));
        if led && all && groups.global().status().leader.member == Some(to) {
            return;
        }
        assert!(begin.elapsed() < LONG, "{:#?}", world.groups());
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Four members, of which three stored a log, and one of those is lost and removed. Answers the places of the two that are left, and of the fourth one, which takes the
/// lost one's place and hears the first of the two only: so it copies nothing yet.
async fn one_lost(world: &mut World, name: &LogName) -> (usize, usize, usize) {
    let members = nodeset(world, 0, name);
    let place = |id: MemberId| world.nodes.iter().position(|node| node.id == id).unwrap();
    let stored: Vec<usize> = members.into_iter().map(place).collect();
    let new = (0..4).find(|place| !stored.contains(place)).unwrap();
    // Whoever is asked is not cut off from anybody.
    let (lost, left, other) = (stored[0], stored[1], stored[2]);
    let id = world.nodes[lost].id;
    lead(world, left).await;
    world.net.hear(world.nodes[other].id, world.nodes[new].id, false);
    world.kill(lost).await;
    removed(world, left, id).await;
    settled(world, left, name, id).await;
    (left, other, new)
}

/// Every record is on a member that runs.
fn all_are_there(world: &World, name: &LogName) {
    let all: Vec<Vec<Option<u64>>> = (0..world.nodes.len()).map(|place| held(world, place, name)).collect();
    for offset in 0..RECORDS {
        assert!(all.iter().any(|held| held.get(offset).is_some_and(Option::is_some)), "offset {offset} is lost");
    }
}

#[test]
fn a_second_member_is_not_removed_before_what_the_first_one_had_is_copied() {
    runtime(async {
        let mut world = World::new(4).await;
        let name = create(&world, SPARSE).await;
        let (mut next, mut acknowledged) = Default::default();
        fill(&world, &name, &mut next, &mut acknowledged).await;
        let (left, other, new) = one_lost(&mut world, &name).await;
        let (second, third) = (world.nodes[other].id, world.nodes[new].id);
        for member in [second, world.nodes[left].id] {
            let reason = refused(&world, left, member).await;
            let said = reason.contains("partition 0 of log orders") && reason.contains("all other members are whole");
            assert!(said, "{reason}");
        }
        // As soon as it has what it should.
        world.net.hear(second, third, true);
        removed(&world, left, second).await;
        world.kill(other).await;
        all_are_there(&world, &name);
        world.end().await;
    });
}

#[test]
fn the_member_that_is_behind_is_removed_also_where_it_is_down() {
    for down in [false, true] {
        runtime(async {
            let mut world = World::new(4).await;
            let name = create(&world, SPARSE).await;
            let (mut next, mut acknowledged) = Default::default();
            fill(&world, &name, &mut next, &mut acknowledged).await;
            let (left, other, new) = one_lost(&mut world, &name).await;
            let third = world.nodes[new].id;
            if down {
                world.kill(new).await;
                // Whoever cannot be asked may be needed, unless it is the one.
                let begin = Instant::now();
                while world.cluster(left).up().contains(&third) {
                    assert!(begin.elapsed() < LONG);
                    tokio::time::sleep(Duration::from_millis(20)).await;
                }
                refused(&world, left, world.nodes[other].id).await;
            }
            removed(&world, left, third).await;
            if !down {
                world.kill(new).await;
            }
            all_are_there(&world, &name);
            world.end().await;
        });
    }
}

#[test]
fn a_partition_keeps_as_many_members_as_it_needs_to_recover() {
    runtime(async {
        let mut world = World::new(2).await;
        let spec = LogSpec { partitions: 1, ..spec("pair") };
        world.cluster(0).create_log(&spec, Spread::whole(3, 2), false).await.unwrap();
        let (mut next, mut acknowledged, mut unknown) = (0, BTreeMap::new(), BTreeSet::new());
        for _ in 0..5 {
            append(&world, &spec.name, 0, &mut next, &mut acknowledged, &mut unknown).await;
        }
        let second = world.nodes[1].id;
        let reason = refused(&world, 0, second).await;
        assert!(reason.contains("would have 1 member that is up, and needs 2"), "{reason}");
        world.cluster(0).remove(second, true).await.unwrap();
        world.kill(1).await;
        let (cluster, records) = (world.cluster(0), [record(9)]);
        let late = tokio::time::timeout(Duration::from_secs(5), cluster.append(&spec.name, 0, &records)).await;
        assert!(late.is_err(), "it goes on, so nothing was to be refused");
        world.end().await;
    });
}

#[test]
fn under_load_and_at_full_strength_a_member_is_removed() {
    runtime(async {
        let mut world = World::new(4).await;
        let name = create(&world, SPARSE).await;
        let (mut next, mut acknowledged) = Default::default();
        fill(&world, &name, &mut next, &mut acknowledged).await;
        let all = spread_over_three(&world, &name).await;
        let (by, gone) = (all[0], all[1]);
        let member = world.nodes[gone].id;
        let mut unknown = BTreeSet::new();
        let (cluster, begin) = (world.cluster(by), Instant::now());
        let mut removing = tokio::spawn(async move { cluster.remove(member, false).await });
        loop {
            append(&world, &name, by, &mut next, &mut acknowledged, &mut unknown).await;
            if removing.is_finished() {
                match (&mut removing).await.unwrap() {
                    Ok(()) => break,
                    Err(reason) => assert!(begin.elapsed() < LONG, "{reason}"),
                }
                let cluster = world.cluster(by);
                removing = tokio::spawn(async move { cluster.remove(member, false).await });
            }
        }
        world.kill(gone).await;
        all_are_there(&world, &name);
        world.end().await;
    });
}

/// Places of the members that store the log, when they have all of it.
async fn spread_over_three(world: &World, name: &LogName) -> Vec<usize> {
    let place = |id: MemberId| world.nodes.iter().position(|node| node.id == id).unwrap();
    let places: Vec<usize> = nodeset(world, 0, name).into_iter().map(place).collect();
    let begin = Instant::now();
    while places.iter().any(|place| held(world, *place, name).len() < RECORDS) {
        assert!(begin.elapsed() < LONG);
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    places
}
