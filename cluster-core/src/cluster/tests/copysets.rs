//! Records that some members of the nodeset have, and the others have stubs of.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use pyralog_crypto::{Decode, PartitionCheckpoint, Record};

use super::world::{LONG, World, append, runtime};
use crate::logs::tests::{record, spec};
use crate::raft::Spread;
use crate::{LogName, LogSpec, Partition};

pub(super) const RECORDS: usize = 400;

pub(super) async fn create(world: &World, spread: Spread) -> LogName {
    let spec = LogSpec { partitions: 1, segment_bytes: 4 << 10, ..spec("orders") };
    world.cluster(0).create_log(&spec, spread, false).await.unwrap();
    spec.name
}

pub(super) async fn fill(world: &World, name: &LogName, next: &mut u64, acknowledged: &mut BTreeMap<u64, u64>) {
    let mut unknown = BTreeSet::new();
    for number in 0..RECORDS {
        append(world, name, number % world.nodes.len(), next, acknowledged, &mut unknown).await;
    }
    assert_eq!(unknown, BTreeSet::new());
}

fn partition(world: &World, place: usize, name: &LogName) -> Option<Partition> {
    let core = &world.nodes[place].running.as_ref()?.0;
    Some(core.logs().open_log(name.as_str()).ok()?.partition(0).unwrap().clone())
}

/// The number of each record of a member, and nothing where a stub stands for it.
pub(super) fn held(world: &World, place: usize, name: &LogName) -> Vec<Option<u64>> {
    let mut held = Vec::new();
    let Some(partition) = partition(world, place, name) else { return held };
    partition
        .read(0, &mut |stored| {
            held.push(match stored.stub() {
                Some(_) => None,
                None => {
                    let found = Record::from_bytes(stored.bytes).unwrap();
                    let number = u64::from_be_bytes(found.key().unwrap()[..].try_into().unwrap());
                    assert_eq!(found, record(number));
                    Some(number)
                }
            });
            true
        })
        .unwrap();
    held
}

/// Waits until each record is on so many members at least, and answers who has what.
pub(super) async fn spread_over(world: &World, name: &LogName, records: usize, copies: usize) -> Vec<Vec<Option<u64>>> {
    let begin = Instant::now();
    loop {
        let all: Vec<Vec<Option<u64>>> = (0..world.nodes.len()).map(|place| held(world, place, name)).collect();
        let holders = |offset: usize| all.iter().filter(|held| held.get(offset).is_some_and(Option::is_some)).count();
        let lacking = (0..records).filter(|offset| holders(*offset) < copies).count();
        if lacking == 0 && all.iter().all(|held| held.len() == records) {
            return all;
        }
        let lengths: Vec<usize> = all.iter().map(Vec::len).collect();
        assert!(begin.elapsed() < LONG, "{lengths:?}: {lacking} have too few copies: {:#?}", world.groups());
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

fn checkpoint(world: &World, place: usize, name: &LogName) -> PartitionCheckpoint {
    let (sender, receiver) = mpsc::channel();
    let partition = partition(world, place, name).unwrap();
    partition.checkpoint_to_sign(move |checkpoint| sender.send(checkpoint.unwrap()).unwrap()).unwrap();
    receiver.recv_timeout(LONG).unwrap()
}

/// What was acknowledged is where it was said to be, on whoever has it, and all members sign the same roots and prove the same records.
fn agree(world: &World, name: &LogName, all: &[Vec<Option<u64>>], acknowledged: &BTreeMap<u64, u64>) {
    for held in all {
        for (offset, number) in acknowledged {
            assert!(held[*offset as usize].is_none_or(|found| found == *number), "offset {offset}");
        }
    }
    let checkpoints: Vec<_> = (0..all.len()).map(|place| checkpoint(world, place, name)).collect();
    assert!(checkpoints.iter().all(|other| *other == checkpoints[0]), "{checkpoints:?}");
    for (place, held) in all.iter().enumerate() {
        let stub = held.iter().position(Option::is_none);
        let proven = stub.map(|offset| partition(world, place, name).unwrap().prove(offset as u64, &checkpoints[0]));
        assert!(proven.is_none_or(|proven| proven.is_ok()));
    }
}

fn copies(all: &[Vec<Option<u64>>]) -> usize {
    all.iter().flatten().flatten().count()
}

#[test]
fn each_record_is_on_as_many_members_as_it_should_and_the_others_prove_it() {
    runtime(async {
        let mut world = World::new(3).await;
        let name = create(&world, Spread { nodeset: 3, replication: 2, copies: 2, coordinator_only: false }).await;
        let (mut next, mut acknowledged) = Default::default();
        fill(&world, &name, &mut next, &mut acknowledged).await;
        let all = spread_over(&world, &name, RECORDS, 2).await;
        agree(&world, &name, &all, &acknowledged);
        // A slow disk makes a few more.
        assert!(copies(&all) < RECORDS * 5 / 2, "{} copies of {RECORDS} records", copies(&all));
        assert!(all.iter().all(|held| held.iter().any(Option::is_some) && held.iter().any(Option::is_none)));

        // Whoever has a stub gets the record from others.
        let offset = all[0].iter().position(Option::is_none).unwrap() as u64;
        let mut stub = None;
        let read = partition(&world, 0, &name).unwrap().read(offset, &mut |stored| {
            stub = stored.stub();
            false
        });
        read.unwrap();
        let found = world.cluster(0).records_elsewhere(&name, 0, offset, &stub.unwrap()).await;
        assert_eq!(found[0].0, offset);
        assert_eq!(Record::from_bytes(&found[0].1).unwrap(), record(acknowledged[&offset]));

        world.restart_all().await;
        let again = spread_over(&world, &name, RECORDS, 2).await;
        agree(&world, &name, &again, &acknowledged);
        assert_eq!(again, all);
        world.end().await;
    });
}

#[test]
fn a_leader_that_only_coordinates_stores_no_records() {
    runtime(async {
        let world = World::new(3).await;
        let name = create(&world, Spread { nodeset: 3, replication: 2, copies: 2, coordinator_only: true }).await;
        let (mut next, mut acknowledged) = Default::default();
        fill(&world, &name, &mut next, &mut acknowledged).await;
        let (leader, _) = world.leader_and_other(&name, 0).unwrap();
        let all = spread_over(&world, &name, RECORDS, 2).await;
        agree(&world, &name, &all, &acknowledged);
        let own = all[leader].iter().flatten().count();
        // What two disks took too long for.
        assert!(own < RECORDS / 10, "the leader has {own} records");
        world.end().await;
    });
}

#[test]
fn records_whose_members_lose_their_disks_one_after_the_other_are_copied_and_stay() {
    runtime(async {
        let mut world = World::new(3).await;
        let name = create(&world, Spread { nodeset: 3, replication: 2, copies: 2, coordinator_only: false }).await;
        let (mut next, mut acknowledged) = Default::default();
        fill(&world, &name, &mut next, &mut acknowledged).await;
        spread_over(&world, &name, RECORDS, 2).await;
        for (place, seed) in [(2, 11), (0, 12), (1, 13)] {
            world.wipe(place, seed).await;
            world.stored_by(&name, 3).await;
            let all = spread_over(&world, &name, RECORDS, 2).await;
            agree(&world, &name, &all, &acknowledged);
        }
        world.end().await;
    });
}
