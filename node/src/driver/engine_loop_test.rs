use pyralog_consensus::engine::{Input, MessageId, PeerNumber};

use crate::chain::ChainReader;
use crate::testkit::{Solo, transfer};

#[test]
fn blocks_come_at_their_interval_in_virtual_time() {
    let mut solo = Solo::new().start();
    solo.reach(1);
    let first = solo.elapsed_ns();
    solo.reach(21);
    let passed = solo.elapsed_ns() - first;
    assert!((9_900_000_000..=10_100_000_000).contains(&passed), "20 blocks in {passed} ns");
}

#[test]
fn nothing_is_said_before_it_is_durable_and_heights_end_in_order() {
    let mut solo = Solo::new().start();
    solo.reach(3);
    let trace = &solo.engine.ports().trace;
    let first = |what: &str| trace.iter().position(|entry| entry.starts_with(what)).unwrap_or(usize::MAX);
    assert!(first("wal") < first("gossip") && first("mark") < first("gossip"), "{trace:?}");
    for height in 1..=3 {
        let (commit, done) = (first(&format!("commit {height}")), first(&format!("height {height}")));
        assert!(commit < done, "{trace:?}");
    }
    assert!(first("height 1") < first("commit 2") && first("height 2") < first("commit 3"));
}

#[test]
fn a_commit_that_is_not_durable_holds_the_next_height() {
    let mut solo = Solo::new().start();
    solo.reach(2);
    // From here on nothing is told to be durable.
    for _ in 0..20 {
        let Some(at) = solo.engine.deadline() else { break };
        let now = crate::driver::Now {
            wall: pyralog_consensus::block::Timestamp(crate::testkit::GENESIS_NS + at),
            steady_ns: at,
        };
        solo.engine.fire(now).unwrap();
    }
    assert_eq!(solo.memory.height(), 2, "no height ends on a silent disk");
}

#[test]
fn garbage_is_judged_and_harms_nothing() {
    let mut solo = Solo::new().start();
    solo.reach(1);
    for (n, bytes) in [vec![], vec![0xff; 10], vec![1; 100_000]].into_iter().enumerate() {
        solo.feed(Input::Gossip { id: MessageId(n as u64), peer: PeerNumber(1), bytes: bytes.into() });
    }
    let verdicts = solo.engine.ports().trace.iter().filter(|entry| entry.starts_with("verdict")).count();
    assert_eq!(verdicts, 3, "each message has one verdict");
    solo.feed(Input::SyncBlock { peer: PeerNumber(1), block: vec![1].into(), commit: vec![2].into() });
    assert!(solo.engine.ports().trace.iter().any(|entry| entry.starts_with("penalise 1")));
    solo.reach(3);
}

#[test]
fn a_transfer_gets_into_the_next_block() {
    let mut solo = Solo::new().start();
    solo.reach(1);
    let tx = transfer(0, 500);
    assert_eq!(solo.submit(vec![tx.clone()]).unwrap().len(), 1);
    assert!(solo.submit(vec![tx.clone()]).is_err(), "it is known already");
    solo.reach(3);
    let position = solo.memory.tx(&pyralog_consensus::block::tx_hash(&tx)).unwrap().unwrap();
    assert_eq!(position.index, 0);
    assert!(position.height <= 3);
    assert!(solo.submit(vec![transfer(0, 1)]).is_err(), "its nonce is used");
}

#[test]
fn timers_replace_each_other_and_a_cancelled_one_is_silent() {
    let mut solo = Solo::new().start();
    let before = solo.engine.deadline().unwrap();
    solo.tick();
    let after = solo.engine.deadline().unwrap();
    assert!(after >= before, "a fired timer is gone");
    solo.reach(5);
    let heights = solo.engine.ports().trace.iter().filter(|entry| entry.starts_with("height")).count();
    assert_eq!(heights, 5, "no height is announced twice");
}
