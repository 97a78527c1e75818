//! Producers, which may send again.

use std::collections::BTreeMap;
use std::time::Duration;

use pyralog_crypto::Record;

use super::world::{World, options, runtime};
use crate::cluster::AppendError;
use crate::logs::tests::{record, spec};
use crate::member::Placed;
use crate::replication::{Epoch, Lsn, MAX_PRODUCER_RECORDS, ProducerId, Stamp};
use crate::{LogName, LogSpec};

/// A batch of three records that a producer sends as this one of its own.
fn batch(sequence: u64) -> Vec<Record> {
    (0..3).map(|number| record(10 * sequence + number)).collect()
}

/// Sends batches of a producer again through a member: each has its first answer.
async fn again(world: &World, place: usize, name: &LogName, producer: ProducerId, answers: &BTreeMap<u64, Placed>) {
    for (sequence, before) in answers.iter().rev().take(MAX_PRODUCER_RECORDS) {
        let stamp = Stamp { producer, sequence: *sequence };
        let placed = loop {
            match world.cluster(place).append_as(name, 0, stamp, &batch(*sequence)).await {
                // Whoever has just come has not heard of the log yet.
                Err(AppendError::NoSuchPartition { .. }) => tokio::time::sleep(Duration::from_millis(10)).await,
                other => break other,
            }
        };
        match placed {
            Ok(placed) => assert_eq!(placed, *before, "{stamp:?}"),
            Err(why) => panic!("{stamp:?} at {place}: {why}: {:#?}", world.groups()),
        }
    }
}

#[test]
fn a_producer_has_its_first_answers_whoever_leads_and_after_every_start() {
    runtime(async {
        let mut world = World::new(3).await;
        let name = world.create("orders").await;
        world.stored_by(&name, 3).await;
        let producer = world.cluster(1).open_producer(&name, 0).await.unwrap();
        let (mut sequence, mut answers) = (0, BTreeMap::new());
        for round in 0..3 {
            for _ in 0..3 {
                sequence += 1;
                let cluster = world.cluster(sequence as usize % 3);
                // One of nobody between them, so that offsets and sequence numbers do not go together.
                cluster.append(&name, 0, &[record(1000 + sequence)]).await.unwrap();
                let placed = cluster.append_as(&name, 0, Stamp { producer, sequence }, &batch(sequence)).await.unwrap();
                answers.insert(sequence, placed);
            }
            let (leader, other) = world.leader_and_other(&name, 0).unwrap();
            again(&world, leader, &name, producer, &answers).await;
            match round {
                0 => {
                    // Nobody else has answered these.
                    world.kill(leader).await;
                    again(&world, other, &name, producer, &answers).await;
                    world.restart(leader).await;
                }
                1 => world.restart_all().await,
                _ => {
                    world.wipe(leader, 20).await;
                    world.stored_by(&name, 3).await;
                }
            }
            for place in 0..3 {
                again(&world, place, &name, producer, &answers).await;
            }
        }
        let numbers = world.agree(&name, 0, answers.len() * 4).await;
        assert_eq!(numbers.len(), answers.len() * 4, "a record stands twice");
        for (sequence, placed) in &answers {
            let at = placed.offset as usize;
            assert_eq!(numbers[at..at + 3], [10 * sequence, 10 * sequence + 1, 10 * sequence + 2]);
        }
        world.end().await;
    });
}

#[test]
fn one_member_takes_a_log_over_for_its_producers_and_others_join_later() {
    runtime(async {
        let mut world = World::new(1).await;
        let logs = world.nodes[0].running.as_ref().unwrap().0.logs().clone();
        let derive = options().log_id;
        let name: LogName = "orders".parse().unwrap();
        let log = logs.create_as(LogSpec { partitions: 1, ..spec("orders") }, |incarnation| derive(&name, incarnation));
        let log = log.unwrap();
        let before = crate::logs::tests::append(log.partition(0).unwrap(), 0..5).unwrap();
        before.recv().unwrap().durable().unwrap();
        let nobody = world.cluster(0).adopt_log(&"others".parse().unwrap()).await;
        assert!(matches!(nobody, Err(crate::raft::GroupError::Refused { .. })));
        for _ in 0..2 {
            world.cluster(0).adopt_log(&name).await.unwrap();
        }
        let producer = world.cluster(0).open_producer(&name, 0).await.unwrap();
        let mut answers = BTreeMap::new();
        let mut send = async |world: &World, sequence: u64| {
            let stamp = Stamp { producer, sequence };
            let placed = world.cluster(0).append_as(&name, 0, stamp, &batch(sequence)).await.unwrap();
            assert_eq!(placed.offset, 5 + 3 * (sequence - 1));
            answers.insert(sequence, placed);
            again(world, 0, &name, producer, &answers).await;
        };
        send(&world, 1).await;
        world.restart_all().await;
        send(&world, 1).await;
        send(&world, 2).await;
        world.grow(2).await;
        world.stored_by(&name, 2).await;
        send(&world, 3).await;
        let expected: Vec<u64> = (0..5).chain([10, 11, 12, 20, 21, 22, 30, 31, 32]).collect();
        assert_eq!(world.agree(&name, 0, 14).await, expected);
        world.end().await;
    });
}

#[test]
fn what_a_producer_cannot_send_is_refused_by_any_member() {
    runtime(async {
        let world = World::new(3).await;
        let name = world.create("orders").await;
        world.stored_by(&name, 3).await;
        let producer = world.cluster(0).open_producer(&name, 0).await.unwrap();
        let sent = |place: usize, producer, sequence| {
            let (cluster, name) = (world.cluster(place), name.clone());
            async move { cluster.append_as(&name, 0, Stamp { producer, sequence }, &batch(sequence)).await }
        };
        for sequence in 1..=6 {
            sent(0, producer, sequence).await.unwrap();
        }
        for place in 0..3 {
            let gap = sent(place, producer, 8).await.unwrap_err();
            assert!(matches!(gap, AppendError::Gap { expected: 7 }), "{gap}");
            let nobody = ProducerId(Lsn::new(Epoch(9), 9));
            // Never opened, and too old to be known.
            for (producer, sequence) in [(nobody, 1), (producer, 1)] {
                let unknown = sent(place, producer, sequence).await.unwrap_err();
                assert!(matches!(unknown, AppendError::UnknownProducer), "{unknown}");
            }
            let zero = sent(place, producer, 0).await.unwrap_err();
            assert!(matches!(zero, AppendError::Invalid(_)), "{zero}");
        }
        assert_eq!(world.agree(&name, 0, 18).await.len(), 18);
        world.end().await;
    });
}

#[test]
fn a_producer_does_not_notice_that_leaders_die() {
    runtime(async {
        let mut world = World::new(3).await;
        let name = world.create("orders").await;
        world.stored_by(&name, 3).await;
        let producer = world.cluster(0).open_producer(&name, 0).await.unwrap();
        let mut sequence = 0;
        for _ in 0..3 {
            let (leader, other) = world.leader_and_other(&name, 0).unwrap();
            let (cluster, name) = (world.cluster(other), name.clone());
            let first = sequence + 1;
            let sending = tokio::spawn(async move {
                for sequence in first..first + 40 {
                    let stamp = Stamp { producer, sequence };
                    let placed = cluster.append_as(&name, 0, stamp, &batch(sequence)).await.unwrap();
                    assert_eq!(placed.offset, 3 * (sequence - 1));
                }
            });
            tokio::time::sleep(Duration::from_millis(30)).await;
            world.kill(leader).await;
            sending.await.unwrap();
            world.restart(leader).await;
            sequence += 40;
        }
        let expected: Vec<u64> = (1..=sequence).flat_map(|sequence| [0, 1, 2].map(|n| 10 * sequence + n)).collect();
        assert_eq!(world.agree(&name, 0, expected.len()).await, expected);
        world.end().await;
    });
}
