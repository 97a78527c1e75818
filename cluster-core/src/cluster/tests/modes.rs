//! Appends that are answered before they are durable, through any member.

use super::world::{World, runtime};
use crate::LogSpec;
use crate::logs::tests::{record, spec};
use crate::member::Acked;
use crate::raft::Spread;
use crate::replication::{AckMode, Lsn};

#[test]
fn early_answers_come_through_any_member_and_the_records_stand_where_they_would() {
    runtime(async {
        let world = World::new(3).await;
        let name = world.create("orders").await;
        world.stored_by(&name, 3).await;
        let (leader, other) = world.leader_and_other(&name, 0).unwrap();
        let (mut number, mut last) = (0, Lsn::default());
        for place in [leader, other].into_iter().cycle().take(6) {
            for mode in [AckMode::Cached, AckMode::Replicated, AckMode::Durable] {
                let records = [record(number), record(number + 1)];
                let lsn = match world.cluster(place).append_with(&name, 0, &records, mode).await.unwrap() {
                    Acked::Early { lsn, mode: found } => {
                        assert_eq!(found, mode);
                        lsn
                    }
                    Acked::Durable(placed) => {
                        assert_eq!((mode, placed.offset), (AckMode::Durable, number));
                        placed.lsn
                    }
                };
                assert!(lsn > last, "{lsn:?} behind {last:?}");
                (last, number) = (lsn, number + 2);
            }
        }
        assert_eq!(world.agree(&name, 0, number as usize).await, (0..number).collect::<Vec<_>>());
        world.end().await;
    });
}

#[test]
fn one_member_alone_answers_early_too() {
    runtime(async {
        let world = World::new(1).await;
        let spec = LogSpec { partitions: 1, ..spec("alone") };
        let cluster = world.cluster(0);
        cluster.create_log(&spec, Spread::whole(1, 1), false).await.unwrap();
        // Whoever leads is there from the first durable one on.
        cluster.append(&spec.name, 0, &[record(0)]).await.unwrap();
        for (number, mode) in (1..).zip([AckMode::Cached, AckMode::Replicated]) {
            let acked = cluster.append_with(&spec.name, 0, &[record(number)], mode).await.unwrap();
            assert!(matches!(acked, Acked::Early { mode: found, .. } if found == mode), "{acked:?}");
        }
        assert_eq!(cluster.append(&spec.name, 0, &[record(3)]).await.unwrap().offset, 3);
        assert_eq!(world.agree(&spec.name, 0, 4).await, (0..4).collect::<Vec<_>>());
        world.end().await;
    });
}
