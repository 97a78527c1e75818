//! Whole-store behaviour: groups, failures, closing.

use std::collections::BTreeMap;
use std::path::Path;

use bytes::Bytes;

use super::*;
use crate::chain::PutBlock;
use crate::event::{Event, channel, completion};
use crate::notary::testkit::{LOG, Rig, append, check, grow, leaf};

fn entry(number: u64) -> Bytes {
    Bytes::from(format!("entry {number}"))
}

#[test]
fn one_group_costs_one_sync_per_file() {
    let rig = Rig::new(1);
    let (core, _) = rig.open();
    let log = core.notary_log(LOG).unwrap();
    let mut events = Vec::new();
    for number in 0..100 {
        events.push(append(&log, 2 * number, 2).unwrap());
        let (done, event) = completion();
        core.wal().append_then(entry(number), done).unwrap();
        events.push(event);
        let (done, event) = completion();
        core.mark().put_then(entry(number), done).unwrap();
        events.push(event);
    }
    let before = rig.disk.syncs();
    assert!(core.drive());
    assert!(!core.drive());
    // The journal for leaves and WAL, and the mark.
    assert_eq!(rig.disk.syncs() - before, 2);
    assert!(events.iter().all(|event| event.try_recv().unwrap().durable().is_ok()));
    assert_eq!(core.mark().get(), Some(entry(99)));
    let stats = core.stats();
    assert_eq!((stats.groups, stats.durable, stats.leaves, stats.wal_entries, stats.failed), (1, 300, 200, 100, 0));
    check(&log, 200);
}

#[test]
fn events_without_completion_go_to_the_sink_with_their_tickets() {
    let rig = Rig::new(1);
    let (sink, events) = channel();
    let (core, _) = rig.try_open(Options { events: sink, ..rig.options() }).unwrap();
    let log = core.notary_log(LOG).unwrap();
    let mut tickets = vec![core.wal().append(entry(0)).unwrap(), core.wal().append(entry(1)).unwrap()];
    tickets.push(core.wal().reset(7).unwrap());
    tickets.push(log.append(vec![leaf(0), leaf(1)]).unwrap());
    tickets.push(log.append(vec![leaf(2)]).unwrap());
    tickets.push(core.mark().put(entry(9)).unwrap());
    tickets.push(core.chain().put_block(PutBlock { height: 3, ..PutBlock::default() }).unwrap());
    while core.drive() {}
    let told: BTreeMap<_, _> =
        events.try_iter().map(|event| (event.ticket().unwrap(), event.durable().unwrap())).collect();
    let expected = [(0, 2), (1, 2), (0, 0), (0, 3), (2, 3), (0, 0), (3, 3)];
    assert_eq!(told, tickets.into_iter().zip(expected).collect());
}

#[test]
fn a_failed_sync_is_fatal_for_good_and_never_retried() {
    for victim in ["wal", "mark", "leaves"] {
        let rig = Rig::new(1);
        let (sink, events) = channel();
        let (core, _) = rig.try_open(Options { events: sink, ..rig.options() }).unwrap();
        let log = core.notary_log(LOG).unwrap();
        grow(&core, &log, 2);
        rig.disk.fail_sync_after(0);
        let ticket = match victim {
            "wal" => core.wal().append(entry(0)),
            "mark" => core.mark().put(entry(0)),
            _ => log.append(vec![leaf(2)]),
        };
        let ticket = ticket.unwrap();
        // Behind the failed one; beside leaves it would itself be the one whose sync fails.
        let other = (victim != "leaves").then(|| core.wal().reset(1).unwrap());
        while core.drive() {}
        let told: Vec<Event> = events.try_iter().collect();
        let failed = |event: &Event| matches!(event, Event::Fatal { reason: Error::SyncFailed { .. }, .. });
        assert!(told.iter().all(failed), "{victim}: {told:?}");
        let of: Vec<_> = told.iter().map(Event::ticket).collect();
        let expected: Vec<_> = [Some(ticket), other].into_iter().flatten().map(Some).chain([None]).collect();
        assert_eq!(of, expected, "{victim}");
        let syncs = rig.disk.syncs();
        assert!(matches!(core.wal().append(entry(1)), Err(Error::SyncFailed { .. })));
        assert!(matches!(append(&log, 2, 1), Err(Error::SyncFailed { .. })));
        assert!(matches!(core.notary_log(LOG), Err(Error::SyncFailed { .. })));
        assert!(core.stats().failed_for_good);
        assert!(core.mark().get().is_none(), "what may not be durable is not shown");
        assert_eq!(log.size(), 2);
        assert!(core.failure().unwrap().is_fatal());
        let error = core.close().unwrap_err();
        assert!(error.to_string().contains("check the disk"), "{error}");
        assert_eq!(rig.disk.syncs(), syncs);
        drop(log);
        rig.crash();
        check(&rig.open().0.notary_log(LOG).unwrap(), 2);
    }
}

#[test]
fn a_full_disk_stops_with_its_name_and_works_again_after_a_restart() {
    let rig = Rig::new(1);
    let (core, _) = rig.open();
    let log = core.notary_log(LOG).unwrap();
    grow(&core, &log, 10);
    rig.disk.set_capacity(Some(rig.disk.used() + 500));
    let mut size = 10;
    let reason = loop {
        let event = append(&log, size, 3).unwrap();
        core.drive();
        match event.try_recv().unwrap() {
            Event::Durable { .. } => size += 3,
            Event::Fatal { reason, .. } => break reason,
            other => panic!("{other:?}"),
        }
    };
    assert!(matches!(&reason, Error::DiskFull { dir } if dir.starts_with("/member")), "{reason}");
    assert!(matches!(core.wal().append(entry(0)), Err(Error::DiskFull { .. })));
    assert!(core.stats().disk_free.is_some_and(|free| free < 500));
    check(&log, log.size());
    drop((core, log));

    // Still full: the start may need space and then says the same; nothing is lost by trying.
    if let Err(error) = rig.try_open(rig.options()) {
        assert!(matches!(error, Error::DiskFull { .. }), "{error}");
    }
    rig.disk.set_capacity(None);
    let (core, report) = rig.open();
    let log = core.notary_log(LOG).unwrap();
    // A group whose leaves were durable before the trees hit the limit may be there without having been acknowledged.
    assert!(log.size() == size || log.size() == size + 3);
    assert!(report.logs[0].retracted.is_none());
    grow(&core, &log, 3);
    check(&log, log.size());
}

#[test]
fn appends_are_refused_before_the_disk_is_full_and_consensus_goes_on() {
    let rig = Rig::new(1);
    let (core, _) = rig.try_open(Options { reserve_bytes: 10_000, ..rig.options() }).unwrap();
    let log = core.notary_log(LOG).unwrap();
    grow(&core, &log, 10);
    rig.disk.set_capacity(Some(rig.disk.used() + 10_500));
    grow(&core, &log, 10);
    let refused = append(&log, 20, 1).unwrap_err();
    assert!(matches!(refused, Error::DiskLow { reserve: 10_000, free, .. } if free < 10_000), "{refused}");
    assert!(!refused.is_fatal() && refused.to_string().contains("free some space"), "{refused}");
    core.wal().append(entry(0)).unwrap();
    core.wal().reset(1).unwrap();
    while core.drive() {}
    assert!(core.failure().is_none());
    rig.disk.set_capacity(None);
    grow(&core, &log, 10);
    check(&log, 30);
}

#[test]
fn a_second_core_on_the_home_is_refused() {
    let rig = Rig::new(1);
    let (core, report) = rig.open();
    assert!(report.created);
    assert_eq!(core.dir(), Path::new("/member"));
    assert!(matches!(rig.try_open(rig.options()), Err(Error::InUse { .. })));
    core.close().unwrap();
    assert!(!rig.open().1.created);
}

#[test]
fn handles_that_outlive_the_core_read_and_refuse_to_write() {
    let rig = Rig::new(1);
    let (core, _) = rig.open();
    let log = core.notary_log(LOG).unwrap();
    let waiting = append(&log, 0, 5).unwrap();
    core.close().unwrap();
    assert!(waiting.try_recv().unwrap().durable().is_ok(), "closing serves what waits");
    check(&log, 5);
    assert!(matches!(append(&log, 5, 1), Err(Error::Closed)));
}

#[test]
fn the_writer_thread_serves_many_callers() {
    let rig = Rig { segment_bytes: 2000, journal_bytes: 16 << 10, ..Rig::new(1) };
    let (core, _) = rig.try_open(Options { manual: false, ..rig.options() }).unwrap();
    let log = core.notary_log(LOG).unwrap();
    std::thread::scope(|scope| {
        for caller in 0..4u64 {
            let log = log.clone();
            scope.spawn(move || {
                for number in 0..50u64 {
                    let (done, event) = completion();
                    let mine = (caller * 1000 + number).to_be_bytes().to_vec();
                    log.append_then(vec![mine.clone(), mine.clone()], done).unwrap();
                    let (first, size) = event.recv().unwrap().durable().unwrap();
                    assert!(size >= first + 2);
                    assert_eq!(log.leaf(first + 1).unwrap(), mine);
                    log.inclusion(first, log.size()).unwrap();
                }
            });
        }
    });
    assert_eq!(log.size(), 400);
    core.close().unwrap();
}

#[test]
fn a_panicking_completion_stops_the_store_and_leaves_nobody_waiting() {
    let rig = Rig::new(1);
    let (sink, events) = channel();
    let (core, _) = rig.try_open(Options { manual: false, events: sink, ..rig.options() }).unwrap();
    core.wal().append_then(entry(0), Box::new(|_| panic!("a bug of the caller"))).unwrap();
    let told = events.recv().unwrap();
    assert!(matches!(told, Event::Fatal { reason: Error::WriterStopped(_), .. }), "{told:?}");
    while core.failure().is_none() {
        std::thread::yield_now();
    }
    assert!(matches!(core.wal().append(entry(1)), Err(Error::WriterStopped(_))));
    assert!(core.close().is_err());
}
