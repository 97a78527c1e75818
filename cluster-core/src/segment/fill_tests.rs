//! Records in the places of their stubs: what changes, what does not, and who may go on meanwhile.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use bytes::Bytes;

use super::conformance::read;
use super::stub_tests::{DIR, append, firsts, grow, open, record, stub};
use super::tests::{flip, verify};
use super::*;
use crate::disk::FaultyDisk;
use crate::stub::leaf_of;

/// Two of three records are stubs.
fn kept(offset: u64) -> bool {
    offset.is_multiple_of(3)
}

/// At least four sealed segments, and one that is written.
fn mixed() -> (FaultyDisk, SegmentLog) {
    let disk = FaultyDisk::new(1);
    let log = open(&disk);
    grow(&log, 90, 7, kept).unwrap();
    assert!(log.segments().len() > 4);
    (disk, log)
}

fn records(offsets: impl Iterator<Item = u64>) -> Vec<(u64, Bytes)> {
    offsets.map(|offset| (offset, record(offset))).collect()
}

fn fill(log: &SegmentLog, records: &[(u64, Bytes)]) -> Result<usize, Error> {
    log.fill(records, &|| Ok(()))
}

/// Fills what can be, one segment after the other.
fn fill_all(log: &SegmentLog) {
    let (mut from, last) = (log.first_offset(), log.next_offset());
    while from < last {
        from += fill(log, &records(from..last)).unwrap() as u64;
    }
}

fn contents(disk: &FaultyDisk) -> Vec<(PathBuf, Vec<u8>)> {
    disk.files().into_iter().map(|path| (path.clone(), disk.contents(&path).unwrap())).collect()
}

#[test]
fn what_is_filled_is_as_if_it_had_been_appended_so() {
    let (disk, log) = mixed();
    let whole = open(&FaultyDisk::new(2));
    grow(&whole, 90, 7, |_| true).unwrap();
    fill_all(&log);
    let check = |log: &SegmentLog| {
        for from in 0..=90 {
            assert_eq!(read(log, from).unwrap(), read(&whole, from).unwrap());
        }
        for (ours, theirs) in log.segments().iter().zip(whole.segments()) {
            let known = |info: &SegmentInfo| (info.first, info.next, info.min_time, info.max_time);
            assert_eq!(known(ours), known(&theirs));
        }
        for offset in 0..90 {
            assert_eq!(log.offset_at(offset * 10).unwrap(), Some(offset));
        }
        assert_eq!(verify(log).unwrap(), Vec::<PathBuf>::new(), "the indexes are the right ones");
    };
    check(&log);
    let operations = disk.operations();
    fill_all(&log);
    assert_eq!(disk.operations(), operations, "what is there is not written again");
    drop(log);
    disk.crash();
    let log = open(&disk);
    check(&log);
    grow(&log, 60, 9, kept).unwrap();
    grow(&whole, 60, 9, |_| true).unwrap();
    assert_eq!(firsts(&log), firsts(&whole), "the segment that was written goes on");
}

#[test]
fn some_are_filled_now_and_others_later() {
    let (disk, log) = mixed();
    let first = log.segments()[1];
    let lacking: Vec<u64> = (first.first..first.next).filter(|offset| !kept(*offset)).collect();
    assert_eq!(fill(&log, &records(lacking.iter().copied().step_by(2))).unwrap(), lacking.len().div_ceil(2));
    let stubs = |log: &SegmentLog| {
        let found = read(log, first.first).unwrap().into_iter().take_while(|(offset, ..)| *offset < first.next);
        found.filter(|(_, _, bytes)| crate::is_stub(bytes)).map(|(offset, ..)| offset).collect::<Vec<_>>()
    };
    assert_eq!(stubs(&log), lacking.iter().copied().skip(1).step_by(2).collect::<Vec<_>>());
    drop(log);
    let log = open(&disk);
    assert_eq!(fill(&log, &records(first.first..first.next)).unwrap() as u64, first.next - first.first);
    assert_eq!(stubs(&log), Vec::<u64>::new());
    // Of two segments the first one is filled.
    let [second, last] = [log.segments()[2], *log.segments().last().unwrap()];
    assert_eq!(fill(&log, &records(second.first..90)).unwrap() as u64, second.next - second.first);
    assert_eq!((fill(&log, &[]).unwrap(), fill(&log, &records(90..95)).unwrap()), (0, 0), "nor what is not there");
    // The one that is written, and goes on.
    assert_eq!(fill(&log, &records(last.first..95)).unwrap() as u64, 90 - last.first);
    grow(&log, 60, 9, kept).unwrap();
    let written = read(&log, last.first).unwrap();
    assert!(written.iter().all(|(offset, _, bytes)| crate::is_stub(bytes) == (*offset >= 90 && !kept(*offset))));
}

#[test]
fn other_records_are_refused_and_nothing_is_changed() {
    let (disk, log) = mixed();
    let before = contents(&disk);
    let segment = log.segments()[1];
    let (stub_at, record_at) = (segment.first.div_ceil(3) * 3 + 1, segment.first.div_ceil(3) * 3);
    let other = |offset: u64| {
        let mut bytes = record(offset).to_vec();
        *bytes.last_mut().unwrap() ^= 1;
        Bytes::from(bytes)
    };
    let good = records(stub_at + 1..stub_at + 2);
    let cases = [
        vec![(stub_at, other(stub_at))],
        vec![(stub_at, record(stub_at + 3))],
        vec![(stub_at, stub(&record(stub_at)))],
        vec![(stub_at, Bytes::new())],
        vec![(record_at, other(record_at))],
        vec![(record_at, stub(&record(record_at)))],
        [good.clone(), vec![(stub_at + 3, other(stub_at + 3))]].concat(),
        [good.clone(), good.clone()].concat(),
        [good, records(stub_at..stub_at + 1)].concat(),
    ];
    for (number, case) in cases.iter().enumerate() {
        let refused = fill(&log, case).unwrap_err();
        assert!(matches!(refused, Error::NotTheRecord { stream: 5, .. }) && !refused.is_fatal(), "{number}: {refused}");
        assert!(contents(&disk) == before, "{number}");
    }
    let closed = log.fill(&records(stub_at..stub_at + 1), &|| Err(Error::Closed));
    assert!(matches!(closed, Err(Error::Closed)));
    assert!(contents(&disk) == before && log.failure().is_none());
}

#[test]
fn a_full_disk_and_a_failed_sync_leave_the_segment_as_it_was() {
    let (disk, log) = mixed();
    log.sync().unwrap();
    let (before, due) = (contents(&disk), records(0..10));
    disk.set_capacity(Some(disk.used() + 1000));
    assert!(matches!(fill(&log, &due), Err(Error::DiskFull { .. })));
    disk.set_capacity(None);
    disk.fail_sync_after(0);
    assert!(matches!(fill(&log, &due), Err(Error::SyncFailed { .. })));
    assert!(contents(&disk) == before && log.failure().is_none());
    grow(&log, 5, 5, kept).unwrap();
    assert!(fill(&log, &due).unwrap() > 0);
}

#[test]
fn an_index_of_the_old_file_is_not_believed() {
    let (disk, log) = mixed();
    log.sync().unwrap();
    let segment = file::path(Path::new(DIR), 0);
    let paths = index::IndexKind::BOTH.map(|kind| kind.path(&segment));
    let old = paths.each_ref().map(|path| disk.contents(path).unwrap());
    fill(&log, &records(0..90)).unwrap();
    let new = paths.each_ref().map(|path| disk.contents(path).unwrap());
    assert_ne!(old, new);
    drop(log);
    // As a crash leaves it that comes before the indexes are made.
    paths.iter().zip(&old).for_each(|(path, bytes)| disk.overwrite(path, bytes.clone()));
    let log = open(&disk);
    for offset in 0..90 {
        assert_eq!(read(&log, offset).unwrap()[0].0, offset);
        assert_eq!(log.offset_at(offset * 10).unwrap(), Some(offset));
    }
    assert_eq!(paths.map(|path| disk.contents(&path).unwrap()), new);
}

#[test]
fn damage_is_named_and_not_copied() {
    let (disk, log) = mixed();
    log.sync().unwrap();
    let path = file::path(Path::new(DIR), 0);
    flip(&disk, &path, 300);
    let damaged = fill(&log, &records(0..1).into_iter().chain(records(1..2)).collect::<Vec<_>>());
    assert!(matches!(&damaged, Err(Error::Damaged { file, .. }) if *file == path), "{damaged:?}");
    assert!(disk.files().iter().all(|path| !path.to_string_lossy().ends_with(".tmp")));
}

#[test]
fn a_reader_in_the_middle_of_a_segment_goes_on() {
    let (_, log) = mixed();
    let mut next = 0;
    log.read(0, &mut |stored| {
        assert_eq!((stored.offset, leaf_of(stored.bytes)), (next, leaf_of(&record(next))));
        if next % 5 == 2 {
            fill(&log, &records(next..next + 3)).unwrap();
        }
        next += 1;
        true
    })
    .unwrap();
    assert_eq!(next, 90);
}

#[test]
fn readers_and_writers_go_on_while_segments_are_filled() {
    for seed in 0..5 {
        let disk = FaultyDisk::new(seed);
        let log = open(&disk);
        grow(&log, 150, 7, kept).unwrap();
        let done = AtomicBool::new(false);
        std::thread::scope(|scope| {
            for reader in 0..3 {
                let (log, done) = (&log, &done);
                scope.spawn(move || {
                    for round in 0u64.. {
                        if done.load(Ordering::Acquire) {
                            break;
                        }
                        let from = (round * 31 + reader * 17) % 150;
                        let mut next = from;
                        log.read(from, &mut |stored| {
                            assert_eq!((stored.offset, leaf_of(stored.bytes)), (next, leaf_of(&record(next))));
                            next += 1;
                            next < from + 20
                        })
                        .unwrap();
                        assert_eq!(log.offset_at(from * 10).unwrap(), Some(from));
                        log.verify(&mut |error| panic!("{error}"));
                    }
                });
            }
            scope.spawn(|| {
                for _ in 0..10 {
                    grow(&log, 5, 5, kept).unwrap();
                    log.sync().unwrap();
                }
            });
            for every in [7, 5, 3, 2, 1] {
                let (last, mut from) = (log.segments().last().unwrap().first, 0);
                while from < last {
                    let due: Vec<_> = records((from..last).step_by(every));
                    let filled = fill(&log, &due).unwrap();
                    from = due[filled - 1].0 + every as u64;
                }
            }
            done.store(true, Ordering::Release);
        });
        assert_eq!(verify(&log).unwrap(), Vec::<PathBuf>::new());
        let last = log.segments().last().unwrap().first;
        assert!(
            read(&log, 0)
                .unwrap()
                .iter()
                .take(140.min(last as usize))
                .all(|(offset, _, bytes)| *bytes == record(*offset))
        );
    }
}

#[test]
fn a_segment_that_is_trimmed_meanwhile_is_gone() {
    let (disk, log) = mixed();
    let log = Arc::new(log);
    log.sync().unwrap();
    let all = log.segments();
    let (trimmed, other, up_to) = (AtomicBool::new(false), Arc::clone(&log), all[1].next);
    disk.before_sync(move || {
        if !trimmed.swap(true, Ordering::AcqRel) {
            other.trim(up_to).unwrap();
        }
    });
    let due = records(all[1].first..all[1].next);
    assert!(matches!(fill(&log, &due), Err(Error::NoSuchRecord { .. })));
    assert!(matches!(fill(&log, &due), Err(Error::NoSuchRecord { .. })), "nor later");
    assert_eq!((log.first_offset(), log.failure().is_none()), (all[1].next, true));
    assert!(disk.files().iter().all(|path| !path.to_string_lossy().ends_with(".tmp")));
    fill_all(&log);
    log.trim(all[2].next).unwrap();
    let last = log.segments().last().unwrap().first;
    let check = |log: &SegmentLog| {
        let found = read(log, all[2].next).unwrap();
        assert!(found.iter().all(|(offset, _, bytes)| *bytes == record(*offset) || *offset >= last));
        assert_eq!((log.first_offset(), found.len() as u64), (all[2].next, 90 - all[2].next));
    };
    check(&log);
    drop(log);
    disk.crash();
    check(&open(&disk));
}

#[test]
fn what_another_stream_went_on_behind_is_gone() {
    let (disk, log) = mixed();
    let log = Arc::new(log);
    log.sync().unwrap();
    let (jumped, other) = (AtomicBool::new(false), Arc::clone(&log));
    disk.before_sync(move || {
        if !jumped.swap(true, Ordering::AcqRel) {
            other.jump(200).unwrap();
        }
    });
    assert!(matches!(fill(&log, &records(0..9)), Err(Error::NoSuchRecord { first: 200, .. })));
    append(log.as_ref(), &[record(200)]).unwrap();
    assert_eq!(firsts(log.as_ref()), [200]);
}
