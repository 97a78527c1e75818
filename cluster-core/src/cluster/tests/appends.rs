//! Appends through any member, whoever leads.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use super::world::{LONG, World, append, runtime};
use crate::cluster::AppendError;
use crate::logs::tests::record;
use crate::replication::MemberId;

#[test]
fn a_member_that_is_asked_leads() {
    runtime(async {
        let world = World::new(3).await;
        let name = world.create("orders").await;
        // Whoever stores nothing of it yet is asked in vain.
        world.stored_by(&name, 3).await;
        let cluster = world.cluster(0);
        let id = cluster.partition(&name, 0).unwrap();
        let led = |by: MemberId| {
            let cluster = cluster.clone();
            async move {
                let begin = Instant::now();
                while cluster.leader_of(id) != Some(by) {
                    assert!(begin.elapsed() < LONG, "{:?}", cluster.partitions());
                    tokio::time::sleep(Duration::from_millis(20)).await;
                }
            }
        };
        for to in [2, 3] {
            let leader = cluster.groups().global().status().leader.member.unwrap();
            let leader = world.nodes.iter().find(|node| node.id == leader).unwrap();
            leader.running.as_ref().unwrap().1.transfer(MemberId(to)).await.unwrap();
            // Whoever asks another member for what is so already is not refused.
            let other = world.nodes.iter().find(|node| node.id != MemberId(to)).unwrap();
            other.running.as_ref().unwrap().1.transfer(MemberId(to)).await.unwrap();
            led(MemberId(to)).await;
            cluster.append(&name, 0, &[record(to)]).await.unwrap();
        }
        while cluster.rebalance().unwrap() > 0 {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        cluster.append(&name, 0, &[record(4)]).await.unwrap();
        assert_eq!(world.agree(&name, 0, 3).await, [2, 3, 4]);
        world.end().await;
    });
}

#[test]
fn appends_through_any_member_are_on_all_of_them() {
    runtime(async {
        let world = World::new(3).await;
        let name = world.create("orders").await;
        let mut number = 0;
        for _ in 0..10 {
            for place in 0..3 {
                // A member that has not heard of the log yet says so.
                let placed = loop {
                    match world.cluster(place).append(&name, 1, &[record(number), record(number + 1)]).await {
                        Err(AppendError::NoSuchPartition { .. }) => tokio::time::sleep(Duration::from_millis(10)).await,
                        other => break other.unwrap(),
                    }
                };
                assert_eq!(placed.offset, number);
                number += 2;
            }
        }
        assert_eq!(world.agree(&name, 1, 60).await, (0..60).collect::<Vec<_>>());
        let missing = world.cluster(0).append(&name, 2, &[record(0)]).await;
        assert!(matches!(missing, Err(AppendError::NoSuchPartition { partition: 2, .. })));
        world.cluster(0).delete_log(&name).await.unwrap();
        let begin = Instant::now();
        while world.nodes.iter().any(|node| node.running.as_ref().unwrap().0.logs().open_log("orders").is_ok()) {
            assert!(begin.elapsed() < LONG);
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        world.end().await;
    });
}

#[test]
fn whoever_dies_nothing_acknowledged_is_lost_and_it_comes_back() {
    runtime(async {
        let mut world = World::new(3).await;
        let name = world.create("orders").await;
        let (mut next, mut acknowledged, mut unknown) = (0, BTreeMap::new(), BTreeSet::new());
        for round in 0..4 {
            for _ in 0..15 {
                append(&world, &name, round % 3, &mut next, &mut acknowledged, &mut unknown).await;
            }
            let leader = {
                let cluster = world.cluster(0);
                cluster.leader_of(cluster.partition(&name, 0).unwrap())
            };
            // The leader first, and then others.
            let victim = match leader.filter(|_| round % 2 == 0) {
                Some(leader) => world.nodes.iter().position(|node| node.id == leader).unwrap(),
                None => round % 3,
            };
            world.kill(victim).await;
            for _ in 0..15 {
                let place = (0..3).find(|place| *place != victim).unwrap();
                append(&world, &name, place, &mut next, &mut acknowledged, &mut unknown).await;
            }
            world.restart(victim).await;
        }
        let least = acknowledged.len();
        assert!(least >= 100, "{least} were acknowledged");
        let numbers = world.agree(&name, 0, least).await;
        for (offset, number) in &acknowledged {
            assert_eq!(numbers[*offset as usize], *number);
        }
        let once: BTreeSet<u64> = numbers.iter().copied().collect();
        assert_eq!(once.len(), numbers.len(), "a record stands twice");
        let of_clients: BTreeSet<u64> = acknowledged.values().copied().chain(unknown).collect();
        assert!(once.is_subset(&of_clients));
        world.end().await;
    });
}
