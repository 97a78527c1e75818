//! What the writer does while the logs are settled.

use std::sync::mpsc;
use std::time::Duration;

use bytes::Bytes;

use crate::disk::FaultyDisk;
use crate::notary::testkit::{LOG, LONG, Rig, append, check, gate, wait_until};
use crate::{Core, Error, NotaryLog, Options};

/// A store with threads, and a small journal.
fn open(rig: &Rig) -> (Core, NotaryLog) {
    let (core, _) = rig.try_open(Options { manual: false, ..rig.options() }).unwrap();
    let log = core.notary_log(LOG).unwrap();
    (core, log)
}

fn rig() -> Rig {
    Rig { journal_bytes: 32 << 10, ..Rig::new(1) }
}

/// Appends some leaves and waits until they are durable.
fn grow(log: &NotaryLog) -> Result<(), Error> {
    append(log, log.size(), 3)?.recv_timeout(LONG).unwrap().durable().map(|_| ())
}

/// From now on whoever syncs in the thread of the settler waits. Answers the gate, which opens when it is dropped.
fn hold_settler(disk: &FaultyDisk) -> mpsc::Sender<()> {
    let (gate, wait) = gate("store-settler");
    disk.before_sync(wait);
    gate
}

fn journal_files(rig: &Rig) -> usize {
    rig.disk.files().iter().filter(|path| path.to_string_lossy().contains("/journal-")).count()
}

#[test]
fn appends_go_on_while_the_logs_are_settled_until_the_journal_is_long() {
    let rig = rig();
    let (core, log) = open(&rig);
    let gate = hold_settler(&rig.disk);
    // Seven groups a file: several files come into use, none can be released.
    for _ in 0..40 {
        grow(&log).unwrap();
    }
    let waiting = std::thread::scope(|scope| {
        let flood = scope.spawn(|| (0..40).try_for_each(|_| grow(&log)));
        wait_until("the eighth file comes into use", || journal_files(&rig) >= super::super::writer::MOST_FILES);
        let size = log.size();
        std::thread::sleep(Duration::from_millis(50));
        assert!(log.size() <= size + 30, "nobody writes the disk full");
        assert!(!flood.is_finished());
        drop(gate);
        flood.join().unwrap()
    });
    waiting.unwrap();
    // What was settled is let go with the next group.
    wait_until("the journal is short again", || grow(&log).is_ok() && journal_files(&rig) <= 5);
    let size = log.size();
    drop(log);
    core.close().unwrap();
    check(&open(&rig).1, size);
}

#[test]
fn a_failure_while_the_logs_are_settled_stops_the_store_at_once() {
    let rig = rig();
    let (core, log) = open(&rig);
    let gate = hold_settler(&rig.disk);
    for _ in 0..10 {
        grow(&log).unwrap();
    }
    // The settler's next sync fails; nobody else syncs meanwhile.
    rig.disk.fail_sync_after(0);
    drop(gate);
    wait_until("the store has failed", || core.failure().is_some());
    assert!(matches!(core.failure(), Some(Error::SyncFailed { .. })));
    assert!(core.wal().append(Bytes::from_static(b"vote")).is_err());
    let size = log.size();
    drop(log);
    assert!(core.close().is_err());
    rig.crash();
    check(&open(&rig).1, size);
}

#[test]
fn a_start_after_a_clean_end_reads_and_syncs_nothing_again() {
    let rig = rig();
    let (core, log) = open(&rig);
    for _ in 0..30 {
        grow(&log).unwrap();
    }
    drop(log);
    core.close().unwrap();
    let (core, report) = rig.open();
    assert_eq!((report.logs[0].replayed, report.logs[0].rehashed), (0, 0));
    let syncs = rig.disk.syncs();
    core.close().unwrap();
    // The journal's last group, and its list.
    assert!(rig.disk.syncs() - syncs <= 2, "{}", rig.disk.syncs() - syncs);
}
