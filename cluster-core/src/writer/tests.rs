//! The order of things in one group, and what a failure in its middle does to the rest.

use std::sync::{Mutex, mpsc};

use super::*;
use crate::chain::PutBlock;
use crate::event::{Event, completion};
use crate::notary::testkit::{LOG, Rig, append, check, grow};

fn fatal(event: &mpsc::Receiver<Event>) -> bool {
    matches!(event.try_recv(), Ok(Event::Fatal { reason: Error::SyncFailed { .. }, .. }))
}

#[test]
fn what_was_durable_before_a_failure_is_told_so_and_the_rest_refused() {
    let rig = Rig::new(1);
    let (core, _) = rig.open();
    let log = core.notary_log(LOG).unwrap();
    grow(&core, &log, 2);
    let (done, wal) = completion();
    core.wal().append_then(Bytes::from_static(b"vote"), done).unwrap();
    let (done, mark) = completion();
    core.mark().put_then(Bytes::from_static(b"mark"), done).unwrap();
    let leaves = append(&log, 2, 3).unwrap();
    let (sender, signed) = mpsc::channel();
    log.checkpoint_to_sign(move |checkpoint| sender.send(checkpoint).unwrap()).unwrap();
    let (done, block) = completion();
    core.chain().put_block_then(PutBlock { height: 1, ..PutBlock::default() }, done).unwrap();
    // The journal's sync succeeds, the mark's does not.
    rig.disk.fail_sync_after(1);
    assert!(core.drive());
    assert!(wal.try_recv().unwrap().durable().is_ok());
    assert!(fatal(&mark) && fatal(&leaves) && fatal(&block));
    assert!(signed.try_recv().unwrap().is_err());
    assert_eq!(core.chain().latest_height(), None);
    assert_eq!(core.mark().get(), None);
    assert_eq!(log.size(), 2);
    let stats = core.stats();
    assert_eq!((stats.wal_entries, stats.leaves, stats.blocks, stats.queued), (1, 2, 0, 0));
    // What a dead store acknowledged is there after the next start, and so may be what it did not: the leaves were durable.
    drop((core, log));
    rig.crash();
    let (core, _) = rig.open();
    assert_eq!(core.wal().take_recovery().unwrap().entries, [Bytes::from_static(b"vote")]);
    check(&core.notary_log(LOG).unwrap(), 5);
}

#[test]
fn barriers_keep_consensus_in_order() {
    let rig = Rig::new(1);
    let (core, _) = rig.open();
    let order = Arc::new(Mutex::new(Vec::new()));
    let hear = |what: &'static str| -> crate::Completion {
        let order = Arc::clone(&order);
        Box::new(move |event| {
            event.durable().unwrap();
            order.lock().unwrap().push(what);
        })
    };
    for height in 1..=2 {
        core.wal().append_then(Bytes::from_static(b"vote"), hear("vote")).unwrap();
        core.mark().put_then(Bytes::from_static(b"mark"), hear("mark")).unwrap();
        core.chain().put_block_then(PutBlock { height, ..PutBlock::default() }, hear("block")).unwrap();
        core.wal().reset_then(height, hear("reset")).unwrap();
    }
    while core.drive() {}
    let height = ["vote", "mark", "block", "reset"];
    assert_eq!(*order.lock().unwrap(), [height, height].concat());
}

#[test]
fn a_completion_may_ask_for_more() {
    let rig = Rig::new(1);
    let (core, _) = rig.open();
    let (wal, mark) = (core.wal().clone(), core.mark().clone());
    let (done, event) = completion();
    let then = move |told: Event| {
        told.durable().unwrap();
        mark.put_then(Bytes::from_static(b"after the vote"), done).unwrap();
    };
    wal.append_then(Bytes::from_static(b"vote"), Box::new(then)).unwrap();
    while core.drive() {}
    assert!(event.try_recv().unwrap().durable().is_ok());
    assert_eq!(core.mark().get(), Some(Bytes::from_static(b"after the vote")));
}

#[test]
fn wal_entries_are_numbered_since_the_reset() {
    let rig = Rig::new(1);
    let (core, _) = rig.open();
    let append = || {
        let (done, event) = completion();
        core.wal().append_then(Bytes::from_static(b"vote"), done).unwrap();
        event
    };
    let first = [append(), append()];
    core.drive();
    let numbers: Vec<_> = first.iter().map(|event| event.try_recv().unwrap().durable().unwrap()).collect();
    assert_eq!(numbers, [(0, 2), (1, 2)]);
    core.wal().reset(1).unwrap();
    let next = append();
    while core.drive() {}
    assert_eq!(next.try_recv().unwrap().durable().unwrap(), (0, 1));
    for bad in [Bytes::new(), Bytes::from(vec![0; crate::MAX_WAL_ENTRY_BYTES + 1])] {
        assert!(matches!(core.wal().append(bad), Err(Error::Size { .. })));
    }
}
