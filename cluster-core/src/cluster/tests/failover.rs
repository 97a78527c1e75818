//! Whoever leads goes away, and others go on.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use super::world::{LONG, World, options, runtime};
use crate::cluster::{AppendError, Cluster, ClusterOptions, Envelope, Lacks};
use crate::logs::tests::{record, spec};
use crate::raft::{RaftOptions, Spread};
use crate::{LogName, LogSpec};

/// Returns when a write is acknowledged.
async fn write(cluster: Cluster, name: LogName, partition: u32) {
    loop {
        match cluster.append(&name, partition, &[record(1)]).await {
            Ok(_) => return,
            Err(AppendError::Unknown { .. } | AppendError::NoLeader | AppendError::Busy) => {}
            // A member that has not heard of the log yet says so.
            Err(AppendError::NoSuchPartition { .. }) => tokio::time::sleep(Duration::from_millis(10)).await,
            Err(other) => panic!("{other}"),
        }
    }
}

/// Nobody asks for votes by itself for a minute: longer than any test waits.
fn patient() -> ClusterOptions {
    let (heartbeat, election) = (Duration::from_millis(50), (Duration::from_secs(30), Duration::from_secs(60)));
    ClusterOptions { raft: RaftOptions { heartbeat, election, ..RaftOptions::default() }, ..options() }
}

#[test]
fn nobody_waits_for_a_leader_that_all_have_lost() {
    runtime(async {
        let mut world = World::with(3, patient(), false).await;
        let name = world.create("orders").await;
        world.stored_by(&name, 3).await;
        for number in 0..2 {
            world.cluster(1).append(&name, number, &[record(0)]).await.unwrap();
        }
        let leader = world.cluster(1).groups().global().status().leader.member;
        let gone = world.nodes.iter().position(|node| Some(node.id) == leader).unwrap();
        world.kill(gone).await;
        for place in (0..3).filter(|place| *place != gone) {
            for number in 0..2 {
                write(world.cluster(place), name.clone(), number).await;
            }
        }
        world.end().await;
    });
}

#[test]
fn a_link_at_whose_end_nobody_speaks_holds_nobody_up() {
    runtime(async {
        let mut world = World::with(3, patient(), false).await;
        let name = world.create("orders").await;
        world.stored_by(&name, 3).await;
        let leader = world.cluster(1).groups().global().status().leader.member;
        let gone = world.nodes.iter().position(|node| Some(node.id) == leader).unwrap();
        let id = world.nodes[gone].id;
        let hello = world.cluster(gone).groups().hello();
        world.kill(gone).await;
        let others: Vec<usize> = (0..3).filter(|place| *place != gone).collect();
        // A home with its key, which has no id yet.
        for place in &others {
            world.cluster(*place).link(id, true);
        }
        for place in &others {
            for number in 0..2 {
                write(world.cluster(*place), name.clone(), number).await;
            }
            assert!(!world.cluster(*place).up().contains(&id));
        }
        // Whoever has spoken is up until it has long been silent.
        let hears = Envelope::Hears { members: BTreeSet::from([id]), lacks: Lacks::default() };
        let (cluster, begin) = (world.cluster(others[0]), Instant::now());
        cluster.receive(id, Envelope::From { to: cluster.id(), hello, envelope: Box::new(hears) });
        assert!(cluster.up().contains(&id));
        while cluster.up().contains(&id) {
            assert!(begin.elapsed() < LONG);
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        drop(cluster);
        world.end().await;
    });
}

#[test]
fn five_members_lose_two_leaders_one_after_another() {
    runtime(async {
        let mut world = World::with(5, patient(), false).await;
        let spec = LogSpec { partitions: 2, segment_bytes: 8 << 10, ..spec("orders") };
        let name = spec.name.clone();
        // On all of them: three are left in the end, and each record is on three.
        world.cluster(0).create_log(&spec, Spread::whole(5, 3), false).await.unwrap();
        world.stored_by(&name, 5).await;
        let mut left: Vec<usize> = (0..5).collect();
        for _ in 0..2 {
            // Partitions may have leaders before the groups have another one.
            let begin = Instant::now();
            let gone = loop {
                let leader = world.cluster(left[0]).groups().global().status().leader.member;
                if let Some(place) = left.iter().find(|place| Some(world.nodes[**place].id) == leader) {
                    break *place;
                }
                assert!(begin.elapsed() < LONG, "{:#?}", world.groups());
                tokio::time::sleep(Duration::from_millis(20)).await;
            };
            left.retain(|place| *place != gone);
            world.kill(gone).await;
            for (number, place) in left.iter().enumerate() {
                write(world.cluster(*place), name.clone(), number as u32 % 2).await;
            }
        }
        world.end().await;
    });
}
