//! Two members that do not hear each other, and a third one that hears both.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use bytes::Bytes;

use super::world::{LONG, World, runtime};
use crate::cluster::{AppendError, Envelope};
use crate::logs::tests::{record, spec};
use crate::raft::Spread;
use crate::replication::AckMode;
use crate::replication::{Epoch, MemberId};
use crate::{LogName, LogSpec, PartitionId, payload};

const PARTITIONS: u32 = 8;

async fn three(name: &str) -> (World, LogName) {
    let world = World::new(3).await;
    let spec = LogSpec { partitions: PARTITIONS, segment_bytes: 8 << 10, ..spec(name) };
    world.cluster(0).create_log(&spec, Spread::whole(3, 2), false).await.unwrap();
    world.stored_by(&spec.name, 3).await;
    // All know all of it, and nothing moves any more.
    for place in 0..3 {
        for number in 0..PARTITIONS {
            append(&world, place, &spec.name, number, 0).await;
        }
    }
    (world, spec.name)
}

async fn append(world: &World, place: usize, name: &LogName, partition: u32, number: u64) {
    let placed = loop {
        match world.cluster(place).append(name, partition, &[record(number)]).await {
            Err(AppendError::NoSuchPartition { .. }) => tokio::time::sleep(Duration::from_millis(10)).await,
            other => break other,
        }
    };
    placed.unwrap_or_else(|why| panic!("{why}: {:#?}", world.groups()));
}

/// Epoch and sequencer of each partition, as a member knows them.
fn epochs(world: &World, place: usize) -> BTreeMap<PartitionId, (Epoch, MemberId)> {
    let all = world.cluster(place).partitions();
    all.into_iter().map(|status| (status.partition, (status.epoch, status.sequencer))).collect()
}

/// Nothing is to happen for longer than an election or a takeover takes.
async fn a_while() {
    tokio::time::sleep(Duration::from_millis(1500)).await;
}

/// Cuts the link of two members, of which the first may lead the groups.
async fn part(one: usize, other: usize) {
    let (world, name) = three("orders").await;
    let (before, third) = (epochs(&world, 0), 3 - one - other);
    let ids = [one, other].map(|place| world.nodes[place].id);
    assert!(ids.iter().all(|id| before.values().any(|(_, by)| by == id)), "{before:?}: each leads one");
    let term = |place| world.cluster(place).groups().global().status().leader;
    let led = term(third);
    world.net.hear(ids[0], ids[1], false);
    for round in 1..3 {
        for place in [one, other] {
            for number in 0..PARTITIONS {
                append(&world, place, &name, number, round).await;
            }
        }
        a_while().await;
        assert_eq!(epochs(&world, third), before, "no partition has changed hands");
        assert_eq!(term(third), led, "and no group");
    }
    world.net.hear(ids[0], ids[1], true);
    a_while().await;
    assert_eq!((epochs(&world, third), term(third), term(other)), (before, led, led));
    for number in 0..PARTITIONS {
        let records = world.agree(&name, number, 7).await;
        assert_eq!(records, [0, 0, 0, 1, 1, 2, 2]);
    }
    world.end().await;
}

#[test]
fn two_that_do_not_hear_each_other_take_nothing_from_each_other_and_serve_all() {
    runtime(part(1, 2));
}

#[test]
fn whoever_alone_does_not_hear_the_leader_of_the_groups_leaves_it_alone() {
    runtime(part(0, 1));
}

#[test]
fn an_append_is_carried_one_link_further_and_not_two() {
    runtime(async {
        let (world, name) = three("orders").await;
        let all = epochs(&world, 0);
        let (number, (partition, (_, leader))) = all.iter().enumerate().next().unwrap();
        let (number, partition) = (number as u32, *partition);
        let others: Vec<_> = world.nodes.iter().filter(|node| node.id != *leader).map(|node| node.id).collect();
        let asked = world.nodes.iter().position(|node| node.id == others[0]).unwrap();
        world.net.hear(*leader, others[0], false);
        // The other one hears the leader, and it says so.
        let begin = Instant::now();
        while world.cluster(asked).shared.way_to_leader(partition).is_none_or(|way| way.through != Some(others[1])) {
            assert!(begin.elapsed() < LONG);
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        let carried: Bytes = payload(&[record(77)]).unwrap();
        let relay = Envelope::Relay { id: 1, partition, mode: AckMode::Durable, payload: carried };
        let sender = world.nodes.iter().position(|node| node.id == others[1]).unwrap();
        let hello = world.cluster(sender).groups().hello();
        world.cluster(asked).receive(others[1], Envelope::From { to: others[0], hello, envelope: Box::new(relay) });
        a_while().await;
        append(&world, asked, &name, number, 1).await;
        world.net.hear(*leader, others[0], true);
        assert_eq!(world.agree(&name, number, 4).await, [0, 0, 0, 1]);
        world.end().await;
    });
}
