//! What asks nothing of the disk, and what needs room on it.

use super::super::tests::{append, grow, spec};
use crate::notary::testkit::Rig;
use crate::{Error, Options};

#[test]
fn the_end_is_told_without_a_look_at_the_disk() {
    let rig = Rig::new(1);
    let (core, _) = rig.open();
    let log = core.logs().create(spec("orders")).unwrap();
    let one = log.partition(1).unwrap();
    assert_eq!(one.end(), 0);
    grow(&core, one, 0..5);
    let waiting = append(one, 5..9).unwrap();
    assert_eq!(one.end(), 5, "nothing is told before it is durable");
    while core.drive() {}
    assert_eq!((one.end(), waiting.try_recv().is_ok()), (9, true));
}

#[test]
fn who_asks_for_the_end_opens_no_files() {
    let rig = Rig { journal_bytes: 24 << 10, ..Rig::new(1) };
    let (core, _) = rig.open();
    let log = core.logs().create(spec("orders")).unwrap();
    // The journal forgets the first records, so that the next start need not look for them.
    for (partition, numbers) in [(0, 0..5), (1, 0..200), (1, 200..400), (1, 400..600)] {
        grow(&core, log.partition(partition).unwrap(), numbers);
    }
    drop((core, log));
    let (core, _) = rig.open();
    let log = core.logs().open_log("orders").unwrap();
    let zero = log.partition(0).unwrap();
    let before = rig.disk.operations();
    assert_eq!((zero.end(), rig.disk.operations()), (0, before));
    assert_eq!((zero.range().unwrap(), zero.end()), ((0, 5), 5));
}

#[test]
fn no_log_is_made_where_its_records_would_be_refused() {
    let rig = Rig::new(1);
    let (core, _) = rig.try_open(Options { reserve_bytes: 10_000, ..rig.options() }).unwrap();
    core.logs().create(spec("carts")).unwrap();
    rig.disk.set_capacity(Some(rig.disk.used() + 9_000));
    let refused = core.logs().create(spec("orders")).unwrap_err();
    assert!(matches!(refused, Error::DiskLow { reserve: 10_000, .. }), "{refused}");
    core.logs().delete("carts").unwrap();
    rig.disk.set_capacity(None);
    core.logs().create(spec("orders")).unwrap();
}
