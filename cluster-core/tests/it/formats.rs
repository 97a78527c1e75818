//! Homes of every format that there was: the present one opens with everything in it, the others are refused with a sentence.
//!
//! `formats/2` was written by this test with `PYRALOG_WRITE_FORMAT=formats/2` and is never written again: a build that changes the
//! format counts it up and adds a home of its own. Tables are left out: RocksDB has versions of its own, and what is in them is made
//! again for notary logs.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use pyralog_cluster_core::disk::RealDisk;
use pyralog_cluster_core::segment::{Item, RecordLog, SegmentLog};
use pyralog_cluster_core::{Core, Error, FORMAT, LogId, Options, completion};

const LOG: LogId = LogId([0x46; 32]);
const WRITE: &str = "PYRALOG_WRITE_FORMAT";

fn options() -> Options {
    Options { journal_bytes: 32 << 10, segment_bytes: 400, ..Options::default() }
}

fn leaf(number: u8) -> Vec<u8> {
    vec![number; 20 + usize::from(number)]
}

fn formats() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/formats")
}

/// A home with leaves, WAL entries and a mark, and beside it the segments of a stream.
fn write(dir: &Path) {
    let (core, _) = Core::open(dir, options()).unwrap();
    let log = core.notary_log(LOG).unwrap();
    let wait = |event: std::sync::mpsc::Receiver<pyralog_cluster_core::Event>| event.recv().unwrap().durable().unwrap();
    for number in 0..12 {
        let (done, event) = completion();
        log.append_then(vec![leaf(number)], done).unwrap();
        wait(event);
    }
    let (done, event) = completion();
    core.wal().reset_then(7, done).unwrap();
    wait(event);
    let (done, event) = completion();
    core.wal().append_then(Bytes::from_static(b"vote"), done).unwrap();
    wait(event);
    let (done, event) = completion();
    core.mark().put_then(Bytes::from_static(b"mark"), done).unwrap();
    wait(event);
    let (sender, signed) = std::sync::mpsc::channel();
    log.checkpoint_to_sign(move |checkpoint| sender.send(checkpoint).unwrap()).unwrap();
    signed.recv().unwrap().unwrap();
    drop(log);
    core.close().unwrap();
    fs::remove_dir_all(dir.join("tables")).unwrap();
    let disk: Arc<dyn pyralog_cluster_core::disk::Disk> = Arc::new(RealDisk);
    let (segments, _) = SegmentLog::open(&disk, &dir.join("segments"), 9, 80).unwrap();
    for number in 0..6 {
        segments.append(&[Item { timestamp: 100 + number, bytes: &leaf(number as u8) }]).unwrap();
    }
    segments.sync().unwrap();
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap().map(Result::unwrap) {
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}

#[test]
fn a_home_of_the_present_format_opens_with_everything_in_it() {
    if let Ok(dir) = std::env::var(WRITE) {
        write(&Path::new(env!("CARGO_MANIFEST_DIR")).join("tests").join(dir));
    }
    let home = tempfile::tempdir().unwrap();
    copy(&formats().join(FORMAT.to_string()), home.path());
    let (core, report) = Core::open(home.path(), options()).unwrap();
    assert!(!report.created && report.cut.is_none() && report.damaged.is_empty());
    let log = core.notary_log(LOG).unwrap();
    assert_eq!((log.size(), log.signed_size(), report.logs[0].rehashed, report.logs[0].replayed), (12, 12, 0, 0));
    for number in 0..12 {
        assert_eq!(log.leaf(number.into()).unwrap(), leaf(number));
        log.inclusion(number.into(), 12).unwrap();
    }
    let wal = core.wal().take_recovery().unwrap();
    assert_eq!((wal.height, wal.entries.as_slice(), wal.truncated), (7, &[Bytes::from_static(b"vote")][..], false));
    assert_eq!(core.mark().get(), Some(Bytes::from_static(b"mark")));
    let disk: Arc<dyn pyralog_cluster_core::disk::Disk> = Arc::new(RealDisk);
    let (segments, _) = SegmentLog::open(&disk, &home.path().join("segments"), 9, 80).unwrap();
    assert!(segments.segments().len() > 1);
    assert_eq!(segments.verify(&mut |error| panic!("{error}")), Vec::<PathBuf>::new());
    let mut found = Vec::new();
    segments
        .read(0, &mut |record| {
            found.push((record.timestamp, record.bytes.to_vec()));
            true
        })
        .unwrap();
    assert_eq!(found, (0..6u8).map(|number| (100 + u64::from(number), leaf(number))).collect::<Vec<_>>());
}

#[test]
fn homes_of_other_formats_are_refused_with_a_sentence_and_not_touched() {
    for format in (1..FORMAT).chain([FORMAT + 1]) {
        let home = tempfile::tempdir().unwrap();
        let kept = formats().join(format.to_string());
        if kept.is_dir() {
            copy(&kept, home.path());
        } else {
            fs::write(home.path().join("FORMAT"), format!("pyralog-data {format}\n")).unwrap();
        }
        let before: Vec<_> = fs::read_dir(home.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        let error = Core::open(home.path(), options()).unwrap_err();
        let says = if format < FORMAT { "start with an empty --home" } else { "upgrade pyralogd" };
        assert!(error.to_string().contains(says), "{error}");
        assert!(matches!(error, Error::OlderFormat { .. } | Error::NewerFormat { .. }));
        for name in before {
            assert!(home.path().join(name).exists());
        }
        assert!(!home.path().join("journal").exists() && !home.path().join("tables").exists());
    }
}
