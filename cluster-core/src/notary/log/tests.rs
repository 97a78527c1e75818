//! Damage that shows itself only when read.

use super::super::testkit::{LOG, Rig, grow, leaf};
use crate::Error;

#[test]
fn a_changed_leaf_is_told_with_file_and_offset() {
    let rig = Rig { segment_bytes: 200, tree_sync_leaves: 1, ..Rig::new(1) };
    let (core, _) = rig.open();
    let log = core.notary_log(LOG).unwrap();
    for _ in 0..20 {
        grow(&core, &log, 1);
    }
    let name = "leaves-00000000000000000000.seg";
    // File header, frame header, group header, length prefix: the first byte of leaf 0.
    rig.flip(name, 64 + 16 + 12 + 4);
    let error = log.leaf(0).unwrap_err();
    assert!(matches!(&error, Error::Damaged { file, offset: 92, .. } if *file == rig.file(name)), "{error}");
    assert_eq!(log.leaf(1).unwrap(), leaf(1));
    // The same at open, where closed files are checked too.
    drop((core, log));
    drop(rig.open());
    let error = rig.try_open(crate::Options { verify_sealed: true, ..rig.options() }).unwrap_err();
    assert!(matches!(&error, Error::Damaged { file, offset: 64, .. } if *file == rig.file(name)), "{error}");
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
fn trees_are_synced_at_the_interval_and_at_the_end() {
    let rig = Rig { tree_sync_leaves: 100, ..Rig::new(1) };
    let (core, _) = rig.open();
    let log = core.notary_log(LOG).unwrap();
    grow(&core, &log, 250);
    grow(&core, &log, 60);
    rig.crash();
    let (core, report) = rig.open();
    assert_eq!((report.logs[0].size, report.logs[0].rehashed), (310, 60));
    drop(log);
    core.close().unwrap();
    rig.crash();
    let (_core, report) = rig.open();
    assert_eq!((report.logs[0].size, report.logs[0].rehashed), (310, 0));
}
