//! Logs over appends, restarts, deletions and damage.

use std::sync::mpsc::Receiver;

use pyralog_crypto::{Decode, LogId, PartitionCheckpoint, Record};

use super::*;
use crate::notary::testkit::Rig;
use crate::segment::Retention;
use crate::{Core, Event, completion};

pub(crate) fn spec(name: &str) -> LogSpec {
    LogSpec {
        name: name.parse().unwrap(),
        id: LogId([7; 32]),
        partitions: 3,
        storage: Storage::Disk,
        retention: Retention::default(),
        segment_bytes: 4096,
    }
}

pub(crate) fn record(number: u64) -> Record {
    let value = vec![number as u8; 10 + (number % 300) as usize];
    Record::new(1000 + number, Some(number.to_be_bytes().to_vec().into()), value.into(), Vec::new()).unwrap()
}

pub(crate) fn append(partition: &Partition, numbers: std::ops::Range<u64>) -> Result<Receiver<Event>, Error> {
    let (done, event) = completion();
    partition.append_then(&numbers.map(record).collect::<Vec<_>>(), done)?;
    Ok(event)
}

pub(crate) fn grow(core: &Core, partition: &Partition, numbers: std::ops::Range<u64>) {
    let count = numbers.end - numbers.start;
    let before = partition.range().unwrap().1;
    let event = append(partition, numbers).unwrap();
    while core.drive() {}
    assert_eq!(event.try_recv().unwrap().durable().unwrap(), (before, before + count));
}

pub(crate) fn read(partition: &Partition, from: u64) -> Result<Vec<(u64, Record)>, Error> {
    let mut found = Vec::new();
    partition.read(from, &mut |stored| {
        let record = Record::from_bytes(stored.bytes).unwrap();
        assert_eq!(record.timestamp(), stored.timestamp);
        found.push((stored.offset, record));
        true
    })?;
    Ok(found)
}

pub(crate) fn expected(from: u64, to: u64) -> Vec<(u64, Record)> {
    (from..to).map(|number| (number, record(number))).collect()
}

pub(crate) fn files_of(rig: &Rig, name: &str) -> Vec<PathBuf> {
    rig.disk.files().into_iter().filter(|path| path.to_string_lossy().contains(&format!("/logs/{name}."))).collect()
}

#[test]
fn records_come_back_in_order_by_offset_and_by_time_also_after_a_restart() {
    let rig = Rig { journal_bytes: 32 << 10, ..Rig::new(1) };
    let (core, _) = rig.open();
    let log = core.logs().create(spec("orders")).unwrap();
    let [one, two] = [log.partition(1).unwrap(), log.partition(2).unwrap()];
    for begin in (0..200).step_by(20) {
        grow(&core, one, begin..begin + 20);
    }
    grow(&core, two, 0..3);
    let check = |core: &Core| {
        let log = core.logs().open_log("orders").unwrap();
        assert_eq!(log.spec(), &spec("orders"));
        let [zero, one, two] = [0, 1, 2].map(|number| log.partition(number).unwrap().clone());
        assert_eq!(read(&one, 0).unwrap(), expected(0, 200));
        assert_eq!(read(&one, 150).unwrap(), expected(150, 200));
        assert_eq!(read(&two, 1).unwrap(), expected(1, 3));
        assert_eq!((read(&zero, 0).unwrap(), read(&one, 200).unwrap()), (Vec::new(), Vec::new()));
        assert_eq!((zero.range().unwrap(), one.range().unwrap()), ((0, 0), (0, 200)));
        assert_eq!(
            [0, 1000, 1137, 1199, 1200].map(|time| one.offset_at(time).unwrap()),
            [Some(0), Some(0), Some(137), Some(199), None]
        );
        assert_eq!(zero.offset_at(0).unwrap(), None);
        assert!(one.segments().unwrap().len() > 3 && zero.segments().unwrap().is_empty());
        for (partition, next) in [(&zero, 0), (&one, 200)] {
            let behind = read(partition, next + 1).unwrap_err();
            assert!(matches!(behind, Error::NoSuchRecord { first: 0, next: n, .. } if n == next), "{behind}");
        }
        assert!(matches!(log.partition(3), Err(Error::NoSuchPartition { last: 2, asked: 3, .. })));
    };
    check(&core);
    assert_eq!((core.stats().records, core.stats().leaves), (203, 0));
    drop((core, log));
    rig.crash();
    let (core, _) = rig.open();
    check(&core);
    core.close().unwrap();
    check(&rig.open().0);
    assert!(
        files_of(&rig, "orders").iter().all(|path| !path.to_string_lossy().contains(".2/0/")),
        "nothing was made for partition 0"
    );
}

#[test]
fn appends_have_bounds() {
    let rig = Rig::new(1);
    let (core, _) = rig.open();
    let log = core.logs().create(spec("orders")).unwrap();
    let partition = log.partition(0).unwrap();
    let large = Record::new(0, None, vec![0; 1 << 19].into(), Vec::new()).unwrap();
    for bad in [vec![], vec![record(0); MAX_APPEND_RECORDS + 1], vec![large; 8]] {
        let (done, event) = completion();
        assert!(matches!(partition.append_then(&bad, done), Err(Error::Size { .. })));
        assert!(event.try_recv().is_err());
    }
    append(partition, 0..MAX_APPEND_RECORDS as u64).unwrap();
    assert_eq!(partition.range().unwrap(), (0, 0), "nothing is visible before it is durable");
    core.drive();
    assert_eq!(partition.range().unwrap(), (0, MAX_APPEND_RECORDS as u64));
}

#[test]
fn names_are_unique_and_free_again_after_a_deletion() {
    let rig = Rig::new(1);
    let (core, _) = rig.open();
    let logs = core.logs();
    let log = logs.create(spec("orders")).unwrap();
    assert!(matches!(logs.create(spec("orders")), Err(Error::LogExists { .. })));
    assert!(matches!(logs.create(LogSpec { partitions: 0, ..spec("b") }), Err(Error::Size { .. })));
    let partition = log.partition(0).unwrap();
    grow(&core, partition, 0..5);
    let waiting = append(partition, 5..6).unwrap();
    logs.delete("orders").unwrap();
    for missing in ["orders", "never", "Not a name", ""] {
        assert!(matches!(logs.open_log(missing), Err(Error::NoSuchLog { .. })));
        assert!(matches!(logs.delete(missing), Err(Error::NoSuchLog { .. })));
    }
    while core.drive() {}
    assert!(matches!(waiting.try_recv().unwrap(), Event::Unavailable { reason: Error::NoSuchLog { .. }, .. }));
    assert!(matches!(append(partition, 6..7), Err(Error::NoSuchLog { .. })));
    assert_eq!(files_of(&rig, "orders"), Vec::<PathBuf>::new());
    let again = logs.create(spec("orders")).unwrap();
    assert_eq!(again.partition(0).unwrap().range().unwrap(), (0, 0));
    grow(&core, again.partition(0).unwrap(), 100..103);
    drop((core, log, again));
    rig.crash();
    let (core, _) = rig.open();
    let log = core.logs().open_log("orders").unwrap();
    assert_eq!(core.logs().list().len(), 1);
    assert_eq!(read(log.partition(0).unwrap(), 0).unwrap()[0].1, record(100));
}

#[test]
fn a_handle_of_a_deleted_log_makes_no_files() {
    let rig = Rig { journal_bytes: 24 << 10, ..Rig::new(1) };
    let (core, _) = rig.open();
    let log = core.logs().create(spec("orders")).unwrap();
    // The journal forgets the first records.
    for (partition, numbers) in [(0, 0..5), (1, 0..200), (1, 200..400), (1, 400..600)] {
        grow(&core, log.partition(partition).unwrap(), numbers);
    }
    drop((core, log));
    let (core, _) = rig.open();
    let log = core.logs().open_log("orders").unwrap();
    core.logs().delete("orders").unwrap();
    // Not opened since the start, and never made.
    for number in [0, 2] {
        let partition = log.partition(number).unwrap();
        assert!(matches!(append(partition, 0..1), Err(Error::NoSuchLog { .. })));
        assert!(matches!(partition.checkpoint_to_sign(|_| ()), Err(Error::NoSuchLog { .. })));
    }
    assert!(matches!(read(log.partition(0).unwrap(), 0), Err(Error::NoSuchLog { .. })));
    assert_eq!(files_of(&rig, "orders"), Vec::<PathBuf>::new());
    drop((core, log));
    // The next start meets no directory that nobody names.
    let (core, _) = rig.open();
    assert!(core.logs().list().is_empty());
}

#[test]
fn many_readers_open_the_files_once_and_a_deleted_log_gives_its_handles_back() {
    let rig = Rig::new(1);
    let (core, _) = rig.open();
    let log = core.logs().create(spec("orders")).unwrap();
    for begin in (0..100).step_by(20) {
        grow(&core, log.partition(0).unwrap(), begin..begin + 20);
    }
    drop(log);
    core.close().unwrap();
    // The journal alone would open the partition at the start.
    rig.disk
        .files()
        .iter()
        .filter(|path| path.starts_with("/member/journal") || path.starts_with("/member/mark"))
        .for_each(|path| rig.disk.lose(path));
    let open_with = |readers: usize| {
        let (core, _) = rig.open();
        let open = || core.logs().place.handles.open.load(std::sync::atomic::Ordering::Acquire);
        assert_eq!(open(), 0);
        let log = core.logs().open_log("orders").unwrap();
        let before = rig.disk.operations();
        let barrier = std::sync::Barrier::new(readers);
        std::thread::scope(|scope| {
            for _ in 0..readers {
                scope.spawn(|| {
                    barrier.wait();
                    assert_eq!(read(log.partition(0).unwrap(), 0).unwrap(), expected(0, 100));
                });
            }
        });
        assert_eq!(open(), 1);
        // Opening writes, so a second one shows.
        rig.disk.operations() - before
    };
    let once = open_with(1);
    assert!(once > 0);
    for _ in 0..20 {
        assert_eq!(open_with(8), once);
    }
    let (core, _) = rig.open();
    let log = core.logs().open_log("orders").unwrap();
    grow(&core, log.partition(0).unwrap(), 100..101);
    core.logs().delete("orders").unwrap();
    drop(log);
    assert_eq!(core.logs().place.handles.open.load(std::sync::atomic::Ordering::Acquire), 0);
}

#[test]
fn a_home_has_a_bounded_number_of_partitions_and_a_log_in_memory_a_bounded_size() {
    let rig = Rig::new(1);
    let (core, _) = rig.open();
    let many = |name: String| LogSpec { partitions: MAX_PARTITIONS, ..spec(&name) };
    for number in 0..16 {
        core.logs().create(many(format!("log-{number}"))).unwrap();
    }
    assert!(matches!(core.logs().create(spec("one-more")), Err(Error::Size { found: 65_539, .. })));
    core.logs().delete("log-3").unwrap();
    let retention = Retention { max_bytes: Some(40_000), ..Retention::default() };
    let fast = LogSpec { storage: Storage::Memory, retention, ..spec("fast") };
    let log = core.logs().create(fast).unwrap();
    let partition = log.partition(0).unwrap();
    for begin in (0..4000).step_by(100) {
        grow(&core, partition, begin..begin + 100);
    }
    let kept: u64 = partition.segments().unwrap().iter().map(|segment| segment.bytes).sum();
    assert!(partition.range().unwrap().0 > 0 && kept < 2 << 20, "{kept} bytes are kept");
}

#[test]
fn handles_of_a_closed_store_change_nothing() {
    let rig = Rig::new(1);
    let (core, _) = rig.open();
    let logs = core.logs().clone();
    let log = logs.create(spec("orders")).unwrap();
    core.close().unwrap();
    let before = rig.disk.operations();
    assert!(matches!(logs.create(spec("more")), Err(Error::Closed)));
    assert!(matches!(logs.delete("orders"), Err(Error::Closed)));
    assert!(matches!(logs.retain(0), Err(Error::Closed)));
    assert!(matches!(append(log.partition(0).unwrap(), 0..1), Err(Error::Closed)));
    assert_eq!(rig.disk.operations(), before);
}

#[test]
fn a_log_in_memory_begins_again_with_each_start() {
    let rig = Rig::new(1);
    let (core, _) = rig.open();
    let log = core.logs().create(LogSpec { storage: Storage::Memory, ..spec("fast") }).unwrap();
    let before = rig.disk.operations();
    grow(&core, log.partition(0).unwrap(), 0..50);
    assert_eq!(rig.disk.operations(), before, "nothing goes to the disk");
    assert_eq!(read(log.partition(0).unwrap(), 7).unwrap(), expected(7, 50));
    drop((core, log));
    let (core, _) = rig.open();
    let log = core.logs().open_log("fast").unwrap();
    assert_eq!((log.spec().storage, log.partition(0).unwrap().range().unwrap()), (Storage::Memory, (0, 0)));
    grow(&core, log.partition(0).unwrap(), 0..5);
}

#[test]
fn retention_lets_whole_segments_go_and_the_rest_stays_readable() {
    let rig = Rig::new(1);
    let (core, _) = rig.open();
    let by_size = Retention { max_bytes: Some(10_000), ..Retention::default() };
    let by_age = Retention { max_age_ms: Some(50), ..Retention::default() };
    let logs = [("size", by_size), ("age", by_age), ("kept", Retention::default())].map(|(name, retention)| {
        let log = core.logs().create(LogSpec { retention, ..spec(name) }).unwrap();
        for begin in (0..200).step_by(20) {
            grow(&core, log.partition(0).unwrap(), begin..begin + 20);
        }
        log
    });
    core.logs().retain(1170).unwrap();
    let firsts = logs.iter().map(|log| log.partition(0).unwrap().range().unwrap().0).collect::<Vec<_>>();
    assert!(firsts[0] > 0 && (1..=120).contains(&firsts[1]) && firsts[2] == 0, "{firsts:?}");
    for (log, first) in logs.iter().zip(&firsts) {
        let partition = log.partition(0).unwrap();
        assert_eq!(read(partition, *first).unwrap(), expected(*first, 200));
        assert!(*first == 0 || matches!(read(partition, first - 1), Err(Error::NoSuchRecord { .. })));
    }
    drop((core, logs));
    rig.crash();
    let (core, _) = rig.open();
    for (name, first) in ["size", "age", "kept"].iter().zip(firsts) {
        let log = core.logs().open_log(name).unwrap();
        assert_eq!(log.partition(0).unwrap().range().unwrap(), (first, 200));
        grow(&core, log.partition(0).unwrap(), 200..210);
    }
}

fn sign(core: &Core, partition: &Partition) -> Result<PartitionCheckpoint, Error> {
    let (sender, signed) = std::sync::mpsc::channel();
    partition.checkpoint_to_sign(move |checkpoint| sender.send(checkpoint).unwrap())?;
    while core.drive() {}
    signed.try_recv().unwrap()
}

#[test]
fn records_are_proven_across_segments_restarts_and_retention() {
    let rig = Rig::new(1);
    let (core, _) = rig.open();
    let retention = Retention { max_bytes: Some(10_000), ..Retention::default() };
    let log = core.logs().create(LogSpec { retention, ..spec("orders") }).unwrap();
    let partition = log.partition(2).unwrap();
    assert_eq!(sign(&core, partition).unwrap(), PartitionCheckpoint::empty(LogId([7; 32]), 2));
    let mut checkpoints = Vec::new();
    for begin in (0..200).step_by(20) {
        grow(&core, partition, begin..begin + 20);
        checkpoints.push(sign(&core, partition).unwrap());
    }
    let check = |partition: &Partition, from: u64| {
        for checkpoint in &checkpoints {
            for offset in (from..checkpoint.size).step_by(7) {
                let proof = partition.prove(offset, checkpoint).unwrap();
                proof.verify(&record(offset).leaf_hash(), checkpoint).unwrap();
                assert!(proof.verify(&record(offset + 1).leaf_hash(), checkpoint).is_err());
            }
            assert!(matches!(partition.prove(checkpoint.size, checkpoint), Err(Error::NoSuchProof(_))));
        }
    };
    check(partition, 0);
    assert!(checkpoints[9].segments > 3);
    for pair in checkpoints.windows(2) {
        let proof = partition.prove_consistency(pair[0].size, pair[1].size).unwrap();
        proof.verify(&pair[0], &pair[1]).unwrap();
    }
    let before = rig.disk.operations();
    assert_eq!(sign(&core, partition).unwrap(), checkpoints[9]);
    assert_eq!(rig.disk.operations(), before, "nothing new is recorded");
    drop((core, log));
    rig.crash();
    let (core, _) = rig.open();
    let log = core.logs().open_log("orders").unwrap();
    let partition = log.partition(2).unwrap();
    check(partition, 0);
    core.logs().retain(0).unwrap();
    let first = partition.range().unwrap().0;
    assert!(first > 0);
    let last = checkpoints[9];
    partition.prove(first, &last).unwrap().verify(&record(first).leaf_hash(), &last).unwrap();
    assert!(matches!(partition.prove(first - 1, &last), Err(Error::NoSuchRecord { .. })));
    grow(&core, partition, 200..201);
    assert_eq!(sign(&core, partition).unwrap().size, 201);
}

#[test]
fn a_log_in_memory_has_nothing_to_sign() {
    let rig = Rig::new(1);
    let (core, _) = rig.open();
    let log = core.logs().create(LogSpec { storage: Storage::Memory, ..spec("fast") }).unwrap();
    grow(&core, log.partition(0).unwrap(), 0..5);
    assert!(matches!(sign(&core, log.partition(0).unwrap()), Err(Error::NoCheckpoints { .. })));
}

#[test]
fn a_partition_that_is_not_what_was_signed_refuses_appends() {
    let rig = Rig::new(1);
    let (core, _) = rig.open();
    let log = core.logs().create(spec("orders")).unwrap();
    grow(&core, log.partition(0).unwrap(), 0..5);
    drop(log);
    core.close().unwrap();
    let copy: Vec<_> =
        rig.disk.files().into_iter().map(|path| (path.clone(), rig.disk.contents(&path).unwrap())).collect();
    let (core, _) = rig.open();
    let log = core.logs().open_log("orders").unwrap();
    grow(&core, log.partition(0).unwrap(), 5..9);
    assert_eq!(sign(&core, log.partition(0).unwrap()).unwrap().size, 9);
    drop(log);
    core.close().unwrap();
    // An older copy of the home, but for the record of what was signed.
    copy.into_iter().for_each(|(path, bytes)| rig.disk.overwrite(&path, bytes));
    let (core, _) = rig.open();
    let log = core.logs().open_log("orders").unwrap();
    let partition = log.partition(0).unwrap();
    for refused in [append(partition, 5..6).map(drop), sign(&core, partition).map(drop)] {
        assert!(matches!(refused, Err(Error::LogRetracted { size: 5, signed: 9, .. })), "{refused:?}");
    }
    assert_eq!(read(partition, 0).unwrap(), expected(0, 5));
    grow(&core, log.partition(1).unwrap(), 0..3);
    let report = crate::fsck::tests::checked(&rig, core);
    assert!(!report.is_sound(), "{:?}", report.findings);
}
