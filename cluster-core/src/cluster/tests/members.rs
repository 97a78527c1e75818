//! Members that come, go, and lose their disks.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::world::{LONG, World, append, options, runtime};
use crate::cluster::{Envelope, Keeps};
use crate::logs::tests::{record, spec};
use crate::raft::Spread;
use crate::{LogName, LogSpec};

#[test]
fn one_member_is_a_cluster() {
    runtime(async {
        let world = World::new(1).await;
        let spec = LogSpec { partitions: 1, ..spec("alone") };
        let cluster = world.cluster(0);
        cluster.create_log(&spec, Spread::whole(1, 1), false).await.unwrap();
        for number in 0..20 {
            let placed = cluster.append(&spec.name, 0, &[record(number)]).await.unwrap();
            assert_eq!(placed.offset, number);
        }
        assert_eq!(world.agree(&spec.name, 0, 20).await, (0..20).collect::<Vec<_>>());
        world.end().await;
    });
}

#[test]
fn a_log_of_one_member_grows_with_the_cluster_and_a_lost_disk_is_replaced() {
    runtime(async {
        let mut world = World::new(1).await;
        let spec = LogSpec { partitions: 2, segment_bytes: 8 << 10, ..spec("orders") };
        let name = spec.name.clone();
        world.cluster(0).create_log(&spec, Spread::whole(3, 2), false).await.unwrap();
        let (mut next, mut acknowledged, mut unknown) = (0, BTreeMap::new(), BTreeSet::new());
        for seed in 2..=3 {
            for _ in 0..20 {
                append(&world, &name, 0, &mut next, &mut acknowledged, &mut unknown).await;
            }
            world.grow(seed).await;
        }
        world.stored_by(&name, 3).await;
        for place in 0..2 {
            for _ in 0..20 {
                append(&world, &name, place, &mut next, &mut acknowledged, &mut unknown).await;
            }
            assert_eq!(world.agree(&name, 0, acknowledged.len()).await.len(), acknowledged.len() + unknown.len());
            world.wipe(place, 10 + place as u64).await;
            world.stored_by(&name, 3).await;
        }
        append(&world, &name, 0, &mut next, &mut acknowledged, &mut unknown).await;
        let numbers = world.agree(&name, 0, acknowledged.len()).await;
        for (offset, number) in &acknowledged {
            assert_eq!(numbers[*offset as usize], *number);
        }
        world.end().await;
    });
}

#[test]
fn a_log_that_a_member_had_alone_is_taken_over_with_its_records() {
    runtime(async {
        let mut world = World::new(1).await;
        let logs = world.nodes[0].running.as_ref().unwrap().0.logs().clone();
        let derive = options().log_id;
        let name: LogName = "orders".parse().unwrap();
        let log = logs.create_as(LogSpec { partitions: 1, ..spec("orders") }, |incarnation| derive(&name, incarnation));
        let log = log.unwrap();
        let partition = log.partition(0).unwrap();
        crate::logs::tests::append(partition, 0..5).unwrap().recv().unwrap().durable().unwrap();
        assert!(world.cluster(0).is_alone() && world.cluster(0).partitions().is_empty());
        world.grow(2).await;
        world.stored_by(&name, 2).await;
        while !matches!(crate::logs::tests::append(partition, 5..6), Err(crate::Error::Replicated { .. })) {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        let before = world.agree(&name, 0, 5).await;
        let first = before.len() as u64;
        for place in 0..2 {
            let placed = world.cluster(place).append(&name, 0, &[record(100 + place as u64)]).await.unwrap();
            assert_eq!(placed.offset, first + place as u64);
        }
        let numbers = world.agree(&name, 0, before.len() + 2).await;
        assert_eq!(numbers[..before.len()], before);
        assert_eq!(numbers[before.len()..], [100, 101]);
        world.end().await;
    });
}

#[test]
fn a_home_with_the_key_of_a_member_that_runs_does_not_take_its_place() {
    runtime(async {
        let mut world = World::new(3).await;
        let leader = world.cluster(0).groups().global().status().leader.member.unwrap();
        let leader = world.nodes.iter().position(|node| node.id == leader).unwrap();
        for kept in 0..3 {
            let (asked, new) = (world.cluster((kept + 1) % 3), world.stranger(kept));
            let id = world.nodes[kept].id;
            for _ in 0..5 {
                asked.receive(id, Envelope::Join(new.clone()));
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
            // One that the asked member has never heard a word of: the leader hears it, or is it.
            let refused = asked.groups().replace(id).await.unwrap_err().to_string();
            assert!(
                refused.contains(&format!("member {} runs", id.0)) && refused.contains("join-cluster"),
                "{refused}"
            );
        }
        let live: Vec<_> = world.cluster(0).groups().global().look(|state| state.live().map(|(id, _)| id).collect());
        assert_eq!(live, world.nodes.iter().map(|node| node.id).collect::<Vec<_>>());
        // One that does not run is replaced, the leader too.
        world.wipe(leader, 20).await;
        let name = world.create("orders").await;
        world.stored_by(&name, 3).await;
        world.end().await;
    });
}

#[test]
fn a_damaged_partition_is_taken_from_the_others_after_a_restart() {
    runtime(async {
        let mut world = World::new(3).await;
        let name = world.create("orders").await;
        let (mut next, mut acknowledged, mut unknown) = (0, BTreeMap::new(), BTreeSet::new());
        for _ in 0..120 {
            append(&world, &name, 0, &mut next, &mut acknowledged, &mut unknown).await;
        }
        let before = world.agree(&name, 0, acknowledged.len()).await;
        world.kill(2).await;
        let disk = world.nodes[2].rig.disk.clone();
        let segment = |path: &std::path::Path| path.ends_with("0/00000000000000000000.seg");
        let lost = disk.files().into_iter().find(|path| segment(path)).unwrap();
        disk.lose(&lost);
        world.restart(2).await;
        let id = world.cluster(0).partition(&name, 0).unwrap();
        let key = [&b"renew/"[..], &id.0.to_be_bytes()].concat();
        let begin = Instant::now();
        loop {
            let core = Arc::clone(&world.nodes[2].running.as_ref().unwrap().0);
            if core.tables().get(crate::Family::Log, &key).unwrap().is_some() {
                break;
            }
            drop(core);
            assert!(begin.elapsed() < LONG, "{:#?}", world.groups());
            // The others go on.
            append(&world, &name, 0, &mut next, &mut acknowledged, &mut unknown).await;
        }
        world.kill(2).await;
        world.restart(2).await;
        append(&world, &name, 2, &mut next, &mut acknowledged, &mut unknown).await;
        let numbers = world.agree(&name, 0, acknowledged.len()).await;
        assert_eq!(numbers[..before.len()], before);
        for (offset, number) in &acknowledged {
            assert_eq!(numbers[*offset as usize], *number);
        }
        world.end().await;
    });
}

#[test]
fn who_is_new_in_a_partition_says_that_it_has_nothing_until_it_has() {
    runtime(async {
        let mut world = World::new(5).await;
        let spec = LogSpec { partitions: 1, ..spec("orders") };
        let name = spec.name.clone();
        world.cluster(0).create_log(&spec, Spread::whole(3, 2), false).await.unwrap();
        let (mut next, mut acknowledged, mut unknown) = (0, BTreeMap::new(), BTreeSet::new());
        for _ in 0..20 {
            append(&world, &name, 0, &mut next, &mut acknowledged, &mut unknown).await;
        }
        let nodeset = world.cluster(0).log(&name).unwrap().nodesets.remove(0);
        let place = |id| world.nodes.iter().position(|node| node.id == id).unwrap();
        let stored: Vec<usize> = nodeset.members().iter().map(|id| place(*id)).collect();
        let others: Vec<usize> = (0..5).filter(|place| !stored.contains(place)).collect();
        for number in 0..5 {
            let keeps = if stored.contains(&number) { Keeps::All } else { Keeps::Nothing };
            assert_eq!(world.cluster(number).keeps(&name, 0), keeps, "{number}");
        }
        // Two of three are away, and one of them for ever: nobody can tell what they had acknowledged.
        for away in &stored[..2] {
            world.kill(*away).await;
        }
        let begin = Instant::now();
        let removed = world.nodes[stored[0]].id;
        while let Err(reason) = world.cluster(stored[2]).groups().remove(removed).await {
            assert!(begin.elapsed() < LONG, "{reason}");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        let new = loop {
            let nodeset = world.cluster(stored[2]).log(&name).unwrap().nodesets.remove(0);
            if let Some(new) = others.iter().find(|place| nodeset.contains(world.nodes[**place].id)) {
                break *new;
            }
            assert!(begin.elapsed() < LONG, "{nodeset:?}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        };
        tokio::time::sleep(Duration::from_secs(1)).await;
        assert_eq!(world.cluster(new).keeps(&name, 0), Keeps::Nothing);
        assert_ne!(world.cluster(stored[2]).keeps(&name, 0), Keeps::Nothing);
        world.restart(stored[1]).await;
        while world.cluster(new).keeps(&name, 0) != Keeps::All {
            assert!(begin.elapsed() < LONG, "{:?}", world.cluster(new).partitions());
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        let numbers = world.numbers(new, &name, 0).unwrap();
        assert!(acknowledged.iter().all(|(offset, number)| numbers[*offset as usize] == *number));
        world.end().await;
    });
}
