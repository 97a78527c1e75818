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

fn segments(rig: &Rig) -> Vec<std::path::PathBuf> {
    rig.disk.files().into_iter().filter(|path| path.extension().is_some_and(|extension| extension == "seg")).collect()
}

/// Forgets that anything of the log but its record of what was signed was ever written.
fn lose_all_but_signed(rig: &Rig) {
    for path in
        rig.disk.files().into_iter().filter(|path| path.starts_with(rig.file("")) && *path != rig.file("signed"))
    {
        rig.disk.lose(&path);
    }
}

#[test]
fn what_only_the_journal_has_comes_back_from_any_state_of_the_files() {
    let rig = Rig::new(1);
    let (core, _) = rig.open();
    let log = core.notary_log(LOG).unwrap();
    grow(&core, &log, 3);
    append(&log, 3, 2).unwrap();
    append(&log, 5, 4).unwrap();
    core.drive();
    let file = rig.file("leaves/00000000000000000000.seg");
    let whole = rig.disk.contents(&file).unwrap();
    // Nothing was synced but the journal: of the leaf file any part may be there.
    for cut in 64..=whole.len() {
        rig.crash();
        rig.disk.overwrite(&file, whole[..cut].to_vec());
        let (core, log, recovery) = opened(&rig);
        check(&log, 9);
        assert_eq!((recovery.size, recovery.rehashed), (9, 9), "cut at {cut}");
        assert_eq!(recovery.replayed == 0, cut == whole.len(), "cut at {cut}");
        assert_eq!(rig.disk.contents(&file).unwrap()[..64], whole[..64]);
        // A clean end would sync it.
        std::mem::forget((core, log));
    }
}

#[test]
fn flips_of_synced_leaves_are_refused_with_file_and_offset() {
    let rig = Rig::new(1);
    made(&rig, &[3, 4, 2]);
    let file = rig.file("leaves/00000000000000000000.seg");
    let whole = rig.disk.contents(&file).unwrap();
    let batch = |leaves: std::ops::Range<u64>| 28 + leaves.map(|number| 12 + leaf(number).len()).sum::<usize>();
    let (second, third) = (64 + batch(0..3), 64 + batch(0..3) + batch(3..7));
    for at in 0..whole.len() {
        let mut bytes = whole.clone();
        bytes[at] ^= 4;
        rig.disk.overwrite(&file, bytes.clone());
        let expected = match at {
            0..64 => 0,
            _ if at < second => 64,
            _ if at < third => second,
            _ => third,
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
fn missing_or_short_or_foreign_trees_are_rebuilt_with_progress() {
    let rig = Rig { segment_bytes: 150, ..Rig::new(1) };
    made(&rig, &[5; 12]);
    for name in ["tree.blake3", "tree.sha256", "synced"] {
        rig.disk.lose(&rig.file(name));
        let (_core, log, recovery) = opened(&rig);
        assert_eq!(recovery.rehashed, 60, "{name}");
        check(&log, 60);
    }
    for name in ["tree.blake3", "tree.sha256"] {
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
    assert!(steps.last().is_some_and(|step| (step.done, step.total, step.log) == (60, 60, LOG)), "{steps:?}");
}

#[test]
fn a_missing_leaf_file_is_damage_and_a_wrong_one_too() {
    let rig = Rig { segment_bytes: 150, ..Rig::new(1) };
    made(&rig, &[5; 8]);
    let files = segments(&rig);
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
    assert!(matches!(&error, Error::Damaged { file, offset: 0, .. } if *file == files[1]), "{error}");
    rig.disk.overwrite(&files[1], whole);
    check(&opened(&rig).1, 40);
}

#[test]
fn a_lost_log_and_a_lost_journal_are_damage() {
    let rig = Rig::new(1);
    made(&rig, &[5]);
    for part in ["/member/notary", "/member/journal"] {
        let files: Vec<_> = rig.disk.files().into_iter().filter(|path| path.starts_with(part)).collect();
        let kept: Vec<_> = files.iter().map(|path| (path, rig.disk.contents(path).unwrap())).collect();
        files.iter().for_each(|path| rig.disk.lose(path));
        let error = rig.try_open(rig.options()).unwrap_err();
        assert!(matches!(&error, Error::Damaged { file, .. } if file.starts_with(part)), "{part}: {error}");
        kept.into_iter().for_each(|(path, bytes)| rig.disk.overwrite(path, bytes));
    }
    check(&opened(&rig).1, 5);
}

#[test]
fn a_log_shorter_than_its_signed_checkpoint_refuses_and_says_so_until_it_is_whole_again() {
    let rig = Rig::new(1);
    let (core, _) = rig.open();
    let log = core.notary_log(LOG).unwrap();
    grow(&core, &log, 5);
    drop((core, log));
    // A copy of the whole home, but for the record of what is signed later.
    let copy: Vec<_> =
        rig.disk.files().into_iter().map(|path| (path.clone(), rig.disk.contents(&path).unwrap())).collect();
    let (core, _) = rig.open();
    let log = core.notary_log(LOG).unwrap();
    grow(&core, &log, 4);
    sign(&core, &log);
    drop((core, log));
    let later: Vec<_> = copy.iter().map(|(path, _)| (path.clone(), rig.disk.contents(path).unwrap())).collect();

    let restore = |files: &[(std::path::PathBuf, Vec<u8>)]| {
        for (path, bytes) in files.iter().filter(|(path, _)| *path != rig.file("signed")) {
            rig.disk.overwrite(path, bytes.clone());
        }
    };
    restore(&copy);
    let (core, log, recovery) = opened(&rig);
    let expected =
        "has 5 leaves that are fewer than were signed; its last recorded checkpoint says 9 leaves: appends are refused";
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

    restore(&later);
    let (core, log, recovery) = opened(&rig);
    assert!(recovery.retracted.is_none());
    assert_eq!(log.signed_size(), 9);
    grow(&core, &log, 1);
    check(&log, 10);
}

#[test]
fn a_log_with_other_leaves_than_were_signed_refuses() {
    let other = Rig::new(2);
    let (core, _) = other.open();
    core.notary_log(LOG).unwrap().append(vec![vec![0xff; 9]; 6]).unwrap();
    while core.drive() {}
    drop(core);
    let rig = Rig::new(1);
    let (core, _) = rig.open();
    let log = core.notary_log(LOG).unwrap();
    grow(&core, &log, 5);
    sign(&core, &log);
    drop((core, log));
    // Somebody puts another log in its place.
    lose_all_but_signed(&rig);
    for path in
        other.disk.files().into_iter().filter(|path| path.starts_with(rig.file("")) && *path != rig.file("signed"))
    {
        rig.disk.overwrite(&path, other.disk.contents(&path).unwrap());
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
    let rig = Rig::new(1);
    made(&rig, &[3]);
    let leaves = |rig: &Rig| -> Vec<_> {
        let files = rig
            .disk
            .files()
            .into_iter()
            .filter(|path| path.starts_with(rig.file("leaves")) || path.starts_with("/member/journal"));
        files.map(|path| (path.clone(), rig.disk.contents(&path).unwrap())).collect()
    };
    let short = leaves(&rig);
    made(&rig, &[2]);
    short.into_iter().for_each(|(path, bytes)| rig.disk.overwrite(&path, bytes));
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

#[test]
fn lost_tables_are_made_again_for_the_logs() {
    let rig = Rig::new(1);
    made(&rig, &[5]);
    let fresh = Rig { tables: crate::MemoryTables::new(rig.disk.clone()), disk: rig.disk.clone(), ..rig };
    let (core, log, recovery) = opened(&fresh);
    assert_eq!((recovery.size, recovery.reindexed), (5, 5));
    check(&log, 5);
    // Another log does not get the stream of this one.
    let other = core.notary_log(crate::LogId([3; 32])).unwrap();
    grow(&core, &other, 2);
    grow(&core, &log, 1);
    drop((core, log, other));
    fresh.crash();
    let (core, _) = fresh.open();
    check(&core.notary_log(LOG).unwrap(), 6);
    check(&core.notary_log(crate::LogId([3; 32])).unwrap(), 2);
}
