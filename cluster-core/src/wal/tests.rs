//! The WAL's records, and the log that a replay makes of them.

use proptest::prelude::*;

use super::*;
use crate::notary::testkit::{LOG, Rig, append as append_leaves, check};
use crate::{Core, completion};

fn entry(number: u64) -> Bytes {
    Bytes::from(format!("entry {number}"))
}

/// Entries of the journal as (group, position, record).
fn replay(records: &[(u64, u64, Record)]) -> Result<(WalRecovery, WalPlace), Error> {
    let mut replay = WalReplay::default();
    for (group, position, record) in records {
        let bytes = record.encode();
        replay.take(Path::new("/j"), *group, Entry { stream: STREAM, position: *position, bytes: &bytes })?;
    }
    replay.finish(Path::new("/j"), 1000)
}

#[test]
fn the_log_is_what_stands_behind_the_last_reset() {
    let (recovery, place) = replay(&[]).unwrap();
    assert_eq!((recovery, place), (WalRecovery::default(), WalPlace { next: 0, live: 0, group: 1000, entries: 0 }));
    let records = [
        (1, 0, Record::Entry(entry(0))),
        (1, 1, Record::Torn),
        (2, 2, Record::Reset(7)),
        (4, 3, Record::Entry(entry(3))),
        (9, 4, Record::Entry(entry(4))),
    ];
    let (recovery, place) = replay(&records[..2]).unwrap();
    assert_eq!(recovery, WalRecovery { height: 0, entries: vec![entry(0)], truncated: true });
    assert_eq!(place, WalPlace { next: 2, live: 0, group: 1, entries: 1 });
    // What is before the reset may have left the journal.
    for left in 0..3 {
        let (recovery, place) = replay(&records[left..]).unwrap();
        assert_eq!(recovery, WalRecovery { height: 7, entries: vec![entry(3), entry(4)], truncated: false });
        assert_eq!(place, WalPlace { next: 5, live: 2, group: 2, entries: 2 });
    }
}

#[test]
fn records_that_were_carried_on_count_once_and_from_their_last_group() {
    let carried = [
        (5, 3, Record::Entry(entry(3))),
        (6, 4, Record::Entry(entry(4))),
        (8, 2, Record::Reset(7)),
        (8, 3, Record::Entry(entry(3))),
        (9, 5, Record::Entry(entry(5))),
    ];
    let (recovery, place) = replay(&carried).unwrap();
    assert_eq!(recovery, WalRecovery { height: 7, entries: vec![entry(3), entry(4), entry(5)], truncated: false });
    assert_eq!(place, WalPlace { next: 6, live: 2, group: 6, entries: 3 });
}

#[test]
fn missing_and_contradicting_records_are_damage() {
    let entries = |positions: &[u64]| -> Vec<(u64, u64, Record)> {
        positions.iter().map(|position| (1, *position, Record::Entry(entry(*position)))).collect()
    };
    for positions in [&[1][..], &[0, 2], &[0, 1, 3]] {
        assert!(matches!(replay(&entries(positions)), Err(Error::Damaged { .. })), "{positions:?}");
    }
    let gap = [(1, 4, Record::Reset(1)), (1, 6, Record::Entry(entry(6)))];
    let error = replay(&gap).unwrap_err();
    assert!(error.to_string().contains("WAL record 5 is missing"), "{error}");
    let other = [(1, 0, Record::Entry(entry(0))), (2, 0, Record::Entry(entry(1)))];
    assert!(matches!(replay(&other), Err(Error::Damaged { .. })));
    let mut replay = WalReplay::default();
    let none = replay.take(Path::new("/j"), 1, Entry { stream: STREAM, position: 0, bytes: b"\x09garbage" });
    assert!(matches!(none, Err(Error::Damaged { .. })));
}

fn put(core: &Core, number: u64) {
    let (done, event) = completion();
    core.wal().append_then(entry(number), done).unwrap();
    while core.drive() {}
    event.try_recv().unwrap().durable().unwrap();
}

fn recovered(rig: &Rig) -> (Core, WalRecovery) {
    let (core, _) = rig.open();
    let recovery = core.wal().take_recovery().unwrap();
    (core, recovery)
}

#[test]
fn a_long_height_does_not_keep_every_journal_file() {
    let rig = Rig { journal_bytes: 16 << 10, ..Rig::new(1) };
    let (core, _) = rig.open();
    core.wal().reset(3).unwrap();
    put(&core, 0);
    put(&core, 1);
    let log = core.notary_log(LOG).unwrap();
    for number in 0..200 {
        append_leaves(&log, number, 1).unwrap();
        core.drive();
    }
    let files = rig.disk.files().into_iter().filter(|path| path.to_string_lossy().contains("journal-")).count();
    assert!(files < 8, "{files} files");
    rig.crash();
    let (core, recovery) = recovered(&rig);
    assert_eq!(recovery, WalRecovery { height: 3, entries: vec![entry(0), entry(1)], truncated: false });
    check(&core.notary_log(LOG).unwrap(), 200);
    put(&core, 2);
    drop(core);
    rig.crash();
    assert_eq!(recovered(&rig).1.entries, [entry(0), entry(1), entry(2)]);
}

#[test]
fn a_torn_last_group_is_told_and_remembered_until_the_reset() {
    let rig = Rig::new(1);
    let (core, _) = rig.open();
    put(&core, 0);
    put(&core, 1);
    drop(core);
    // Closing wrote an empty group, which stands behind the entries.
    let path = Path::new("/member/journal/journal-000000");
    let mut bytes = rig.disk.contents(path).unwrap();
    bytes[3 * 4096 + 20] ^= 1;
    rig.disk.overwrite(path, bytes);
    let (core, report) = rig.open();
    let cut = report.cut.unwrap();
    assert_eq!((cut.file.as_path(), cut.offset, cut.bytes), (path, 3 * 4096, 4096));
    let expected = WalRecovery { height: 0, entries: vec![entry(0), entry(1)], truncated: true };
    assert_eq!(core.wal().take_recovery().unwrap(), expected);
    // The process dies before it could act on it; the next one must still know.
    drop(core);
    rig.crash();
    let (core, recovery) = recovered(&rig);
    assert_eq!(recovery, expected);
    put(&core, 7);
    core.wal().reset(1).unwrap();
    while core.drive() {}
    drop(core);
    rig.crash();
    assert_eq!(recovered(&rig).1, WalRecovery { height: 1, entries: vec![], truncated: false });
}

proptest! {
    #[test]
    fn records_round_trip_and_no_bytes_panic(bytes in prop::collection::vec(any::<u8>(), 0..50), height: u64) {
        if let Some(record) = Record::decode(&bytes) {
            prop_assert_eq!(record.encode(), bytes.clone());
        }
        for record in [Record::Entry([&[7][..], &bytes].concat().into()), Record::Reset(height), Record::Torn] {
            prop_assert_eq!(Record::decode(&record.encode()), Some(record));
        }
    }
}
