//! Damage that shows itself only when read.

use super::super::testkit::{LOG, Rig, grow, leaf};
use crate::Error;

#[test]
fn a_changed_leaf_is_told_with_file_and_offset() {
    let rig = Rig { segment_bytes: 200, ..Rig::new(1) };
    let (core, _) = rig.open();
    let log = core.notary_log(LOG).unwrap();
    for _ in 0..20 {
        grow(&core, &log, 1);
    }
    let name = "leaves/00000000000000000000.seg";
    // File header, batch header, record header: the first byte of leaf 0.
    rig.flip(name, 64 + 28 + 12);
    let error = log.leaf(0).unwrap_err();
    assert!(matches!(&error, Error::Damaged { file, offset: 64, .. } if *file == rig.file(name)), "{error}");
    assert_eq!(log.leaf(1).unwrap(), leaf(1));
    // A leaf that checks and is not the one in the tree.
    rig.flip("tree.blake3", 32);
    let error = log.leaf(1).unwrap_err();
    assert!(matches!(&error, Error::Damaged { file, .. } if *file == rig.file("tree.blake3")), "{error}");
}

#[test]
fn a_changed_node_gives_no_proof() {
    let rig = Rig::new(1);
    let (core, _) = rig.open();
    let log = core.notary_log(LOG).unwrap();
    grow(&core, &log, 8);
    rig.flip("tree.sha256", 0);
    // Handles of the disk read the changed bytes at once.
    let error = log.inclusion(1, 8).unwrap_err();
    assert!(matches!(&error, Error::Damaged { file, .. } if *file == rig.file("tree.sha256")), "{error}");
    assert!(error.to_string().contains("remove this file and start again"), "{error}");
    assert!(matches!(log.consistency(1, 8), Err(Error::Damaged { .. })));
    assert!(log.inclusion(5, 8).is_ok());
}

#[test]
fn trees_are_synced_when_a_journal_file_is_full_and_at_the_end() {
    // The header, and three groups of one block each.
    let rig = Rig { journal_bytes: 16 << 10, ..Rig::new(1) };
    let (core, _) = rig.open();
    let log = core.notary_log(LOG).unwrap();
    for _ in 0..5 {
        grow(&core, &log, 10);
    }
    rig.crash();
    let (core, report) = rig.open();
    // The fourth group began a file: four were synced then.
    assert_eq!((report.logs[0].size, report.logs[0].rehashed), (50, 10));
    drop(log);
    core.close().unwrap();
    rig.crash();
    let (_core, report) = rig.open();
    assert_eq!((report.logs[0].size, report.logs[0].rehashed, report.logs[0].replayed), (50, 0, 0));
}
