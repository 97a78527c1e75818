//! A sound store is found sound, every planted fault is found, and nothing is changed unless asked.

use std::collections::BTreeMap;

use bytes::Bytes;
use pyralog_crypto::{LogId, Record};

use super::*;
use crate::chain::PutBlock;
use crate::logs::{LogSpec, Storage};
use crate::notary::testkit::{LOG, Rig, check as check_log, grow};
use crate::segment::Retention;

fn run(rig: &Rig, repair: bool) -> Result<FsckReport, Error> {
    fsck(Path::new("/member"), &rig.options(), rig.backend(), repair, |_| Vec::new())
}

/// Ends the core and checks what it left.
pub(crate) fn checked(rig: &Rig, core: Core) -> FsckReport {
    drop(core);
    run(rig, false).unwrap()
}

fn contents(rig: &Rig) -> BTreeMap<PathBuf, Vec<u8>> {
    rig.disk.files().into_iter().map(|path| (path.clone(), rig.disk.contents(&path).unwrap())).collect()
}

/// A home with something of everything.
fn made() -> (Rig, Core) {
    let rig = Rig { segment_bytes: 600, journal_bytes: 32 << 10, ..Rig::new(1) };
    let (core, _) = rig.open();
    let log = core.notary_log(LOG).unwrap();
    for _ in 0..10 {
        grow(&core, &log, 7);
    }
    let spec = LogSpec {
        name: "orders".parse().unwrap(),
        id: LogId([7; 32]),
        partitions: 2,
        storage: Storage::Disk,
        retention: Retention::default(),
        segment_bytes: 4096,
    };
    let orders = core.logs().create(spec).unwrap();
    for number in 0..90u8 {
        let record = Record::new(number.into(), None, vec![number; 200].into(), Vec::new()).unwrap();
        orders.partition(1).unwrap().append_then(&[record], Box::new(|_| ())).unwrap();
        core.drive();
    }
    for height in 1..4 {
        core.chain().put_block(PutBlock { height, hash: [height as u8; 32], ..PutBlock::default() }).unwrap();
    }
    core.wal().reset(3).unwrap();
    core.wal().append(Bytes::from_static(b"vote")).unwrap();
    core.mark().put(Bytes::from_static(b"mark")).unwrap();
    while core.drive() {}
    (rig, core)
}

#[test]
fn a_sound_home_is_clean_and_stays_as_it_is() {
    let (rig, core) = made();
    core.close().unwrap();
    let before = contents(&rig);
    let report = run(&rig, false).unwrap();
    assert_eq!(report.findings, []);
    assert_eq!((report.notary_logs, report.leaves, report.partitions, report.records), (1, 70, 1, 90));
    assert_eq!((report.blocks, report.wal_entries), (3, 1));
    assert!(report.table_entries > 80);
    assert_eq!(contents(&rig), before);
}

#[test]
fn what_only_the_caller_understands_is_found_too() {
    let (rig, core) = made();
    core.close().unwrap();
    let finding = |path: &str, severity| Finding { severity, path: path.into(), offset: None, what: "wrong".into() };
    let report = fsck(Path::new("/member"), &rig.options(), rig.backend(), false, |core| {
        assert_eq!(core.chain().latest_height(), Some(3));
        vec![finding("/a", Severity::Repairable), finding("/b", Severity::Damage)]
    });
    let report = report.unwrap();
    assert_eq!(report.findings, [finding("/b", Severity::Damage), finding("/a", Severity::Repairable)]);
    assert!(!report.is_sound());
}

#[test]
fn a_running_store_is_not_checked() {
    let (rig, _core) = made();
    let refused = run(&rig, false);
    assert!(matches!(refused, Err(Error::InUse { .. })));
}

#[test]
fn after_a_crash_nothing_is_damaged() {
    for seed in 0..20 {
        let (rig, core) = made();
        rig.disk.cut_power_after(seed);
        let log = core.notary_log(LOG).unwrap();
        for _ in 0..5 {
            let _dies = crate::notary::testkit::append(&log, log.size(), 3);
            core.drive();
        }
        drop((core, log));
        rig.crash();
        let before = contents(&rig);
        let report = run(&rig, false).unwrap();
        assert!(report.is_sound(), "{:?}", report.findings);
        assert_eq!(contents(&rig), before);
    }
}

#[test]
fn every_flipped_byte_of_every_file_is_found_or_harmless() {
    let (rig, core) = made();
    core.close().unwrap();
    let before = contents(&rig);
    let ours = |path: &Path| {
        ["journal", "notary", "logs", "mark"].iter().any(|dir| path.starts_with(Path::new("/member").join(dir)))
    };
    let (mut damaged, mut repairable) = (0, 0);
    for (path, bytes) in before.iter().filter(|(path, _)| ours(path)) {
        for at in (0..bytes.len()).step_by(bytes.len() / 23 + 1) {
            let mut changed = bytes.clone();
            changed[at] ^= 0x10;
            rig.disk.overwrite(path, changed);
            let report = run(&rig, false).unwrap();
            match report.findings.first().map(|finding| finding.severity) {
                Some(Severity::Damage) => damaged += 1,
                Some(Severity::Repairable) => repairable += 1,
                // What no group uses in a journal file, a header that says nothing else.
                None => {
                    let name = path.to_string_lossy();
                    let harmless = name.contains("/journal/journal-") || (name.contains("/roots") && at < 64);
                    assert!(harmless, "{name} at {at}: nothing was found");
                }
            }
            let named = report.findings.iter().any(|finding| finding.path == *path) || report.findings.is_empty();
            // Of both trees the first is named; what is wrong with a root shows in the tree.
            let other = path.ends_with("tree.sha256") || path.ends_with("roots");
            assert!(named || other, "{} at {at}: {:?}", path.display(), report.findings);
            rig.disk.overwrite(path, bytes.clone());
        }
    }
    assert!(damaged > 100 && repairable > 50, "{damaged} damaged, {repairable} repairable");
}

#[test]
fn derived_files_are_repaired_and_damage_is_not_touched() {
    let (rig, core) = made();
    core.close().unwrap();
    let sound = contents(&rig);
    let derived = |path: &Path| {
        let name = path.to_string_lossy().into_owned();
        name.contains("tree.") || name.ends_with(".offsets") || name.ends_with(".times")
    };
    for (path, bytes) in sound.iter().filter(|(path, bytes)| derived(path) && !bytes.is_empty()) {
        let mut changed = bytes.clone();
        changed[bytes.len() / 2] ^= 1;
        rig.disk.overwrite(path, changed);
    }
    let before = contents(&rig);
    let report = run(&rig, false).unwrap();
    assert!(report.is_sound() && report.findings.len() > 4, "{:?}", report.findings);
    assert_eq!(contents(&rig), before);
    let repaired = run(&rig, true).unwrap();
    assert_eq!(repaired.findings, report.findings);
    let after = contents(&rig);
    for (path, bytes) in sound.iter().filter(|(path, _)| derived(path)) {
        assert!(after[path] == *bytes, "{}", path.display());
    }
    assert_eq!(run(&rig, false).unwrap().findings, []);

    let damaged: Vec<&PathBuf> =
        sound.keys().filter(|path| path.extension().is_some_and(|e| e == "seg")).take(2).collect();
    for path in &damaged {
        let mut changed = sound[*path].clone();
        changed[66] ^= 1;
        rig.disk.overwrite(path, changed);
    }
    let before = contents(&rig);
    let report = run(&rig, true).unwrap();
    assert!(!report.is_sound());
    for path in damaged {
        assert!(
            report.findings.iter().any(|finding| finding.path == *path && finding.severity == Severity::Damage),
            "{:?}",
            report.findings
        );
        assert!(contents(&rig)[path] == before[path], "damage is left as it is");
    }
}

#[test]
fn a_broken_copy_of_a_record_is_told_and_written_again() {
    let (rig, core) = made();
    core.logs().open_log("orders").unwrap().partition(1).unwrap().checkpoint_to_sign(|_| ()).unwrap();
    core.notary_log(LOG).unwrap().checkpoint_to_sign(|_| ()).unwrap();
    while core.drive() {}
    core.close().unwrap();
    let sound = contents(&rig);
    let records: Vec<_> = sound.iter().filter(|(path, bytes)| bytes.len() == 8192 && is_record(path)).collect();
    // The mark, the journal's list; of the notary log three, of the partition two.
    assert_eq!(records.len(), 7, "{:?}", records.iter().map(|(path, _)| path).collect::<Vec<_>>());
    for (path, bytes) in records {
        for at in [50, 4096 + 50] {
            let mut changed = bytes.clone();
            changed[at] ^= 1;
            rig.disk.overwrite(path, changed);
            let told = |repair| {
                let report = run(&rig, repair).unwrap();
                assert!(report.is_sound(), "{:?}", report.findings);
                report.findings.iter().filter(|finding| finding.path == *path).count()
            };
            assert_eq!((told(false), told(true), told(false)), (1, 1, 0), "{} at {at}", path.display());
            for (path, bytes) in &sound {
                rig.disk.overwrite(path, bytes.clone());
            }
        }
    }
}

fn is_record(path: &Path) -> bool {
    path.starts_with("/member/mark") || ["files", "synced", "signed"].iter().any(|name| path.ends_with(name))
}

#[test]
fn a_lost_record_of_what_was_signed_is_damage() {
    let (rig, core) = made();
    core.logs().open_log("orders").unwrap().partition(1).unwrap().checkpoint_to_sign(|_| ()).unwrap();
    while core.drive() {}
    core.close().unwrap();
    let signed: Vec<PathBuf> = contents(&rig).into_keys().filter(|path| path.ends_with("signed")).collect();
    assert_eq!(signed.len(), 2);
    for path in signed {
        let bytes = rig.disk.contents(&path).unwrap();
        rig.disk.lose(&path);
        let report = run(&rig, true).unwrap();
        assert!(!report.is_sound() && report.findings[0].path == path, "{:?}", report.findings);
        assert_eq!(rig.disk.contents(&path), None, "nobody makes another one");
        rig.disk.overwrite(&path, bytes);
        assert_eq!(run(&rig, false).unwrap().findings, []);
    }
}

#[test]
fn a_segment_of_another_log_among_the_leaves_is_damage() {
    let (rig, core) = made();
    core.close().unwrap();
    let files = contents(&rig);
    let first = |dir: &str| {
        let name = "00000000000000000000.seg";
        files.iter().find(|(path, _)| path.starts_with(Path::new("/member").join(dir)) && path.ends_with(name)).unwrap()
    };
    let ((ours, _), (_, foreign)) = (first("notary"), first("logs"));
    rig.disk.overwrite(ours, foreign.clone());
    let report = run(&rig, true).unwrap();
    let named = |finding: &Finding| finding.severity == Severity::Damage && ours.starts_with(&finding.path);
    assert!(report.findings.iter().any(named), "{:?}", report.findings);
    assert!(rig.try_open(rig.options()).is_err());
}

#[test]
fn the_index_of_leaves_is_checked() {
    let (rig, core) = made();
    core.close().unwrap();
    let mut keys = Vec::new();
    let tables = rig.backend().tables.unwrap();
    tables
        .scan(chain::Family::LeafIndex, &[0], &mut |key, _| {
            keys.push(key.to_vec());
            true
        })
        .unwrap();
    let mut batch = chain::Batch::default();
    keys.iter()
        .filter(|key| key.len() > 40)
        .step_by(9)
        .for_each(|key| batch.delete(chain::Family::LeafIndex, key.clone()));
    tables.write(batch, chain::Durability::Synced).unwrap();
    let report = run(&rig, true).unwrap();
    assert!(
        report.is_sound() && report.findings.iter().any(|finding| finding.path.ends_with("leaf-index")),
        "{:?}",
        report.findings
    );
    assert_eq!(run(&rig, false).unwrap().findings, []);
    check_log(&rig.open().0.notary_log(LOG).unwrap(), 70);
}
