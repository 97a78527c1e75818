//! Whoever leads goes away, and others go on.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::world::{LONG, World, options, runtime};
use crate::cluster::{AppendError, Cluster, ClusterOptions, PartitionStatus};
use crate::logs::tests::{record, spec};
use crate::raft::RaftOptions;
use crate::replication::MemberId;
use crate::{LogName, LogSpec};

/// As the node has them.
fn as_the_node() -> ClusterOptions {
    ClusterOptions { raft: RaftOptions::default(), ..options() }
}

/// Waits until it is so.
async fn until(what: &str, met: impl Fn() -> bool) {
    let begin = Instant::now();
    while !met() {
        assert!(begin.elapsed() < LONG, "{what}");
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

/// Has one member lead the groups and all partitions of a log.
async fn lead(world: &World, place: usize, name: &LogName) {
    let to = world.nodes[place].id;
    let begin = Instant::now();
    loop {
        let leader = world.cluster(place).groups().global().status().leader.member;
        if let Some(leader) = world.nodes.iter().find(|node| Some(node.id) == leader) {
            // What was in the way is gone soon.
            let _again = leader.running.as_ref().unwrap().1.transfer(to).await;
        }
        let cluster = world.cluster(place);
        let leads = |status: &PartitionStatus| status.log != *name || (status.sequencer == to && status.settled);
        let groups = cluster.groups().shards().iter().all(|shard| shard.status().leads);
        if groups && cluster.groups().global().status().leads && cluster.partitions().iter().all(leads) {
            return;
        }
        assert!(begin.elapsed() < LONG, "{:?}", world.groups());
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

/// When a write that begins now is acknowledged.
async fn write(cluster: Cluster, name: LogName, partition: u32, since: Instant) -> Duration {
    loop {
        match cluster.append(&name, partition, &[record(1)]).await {
            Ok(_) => return since.elapsed(),
            Err(AppendError::Unknown { .. } | AppendError::NoLeader | AppendError::Busy) => {}
            // A member that has not heard of the log yet says so.
            Err(AppendError::NoSuchPartition { .. }) => tokio::time::sleep(Duration::from_millis(10)).await,
            Err(other) => panic!("{other}"),
        }
    }
}

/// Times since a member went away, by their names.
async fn go_away(world: &World, place: usize, name: &LogName, partitions: u32) -> BTreeMap<&'static str, Duration> {
    let gone = world.nodes[place].id;
    let left: Vec<Cluster> = (0..3).filter(|other| *other != place).map(|other| world.cluster(other)).collect();
    let since = Instant::now();
    world.net.leave(gone);
    let writes: Vec<_> = (0..partitions)
        .map(|number| tokio::spawn(write(left[number as usize % 2].clone(), name.clone(), number, since)))
        .collect();
    let mut times = BTreeMap::new();
    let another = |leader: Option<MemberId>| leader.is_some_and(|leader| leader != gone);
    until("a leader of the groups", || {
        left.iter().any(|cluster| {
            let groups = cluster.groups();
            groups.global().status().leads || groups.shards().iter().any(|shard| shard.status().leads)
        })
    })
    .await;
    times.insert("1 elected", since.elapsed());
    until("all know it", || {
        let known = |cluster: &Cluster| {
            let groups = cluster.groups();
            another(groups.global().status().leader.member)
                && groups.shards().iter().all(|shard| another(shard.status().leader.member))
        };
        left.iter().all(known)
    })
    .await;
    times.insert("2 known to all", since.elapsed());
    let all = |is_so: fn(&PartitionStatus, MemberId) -> bool| {
        left.iter().all(|cluster| cluster.partitions().iter().all(|status| is_so(status, gone)))
    };
    until("epochs", || all(|status, gone| status.sequencer != gone)).await;
    times.insert("3 epochs taken", since.elapsed());
    until("recovered", || all(|status, _| status.settled)).await;
    times.insert("4 recovered", since.elapsed());
    let mut acknowledged = Vec::new();
    for write in writes {
        acknowledged.push(write.await.unwrap());
    }
    acknowledged.sort_unstable();
    times.insert("5 first write", acknowledged[0]);
    times.insert("6 median write", acknowledged[acknowledged.len() / 2]);
    times.insert("7 last write", acknowledged[acknowledged.len() - 1]);
    times
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
                let since = Instant::now();
                write(world.cluster(place), name.clone(), number, since).await;
            }
        }
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
        world.cluster(0).create_log(&spec, 5, 3, false).await.unwrap();
        world.stored_by(&name, 5).await;
        let mut left: Vec<usize> = (0..5).collect();
        for _ in 0..2 {
            let leader = world.cluster(left[0]).groups().global().status().leader.member;
            let gone = world.nodes.iter().position(|node| Some(node.id) == leader).unwrap();
            left.retain(|place| *place != gone);
            world.kill(gone).await;
            for (number, place) in left.iter().enumerate() {
                write(world.cluster(*place), name.clone(), number as u32 % 2, Instant::now()).await;
            }
        }
        world.end().await;
    });
}

/// Prints how long each stage of a failover takes, from the moment that links say that a member is away.
#[test]
#[ignore = "measures: run it alone, with --nocapture"]
#[allow(clippy::print_stdout, reason = "it prints what it measures")]
fn how_long_a_failover_takes() {
    for partitions in [1, 10, 100, 500] {
        runtime(async {
            let mut world = World::with(3, as_the_node(), true).await;
            let spec = LogSpec { partitions, segment_bytes: 8 << 20, ..spec("orders") };
            let name = spec.name.clone();
            world.cluster(0).create_log(&spec, 3, 2, false).await.unwrap();
            world.stored_by(&name, 3).await;
            let mut all: BTreeMap<&str, Vec<Duration>> = BTreeMap::new();
            for round in 0..6 {
                let place = round % 3;
                lead(&world, place, &name).await;
                let cluster = Arc::new(world.cluster(place));
                for number in 0..partitions {
                    cluster.append(&name, number, &[record(0)]).await.unwrap();
                }
                // Who has just started takes nobody for away yet.
                tokio::time::sleep(Duration::from_millis(1500)).await;
                for (stage, time) in go_away(&world, place, &name, partitions).await {
                    all.entry(stage).or_default().push(time);
                }
                drop(cluster);
                world.kill(place).await;
                world.restart(place).await;
                world.stored_by(&name, 3).await;
            }
            println!(
                "{partitions} partitions, milliseconds of {} kills, lowest, median and highest:",
                all.values().map(Vec::len).max().unwrap()
            );
            for (stage, mut times) in all {
                times.sort_unstable();
                let ms = |at: usize| times[at].as_secs_f64() * 1000.0;
                println!("  {stage:16} {:8.1} {:8.1} {:8.1}", ms(0), ms(times.len() / 2), ms(times.len() - 1));
            }
            world.end().await;
        });
    }
}
