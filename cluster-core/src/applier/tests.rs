//! What is durable and not applied yet.

use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Duration;

use super::*;
use crate::logs::tests::{expected, read, record, spec};
use crate::notary::testkit::{LONG, Rig, gate, wait_until};
use crate::{Core, Event, Options, Partition, completion};

/// A store with threads.
fn open(rig: &Rig) -> Core {
    rig.try_open(Options { manual: false, ..rig.options() }).unwrap().0
}

/// The first partition of a log, which is made where there is none.
fn partition(core: &Core, name: &str) -> Partition {
    let log = core.logs().open_log(name).or_else(|_| core.logs().create(spec(name))).unwrap();
    log.partition(0).unwrap().clone()
}

/// Appends the records of these numbers.
fn append(partition: &Partition, numbers: std::ops::Range<u64>) -> Receiver<Event> {
    let (done, event) = completion();
    partition.append_then(&numbers.map(record).collect::<Vec<_>>(), done).unwrap();
    event
}

fn grow(partition: &Partition, numbers: std::ops::Range<u64>) {
    append(partition, numbers).recv_timeout(LONG).unwrap().durable().unwrap();
}

/// A store with three records in the first partition of a log.
fn begin(rig: &Rig) -> (Core, Partition) {
    let core = open(rig);
    let orders = partition(&core, "orders");
    grow(&orders, 0..3);
    (core, orders)
}

/// From now on the applier waits before it writes. Answers the gate, which opens when it is dropped.
fn hold(rig: &Rig) -> Sender<()> {
    let (gate, wait) = gate("store-applier");
    rig.disk.before_write(wait);
    gate
}

#[test]
fn who_appends_waits_for_the_journal_and_who_reads_for_the_files() {
    let rig = Rig::new(1);
    let (_core, orders) = begin(&rig);
    assert_eq!(read(&orders, 0).unwrap(), expected(0, 3));
    let gate = hold(&rig);
    grow(&orders, 3..7);
    assert_eq!((orders.end(), orders.range().unwrap()), (7, (0, 7)));
    let first = |from: u64| {
        let mut found = None;
        orders.read(from, &mut |stored| found.insert(stored.offset) != &stored.offset).unwrap();
        found
    };
    assert_eq!((first(0), first(2)), (Some(0), Some(2)), "what is here is read at once");
    std::thread::scope(|scope| {
        let reads = scope.spawn(|| read(&orders, 1).unwrap());
        let times = scope.spawn(|| orders.offset_at(1005).unwrap());
        let segments = scope.spawn(|| orders.segments().unwrap());
        std::thread::sleep(Duration::from_millis(30));
        assert!(!reads.is_finished() && !times.is_finished() && !segments.is_finished());
        drop(gate);
        assert_eq!(reads.join().unwrap(), expected(1, 7));
        assert_eq!(times.join().unwrap(), Some(5));
        assert_eq!(segments.join().unwrap().last().unwrap().next, 7);
    });
}

#[test]
fn a_checkpoint_covers_what_was_acknowledged_before_it() {
    let rig = Rig::new(1);
    let (_core, orders) = begin(&rig);
    let gate = hold(&rig);
    grow(&orders, 3..7);
    let (sender, signed) = channel();
    orders.checkpoint_to_sign(move |checkpoint| sender.send(checkpoint).unwrap()).unwrap();
    assert!(signed.recv_timeout(Duration::from_millis(30)).is_err());
    drop(gate);
    let checkpoint = signed.recv_timeout(LONG).unwrap().unwrap();
    assert_eq!(checkpoint.size, 7);
    orders.prove(6, &checkpoint).unwrap().verify(&record(6).leaf_hash(), &checkpoint).unwrap();
}

#[test]
fn the_writer_does_not_run_ahead_without_bound() {
    let rig = Rig::new(1);
    let core = open(&rig);
    let orders = partition(&core, "orders");
    grow(&orders, 0..1);
    let gate = hold(&rig);
    let waiting: Vec<_> = (1..40).map(|number| append(&orders, number..number + 1)).collect();
    // Those that are queued together are one group; the others come one by one.
    for number in 40..60 {
        append(&orders, number..number + 1);
        std::thread::sleep(Duration::from_millis(2));
    }
    let size = orders.end();
    assert!(size < 60, "{size}");
    drop(gate);
    waiting.iter().for_each(|event| assert!(event.recv_timeout(LONG).unwrap().durable().is_ok()));
    wait_until("all are durable", || orders.end() == 60);
    assert_eq!(read(&orders, 0).unwrap(), expected(0, 60));
    core.close().unwrap();
}

#[test]
fn a_power_cut_before_it_is_applied_loses_nothing() {
    let rig = Rig::new(1);
    let (core, orders) = begin(&rig);
    let gate = hold(&rig);
    grow(&orders, 3..7);
    grow(&orders, 7..9);
    rig.crash();
    drop(gate);
    wait_until("the store has failed", || core.failure().is_some());
    assert!(core.close().is_err());
    drop(orders);
    let core = open(&rig);
    assert_eq!(read(&partition(&core, "orders"), 0).unwrap(), expected(0, 9));
}

#[test]
fn a_failure_stops_the_store_and_nobody_waits_for_ever() {
    let rig = Rig::new(1);
    let (core, orders) = begin(&rig);
    let gate = hold(&rig);
    // The journal's file is there already.
    rig.disk.set_capacity(Some(rig.disk.used()));
    grow(&orders, 3..7);
    std::thread::scope(|scope| {
        let reads = scope.spawn(|| read(&orders, 0));
        std::thread::sleep(Duration::from_millis(10));
        drop(gate);
        assert!(matches!(reads.join().unwrap(), Err(Error::DiskFull { .. })));
    });
    wait_until("the store has failed", || core.failure().is_some());
    let (done, _event) = completion();
    assert!(matches!(orders.append_then(&[record(7)], done), Err(Error::DiskFull { .. })));
    assert!(core.close().is_err());
    drop(orders);
    rig.disk.set_capacity(None);
    let core = open(&rig);
    assert_eq!(read(&partition(&core, "orders"), 0).unwrap(), expected(0, 7), "it was acknowledged");
}

#[test]
fn after_a_panic_nobody_waits_for_ever() {
    let rig = Rig::new(1);
    let (core, orders) = begin(&rig);
    // What is applied before must not be what panics.
    assert_eq!(read(&orders, 0).unwrap(), expected(0, 3));
    rig.disk.before_write(|| assert_ne!(std::thread::current().name(), Some("store-applier"), "as asked"));
    grow(&orders, 3..7);
    assert!(matches!(read(&orders, 0), Err(Error::WriterStopped(_))));
    wait_until("the store has failed", || core.failure().is_some());
    assert!(core.close().is_err());
}

#[test]
fn who_waits_for_a_log_that_is_deleted_goes_on() {
    let rig = Rig::new(1);
    let core = open(&rig);
    let (orders, carts) = (partition(&core, "orders"), partition(&core, "carts"));
    grow(&orders, 0..3);
    grow(&carts, 0..2);
    assert_eq!(read(&carts, 0).unwrap(), expected(0, 2));
    assert_eq!(read(&orders, 0).unwrap(), expected(0, 3));
    let gate = hold(&rig);
    grow(&orders, 3..7);
    grow(&carts, 2..4);
    std::thread::scope(|scope| {
        let reads = scope.spawn(|| read(&carts, 0));
        std::thread::sleep(Duration::from_millis(10));
        assert!(!reads.is_finished());
        // The applier is at the orders.
        core.logs().delete("carts").unwrap();
        assert_eq!(reads.join().unwrap().unwrap(), expected(0, 2));
    });
    drop(gate);
    assert_eq!(read(&orders, 0).unwrap(), expected(0, 7));
    core.close().unwrap();
}
