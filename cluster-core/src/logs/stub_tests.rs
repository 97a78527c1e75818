//! A partition of which this member keeps some records, and stubs of the others.

use bytes::Bytes;
use pyralog_crypto::{Encode, PartitionCheckpoint};

use super::tests::{expected, grow, read, record, spec};
use super::*;
use crate::fsck::tests::checked;
use crate::notary::testkit::Rig;
use crate::replica::{PartitionId, Replica};
use crate::segment::{Item, RecordLog, Retention, SegmentLog};
use crate::stub::{Stub, leaf_of, stub_batch};
use crate::{Core, STUB_BYTES, completion, is_stub};

const ID: PartitionId = PartitionId(9);
const ALL: u64 = 240;

fn kept(offset: u64) -> bool {
    offset.is_multiple_of(3)
}

fn opened(core: &Core) -> (Partition, Arc<Replica>) {
    let spec =
        LogSpec { partitions: 1, retention: Retention { max_bytes: Some(9000), max_age_ms: None }, ..spec("orders") };
    let log = core.logs().open_log("orders").or_else(|_| core.logs().create(spec)).unwrap();
    let partition = log.partition(0).unwrap().clone();
    let replica = core.replicas().get(ID).map_or_else(|| core.replicas().create(ID, &partition), Ok).unwrap();
    (partition, replica)
}

/// Takes so many records over from another member, of which it keeps some.
fn take(core: &Core, to: u64, kept: impl Fn(u64) -> bool) {
    let (_, replica) = opened(core);
    while replica.frontier().offset < to {
        let first = replica.frontier().offset;
        let items = (first..to.min(first + 7)).flat_map(|offset| {
            let record = RecordBatch::new(&[record(offset)], record(offset).encoded_len());
            if kept(offset) { record.bytes().to_vec() } else { stub_batch(record.bytes()).unwrap().to_vec() }
        });
        let (done, event) = completion();
        assert!(replica.catch_up(first, items.collect(), None, done).unwrap());
        while core.drive() {}
        event.try_recv().unwrap().durable().unwrap();
    }
}

fn sign(core: &Core) -> PartitionCheckpoint {
    let (sender, signed) = std::sync::mpsc::channel();
    opened(core).0.checkpoint_to_sign(move |checkpoint| sender.send(checkpoint).unwrap()).unwrap();
    while core.drive() {}
    signed.try_recv().unwrap().unwrap()
}

fn records(offsets: std::ops::Range<u64>) -> Vec<(u64, Bytes)> {
    offsets.map(|offset| (offset, record(offset).to_bytes().into())).collect()
}

fn firsts(partition: &Partition) -> Vec<u64> {
    partition.segments().unwrap().iter().map(|segment| segment.first).collect()
}

fn stubs(partition: &Partition) -> Vec<u64> {
    let mut found = Vec::new();
    let all = partition.read(partition.range().unwrap().0, &mut |stored| {
        if let Some(stub) = stored.stub() {
            assert_eq!(stub, Stub::of(&record(stored.offset).to_bytes()).unwrap());
            found.push(stored.offset);
        }
        true
    });
    all.unwrap();
    found
}

#[test]
fn a_member_with_stubs_is_as_one_with_records_until_and_after_they_are_filled() {
    let (rig, other) = (Rig { journal_bytes: 24 << 10, ..Rig::new(1) }, Rig::new(2));
    let (far, _) = other.open();
    take(&far, ALL, |_| true);
    // Over starts that find stubs in the journal, and others in the files.
    for to in [50, 51, 130, ALL] {
        let (core, _) = rig.open();
        take(&core, to, kept);
        rig.disk.cut_power_after(if to == 130 { 9 } else { 0 });
        drop(core);
        rig.crash();
    }
    let (core, _) = rig.open();
    let (whole, some) = (opened(&far).0, opened(&core).0);
    assert_eq!((firsts(&some), some.range().unwrap()), (firsts(&whole), whole.range().unwrap()));
    assert_eq!(stubs(&some), (0..ALL).filter(|offset| !kept(*offset)).collect::<Vec<_>>());
    assert_eq!(stubs(&whole), Vec::<u64>::new());
    let checkpoint = sign(&far);
    assert_eq!(sign(&core), checkpoint);
    for offset in 0..ALL {
        some.prove(offset, &checkpoint).unwrap().verify(&record(offset).leaf_hash(), &checkpoint).unwrap();
        assert_eq!(some.offset_at(1000 + offset).unwrap(), Some(offset));
    }
    assert_eq!(some.fill(&records(0..ALL)).unwrap() as u64, ALL);
    assert_eq!(stubs(&some), Vec::<u64>::new());
    drop((core, some));
    rig.crash();
    let (core, _) = rig.open();
    let (some, _) = opened(&core);
    let mut found = Vec::new();
    some.read(0, &mut |stored| {
        assert_eq!(leaf_of(stored.bytes), record(stored.offset).leaf_hash());
        assert_eq!(stored.bytes.len() == STUB_BYTES && is_stub(stored.bytes), stored.stub().is_some());
        found.extend(stored.stub().is_none().then_some(stored.offset));
        true
    })
    .unwrap();
    assert_eq!(found, (0..ALL).collect::<Vec<_>>());
    assert_eq!(sign(&core), checkpoint);
    take(&core, ALL + 30, kept);
    take(&far, ALL + 30, |_| true);
    assert_eq!((sign(&core), firsts(&some)), (sign(&far), firsts(&whole)));
}

#[test]
fn all_members_let_the_same_records_go() {
    let (rig, other) = (Rig::new(1), Rig::new(2));
    let [(core, _), (far, _)] = [rig.open(), other.open()];
    for to in (20..=ALL).step_by(20) {
        take(&core, to, |_| false);
        take(&far, to, |_| true);
        [&core, &far].iter().for_each(|core| core.logs().retain(0).unwrap());
        let (some, whole) = (opened(&core).0, opened(&far).0);
        assert_eq!((firsts(&some), sign(&core)), (firsts(&whole), sign(&far)));
    }
    let (some, _) = opened(&core);
    let first = some.range().unwrap().0;
    assert!(first > 0);
    assert!(matches!(some.fill(&records(first - 1..first)), Err(Error::NoSuchRecord { .. })));
    assert_eq!(some.fill(&records(first..ALL)).unwrap() as u64, ALL - first);
    [&core, &far].iter().for_each(|core| core.logs().retain(0).unwrap());
    assert_eq!(firsts(&some), firsts(&opened(&far).0), "nor does it matter what was filled");
}

#[test]
fn stubs_are_checked_and_counted() {
    let rig = Rig::new(1);
    let (core, _) = rig.open();
    take(&core, ALL, kept);
    opened(&core).0.fill(&records(0..20)).unwrap();
    let left = stubs(&opened(&core).0).len() as u64;
    core.close().unwrap();
    let report = checked(&rig, rig.open().0);
    assert_eq!((report.findings, report.records, report.stubs), (Vec::new(), ALL, left));
    // What is neither a record nor a stub, and was hashed as if it were.
    let core = rig.open().0;
    let log = core.logs().create(spec("other")).unwrap();
    grow(&core, log.partition(0).unwrap(), 0..3);
    let (stream, dir) = (log.incarnation(), log.partition(0).unwrap().dir().to_owned());
    drop(log);
    core.close().unwrap();
    let disk: Arc<dyn Disk> = Arc::new(rig.disk.clone());
    let (segments, _) = SegmentLog::open_records(&disk, &dir, stream, 4096).unwrap();
    segments.append(&[Item { timestamp: 5, bytes: &[2; STUB_BYTES] }]).unwrap();
    segments.sync().unwrap();
    let report = checked(&rig, rig.open().0);
    assert!(
        report.findings.iter().any(|finding| finding.path == dir && finding.what.contains("record 3 is neither")),
        "{:?}",
        report.findings
    );
}

#[test]
fn what_is_not_there_to_be_filled_is_not() {
    let rig = Rig::new(1);
    let (core, _) = rig.open();
    let log = core.logs().create(spec("orders")).unwrap();
    let partition = log.partition(0).unwrap();
    assert_eq!(partition.fill(&records(0..1)).unwrap(), 0);
    for begin in (0..90).step_by(30) {
        grow(&core, partition, begin..begin + 30);
    }
    let operations = rig.disk.operations();
    assert!(partition.fill(&records(0..90)).unwrap() > 0);
    assert_eq!((rig.disk.operations(), read(partition, 0).unwrap()), (operations, expected(0, 90)));
    let mut other = records(0..2);
    other[1].1 = record(2).to_bytes().into();
    assert!(matches!(partition.fill(&other), Err(Error::NotTheRecord { offset: 1, .. })));
    let fast = core.logs().create(LogSpec { storage: Storage::Memory, ..spec("fast") }).unwrap();
    grow(&core, fast.partition(0).unwrap(), 0..90);
    assert_eq!(fast.partition(0).unwrap().fill(&records(0..90)).unwrap(), 0);
    let deleted = partition.clone();
    core.logs().delete("orders").unwrap();
    assert!(matches!(deleted.fill(&records(0..1)), Err(Error::NoSuchLog { .. })));
    core.close().unwrap();
    assert!(matches!(deleted.fill(&records(0..1)), Err(Error::Closed)));
}
