use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use pyralog_crypto::Encode;

use super::*;
use crate::fsck::tests::checked;
use crate::logs::tests::{append, record, spec};
use crate::notary::testkit::Rig;
use crate::replication::{
    Change, Content, Copies, Entry, Epoch, Fence, Lsn, Payload, Precedence, ProducerId, Stamp, Standing,
};
use crate::{Core, Error, LogSpec, Partition, Storage, payload, payload_records, stamped_payload};

pub(super) const ID: PartitionId = PartitionId(9);

pub(super) fn lsn(number: u64) -> Lsn {
    Lsn::new(Epoch(1), number)
}

pub(super) fn put(number: u64) -> Change {
    let content = Content::Record(payload(&[record(number)]).unwrap());
    Change::Put { lsn: lsn(number), entry: Entry { content, precedence: Precedence::Wave(1) } }
}

fn log(core: &Core) -> Partition {
    log_of(core, LogSpec { partitions: 1, ..spec("orders") })
}

pub(super) fn log_of(core: &Core, spec: LogSpec) -> Partition {
    let made = core.logs().open_log("orders").or_else(|_| core.logs().create(spec));
    made.unwrap().partition(0).unwrap().clone()
}

/// Persists changes, and has them written.
pub(super) fn persist(core: &Core, replica: &Arc<Replica>, changes: Vec<Change>) {
    let (done, event) = crate::completion();
    replica.persist(changes, done).unwrap();
    while core.drive() {}
    event.try_recv().unwrap().durable().unwrap();
}

pub(super) fn numbers(partition: &Partition, from: u64) -> Vec<u64> {
    let mut numbers = Vec::new();
    let mut visit = |stored: crate::segment::Stored<'_>| {
        numbers.push(stored.offset);
        true
    };
    partition.read(from, &mut visit).unwrap();
    numbers
}

#[test]
fn what_is_released_is_in_the_files_and_what_is_not_survives() {
    let rig = Rig::new(1);
    let (core, _) = rig.open();
    let partition = log(&core);
    let before = append(&partition, 0..3).unwrap();
    while core.drive() {}
    before.try_recv().unwrap().durable().unwrap();
    let replica = core.replicas().create(ID, &partition).unwrap();
    assert_eq!(replica.frontier(), Frontier { lsn: Lsn::new(Epoch(1), 0), offset: 3, between: false });
    persist(&core, &replica, vec![put(1), put(2), put(4)]);
    assert_eq!(numbers(&partition, 0), [0, 1, 2]);
    persist(&core, &replica, vec![Change::Release(lsn(4))]);
    assert_eq!(numbers(&partition, 0), [0, 1, 2, 3, 4]);
    assert!(replica.lacks() && replica.copy(lsn(4)).unwrap().is_some() && replica.copy(lsn(1)).unwrap().is_none());
    drop(replica);
    core.close().unwrap();
    // All of it is in the tables by now.
    let (core, _) = rig.open();
    let replica = core.replicas().get(ID).unwrap();
    assert!(replica.lacks() && replica.copy(lsn(4)).unwrap().is_some());
    assert_eq!(replica.applied(), Frontier { lsn: lsn(2), offset: 5, between: false });
    persist(&core, &replica, vec![put(3)]);
    assert_eq!(numbers(&log(&core), 0), (0..7).collect::<Vec<_>>());
    assert!(!replica.lacks() && replica.bytes() == 0);
    assert_eq!(checked(&rig, core).findings, []);
}

#[test]
fn whoever_lacks_records_takes_them_over() {
    let (rig, other) = (Rig::new(2), Rig::new(3));
    let ((core, _), (far, _)) = (rig.open(), other.open());
    let near = core.replicas().create(ID, &log(&core)).unwrap();
    let from = far.replicas().create(ID, &log(&far)).unwrap();
    persist(&far, &from, (1..=6).map(put).chain([Change::Release(lsn(6))]).collect());
    persist(&core, &near, vec![put(1), put(6), Change::Release(lsn(6))]);
    assert!(near.lacks());
    let (items, reached) = from.records(near.frontier().offset, 60, false).unwrap();
    assert!(reached.is_none() && !items.is_empty());
    let (done, _event) = crate::completion();
    assert!(near.catch_up(1, items.clone(), None, done).unwrap());
    assert!(near.frontier().between && near.lacks());
    // The same again is late.
    let (done, _event) = crate::completion();
    assert!(!near.catch_up(1, items, None, done).unwrap());
    while near.lacks() {
        let first = near.frontier().offset;
        let (items, reached) = from.records(first, 60, false).unwrap();
        let (done, _event) = crate::completion();
        assert!(near.catch_up(first, items, reached, done).unwrap());
    }
    while core.drive() {}
    assert_eq!(near.applied(), from.applied());
    assert_eq!(numbers(&log(&core), 0), numbers(&log(&far), 0));
    // What is not released here does not count.
    persist(&far, &from, vec![put(7), Change::Release(lsn(7))]);
    let (items, reached) = from.records(6, 200, false).unwrap();
    let (done, _event) = crate::completion();
    assert!(near.catch_up(6, items, reached, done).unwrap());
    assert!(near.frontier().between);
    let (done, _event) = crate::completion();
    let junk = near.catch_up(7, Bytes::from_static(b"no records"), None, done);
    assert!(matches!(junk, Err(Error::Size { .. })));
}

fn stamp(sequence: u64) -> Stamp {
    Stamp { producer: ProducerId(lsn(1)), sequence }
}

/// What the producer that was opened at the first position sends as this one of its own.
fn put_stamped(at: Lsn, sequence: u64, records: u64) -> Change {
    let records: Vec<_> = (0..records).map(record).collect();
    let content = Content::Record(stamped_payload(stamp(sequence), &records).unwrap());
    Change::Put { lsn: at, entry: Entry { content, precedence: Precedence::Wave(1) } }
}

/// Where a replica says that its appends are.
fn placed(replica: &Replica, epoch: u64, sequences: std::ops::Range<u64>) -> Vec<Option<(Lsn, u64)>> {
    let producers = replica.producers_before(Epoch(epoch)).unwrap();
    let of = |sequence| match producers.standing(stamp(sequence)) {
        Standing::Duplicate { lsn, offset } => Some((lsn, offset.unwrap())),
        _ => None,
    };
    sequences.map(of).collect()
}

#[test]
fn whoever_has_the_records_knows_the_first_answers_also_after_starts() {
    let (rig, other) = (Rig::new(6), Rig::new(7));
    let ((core, _), (far, _)) = (rig.open(), other.open());
    let near = core.replicas().create(ID, &log(&core)).unwrap();
    let from = far.replicas().create(ID, &log(&far)).unwrap();
    let entry = |content| Entry { content, precedence: Precedence::Wave(1) };
    let open = Change::Put { lsn: lsn(1), entry: entry(Content::Record(Payload::Open.wrap(b""))) };
    let bridge = Change::Put { lsn: lsn(6), entry: entry(Content::Bridge) };
    let changes = vec![
        open,
        put(2),
        put_stamped(lsn(3), 1, 2),
        // One before it is missing: it has no offset.
        put_stamped(lsn(4), 3, 5),
        put_stamped(lsn(5), 2, 3),
        bridge,
        Change::Release(lsn(6)),
    ];
    persist(&far, &from, changes);
    let expected = [Some((lsn(3), 1)), Some((lsn(5), 3)), None];
    assert_eq!(placed(&from, 2, 1..4), expected);
    assert!(from.producers_before(Epoch(1)).is_none() && near.producers_before(Epoch(2)).is_none());
    // Whoever takes the records over takes the answers over.
    // What comes behind them may be there before.
    let second = |number| Lsn::new(Epoch(2), number);
    persist(&core, &near, vec![put_stamped(second(1), 3, 1), Change::Release(second(1))]);
    while near.lacks() {
        let first = near.frontier().offset;
        let (items, reached) = from.records(first, 60, false).unwrap();
        let (done, _event) = crate::completion();
        assert!(near.catch_up(first, items, reached, done).unwrap());
    }
    while core.drive() {}
    let expected = [expected[0], expected[1], Some((second(1), 6)), Some((second(2), 7))];
    assert_eq!(placed(&near, 2, 1..4), expected[..3]);
    // And goes on from there.
    let more = vec![put_stamped(second(1), 3, 1), put_stamped(second(2), 4, 1), Change::Release(second(2))];
    persist(&core, &near, more[1..].to_vec());
    persist(&far, &from, more);
    for (rig, core, replica) in [(rig, core, near), (other, far, from)] {
        assert_eq!(placed(&replica, 2, 1..5), expected);
        drop(replica);
        // From the journal.
        rig.disk.cut_power_after(0);
        drop(core);
        rig.crash();
        let (core, _) = rig.open();
        assert_eq!(placed(&core.replicas().get(ID).unwrap(), 2, 1..5), expected);
        core.close().unwrap();
        // From the tables.
        let (core, _) = rig.open();
        let replica = core.replicas().get(ID).unwrap();
        assert_eq!(placed(&replica, 2, 1..5), expected);
        persist(&core, &replica, vec![put_stamped(second(3), 5, 1), Change::Release(second(3))]);
        assert_eq!(placed(&replica, 2, 5..6), [Some((second(3), 8))]);
        let (items, reached) = replica.records(0, 1 << 20, false).unwrap();
        assert_eq!((payload_records(&Payload::Plain.wrap(&items)), reached.unwrap().lsn), (Some(9), second(3)));
    }
}

#[test]
fn a_replicated_log_is_written_and_deleted_through_the_cluster_only() {
    let rig = Rig::new(4);
    let (core, _) = rig.open();
    let partition = log(&core);
    core.replicas().create(ID, &partition).unwrap();
    assert!(matches!(append(&partition, 0..1), Err(Error::Replicated { .. })));
    assert!(matches!(core.replicas().create(PartitionId(1), &partition), Err(Error::Replicated { .. })));
    assert!(matches!(core.logs().delete("orders"), Err(Error::Replicated { .. })));
    let fast = LogSpec { storage: Storage::Memory, partitions: 1, ..spec("fast") };
    let fast = core.logs().create(fast).unwrap();
    let refused = core.replicas().create(PartitionId(2), fast.partition(0).unwrap());
    assert!(matches!(refused, Err(Error::NotReplicable { .. })));
    core.replicas().delete_log(core.logs(), &"orders".parse().unwrap(), &[ID]).unwrap();
    assert!(core.replicas().get(ID).is_none() && matches!(append(&partition, 0..1), Err(Error::NoSuchLog { .. })));
    assert!(matches!(core.logs().delete("orders"), Err(Error::NoSuchLog { .. })));
    assert!(matches!(core.replicas().create(ID, &partition), Err(Error::NoSuchLog { .. })));
}

#[test]
fn files_that_do_not_belong_to_the_replica_are_refused() {
    let rig = Rig::new(5);
    let (core, _) = rig.open();
    let replica = core.replicas().create(ID, &log(&core)).unwrap();
    persist(&core, &replica, (1..=3).map(put).chain([Change::Release(lsn(3))]).collect());
    drop(replica);
    core.close().unwrap();
    let files = rig.disk.files();
    let kept: Vec<_> = files.iter().filter(|path| path.starts_with(Path::new("/member/logs"))).collect();
    let old: Vec<_> = kept.iter().map(|path| ((*path).clone(), rig.disk.contents(path).unwrap())).collect();
    let (core, _) = rig.open();
    let replica = core.replicas().get(ID).unwrap();
    persist(&core, &replica, vec![put(4), put(5), Change::Release(lsn(5))]);
    drop(replica);
    core.close().unwrap();
    for (path, bytes) in old {
        rig.disk.overwrite(&path, bytes);
    }
    let (core, _) = rig.open();
    let replica = core.replicas().get(ID).unwrap();
    let (done, _event) = crate::completion();
    let refused = replica.persist(vec![put(6)], done);
    assert!(matches!(refused, Err(Error::Damaged { .. })), "{refused:?}");
    drop(replica);
    let report = checked(&rig, core);
    assert!(report.findings.iter().any(|finding| finding.what.contains("its replica knows of 5")), "{report:?}");
}

#[test]
fn what_could_not_be_brought_to_the_files_at_a_start_is_when_they_are_restored() {
    // What a crash leaves in the files differs.
    (0..8).for_each(restored);
}

fn restored(seed: u64) {
    let rig = Rig::new(seed);
    let (core, _) = rig.open();
    let replica = core.replicas().create(ID, &log(&core)).unwrap();
    persist(&core, &replica, (1..=3).map(put).chain([Change::Release(lsn(3))]).collect());
    drop(replica);
    core.close().unwrap();
    let (core, _) = rig.open();
    let replica = core.replicas().get(ID).unwrap();
    persist(&core, &replica, vec![put(4), put(5), Change::Release(lsn(5))]);
    let bridge = Entry { content: Content::Bridge, precedence: Precedence::Wave(1) };
    persist(&core, &replica, vec![Change::Put { lsn: lsn(6), entry: bridge }, Change::Release(lsn(6))]);
    rig.disk.cut_power_after(0);
    drop((replica, core));
    rig.crash();
    let segment = Path::new("/member/logs/orders.2/0/00000000000000000000.seg");
    let bytes = rig.disk.contents(segment).unwrap();
    rig.disk.lose(segment);
    let (core, report) = rig.open();
    assert_eq!(report.damaged.len(), 1, "{report:?}");
    // It ends in order, and what is restored goes on.
    core.close().unwrap();
    rig.disk.overwrite(segment, bytes);
    let (core, report) = rig.open();
    assert_eq!(report.damaged.len(), 0, "{report:?}");
    assert_eq!(numbers(&log(&core), 0), [0, 1, 2, 3, 4]);
    assert_eq!(checked(&rig, core).findings, []);
}

#[test]
fn the_tables_go_on_with_the_files_while_further_records_of_another_member_come() {
    use super::held::{Checked, Held, Step};
    let came = |first: u64, end: u64| {
        let records: Vec<_> = (first..end).map(record).collect();
        let items = Payload::unwrap(&payload(&records).unwrap()).unwrap().1;
        Checked::of(Step::Records { first, reached: None, items }).unwrap()
    };
    let mut held = Held::new(Frontier::behind(0));
    let first = held.step(&came(0, 3)).unwrap();
    let second = held.step(&came(3, 5)).unwrap();
    held.applied(first.to);
    // A start begins with what the tables may say, and reads the journal from there on: it has none of the first ones again.
    let value = super::snapshot::Value::new(1, 2, held.sound());
    let mut again = value.held(&Default::default()).unwrap();
    assert_eq!((again.applied, again.handed, again.next), (first.to, first.to, 1));
    assert_eq!(again.step(&came(3, 5)).unwrap().to, second.to);
}

#[test]
fn the_bytes_of_entries_are_these() {
    use super::held::{Checked, Step};
    let step = Step::Records { first: 7, reached: None, items: Bytes::new() };
    assert_eq!(step.to_bytes(), [&[2][..], &7_u64.to_be_bytes(), &[0]].concat());
    let reached = Reached { lsn: lsn(3), producers: Default::default() };
    let step = Step::Records { first: 7, reached: Some(reached.clone()), items: Bytes::new() };
    let expected = [&[2][..], &7_u64.to_be_bytes(), &[1], &reached.to_bytes()].concat();
    assert_eq!(step.to_bytes(), expected);
    for length in 0..expected.len() {
        assert!(Step::from_bytes(&Bytes::copy_from_slice(&expected[..length])).is_err(), "{length} bytes");
    }
    assert_eq!(Step::from_bytes(&Bytes::from(expected)).unwrap(), step);
    let fence = Step::Changes(vec![Change::Fence(Fence { epoch: Epoch(1), attempt: 0 })]);
    assert_eq!(Step::from_bytes(&fence.to_bytes().into()).unwrap(), fence);
    let none = Payload::Plain.wrap(b"no records");
    let entry = Entry { content: Content::Record(none.clone()), precedence: Precedence::Wave(1) };
    assert!(Checked::of(Step::Changes(vec![Change::Put { lsn: lsn(1), entry }])).is_err());
    assert_eq!(payload_records(&none), None);
    assert_eq!(payload_records(&Payload::Open.wrap(b"a note")), Some(0));
    assert_eq!(payload_records(&payload(&[record(1), record(2)]).unwrap()), Some(2));
}
