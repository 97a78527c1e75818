//! No two logs of a home have one incarnation, whatever became of them.

use pyralog_crypto::LogId;

use super::tests::{expected, grow, read, spec};
use super::*;
use crate::notary::testkit::Rig;

fn id(incarnation: u64) -> LogId {
    LogId([incarnation as u8; 32])
}

#[test]
fn a_log_that_is_made_again_has_another_incarnation_and_so_another_id() {
    let rig = Rig::new(1);
    let (core, _) = rig.open();
    let old = core.logs().create_as(spec("orders"), id).unwrap();
    assert_eq!(old.spec().id, id(old.incarnation()));
    core.logs().delete("orders").unwrap();
    drop(core);
    rig.crash();
    let (core, _) = rig.open();
    let new = core.logs().create_as(spec("orders"), id).unwrap();
    assert!(new.incarnation() > old.incarnation(), "{} after {}", new.incarnation(), old.incarnation());
    assert_eq!(new.spec().id, id(new.incarnation()));
    drop(core);
    rig.crash();
    let (core, _) = rig.open();
    let found = core.logs().open_log("orders").unwrap();
    assert_eq!((found.incarnation(), found.spec()), (new.incarnation(), new.spec()));
}

#[test]
fn a_log_in_memory_has_another_incarnation_with_each_start() {
    let rig = Rig::new(1);
    let mut seen = std::collections::BTreeSet::new();
    let (core, _) = rig.open();
    for name in ["fast", "faster"] {
        let log = core.logs().create(LogSpec { storage: Storage::Memory, ..spec(name) }).unwrap();
        assert!(seen.insert(log.incarnation()));
    }
    drop(core);
    for _ in 0..2 {
        let (core, _) = rig.open();
        for name in ["fast", "faster"] {
            let log = core.logs().open_log(name).unwrap();
            assert!(seen.insert(log.incarnation()), "{} again", log.incarnation());
            grow(&core, log.partition(2).unwrap(), 0..5);
            assert_eq!(read(log.partition(2).unwrap(), 0).unwrap(), expected(0, 5));
        }
        rig.crash();
    }
    let (core, _) = rig.open();
    core.logs().delete("fast").unwrap();
    let log = core.logs().create(spec("fast")).unwrap();
    assert!(seen.insert(log.incarnation()));
    grow(&core, log.partition(2).unwrap(), 0..5);
}
