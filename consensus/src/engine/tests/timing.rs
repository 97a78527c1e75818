//! The time rule, and clocks that are wrong.

use super::net::{MS, Net, count_reports};
use crate::block::Timestamp;
use crate::engine::Report;

const PRECISION_AND_DELAY: i64 = 3_500;

fn untimely(net: &Net, i: usize) -> usize {
    count_reports(&net.nodes[i], |r| matches!(r, Report::Untimely { .. }))
}

#[test]
fn a_proposer_whose_clock_is_ahead_gets_no_votes() {
    let mut net = Net::new(20, 4, 0);
    net.nodes[0].clock = 2_000 * MS as i64;
    net.start_all();
    net.run_to(8, 30_000);
    net.assert_no_fork();
    let address = net.address(0);
    let by_node_0 = net.blocks(1).iter().filter(|b| b.block.header.proposer_address == address.into()).count();
    assert_eq!(by_node_0, 0, "all its proposals are from the future");
    assert!(untimely(&net, 1) > 0);
    for block in net.blocks(1) {
        let time = Timestamp::from_time(block.block.header.time).unwrap();
        assert!(time.0 <= net.now + 500 * MS);
    }
}

#[test]
fn a_proposer_whose_clock_is_far_behind_gets_no_votes() {
    let mut net = Net::new(21, 4, 0);
    net.start_all();
    net.run_to(2, 6_000);
    // Its time would be the last block's plus a little, which is timely; so let the network stand still first.
    net.crash(2);
    net.crash(3);
    net.run_ms(20_000);
    net.nodes[0].clock = -15_000 * MS as i64;
    net.start(2);
    net.start(3);
    let before = net.height(1);
    net.run_to(before + 6, 60_000);
    net.assert_no_fork();
    let address = net.address(0);
    for block in net.blocks(1).iter().skip(before as usize) {
        if block.block.header.proposer_address == address.into() {
            let time = Timestamp::from_time(block.block.header.time).unwrap().0 as i64;
            let last =
                Timestamp::from_time(net.blocks(1)[block.height as usize - 2].block.header.time).unwrap().0 as i64;
            assert!(time - last < 10 * MS as i64, "only right after a timely block");
        }
    }
    let _ = PRECISION_AND_DELAY;
}

#[test]
fn a_clock_set_back_stops_nothing() {
    let mut net = Net::new(22, 4, 0);
    net.start_all();
    net.run_to(3, 6_000);
    net.nodes[2].clock = -3_600_000 * MS as i64;
    net.run_to(10, 30_000);
    net.assert_no_fork();
}

#[test]
fn nothing_happens_before_genesis_time() {
    let mut net = Net::new(23, 4, 0);
    for node in &mut net.nodes {
        node.clock = -5_000 * MS as i64;
    }
    net.start_all();
    net.run_ms(4_900);
    assert!(net.nodes.iter().all(|n| n.sent.is_empty()));
    net.run_to(3, 6_000);
}

#[test]
fn a_slow_network_still_decides_since_the_delay_grows() {
    // All clocks differ by up to a second from the others: more than the precision of half a second.
    let mut net = Net::new(24, 4, 0);
    for (i, node) in net.nodes.iter_mut().enumerate() {
        node.clock = i as i64 * 150 * MS as i64;
    }
    net.start_all();
    net.run_to(8, 60_000);
    net.assert_no_fork();
}
