//! The planted faults do what they say; the simulator must catch each.

use std::panic::{AssertUnwindSafe, catch_unwind};

use super::net::{GENESIS, MS, Net};
use crate::block::Timestamp;
use crate::engine::{Canary, Report, SignerState};

fn with(seed: u64, nodes: &[usize], canary: Canary) -> Net {
    let mut net = Net::new(seed, 4, 0);
    for i in nodes {
        net.nodes[*i].config.canary = canary;
    }
    net.start_all();
    net
}

#[test]
fn a_quorum_off_by_one_lets_halves_decide() {
    let mut net = Net::new(90, 4, 0);
    for node in &mut net.nodes {
        node.config.canary = Canary { quorum_off_by_one: true, ..Canary::NONE };
    }
    net.filter = Box::new(|_, from, to, _| (from < 2) == (to < 2));
    net.start_all();
    net.run_ms(10_000);
    assert!(net.height(0) > 1 && net.height(2) > 1, "both halves of a partition go on");
    assert!(catch_unwind(AssertUnwindSafe(|| net.assert_no_fork())).is_err(), "and fork");
}

#[test]
fn without_waiting_for_the_wal_signatures_leave_before_they_are_durable() {
    let run = || with(91, &[1], Canary { wal_not_synced: true, ..Canary::NONE }).run_ms(3_000);
    assert!(catch_unwind(AssertUnwindSafe(run)).is_err(), "the harness notices");
}

#[test]
fn a_wrong_proposer_is_refused_by_the_others() {
    let mut net = with(92, &[1], Canary { wrong_proposer: true, ..Canary::NONE });
    net.run_ms(5_000);
    let rejected: u64 = net.nodes.iter().flat_map(|n| n.verdicts.get(&crate::engine::Verdict::Reject)).sum();
    assert!(rejected > 0);
}

#[test]
fn without_the_time_rule_blocks_come_from_the_future() {
    let mut net = with(93, &[0, 1, 2, 3], Canary { time_rule_off: true, ..Canary::NONE });
    net.run_ms(3_000);
    let last = net.blocks(0).last().map(|b| Timestamp::from_time(b.block.header.time).unwrap()).unwrap();
    assert!(last.0 > GENESIS + 3_000_000 * MS, "an hour ahead");
}

#[test]
fn a_forgotten_lock_means_no_replay_and_signing_on_above_the_last_signature() {
    let mut net = with(94, &[1], Canary { lock_forgotten: true, ..Canary::NONE });
    net.filter = Box::new(|ms, _, _, _| ms < 1_500);
    net.run_ms(3_000);
    let last = net.nodes[1].disk.lock().unwrap().mark.unwrap();
    assert_eq!(last.height, net.height(1) + 1);
    net.crash(1);
    net.start(1);
    net.attend(1);
    net.run_ms(300);
    let replayed = |net: &Net| super::net::count_reports(&net.nodes[1], |r| matches!(r, Report::Replayed { .. }));
    assert_eq!(replayed(&net), 0);
    assert_eq!(net.engine(1).signer_state(), SignerState::Active);
    // The others come back; it goes through later rounds with them instead of giving up the height. Nothing is signed twice.
    net.filter = Box::new(|_, _, _, _| true);
    net.run_to(last.height + 2, 30_000);
    assert_eq!(replayed(&net), 0);
}
