//! What a start makes of damage, of what was left half done, and of what it need not look at.

use super::tests::{append, expected, files_of, grow, read, spec};
use super::*;
use crate::Core;
use crate::notary::testkit::Rig;

#[test]
fn a_damaged_partition_is_told_to_its_users_and_stops_nobody_else() {
    let rig = Rig { journal_bytes: 128 << 10, ..Rig::new(1) };
    let (core, _) = rig.open();
    let log = core.logs().create(spec("orders")).unwrap();
    for begin in (0..100).step_by(20) {
        grow(&core, log.partition(0).unwrap(), begin..begin + 20);
    }
    drop(log);
    core.close().unwrap();
    let first = files_of(&rig, "orders").into_iter().find(|path| path.ends_with("00000000000000000000.seg")).unwrap();
    let whole = rig.disk.contents(&first).unwrap();
    let mut bytes = whole.clone();
    bytes[70] ^= 1;
    rig.disk.overwrite(&first, bytes);
    let (core, _) = rig.open();
    let log = core.logs().open_log("orders").unwrap();
    let partition = log.partition(0).unwrap();
    let error = read(partition, 0).unwrap_err();
    assert!(matches!(&error, Error::Damaged { file, offset: 64, .. } if *file == first), "{error}");
    assert_eq!(read(partition, 99).unwrap(), expected(99, 100));
    grow(&core, log.partition(1).unwrap(), 0..3);
    grow(&core, partition, 100..103);
    // The journal alone has the last ones.
    rig.crash();
    drop((core, log));
    // All segments gone is damage too, for whoever reads or appends.
    let segments: Vec<PathBuf> =
        files_of(&rig, "orders").into_iter().filter(|path| path.to_string_lossy().contains("/0/")).collect();
    let kept: Vec<Vec<u8>> = segments.iter().map(|path| rig.disk.contents(path).unwrap()).collect();
    segments.iter().for_each(|path| rig.disk.lose(path));
    let (core, report) = rig.open();
    assert_eq!(report.damaged.len(), 1, "the journal holds records of it");
    let log = core.logs().open_log("orders").unwrap();
    assert!(matches!(read(log.partition(0).unwrap(), 0), Err(Error::Damaged { .. })));
    assert!(matches!(append(log.partition(0).unwrap(), 0..1), Err(Error::Damaged { .. })));
    // Long enough for the journal to use its files again, if it may.
    for number in 3..200 {
        grow(&core, log.partition(1).unwrap(), number..number + 1);
    }
    assert!(core.failure().is_none());
    drop((core, log));
    // Restored from a copy, it is used again, and holds what only the journal had.
    segments.iter().zip(kept).for_each(|(path, bytes)| rig.disk.overwrite(path, bytes));
    rig.disk.overwrite(&first, whole);
    let (core, report) = rig.open();
    assert_eq!(report.damaged.len(), 0);
    let log = core.logs().open_log("orders").unwrap();
    assert_eq!(read(log.partition(0).unwrap(), 0).unwrap(), expected(0, 103));
    grow(&core, log.partition(0).unwrap(), 103..104);
    assert_eq!(read(log.partition(1).unwrap(), 0).unwrap(), expected(0, 200));
}

#[test]
fn a_start_opens_no_partition_whose_files_have_everything() {
    let rig = Rig::new(1);
    let (core, _) = rig.open();
    let log = core.logs().create(spec("orders")).unwrap();
    for partition in log.partitions() {
        grow(&core, partition, 0..5);
    }
    drop(log);
    core.close().unwrap();
    let open = |core: &Core| core.logs().place.handles.open.load(std::sync::atomic::Ordering::Acquire);
    let (core, _) = rig.open();
    assert_eq!(open(&core), 0);
    let log = core.logs().open_log("orders").unwrap();
    grow(&core, log.partition(1).unwrap(), 5..7);
    assert_eq!(open(&core), 1);
    rig.crash();
    drop((core, log));
    let (core, _) = rig.open();
    assert_eq!(open(&core), 1, "only the journal has its last records");
    let log = core.logs().open_log("orders").unwrap();
    for (partition, size) in log.partitions().iter().zip([5, 7, 5]) {
        assert_eq!(read(partition, 0).unwrap(), expected(0, size));
    }
}

#[test]
fn logs_without_their_tables_are_refused_and_foreign_names_are_not() {
    let rig = Rig::new(1);
    let (core, _) = rig.open();
    let log = core.logs().create(spec("orders")).unwrap();
    grow(&core, log.partition(0).unwrap(), 0..5);
    drop((core, log));
    rig.disk.create_dir(Path::new("/member/logs/lost+found")).unwrap();
    rig.disk.overwrite(Path::new("/member/logs/README.txt"), b"hello".to_vec());
    drop(rig.open());
    let without = Rig { tables: crate::MemoryTables::new(rig.disk.clone()), disk: rig.disk.clone(), ..rig };
    let error = without.try_open(without.options()).unwrap_err();
    assert!(error.to_string().contains("the tables do not name this log"), "{error}");
}

#[test]
fn a_deletion_that_was_cut_is_finished_before_the_name_is_used_again() {
    let rig = Rig::new(1);
    let (core, _) = rig.open();
    let log = core.logs().create(spec("orders")).unwrap();
    grow(&core, log.partition(0).unwrap(), 0..5);
    // Something that is not ours keeps the directory.
    let dir = files_of(&rig, "orders")[0].parent().unwrap().to_owned();
    rig.disk.create_dir(&dir.join("theirs")).unwrap();
    assert!(core.logs().delete("orders").is_err());
    assert!(matches!(core.logs().open_log("orders"), Err(Error::NoSuchLog { .. })));
    assert!(core.logs().create(spec("orders")).is_err(), "the old directory would be in the way of the next start");
    rig.disk.remove_dir(&dir.join("theirs")).unwrap();
    let again = core.logs().create(spec("orders")).unwrap();
    grow(&core, again.partition(0).unwrap(), 7..9);
    drop((core, log, again));
    rig.crash();
    let (core, _) = rig.open();
    assert_eq!(core.logs().open_log("orders").unwrap().partition(0).unwrap().range().unwrap(), (0, 2));
}
