//! Members whose disks are full.

use std::time::{Duration, Instant};

use super::world::{LONG, World, runtime};
use crate::LogName;
use crate::cluster::AppendError;
use crate::logs::tests::record;

#[test]
fn a_member_whose_disk_is_full_leads_and_takes_nothing_until_it_has_space() {
    runtime(async {
        let world = World::new(3).await;
        let name = world.create("orders").await;
        world.stored_by(&name, 3).await;
        let append = async |through: usize, name: &LogName, numbers: std::ops::Range<u64>| {
            for number in numbers {
                let begin = Instant::now();
                // A member that has not heard of a log yet says so.
                while let Err(refused) = world.cluster(through).append(name, 0, &[record(number)]).await {
                    assert!(matches!(refused, AppendError::NoSuchPartition { .. }), "{refused}");
                    assert!(begin.elapsed() < LONG);
                    tokio::time::sleep(Duration::from_millis(10)).await;
                }
            }
        };
        append(0, &name, 0..20).await;
        world.agree(&name, 0, 20).await;
        let (full, other) = world.leader_and_other(&name, 0).unwrap();
        world.fill(full);
        append(full, &name, 20..400).await;
        // Of some of these it would be the first to lead.
        let mut made = Vec::new();
        for number in 0..4 {
            made.push(world.create(&format!("made-{number}")).await);
            append(full, made.last().unwrap(), 0..10).await;
        }
        let begin = Instant::now();
        let led = || world.cluster(other).partitions().into_iter().find(|of| of.sequencer == world.nodes[full].id);
        while let Some(status) = led() {
            assert!(begin.elapsed() < LONG, "{status:?}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        // What it lacks would not have fitted.
        assert!(world.nodes[full].running.as_ref().unwrap().0.failure().is_none());
        assert!(matches!(world.cluster(full).disk_low(), Some(crate::Error::DiskLow { .. })));

        // Nobody has space.
        (0..3).for_each(|place| world.fill(place));
        tokio::time::sleep(Duration::from_millis(100)).await;
        for place in 0..3 {
            let refused = world.cluster(place).append(&name, 0, &[record(400)]).await;
            assert!(matches!(refused, Err(AppendError::DiskFull)), "{refused:?}");
        }
        for node in &world.nodes {
            node.rig.disk.set_capacity(None);
        }
        let begin = Instant::now();
        while let Err(refused) = world.cluster(full).append(&name, 0, &[record(400)]).await {
            assert!(matches!(refused, AppendError::DiskFull) && begin.elapsed() < LONG, "{refused}");
        }
        assert_eq!(world.agree(&name, 0, 401).await, (0..401).collect::<Vec<_>>());
        for name in &made {
            assert_eq!(world.agree(name, 0, 10).await, (0..10).collect::<Vec<_>>());
        }
        world.end().await;
    });
}
