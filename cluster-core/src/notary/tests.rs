//! The handle: bounds, proofs, tiles, checkpoints.

use pyralog_crypto::{Blake3, HashId, NodeSource, Sha256};

use super::testkit::{LOG, Rig, append, check, grow, leaf, model, model_roots};
use super::*;
use crate::Options;
use crate::event::Event;

#[test]
fn an_empty_log_has_the_empty_roots() {
    let rig = Rig::new(1);
    let (core, _) = rig.open();
    let log = core.notary_log(LOG).unwrap();
    assert_eq!((log.id(), log.size(), log.signed_size()), (LOG, 0, 0));
    assert_eq!(log.roots(0).unwrap(), Roots::empty());
    assert!(matches!(log.roots(1), Err(Error::OutOfRange { size: 0, asked: 1, .. })));
    assert!(matches!(log.inclusion(0, 0), Err(Error::NoSuchProof(_))));
    assert_eq!(log.consistency(0, 0).unwrap().blake3.path, []);
    assert_eq!(core.log_ids(), [LOG]);
}

#[test]
fn submissions_have_bounds() {
    let rig = Rig::new(1);
    let (core, _) = rig.open();
    let log = core.notary_log(LOG).unwrap();
    for bad in [vec![], vec![vec![]], vec![vec![1; MAX_LEAF_BYTES + 1]], vec![vec![1]; MAX_SUBMISSION_LEAVES + 1]] {
        assert!(matches!(log.append(bad), Err(Error::Size { .. })));
    }
    log.append(vec![vec![1; MAX_LEAF_BYTES]; MAX_SUBMISSION_LEAVES]).unwrap();
    assert_eq!(log.size(), 0, "nothing is visible before it is durable");
    assert!(core.drive());
    assert_eq!(log.size(), MAX_SUBMISSION_LEAVES as u64);
    assert_eq!(log.find_leaf(&[1; MAX_LEAF_BYTES]).unwrap(), Some(0));
}

#[test]
fn a_full_queue_says_busy_and_recovers() {
    let rig = Rig::new(1);
    let (core, _) = rig.try_open(Options { queue_bytes: 3000, ..rig.options() }).unwrap();
    let log = core.notary_log(LOG).unwrap();
    log.append(vec![vec![1; 1000]; 2]).unwrap();
    assert!(matches!(log.append(vec![vec![1; 1000]]), Err(Error::Busy { .. })));
    core.wal().append(bytes::Bytes::from(vec![1; 5000])).unwrap();
    assert_eq!(core.stats().refused_busy, 1);
    while core.drive() {}
    log.append(vec![vec![1; 1000]; 2]).unwrap();
}

#[test]
fn proofs_of_every_pair_of_sizes_verify_in_both_trees() {
    let rig = Rig { segment_bytes: 150, ..Rig::new(1) };
    let (core, _) = rig.open();
    let log = core.notary_log(LOG).unwrap();
    for count in [1, 2, 3, 10, 1, 5, 5, 5, 5, 4] {
        grow(&core, &log, count);
    }
    let size = log.size();
    assert!(rig.disk.files().iter().filter(|path| path.to_string_lossy().ends_with(".seg")).count() > 3);
    check(&log, size);
    for new in 0..=size {
        let roots = log.roots(new).unwrap();
        assert_eq!(roots, model_roots(new));
        for index in 0..new {
            let proofs = log.inclusion(index, new).unwrap();
            let hashes = log.leaf_hashes(index).unwrap();
            assert_eq!(hashes, leaf_hashes(&leaf(index)));
            proofs.blake3.verify::<Blake3>(&hashes.blake3, &roots.blake3).unwrap();
            proofs.sha256.verify::<Sha256>(&hashes.sha256, &roots.sha256).unwrap();
        }
        for old in 0..=new {
            let proofs = log.consistency(old, new).unwrap();
            let before = log.roots(old).unwrap();
            proofs.blake3.verify::<Blake3>(&before.blake3, &roots.blake3).unwrap();
            proofs.sha256.verify::<Sha256>(&before.sha256, &roots.sha256).unwrap();
        }
        assert!(matches!(log.inclusion(new, new), Err(Error::NoSuchProof(_))));
    }
    assert!(matches!(log.consistency(3, 2), Err(Error::NoSuchProof(_))));
    assert!(matches!(log.consistency(1, size + 1), Err(Error::OutOfRange { .. })));
    assert!(matches!(log.inclusion(0, size + 1), Err(Error::OutOfRange { .. })));
}

#[test]
fn tiles_hold_the_nodes_of_a_level() {
    let rig = Rig::new(1);
    let (core, _) = rig.open();
    let log = core.notary_log(LOG).unwrap();
    grow(&core, &log, 700);
    let (blake3, sha256) = model(700);
    for (level, first, count) in [(0, 0, 256), (0, 512, 188), (8, 0, 2), (3, 80, 7), (9, 0, 1), (0, 0, 0)] {
        let expected: Vec<Hash> = (first..first + count).map(|index| blake3.node(level, index).unwrap()).collect();
        assert_eq!(log.nodes(HashId::Blake3, level, first, count as usize).unwrap(), expected);
        let expected: Vec<Hash> = (first..first + count).map(|index| sha256.node(level, index).unwrap()).collect();
        assert_eq!(log.nodes(HashId::Sha256, level, first, count as usize).unwrap(), expected);
    }
    for (level, first, count) in
        [(0, 0, 701), (8, 0, 3), (8, 2, 1), (62, 0, 1), (5, u64::MAX, 10), (1, u64::MAX - 3, 2)]
    {
        let refused = log.nodes(HashId::Blake3, level, first, count);
        assert!(matches!(refused, Err(Error::OutOfRange { .. })), "{level} {first} {count}: {refused:?}");
    }
    assert!(matches!(log.nodes(HashId::Sha256, 63, 0, 1), Err(Error::Size { .. })));
    assert!(matches!(log.nodes(HashId::Sha256, 0, 0, MAX_NODES + 1), Err(Error::Size { .. })));
}

#[test]
fn a_checkpoint_covers_what_is_durable_and_is_recorded_before_it_is_given() {
    let rig = Rig::new(1);
    let (core, _) = rig.open();
    let log = core.notary_log(LOG).unwrap();
    grow(&core, &log, 5);
    let waiting = append(&log, 5, 2).unwrap();
    let (sender, receiver) = std::sync::mpsc::channel();
    let disk = rig.disk.clone();
    let signed = rig.file("signed");
    log.checkpoint_to_sign(move |checkpoint| {
        disk.crash();
        sender.send((checkpoint.unwrap(), disk.contents(&signed).unwrap())).unwrap();
    })
    .unwrap();
    while core.drive() {}
    assert!(waiting.recv().unwrap().durable().is_ok());
    let (checkpoint, record) = receiver.try_recv().unwrap();
    assert_eq!(checkpoint, Checkpoint { log: LOG, size: 7, roots: model_roots(7) });
    assert!(
        record.windows(32).any(|part| part == checkpoint.roots.sha256.0),
        "the record survives a crash at that moment"
    );
    assert_eq!(log.signed_size(), 7);
}

#[test]
fn a_checkpoint_of_an_unchanged_log_writes_nothing() {
    let rig = Rig::new(1);
    let (core, _) = rig.open();
    let log = core.notary_log(LOG).unwrap();
    let ask = || {
        let (sender, receiver) = std::sync::mpsc::channel();
        log.checkpoint_to_sign(move |checkpoint| sender.send(checkpoint).unwrap()).unwrap();
        while core.drive() {}
        receiver.try_recv().unwrap().unwrap()
    };
    assert_eq!(ask().size, 0);
    grow(&core, &log, 3);
    let first = ask();
    let operations = rig.disk.operations();
    assert_eq!(ask(), first);
    assert_eq!(rig.disk.operations(), operations);
}

#[test]
fn a_checkpoint_request_is_answered_when_the_store_fails() {
    let rig = Rig::new(1);
    let (core, _) = rig.open();
    let log = core.notary_log(LOG).unwrap();
    grow(&core, &log, 3);
    rig.disk.fail_sync_after(0);
    let (sender, receiver) = std::sync::mpsc::channel();
    let again = sender.clone();
    log.checkpoint_to_sign(move |checkpoint| sender.send(checkpoint).unwrap()).unwrap();
    core.wal().reset(1).unwrap();
    log.checkpoint_to_sign(move |checkpoint| again.send(checkpoint).unwrap()).unwrap();
    while core.drive() {}
    assert!(matches!(receiver.try_recv().unwrap(), Err(Error::SyncFailed { .. })));
    assert!(matches!(receiver.try_recv().unwrap(), Err(Error::SyncFailed { .. })));
    assert_eq!(log.signed_size(), 0, "what may not be durable is not called signed");
}

#[test]
fn logs_are_apart() {
    let rig = Rig::new(1);
    let (core, _) = rig.open();
    let (one, two) = (core.notary_log(LogId([1; 32])).unwrap(), core.notary_log(LogId([2; 32])).unwrap());
    let mut events: Vec<std::sync::mpsc::Receiver<Event>> = Vec::new();
    for round in 0..4 {
        events.push(append(&one, 2 * round, 2).unwrap());
        events.push(append(&two, 3 * round, 3).unwrap());
    }
    while core.drive() {}
    let firsts: Vec<u64> = events.iter().map(|event| event.try_recv().unwrap().durable().unwrap().0).collect();
    assert_eq!(firsts, [0, 0, 2, 3, 4, 6, 6, 9]);
    assert_eq!(core.stats().groups, 1, "one group for all of them");
    check(&one, 8);
    check(&two, 12);
    drop(core);
    let (core, report) = rig.open();
    assert_eq!(report.logs.len(), 2);
    check(&core.notary_log(LogId([2; 32])).unwrap(), 12);
}
