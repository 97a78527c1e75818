//! Progress, faults of a minority, catching up.

use bytes::Bytes;
use pyralog_crypto::Decode;

use super::net::{Net, count_reports};
use crate::block::{PART_BYTES, Step};
use crate::engine::wire::{Body, WireMessage};
use crate::engine::{Report, Verdict};

fn is_part(bytes: &Bytes) -> bool {
    matches!(WireMessage::from_bytes(bytes).map(|m| m.body), Ok(Body::Part(_)))
}

#[test]
fn four_validators_and_a_full_node_make_blocks() {
    let mut net = Net::new(1, 4, 1);
    for i in 0..20u8 {
        net.nodes[i as usize % 4].pool.0.lock().unwrap().push(Bytes::from(vec![b't', i]));
    }
    net.start_all();
    net.run_to(12, 12_000);
    net.assert_no_fork();
    let txs: usize = net.blocks(0).iter().map(|b| b.block.data.len()).sum();
    assert_eq!(txs, 20, "every transaction once");
    let blocks = net.blocks(0);
    for pair in blocks.windows(2) {
        let (a, b) = (&pair[0].block.header, &pair[1].block.header);
        assert!(b.time > a.time);
        assert_eq!(b.last_block_id, Some(pair[0].block_id));
    }
    assert!(
        count_reports(&net.nodes[0], |r| matches!(r, Report::Round { round, .. } if *round > 0)) == 0,
        "one round each"
    );
    for node in &net.nodes {
        assert_eq!(node.verdicts.get(&Verdict::Reject), None, "honest nodes reject nothing of each other");
    }
    assert_eq!(net.engine(4).signer_state(), crate::engine::SignerState::NoKey);
}

#[test]
fn heights_are_paced_and_late_precommits_get_into_the_commit() {
    let mut net = Net::new(2, 4, 0);
    net.start_all();
    net.run_to(10, 12_000);
    let blocks = net.blocks(0);
    let (first, last) = (&blocks[1].block.header.time, &blocks[9].block.header.time);
    let ms = last.duration_since(*first).unwrap().as_millis() as u64;
    assert!((8 * 200..8 * 300).contains(&ms), "8 blocks in {ms} ms");
    let full =
        blocks[2..].iter().filter(|b| b.block.last_commit.as_ref().unwrap().signatures.iter().all(|s| s.is_commit()));
    assert!(full.count() >= 7, "the commit in a block holds all four precommits although three decide");
}

#[test]
fn one_silent_validator_does_not_stop_the_others() {
    let mut net = Net::new(3, 4, 0);
    for i in 0..3 {
        net.start(i);
    }
    net.run_to(8, 20_000);
    net.assert_no_fork();
    let absent = net.blocks(0)[6].block.last_commit.clone().unwrap();
    assert_eq!(absent.signatures.iter().filter(|s| s.is_absent()).count(), 1);
}

#[test]
fn two_silent_validators_stop_the_chain_and_nothing_forks() {
    let mut net = Net::new(4, 4, 0);
    net.start_all();
    net.run_to(3, 6_000);
    net.crash(2);
    net.crash(3);
    net.run_ms(3_000);
    let halted = net.height(0);
    net.run_ms(20_000);
    assert_eq!(net.height(0), halted);
    net.start(2);
    net.run_ms(500);
    net.start(3);
    net.run_to(halted + 5, 30_000);
    net.assert_no_fork();
}

#[test]
fn an_equivocator_is_punished_once_and_the_chain_goes_on() {
    let mut net = Net::new(5, 4, 0);
    net.start_all();
    net.run_to(2, 6_000);
    // With each precommit of node 3 go two conflicting votes of the same key to everybody.
    for _ in 0..6 {
        let height = net.height(0) + 1;
        for value in
            [None, Some(crate::block::testing::value_id(7, 7, 7)), Some(crate::block::testing::value_id(8, 8, 8))]
        {
            let vote = net.forge_vote(3, Step::Precommit, height, 0, value);
            for to in 0..3 {
                net.inject(3, to, vote.clone());
            }
        }
        net.run_ms(200);
    }
    net.run_ms(3_000);
    let punished = net.engine(0).app().punished.clone();
    assert_eq!(punished.len(), 1, "{punished:?}");
    assert_eq!((punished[0].validator, punished[0].power, punished[0].total_power), (net.address(3), 10, 40));
    net.run_to(net.height(0) + 3, 10_000);
    net.assert_no_fork();
    assert_eq!(net.engine(0).chain().validators.len(), 3, "and its power is gone two heights later");
    let with_evidence = net.blocks(1).iter().filter(|b| !b.misbehavior.is_empty()).count();
    assert_eq!(with_evidence, 1);
}

#[test]
fn lossy_networks_make_progress() {
    for seed in 10..14 {
        let mut net = Net::new(seed, 4, 0);
        net.loss = 150;
        net.start_all();
        net.run_to(8, 120_000);
        net.assert_no_fork();
    }
}

#[test]
fn lost_parts_are_asked_for_and_sent_again() {
    let mut net = Net::new(6, 4, 0);
    // Blocks of several parts; the first time that a part is sent it is lost.
    for node in &net.nodes {
        let txs = (0..6u8).map(|i| Bytes::from(vec![i; PART_BYTES]));
        node.pool.0.lock().unwrap().extend(txs);
    }
    let mut dropped = std::collections::BTreeMap::new();
    net.filter = Box::new(move |_, _, to, bytes| {
        if !is_part(bytes) {
            return true;
        }
        let Body::Part(part) = WireMessage::from_bytes(bytes).unwrap().body else { return true };
        let key = (to, part.0.message.value, part.1.index);
        *dropped.entry(key).and_modify(|n| *n += 1).or_insert(0) > 0
    });
    net.start_all();
    net.run_to(3, 60_000);
    net.assert_no_fork();
    assert!(net.blocks(0)[..2].iter().any(|b| b.block_bytes.len() > 5 * PART_BYTES), "a large block is in");
    let requests = net
        .nodes
        .iter()
        .flat_map(|n| &n.sent)
        .filter(|bytes| matches!(WireMessage::from_bytes(bytes).unwrap().body, Body::WantParts { .. }));
    assert!(requests.count() > 0);
}

#[test]
fn a_lost_proposal_is_recovered_from_those_who_voted() {
    let mut net = Net::new(7, 4, 0);
    // Nodes 2 and 3 never get a proposal or part on the first way; the other two are no quorum.
    net.filter = Box::new(|_, _, to, bytes| {
        let message = WireMessage::from_bytes(bytes);
        let first = message.as_ref().is_ok_and(|m| m.attempt == 0);
        let proposal = matches!(message.map(|m| m.body), Ok(Body::Proposal(_) | Body::Part(_)));
        !(to >= 2 && first && proposal)
    });
    net.start_all();
    net.run_to(6, 30_000);
    net.assert_no_fork();
    for i in [2, 3] {
        let own = net.blocks(i).iter().filter(|b| !b.synced).count();
        assert!(own >= 1, "node {i} decided some heights itself");
    }
}

#[test]
fn a_node_that_was_away_catches_up() {
    let mut net = Net::new(8, 4, 1);
    net.start_all();
    net.run_to(3, 6_000);
    net.crash(3);
    net.crash(4);
    let target = net.height(0) + 15;
    net.run_to(target, 60_000);
    net.start(3);
    net.start(4);
    net.run_to(target + 5, 20_000);
    net.assert_no_fork();
    for i in [3, 4] {
        assert!(net.blocks(i)[5..].iter().filter(|b| b.synced).count() >= 10, "by synced blocks");
    }
    assert!(net.blocks(3).last().is_some());
    net.run_ms(2_000);
    let blocks = net.blocks(0);
    let last = blocks.last().unwrap().block.last_commit.clone().unwrap();
    assert_eq!(last.signatures.iter().filter(|s| s.is_commit()).count(), 4, "and votes again");
}

#[test]
fn partitions_halt_and_heal() {
    let mut net = Net::new(9, 4, 0);
    net.filter = Box::new(|ms, from, to, _| !(2_000..12_000).contains(&ms) || (from < 2) == (to < 2));
    net.start_all();
    net.run_ms(4_000);
    let halted = net.height(0);
    net.run_ms(6_000);
    assert_eq!(net.height(0), halted, "no side has two thirds");
    net.run_to(halted + 4, 40_000);
    net.assert_no_fork();
}

#[test]
fn one_seed_gives_one_trace() {
    let trace = |seed| {
        let mut net = Net::new(seed, 4, 0);
        net.loss = 100;
        net.start_all();
        net.run_ms(4_000);
        (net.nodes.iter().map(|n| n.sent.clone()).collect::<Vec<_>>(), net.height(0))
    };
    assert!(trace(42) == trace(42));
    assert!(trace(42) != trace(43));
}
