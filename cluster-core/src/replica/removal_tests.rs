//! Power cuts at every operation while a log of the cluster is made or removed: it is never taken for one that the member has alone.

use super::replicas::*;
use super::tests::{persist, put};
use crate::fsck::tests::checked;
use crate::logs::tests::{append, spec};
use crate::notary::testkit::Rig;
use crate::replication::Change;
use crate::{Core, Error, LogName, LogSpec};

const SEEDS: u64 = 4;
const IDS: [PartitionId; 2] = [PartitionId(8), PartitionId(9)];

/// A log of three partitions, of which this member stores two.
fn wanted() -> LogSpec {
    spec("orders")
}

fn name() -> LogName {
    wanted().name
}

fn make(core: &Core) -> Result<(), Error> {
    let replicas = core.replicas();
    if replicas.get(IDS[0]).is_none() {
        replicas.create_log(core.logs(), wanted(), 0, IDS[0])?;
    }
    if replicas.get(IDS[1]).is_none() {
        let log = core.logs().open_log("orders")?;
        replicas.create(IDS[1], log.partition(1)?)?;
    }
    Ok(())
}

/// What is there takes nothing but through the cluster, and goes through the cluster only; and is gone then. Answers whether it was there.
fn check(core: &Core) -> bool {
    let log = match core.logs().open_log("orders") {
        Err(Error::NoSuchLog { .. }) => {
            assert_eq!(core.replicas().list().len(), 0);
            return false;
        }
        found => found.unwrap(),
    };
    for partition in log.partitions() {
        assert!(matches!(append(partition, 0..1), Err(Error::Replicated { .. })), "partition {}", partition.number());
    }
    assert!(matches!(core.logs().delete("orders"), Err(Error::Replicated { .. })));
    let ids: Vec<_> = core.replicas().list().into_iter().map(|(id, _)| id).collect();
    core.replicas().delete_log(core.logs(), &name(), &ids).unwrap();
    assert!(core.logs().open_log("orders").is_err() && core.replicas().list().is_empty());
    true
}

#[test]
fn a_log_that_is_half_removed_is_removed_by_the_start() {
    // Whether the write that is cut is there depends on the seed.
    let (mut found, mut seed, mut operations) = ([0, 0], 0, 0);
    while seed < SEEDS {
        let rig = Rig::new(seed);
        let (core, _) = rig.open();
        make(&core).unwrap();
        for id in IDS {
            let replica = core.replicas().get(id).unwrap();
            // The last one is a copy that is no record yet.
            persist(&core, &replica, vec![put(1), put(2), Change::Release(super::tests::lsn(2)), put(3)]);
        }
        rig.disk.cut_power_after(operations);
        let removed = core.replicas().delete_log(core.logs(), &name(), &IDS);
        drop(core);
        rig.crash();
        let (core, report) = rig.open();
        assert_eq!(report.damaged.len(), 0, "{report:?}");
        found[usize::from(check(&core))] += 1;
        // One of the same name is another one.
        make(&core).unwrap();
        assert_eq!(core.logs().open_log("orders").unwrap().partition(0).unwrap().range().unwrap(), (0, 0));
        assert_eq!(checked(&rig, core).findings, []);
        (seed, operations) = if removed.is_ok() { (seed + 1, 0) } else { (seed, operations + 1) };
    }
    assert!(found.iter().all(|times| *times > 0), "{found:?}");
}

#[test]
fn a_log_that_is_half_made_is_the_clusters() {
    // Whether the write that is cut is there depends on the seed.
    let (mut found, mut seed, mut operations) = ([0, 0], 0, 0);
    while seed < SEEDS {
        let rig = Rig::new(seed);
        let (core, _) = rig.open();
        rig.disk.cut_power_after(operations);
        let made = make(&core);
        drop(core);
        rig.crash();
        let (core, _) = rig.open();
        // The cluster may have it still, or not any more.
        if operations % 2 == 0 {
            make(&core).unwrap();
            persist(&core, &core.replicas().get(IDS[1]).unwrap(), vec![put(1)]);
        }
        found[usize::from(check(&core))] += 1;
        assert_eq!(checked(&rig, core).findings, []);
        (seed, operations) = if made.is_ok() { (seed + 1, 0) } else { (seed, operations + 1) };
    }
    assert!(found.iter().all(|times| *times > 0), "{found:?}");
}
