//! What is synced and when, and what a start makes of what was not.

use std::path::{Path, PathBuf};
use std::sync::{Mutex, mpsc};
use std::time::Duration;

use super::conformance::{grow, read};
use super::tests::{DIR, STREAM, filled, flip, open, try_open};
use super::*;
use crate::disk::FaultyDisk;

#[test]
fn what_was_not_synced_is_kept_where_it_checks_and_cut_where_not() {
    let disk = FaultyDisk::new(1);
    let log = open(&disk);
    grow(&log, 6, 3);
    let path = file::path(Path::new(DIR), 0);
    let synced = disk.contents(&path).unwrap().len() as u64;
    log.sync().unwrap();
    grow(&log, 6, 3);
    let whole = disk.contents(&path).unwrap();
    assert_eq!(try_open(&disk).unwrap().1.next, 12);
    for at in (synced as usize..whole.len()).filter(|at| at % 5 == 0 || *at < synced as usize + 60) {
        disk.overwrite(&path, whole.clone());
        flip(&disk, &path, at);
        let (log, recovery) = try_open(&disk).unwrap();
        let cut = recovery.cut.unwrap();
        assert!(recovery.next == 6 || recovery.next == 9, "flip at {at}");
        assert!(cut.offset >= synced && cut.offset <= at as u64 && cut.offset + cut.bytes == whole.len() as u64);
        assert_eq!(read(&log, 0).unwrap().len() as u64, recovery.next);
        grow(&log, 3, 3);
        assert_eq!(try_open(&disk).unwrap().1.next, recovery.next + 3);
    }
}

#[test]
fn a_flip_in_the_record_of_what_is_synced_loses_nothing() {
    let (disk, records, _) = filled();
    let synced = Path::new(DIR).join("synced");
    let whole = disk.contents(&synced).unwrap();
    for at in (0..8192).filter(|at| at % 4096 < 50 || at % 61 == 0 || at % 4096 > 4090) {
        flip(&disk, &synced, at);
        assert_eq!(read(&open(&disk), 0).unwrap(), records, "flip at {at}");
        disk.overwrite(&synced, whole.clone());
    }
}

#[test]
fn a_failed_sync_is_final_for_writing() {
    let disk = FaultyDisk::new(1);
    let log = open(&disk);
    grow(&log, 3, 3);
    disk.fail_sync_after(0);
    assert!(matches!(log.sync(), Err(Error::SyncFailed { .. })));
    let syncs = disk.syncs();
    assert!(log.sync().is_err() && log.trim(9).is_err() && log.failure().is_some());
    assert!(log.append(&[Item { timestamp: 0, bytes: b"" }]).is_err());
    assert_eq!(disk.syncs(), syncs, "nothing is tried again");
    assert_eq!(read(&log, 0).unwrap().len(), 3, "reading goes on");
    // The page cache has what the disk lost. It is written again, so that the next sync is no lie.
    let (log, recovery) = try_open(&disk).unwrap();
    assert_eq!((recovery.next, log.sync().unwrap()), (3, 3));
    disk.crash();
    assert_eq!(read(&open(&disk), 0).unwrap().len(), 3);
}

#[test]
fn nobody_who_appends_or_reads_waits_for_a_sync() {
    let disk = FaultyDisk::new(1);
    let log = open(&disk);
    grow(&log, 3, 3);
    let (reached, waits) = mpsc::channel();
    let (goes_on, gate) = mpsc::channel::<()>();
    let gate = Mutex::new(gate);
    disk.before_sync(move || {
        reached.send(()).unwrap();
        // Ends for good when the other side is dropped.
        let _opened = gate.lock().unwrap().recv();
    });
    std::thread::scope(|scope| {
        let sync = scope.spawn(|| log.sync());
        waits.recv().unwrap();
        let (done, told) = mpsc::channel();
        let log = &log;
        scope.spawn(move || {
            grow(log, 90, 3);
            done.send(read(log, 0).unwrap().len()).unwrap();
        });
        let count = told.recv_timeout(Duration::from_secs(20));
        drop(goes_on);
        assert_eq!(count, Ok(93));
        assert!(log.segments().len() > 1, "one was sealed meanwhile");
        assert_eq!(sync.join().unwrap().unwrap(), 3, "what was there when it began");
    });
    assert_eq!(log.sync().unwrap(), 93);
}

#[test]
fn sealing_waits_for_no_disk_until_many_segments_do() {
    let disk = FaultyDisk::new(1);
    let log = open(&disk);
    let before = disk.syncs();
    while log.segments().len() <= MAX_UNSYNCED {
        grow(&log, 1, 1);
    }
    assert_eq!(disk.syncs(), before);
    while log.segments().len() <= MAX_UNSYNCED + 1 {
        grow(&log, 1, 1);
    }
    assert!(disk.syncs() > before + MAX_UNSYNCED as u64, "their files must not stay open for ever");
    let records = read(&log, 0).unwrap();
    assert_eq!(log.sync().unwrap(), records.len() as u64);
    let syncs = disk.syncs();
    assert_eq!((log.sync().unwrap(), disk.syncs()), (records.len() as u64, syncs), "nothing is synced twice");
    drop(log);
    disk.crash();
    let (log, recovery) = try_open(&disk).unwrap();
    assert_eq!((recovery.cut, read(&log, 0).unwrap()), (None, records));
    assert_eq!(disk.syncs(), syncs, "nor at a start that has nothing to put right");
}

#[test]
fn what_follows_a_torn_segment_is_left_to_the_journal() {
    let disk = FaultyDisk::new(1);
    let log = open(&disk);
    grow(&log, 6, 3);
    log.sync().unwrap();
    let synced = Path::new(DIR).join("synced");
    let slot = disk.contents(&synced).unwrap();
    while log.segments().len() < 4 {
        grow(&log, 1, 1);
    }
    let records = read(&log, 0).unwrap();
    let segments = log.segments();
    let firsts = |log: &SegmentLog| log.segments().iter().map(|segment| segment.first).collect::<Vec<_>>();
    let begins = firsts(&log);
    let paths: Vec<PathBuf> = segments.iter().map(|segment| file::path(Path::new(DIR), segment.first)).collect();
    drop(log);
    assert_eq!(read(&open(&disk), 0).unwrap(), records, "all of it checks");
    // A flip in a batch, in a header, in a seal: each in what was never synced.
    let seal = disk.contents(&paths[1]).unwrap().len() - 10;
    for (segment, at, kept) in [(1, 500, None), (1, 10, Some(segments[1].first)), (1, seal, Some(segments[1].next))] {
        let files: Vec<Vec<u8>> = paths.iter().map(|path| disk.contents(path).unwrap()).collect();
        flip(&disk, &paths[segment], at);
        let (log, recovery) = try_open(&disk).unwrap();
        assert!(kept.is_none_or(|kept| recovery.next == kept), "flip at {at}: {recovery:?}");
        assert!((segments[1].first..=segments[1].next).contains(&recovery.next));
        assert_eq!(read(&log, 0).unwrap(), records[..recovery.next as usize]);
        assert_eq!(disk.contents(&paths[2]), None);
        let again: Vec<Item<'_>> = records[recovery.next as usize..]
            .iter()
            .map(|(_, timestamp, bytes)| Item { timestamp: *timestamp, bytes })
            .collect();
        log.append(&again).unwrap();
        assert_eq!((log.sync().unwrap(), read(&log, 0).unwrap()), (records.len() as u64, records.clone()));
        assert_eq!(firsts(&log), begins);
        drop(log);
        for (path, bytes) in paths.iter().zip(files) {
            disk.overwrite(path, bytes);
        }
        disk.overwrite(&synced, slot.clone());
    }
}

#[test]
fn a_first_segment_that_never_was_whole_is_made_again_for_certain() {
    for seed in 0..20 {
        let disk = FaultyDisk::new(seed);
        drop(open(&disk));
        // As a crash leaves it that comes before its header is synced.
        disk.overwrite(&file::path(Path::new(DIR), 0), vec![0; 30]);
        assert_eq!(open(&disk).next_offset(), 0);
        disk.crash();
        assert_eq!(SegmentLog::stream_of(&disk, Path::new(DIR)).unwrap(), Some(STREAM), "seed {seed}");
    }
}
