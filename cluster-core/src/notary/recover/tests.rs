//! Opening a log over everything a crash, rot or an operator can have done to its files.

use std::sync::{Arc, Mutex};

use super::super::testkit::{LOG, Rig, append, check, grow, leaf, model_roots};
use crate::{Core, Error, NotaryLog, Options, Progress};

fn opened(rig: &Rig) -> (Core, NotaryLog, super::LogRecovery) {
    let (core, mut report) = rig.open();
    let log = core.notary_log(LOG).unwrap();
    let recovery = report.logs.pop().unwrap();
    (core, log, recovery)
}

/// A log of `sizes` groups, closed.
fn made(rig: &Rig, groups: &[u64]) {
    let (core, _) = rig.open();
    let log = core.notary_log(LOG).unwrap();
    for count in groups {
        grow(&core, &log, *count);
    }
}

fn sign(core: &Core, log: &NotaryLog) {
    log.checkpoint_to_sign(|checkpoint| assert!(checkpoint.is_ok())).unwrap();
    while core.drive() {}
}

fn last_segment(rig: &Rig) -> std::path::PathBuf {
    rig.disk.files().into_iter().rfind(|path| path.extension().is_some_and(|extension| extension == "seg")).unwrap()
}

#[test]
fn truncation_at_every_byte_of_the_last_group_loses_it_whole() {
    let rig = Rig::new(1);
    made(&rig, &[3, 4]);
    let file = last_segment(&rig);
    let before = rig.disk.contents(&file).unwrap().len();
    let (core, log, _) = opened(&rig);
    append(&log, 7, 2).unwrap();
    append(&log, 9, 3).unwrap();
    core.drive();
    drop((core, log));
    // The crash came before anything behind the leaves was written.
    let whole = rig.disk.contents(&file).unwrap();
    let derived = ["tree.blake3", "tree.sha256", "places", "synced"].map(|name| rig.file(name));
    for path in &derived {
        rig.disk.lose(path);
    }
    for cut in before..whole.len() {
        rig.disk.overwrite(&file, whole[..cut].to_vec());
        for path in &derived {
            rig.disk.lose(path);
        }
        let (_core, log, recovery) = opened(&rig);
        check(&log, 7);
        let torn = recovery.cut.map(|cut| (cut.file, cut.offset, cut.bytes));
        assert_eq!(torn, (cut > before).then(|| (file.clone(), before as u64, (cut - before) as u64)), "cut at {cut}");
    }
}

#[test]
fn flips_before_the_last_group_are_refused_with_file_and_offset() {
    let rig = Rig::new(1);
    made(&rig, &[3, 4, 2]);
    let file = last_segment(&rig);
    let whole = rig.disk.contents(&file).unwrap();
    let second = 64 + 16 + 12 + (0..3).map(|number| 4 + leaf(number).len()).sum::<usize>();
    let third = second + 16 + 12 + (3..7).map(|number| 4 + leaf(number).len()).sum::<usize>();
    for at in 0..third {
        let mut bytes = whole.clone();
        bytes[at] ^= 4;
        rig.disk.overwrite(&file, bytes.clone());
        let expected = if at < 64 {
            0
        } else if at < second {
            64
        } else {
            second
        };
        match rig.try_open(rig.options()) {
            Err(Error::Damaged { file: found, offset, .. }) => {
                assert_eq!((found, offset), (file.clone(), expected as u64), "{at}")
            }
            other => panic!("flip at {at}: {other:?}"),
        }
        assert_eq!(rig.disk.contents(&file).unwrap(), bytes, "nothing was changed");
    }
    rig.disk.overwrite(&file, whole);
    check(&opened(&rig).1, 9);
}

#[test]
fn missing_or_short_or_foreign_derived_files_are_rebuilt_with_progress() {
    let rig = Rig { segment_bytes: 150, tree_sync_leaves: 10, ..Rig::new(1) };
    made(&rig, &[5; 12]);
    for name in ["tree.blake3", "tree.sha256", "places", "synced"] {
        rig.disk.lose(&rig.file(name));
        let (_core, log, recovery) = opened(&rig);
        assert_eq!(recovery.rehashed, 60, "{name}");
        check(&log, 60);
    }
    for name in ["tree.blake3", "tree.sha256", "places"] {
        let bytes = rig.disk.contents(&rig.file(name)).unwrap();
        rig.disk.overwrite(&rig.file(name), bytes[..bytes.len() - 1].to_vec());
        let (_core, log, recovery) = opened(&rig);
        assert_eq!(recovery.rehashed, 60, "{name}");
        check(&log, 60);
        // Longer than it should be: leaves that were never durable.
        let long = [rig.disk.contents(&rig.file(name)).unwrap(), vec![7; 100]].concat();
        drop((_core, log));
        rig.disk.overwrite(&rig.file(name), long);
        let (_core, log, recovery) = opened(&rig);
        assert_eq!(recovery.rehashed, 0, "{name}");
        check(&log, 60);
    }
    // The last node of 60 leaves is one of the peaks.
    let last = rig.disk.contents(&rig.file("tree.blake3")).unwrap().len() - 1;
    rig.flip("tree.blake3", last);
    let steps = Arc::new(Mutex::new(Vec::<Progress>::new()));
    let heard = Arc::clone(&steps);
    let progress: Arc<dyn Fn(Progress) + Send + Sync> = Arc::new(move |step| heard.lock().unwrap().push(step));
    let (core, report) = rig.try_open(Options { progress: Some(progress), ..rig.options() }).unwrap();
    assert_eq!(report.logs[0].rehashed, 60);
    check(&core.notary_log(LOG).unwrap(), 60);
    let steps = steps.lock().unwrap();
    assert!(steps.last().is_some_and(|step| step.done == step.total && step.log == LOG), "{steps:?}");
}

#[test]
fn only_what_was_not_synced_is_hashed_again() {
    let rig = Rig { segment_bytes: 300, tree_sync_leaves: 20, ..Rig::new(3) };
    let (core, _) = rig.open();
    let log = core.notary_log(LOG).unwrap();
    for _ in 0..9 {
        grow(&core, &log, 5);
    }
    rig.crash();
    let (_core, log, recovery) = opened(&rig);
    assert_eq!((recovery.size, recovery.rehashed), (45, 5));
    check(&log, 45);
}

#[test]
fn a_missing_leaf_file_is_damage_and_a_wrong_one_too() {
    let rig = Rig { segment_bytes: 150, ..Rig::new(1) };
    made(&rig, &[5; 8]);
    let files: Vec<_> = rig
        .disk
        .files()
        .into_iter()
        .filter(|path| path.extension().is_some_and(|extension| extension == "seg"))
        .collect();
    assert!(files.len() >= 4);
    for file in &files[..files.len() - 1] {
        let whole = rig.disk.contents(file).unwrap();
        rig.disk.lose(file);
        assert!(matches!(rig.try_open(rig.options()), Err(Error::Damaged { .. })), "{}", file.display());
        for cut in [1, 70, whole.len() - 1] {
            rig.disk.overwrite(file, whole[..cut].to_vec());
            assert!(matches!(rig.try_open(rig.options()), Err(Error::Damaged { .. })), "{}", file.display());
        }
        rig.disk.overwrite(file, whole);
    }
    // A file under another's name.
    let other = rig.disk.contents(&files[2]).unwrap();
    let whole = rig.disk.contents(&files[1]).unwrap();
    rig.disk.overwrite(&files[1], other);
    let error = rig.try_open(rig.options()).unwrap_err();
    assert!(matches!(&error, Error::Damaged { file, offset: 32, .. } if *file == files[1]), "{error}");
    rig.disk.overwrite(&files[1], whole);
    check(&opened(&rig).1, 40);
}

#[test]
fn a_log_shorter_than_its_signed_checkpoint_refuses_and_says_so_until_it_is_whole_again() {
    let rig = Rig::new(1);
    let (core, _) = rig.open();
    let log = core.notary_log(LOG).unwrap();
    grow(&core, &log, 5);
    let file = last_segment(&rig);
    let short = rig.disk.contents(&file).unwrap();
    grow(&core, &log, 4);
    sign(&core, &log);
    drop((core, log));
    let whole = rig.disk.contents(&file).unwrap();

    // Gone whole, or as a torn tail: here the bytes must stay, they may be all that is left.
    for bytes in [short, whole[..whole.len() - 1].to_vec()] {
        rig.disk.overwrite(&file, bytes.clone());
        let (core, log, recovery) = opened(&rig);
        let expected = "has 5 leaves that are fewer than were signed; its last recorded checkpoint says 9 leaves: appends are refused";
        let error = append(&log, 5, 1).unwrap_err();
        assert!(error.to_string().contains(expected), "{error}");
        assert!(matches!(error, Error::LogRetracted { size: 5, signed: 9, .. }));
        assert!(matches!(log.checkpoint_to_sign(|_| ()), Err(Error::LogRetracted { .. })));
        assert!(recovery.retracted.is_some() && log.retracted().is_some());
        assert!(!error.is_fatal());
        // Reading goes on, and so does everything else.
        check(&log, 5);
        core.wal().append(bytes::Bytes::from_static(b"x")).unwrap();
        while core.drive() {}
        assert!(core.failure().is_none());
        drop((core, log));
        assert_eq!(rig.disk.contents(&file).unwrap(), bytes);
    }

    rig.disk.overwrite(&file, whole);
    let (core, log, recovery) = opened(&rig);
    assert!(recovery.retracted.is_none());
    assert_eq!(log.signed_size(), 9);
    grow(&core, &log, 1);
    check(&log, 10);
}

#[test]
fn a_log_with_other_leaves_than_were_signed_refuses() {
    let rig = Rig::new(1);
    let (core, _) = rig.open();
    let log = core.notary_log(LOG).unwrap();
    grow(&core, &log, 5);
    sign(&core, &log);
    drop((core, log));
    let signed = rig.disk.contents(&rig.file("signed")).unwrap();
    for path in rig.disk.files().into_iter().filter(|path| path.starts_with(rig.file(""))) {
        rig.disk.lose(&path);
    }
    rig.disk.overwrite(&rig.file("signed"), signed);
    let (core, log, _) = opened(&rig);
    assert!(append(&log, 0, 1).unwrap_err().to_string().contains("has 0 leaves that are fewer than were signed"));
    drop((core, log));
    // Somebody fills it up to the size with something else.
    let other = Rig::new(2);
    let (core, _) = other.open();
    core.notary_log(LOG).unwrap().append(vec![vec![0xff; 9]; 6]).unwrap();
    while core.drive() {}
    drop(core);
    for name in ["leaves-00000000000000000000.seg", "synced", "tree.blake3", "tree.sha256", "places"] {
        rig.disk.overwrite(&rig.file(name), other.disk.contents(&other.file(name)).unwrap());
    }
    let (_core, log, recovery) = opened(&rig);
    assert!(matches!(
        recovery.retracted,
        Some(Error::LogRetracted { size: 6, signed: 5, found: "have other roots than were signed", .. })
    ));
    assert!(append(&log, 6, 1).is_err());
}

#[test]
fn a_log_shorter_than_its_synced_trees_has_lost_acknowledged_leaves() {
    let rig = Rig { tree_sync_leaves: 1, ..Rig::new(1) };
    made(&rig, &[3]);
    let file = last_segment(&rig);
    let short = rig.disk.contents(&file).unwrap();
    made_more(&rig, 2);
    rig.disk.overwrite(&file, short);
    for _ in 0..2 {
        let (_core, log, recovery) = opened(&rig);
        let Some(reason @ Error::LogRetracted { size: 3, signed: 5, .. }) = recovery.retracted else {
            panic!("{recovery:?}")
        };
        assert!(reason.to_string().contains("are fewer than were acknowledged"), "{reason}");
        check(&log, 3);
        assert_eq!(log.roots(3).unwrap(), model_roots(3));
    }
}

fn made_more(rig: &Rig, count: u64) {
    let (core, _) = rig.open();
    let log = core.notary_log(LOG).unwrap();
    grow(&core, &log, count);
}
