//! The time rule, and clocks that are wrong.

use bytes::Bytes;
use malachitebft_core_types::{Round, VoteType};
use pyralog_crypto::Decode;

use super::net::{MS, Net, count_reports, genesis_of};
use crate::block::testing::{key, public};
use crate::block::{ConsensusParams, Step, TimeRule, Timestamp};
use crate::engine::wire::Body;
use crate::engine::{Report, WireMessage};

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
    // They may ask already who is there.
    let says_nothing = |bytes: &Bytes| WireMessage::from_bytes(bytes).unwrap().statements().is_empty();
    assert!(net.nodes.iter().all(|n| n.sent.iter().all(says_nothing)));
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

/// To a node whose clock is wrong every proposal is untimely. It prevotes nil, but follows what two thirds decide.
#[test]
fn what_two_thirds_vote_for_is_accepted_all_the_same() {
    let mut net = Net::new(26, 4, 0);
    net.nodes[2].clock = 60_000 * MS as i64;
    net.filter = Box::new(|_, _, to, bytes| !(to == 2 && bytes.is_empty())); // It gets no blocks by catching up.
    net.start_all();
    net.run_to(6, 30_000);
    net.assert_no_fork();
    assert!(untimely(&net, 2) >= 3);
    assert!(net.blocks(2).iter().all(|block| !block.synced));
}

/// Everybody locks in round 0, nobody decides there: the block is proposed again in round 1 with its proof of lock, and its time is too old by
/// then for a fresh proposal.
#[test]
fn the_time_rule_does_not_hold_for_a_locked_block() {
    let rule = TimeRule { precision_ns: 50 * MS, message_delay_ns: 100 * MS };
    let params = ConsensusParams { time_rule: rule, ..ConsensusParams::DEFAULTS };
    let members: Vec<_> = (1..=4).map(|i| (public(i), 10)).collect();
    let mut net = Net::with(25, genesis_of(&members, params), (1..=4).map(key).collect(), 0);
    (0..3).for_each(|i| net.start(i));
    net.run_to(2, 20_000);
    // A height whose first proposer is one of the three.
    while net.engine(0).chain().next_validators.proposer().address == net.address(3) {
        net.run_ms(5);
    }
    let height = net.engine(0).chain().height + 2;
    // Each of the three hears one other precommit for the block, and a nil of the fourth.
    net.filter = Box::new(move |_, from, to, bytes| match WireMessage::from_bytes(bytes).map(|m| m.body) {
        Ok(Body::Vote(v)) if v.message.height.0 == height && v.message.round == Round::new(0) => {
            v.message.step == VoteType::Prevote || v.message.value.is_nil() || to != (from + 1) % 3
        }
        Ok(Body::RoundCertificate(c)) => c.height.0 != height,
        _ => true,
    });
    while net.height(0) + 1 < height {
        net.run_ms(5);
    }
    let nil = net.forge_vote(3, Step::Precommit, height, 0, None);
    (0..3).for_each(|to| net.inject(3, to, nil.clone()));
    net.run_to(height, 20_000);
    let block = net.blocks(0).remove(height as usize - 1);
    let locked = net.nodes[0].sent.iter().find_map(|bytes| match WireMessage::from_bytes(bytes).unwrap().body {
        Body::Vote(v) if v.message.height.0 == height && v.message.step == VoteType::Precommit => {
            assert_eq!(v.message.round, Round::new(0), "locked in the first round");
            v.message.signed_value().copied()
        }
        _ => None,
    });
    assert_eq!(locked.unwrap().block_id, block.block_id, "what was locked is what was decided");
    assert!(block.commit.round.value() >= 1, "in a later round");
    net.assert_no_fork();
}
