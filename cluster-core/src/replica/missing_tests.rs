//! Records that other members have removed before this one had them, and records that are damaged here.

use std::sync::Arc;

use super::tests::{ID, log_of, lsn, numbers, persist, put};
use super::*;
use crate::fsck::tests::checked;
use crate::logs::tests::spec;
use crate::notary::testkit::Rig;
use crate::replication::Change;
use crate::segment::Retention;
use crate::tree::TrimmedPrefix;
use crate::{Core, Error, LogSpec, Partition};

/// Records that were ever there.
const ALL: u64 = 200;

/// A log that keeps about its last segment.
fn brief() -> LogSpec {
    LogSpec { partitions: 1, retention: Retention { max_bytes: Some(4096), max_age_ms: None }, ..spec("orders") }
}

fn log(core: &Core) -> Partition {
    log_of(core, brief())
}

/// A member that has removed its first segments.
fn trimmed(rig: &Rig) -> (Core, Arc<Replica>) {
    let (core, _) = rig.open();
    let replica = core.replicas().create(ID, &log(&core)).unwrap();
    persist(&core, &replica, (1..=ALL).map(put).chain([Change::Release(lsn(ALL))]).collect());
    core.logs().retain(0).unwrap();
    assert!(log(&core).range().unwrap().0 > 40);
    (core, replica)
}

/// Takes everything from another member, as members do.
fn follow(core: &Core, near: &Arc<Replica>, from: &Arc<Replica>) -> Result<(), Error> {
    while near.lacks() {
        let first = near.frontier().offset;
        let (done, _event) = crate::completion();
        if first < from.partition().range()?.0 {
            assert!(near.go_behind(from.trimmed().unwrap(), done)?);
        } else {
            let (items, reached) = from.records(first, 1 << 10, false)?;
            assert!(near.catch_up(first, items, reached, done)?);
        }
        while core.drive() {}
    }
    Ok(())
}

fn roots(core: &Core) -> pyralog_crypto::PartitionCheckpoint {
    let (done, event) = std::sync::mpsc::channel();
    let then = move |checkpoint| done.send(checkpoint).unwrap();
    log(core).checkpoint_to_sign(then).unwrap();
    while core.drive() {}
    event.try_recv().unwrap().unwrap()
}

fn agree(near: &Core, far: &Core) {
    assert_eq!(roots(near), roots(far));
    let (first, end) = log(far).range().unwrap();
    assert_eq!(log(near).range().unwrap(), (first, end));
    let all: Vec<u64> = (first..end).collect();
    assert_eq!(numbers(&log(near), first), all);
    let checkpoint = roots(far);
    for offset in [first, end - 1] {
        assert_eq!(log(near).prove(offset, &checkpoint).unwrap(), log(far).prove(offset, &checkpoint).unwrap());
    }
}

#[test]
fn a_member_goes_on_behind_what_the_others_have_removed() {
    let (rig, other) = (Rig::new(2), Rig::new(3));
    let (far, from) = trimmed(&other);
    // One that has nothing, and one that has been away since some segments were written.
    for had in [0, 3, 60] {
        let rig = Rig::new(had + 4);
        let (core, _) = rig.open();
        let near = core.replicas().create(ID, &log(&core)).unwrap();
        persist(&core, &near, (1..=had).map(put).chain([Change::Release(lsn(had))]).collect());
        // A copy of the present wave stays.
        persist(&core, &near, vec![put(ALL + 1), Change::Release(lsn(ALL))]);
        follow(&core, &near, &from).unwrap();
        assert_eq!(near.applied(), from.applied());
        agree(&core, &far);
        drop(near);
        core.close().unwrap();
        let (core, report) = rig.open();
        assert!(report.damaged.is_empty(), "{report:?}");
        agree(&core, &far);
        let near = core.replicas().get(ID).unwrap();
        persist(&core, &near, vec![Change::Release(lsn(ALL + 1))]);
        assert_eq!(log(&core).end(), ALL + 1);
        drop(near);
        assert_eq!(checked(&rig, core).findings, []);
    }
    // What is here already is not gone behind.
    let (core, _) = rig.open();
    let near = core.replicas().create(ID, &log(&core)).unwrap();
    persist(&core, &near, (1..=ALL).map(put).chain([Change::Release(lsn(ALL))]).collect());
    let (done, _event) = crate::completion();
    assert!(!near.go_behind(from.trimmed().unwrap(), done).unwrap());
}

#[test]
fn other_records_are_not_gone_behind() {
    let (rig, other) = (Rig::new(5), Rig::new(6));
    let (_far, from) = trimmed(&other);
    let (core, _) = rig.open();
    let near = core.replicas().create(ID, &log(&core)).unwrap();
    // The same number of others.
    let others = (1..=60).map(|number| match put(number + 1000) {
        Change::Put { entry, .. } => Change::Put { lsn: lsn(number), entry },
        other => other,
    });
    persist(&core, &near, others.chain([Change::Release(lsn(60))]).collect());
    persist(&core, &near, vec![Change::Release(lsn(ALL))]);
    let refused = follow(&core, &near, &from);
    assert!(matches!(refused, Err(Error::Damaged { .. })), "{refused:?}");
    assert_eq!(log(&core).range().unwrap(), (0, 60));
}

#[test]
fn power_cuts_at_every_operation_lose_nothing_and_go_on() {
    let other = Rig::new(7);
    let (far, from) = trimmed(&other);
    for had in [0, 30] {
        let mut operations = 0;
        loop {
            let rig = Rig::new(operations);
            let (core, _) = rig.open();
            let near = core.replicas().create(ID, &log(&core)).unwrap();
            persist(&core, &near, (1..=had).map(put).chain([Change::Release(lsn(had))]).collect());
            persist(&core, &near, vec![put(ALL + 1), Change::Release(lsn(ALL))]);
            rig.disk.cut_power_after(operations);
            let (done, event) = crate::completion();
            let gone = near.go_behind(from.trimmed().unwrap(), done);
            while core.drive() {}
            let durable = gone.is_ok() && event.try_recv().is_ok_and(|event| event.durable().is_ok());
            drop((near, core));
            rig.crash();
            let (core, report) = rig.open();
            assert!(report.damaged.is_empty(), "{had} records, cut after {operations}: {report:?}");
            let near = core.replicas().get(ID).unwrap();
            let frontier = near.frontier();
            assert!([had, from.trimmed().unwrap().end()].contains(&frontier.offset), "{frontier:?}");
            assert!(!durable || frontier.offset > had, "what was durable is not");
            follow(&core, &near, &from).unwrap();
            agree(&core, &far);
            assert!(crate::replication::Copies::copy(&*near, lsn(ALL + 1)).unwrap().is_some());
            drop(near);
            assert_eq!(checked(&rig, core).findings, [], "{had} records, cut after {operations}");
            if durable && operations > 40 {
                break;
            }
            operations += 1;
        }
    }
}

/// A member whose files of the partition are damaged: its first segment is lost.
fn damaged(rig: &Rig, had: u64) -> Core {
    let (core, _) = rig.open();
    let near = core.replicas().create(ID, &log(&core)).unwrap();
    persist(&core, &near, (1..=had).map(put).chain([Change::Release(lsn(had))]).collect());
    roots(&core);
    persist(&core, &near, vec![put(ALL + 1)]);
    drop(near);
    core.close().unwrap();
    let first = rig.disk.files().into_iter().find(|path| path.extension().is_some_and(|end| end == "seg")).unwrap();
    rig.disk.lose(&first);
    rig.open().0
}

#[test]
fn damaged_records_are_taken_from_others_and_what_was_signed_holds() {
    let other = Rig::new(8);
    let (far, _) = other.open();
    let from = far.replicas().create(ID, &log(&far)).unwrap();
    persist(&far, &from, (1..=ALL).map(put).chain([Change::Release(lsn(ALL))]).collect());
    let rig = Rig::new(9);
    let core = damaged(&rig, ALL / 2);
    let near = core.replicas().get(ID).unwrap();
    let (done, _event) = crate::completion();
    assert!(matches!(near.persist(vec![put(ALL)], done), Err(Error::Damaged { .. })));
    core.replicas().renew(ID).unwrap();
    drop(near);
    core.close().unwrap();
    let (core, report) = rig.open();
    assert!(report.damaged.is_empty(), "{report:?}");
    let near = core.replicas().get(ID).unwrap();
    assert!(near.lacks() && crate::replication::Copies::copy(&*near, lsn(ALL + 1)).unwrap().is_some());
    // Nothing is signed before everything is here that was.
    let (done, event) = std::sync::mpsc::channel();
    let then = move |checkpoint| done.send(checkpoint).unwrap();
    let asked = log(&core).checkpoint_to_sign(then);
    while core.drive() {}
    assert!(asked.is_err() || event.try_recv().unwrap().is_err());
    persist(&core, &near, vec![Change::Release(lsn(ALL))]);
    follow(&core, &near, &from).unwrap();
    agree(&core, &far);
    drop(near);
    assert_eq!(checked(&rig, core).findings, []);
    assert!(rig.disk.files().iter().any(|path| path.to_string_lossy().contains("/damaged/orders.")));
}

#[test]
fn other_records_than_were_signed_are_not_taken_for_damaged_ones() {
    let other = Rig::new(10);
    let (far, _) = other.open();
    let from = far.replicas().create(ID, &log(&far)).unwrap();
    let others = (1..=ALL).map(|number| match put(number + 1000) {
        Change::Put { entry, .. } => Change::Put { lsn: lsn(number), entry },
        other => other,
    });
    persist(&far, &from, others.chain([Change::Release(lsn(ALL))]).collect());
    let rig = Rig::new(11);
    let core = damaged(&rig, ALL / 2);
    core.replicas().renew(ID).unwrap();
    core.close().unwrap();
    let (core, _) = rig.open();
    let near = core.replicas().get(ID).unwrap();
    persist(&core, &near, vec![Change::Release(lsn(ALL))]);
    let refused = follow(&core, &near, &from);
    assert!(matches!(refused, Err(Error::LogRetracted { .. })), "{refused:?}");
    assert!(log(&core).end() < ALL);
}

#[test]
fn power_cuts_at_every_operation_of_a_renewal_end_in_one() {
    let other = Rig::new(12);
    let (far, _) = other.open();
    let from = far.replicas().create(ID, &log(&far)).unwrap();
    persist(&far, &from, (1..=ALL).map(put).chain([Change::Release(lsn(ALL))]).collect());
    for operations in 0.. {
        let rig = Rig::new(operations + 20);
        let core = damaged(&rig, 60);
        core.replicas().renew(ID).unwrap();
        core.close().unwrap();
        rig.disk.cut_power_after(operations);
        let opened = rig.try_open(rig.options()).is_ok_and(|(core, report)| {
            drop(core);
            report.damaged.is_empty()
        });
        rig.crash();
        let (core, report) = rig.open();
        assert!(report.damaged.is_empty(), "cut after {operations}: {report:?}");
        let near = core.replicas().get(ID).unwrap();
        persist(&core, &near, vec![Change::Release(lsn(ALL))]);
        follow(&core, &near, &from).unwrap();
        agree(&core, &far);
        assert!(crate::replication::Copies::copy(&*near, lsn(ALL + 1)).unwrap().is_some());
        drop(near);
        assert_eq!(checked(&rig, core).findings, [], "cut after {operations}");
        if opened && operations > 30 {
            break;
        }
    }
}

#[test]
fn the_bytes_of_a_prefix_are_these() {
    use pyralog_crypto::{Decode, Encode, Hash, SegmentLeaf};
    let leaf = |first, next| SegmentLeaf { first, next, root: Hash([next as u8; 32]) };
    let prefix = TrimmedPrefix::new(vec![leaf(0, 3), leaf(3, 4)]).unwrap();
    let bytes = prefix.to_bytes();
    let expected = [&2_u32.to_be_bytes()[..], &3_u64.to_be_bytes(), &[3; 32], &4_u64.to_be_bytes(), &[4; 32]].concat();
    assert_eq!((bytes.as_slice(), prefix.encoded_len(), prefix.end()), (&expected[..], bytes.len(), 4));
    assert_eq!(TrimmedPrefix::from_bytes(&bytes).unwrap(), prefix);
    for broken in [vec![leaf(0, 3), leaf(4, 5)], vec![leaf(1, 3)], vec![leaf(0, 0)]] {
        assert_eq!(TrimmedPrefix::new(broken), None);
    }
    let mut none = expected.clone();
    none[44..52].copy_from_slice(&3_u64.to_be_bytes());
    assert!(TrimmedPrefix::from_bytes(&none).is_err());
}
