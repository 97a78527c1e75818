//! Whatever peers send: no panic, no growth, no effect.

use bytes::Bytes;
use proptest::prelude::*;
use pyralog_crypto::{Decode, Encode};

use tendermint::evidence::DuplicateVoteEvidence;

use super::net::{Net, genesis_of};
use crate::block::testing::{key, public, value_id};
use crate::block::{ConsensusParams, DuplicateVote, Step, Timestamp, ValueId, duplicate_vote};
use crate::engine::wire::{Body, WireMessage};
use crate::engine::{Effect, Input, MessageId, PeerNumber, Verdict};

fn verdict_of(net: &mut Net, i: usize, bytes: Bytes) -> (Verdict, usize) {
    let now = Timestamp(net.now);
    let input = Input::Gossip { id: MessageId(9), peer: PeerNumber(5), bytes };
    let effects = net.nodes[i].engine.as_mut().unwrap().step(now, input);
    let verdicts: Vec<_> = effects
        .iter()
        .filter_map(|e| match e {
            Effect::Verdict { id: MessageId(9), verdict } => Some(*verdict),
            _ => None,
        })
        .collect();
    assert_eq!(verdicts.len(), 1, "exactly one verdict");
    (verdicts[0], effects.len())
}

fn running(seed: u64) -> Net {
    let mut net = Net::new(seed, 4, 0);
    net.start_all();
    net.run_to(2, 6_000);
    net
}

#[test]
fn far_heights_and_rounds_are_ignored() {
    let mut net = running(50);
    let height = net.height(0) + 1;
    for (h, r) in [(height + 3, 0), (u64::MAX / 2, 0), (height, 12), (height, 2_000_000_000), (1, 0)] {
        let vote = net.forge_vote(1, Step::Prevote, h, r, None);
        let (verdict, effects) = verdict_of(&mut net, 0, vote);
        assert_eq!((verdict, effects), (Verdict::Ignore, 1), "height {h} round {r}");
    }
    net.run_to(height + 2, 6_000);
}

#[test]
fn garbage_is_rejected() {
    let mut net = running(51);
    for bytes in [vec![], vec![0], vec![1, 1], vec![1, 9, 0, 0, 0, 0], vec![7; 200_000]] {
        assert_eq!(verdict_of(&mut net, 0, bytes.into()).0, Verdict::Reject);
    }
}

#[test]
fn forged_and_foreign_votes_are_rejected() {
    let mut net = running(52);
    let height = net.height(0) + 1;
    let vote = net.forge_vote(1, Step::Prevote, height, 1, None);
    let mut message = WireMessage::from_bytes(&vote).unwrap();
    let Body::Vote(v) = &mut message.body else { panic!() };
    v.signature.0[0] ^= 1;
    assert_eq!(verdict_of(&mut net, 0, message.to_bytes().into()).0, Verdict::Reject, "a wrong signature");
    let Body::Vote(v) = &mut message.body else { panic!() };
    v.message.address.0[0] ^= 1;
    assert_eq!(verdict_of(&mut net, 0, message.to_bytes().into()).0, Verdict::Reject, "no validator");
    assert_eq!(verdict_of(&mut net, 0, vote.clone()).0, Verdict::Accept);
    assert_eq!(verdict_of(&mut net, 0, vote).0, Verdict::Ignore, "known");
}

#[test]
fn a_validator_that_floods_with_conflicting_votes_is_bounded() {
    let mut net = running(53);
    let height = net.height(0) + 1;
    let mut accepted = 0;
    for i in 0..200u8 {
        let vote = net.forge_vote(1, Step::Prevote, height, 3, Some(value_id(i, i, 1)));
        accepted += usize::from(verdict_of(&mut net, 0, vote).0 == Verdict::Accept);
        let early = net.forge_vote(1, Step::Prevote, height + 1, 0, Some(value_id(i, i, 1)));
        accepted += usize::from(verdict_of(&mut net, 0, early).0 == Verdict::Accept);
    }
    assert!(accepted <= 6, "{accepted}");
    assert!(net.engine(0).host.early.len() < 50);
    net.run_to(height + 4, 20_000);
    net.assert_no_fork();
}

#[test]
fn a_proposer_that_floods_with_proposals_is_bounded() {
    use malachitebft_core_types::{Round, SignedMessage};
    let mut net = running(54);
    let height = net.height(0) + 1;
    let mut accepted = 0;
    for round in 0..10u32 {
        let proposer = net.engine(0).host.set.proposer_at(round);
        let from = (0..4).find(|i| net.address(*i) == proposer).unwrap();
        if from == 0 {
            continue;
        }
        for n in 0..30u8 {
            let value = value_id(n, n, u64::from(round));
            let message = crate::engine::context::Proposal {
                height: crate::engine::context::Height(height),
                round: Round::new(round),
                value,
                pol_round: Round::Nil,
                address: proposer,
            };
            let bytes = net.engine(0).host.ctx.proposal_bytes(&message);
            let signature = net.nodes[from].key.as_ref().unwrap().sign(&bytes);
            let wire = Body::Proposal(SignedMessage::new(message, signature)).to_wire(0);
            accepted += usize::from(verdict_of(&mut net, 0, wire.into()).0 == Verdict::Accept);
        }
    }
    assert!(accepted <= 2 * 10, "{accepted}");
    assert!(net.engine(0).host.candidates.at(height).count() <= 8);
    net.run_to(height + 3, 40_000);
    net.assert_no_fork();
}

#[test]
fn a_poisoned_part_is_rejected_and_harms_nothing() {
    let mut net = running(55);
    net.nodes[0].pool.0.lock().unwrap().clear();
    let mut poisoned = 0;
    let height = net.height(0) + 6;
    while net.height(0) < height {
        net.run_ms(3);
        let parts: Vec<_> = (0..4).flat_map(|i| net.nodes[i].sent.clone()).collect();
        for bytes in parts.iter().rev().take(40) {
            let mut message = WireMessage::from_bytes(bytes).unwrap();
            let Body::Part(part) = &mut message.body else { continue };
            if part.0.message.height.0 != net.height(2) + 1 {
                continue;
            }
            let mut changed = part.1.bytes.to_vec();
            changed[3] ^= 1;
            part.1.bytes = changed.into();
            let (verdict, _) = verdict_of(&mut net, 2, message.to_bytes().into());
            assert!(verdict != Verdict::Accept);
            poisoned += usize::from(verdict == Verdict::Reject);
        }
        for node in &mut net.nodes {
            node.sent.clear();
        }
    }
    net.assert_no_fork();
    assert!(poisoned > 0, "it was tried");
}

#[test]
fn bad_synced_blocks_are_held_against_the_peer() {
    let mut net = running(56);
    net.crash(3);
    net.run_to(net.height(0) + 5, 20_000);
    let blocks = net.blocks(0);
    net.filter = Box::new(|_, _, _, _| false);
    net.start(3);
    let next = net.height(3) as usize;
    let offer = |net: &mut Net, block: Vec<u8>, commit: Vec<u8>| {
        let input = Input::SyncBlock { peer: PeerNumber(7), block: block.into(), commit: commit.into() };
        let now = Timestamp(net.now);
        let effects = net.nodes[3].engine.as_mut().unwrap().step(now, input);
        effects.iter().filter(|e| matches!(e, Effect::PenalisePeer { peer: PeerNumber(7), .. })).count()
    };
    let good = &blocks[next];
    let (block, commit) = (good.block_bytes.to_vec(), good.commit_bytes().to_vec());
    assert_eq!(offer(&mut net, vec![1, 2, 3], commit.clone()), 1, "no block");
    assert_eq!(offer(&mut net, block.clone(), vec![9]), 1, "no commit");
    assert_eq!(
        offer(&mut net, blocks[next + 1].block_bytes.to_vec(), commit.clone()),
        1,
        "the commit of another block"
    );
    let mut forged = good.commit.clone();
    forged.signatures[0] = tendermint::block::CommitSig::BlockIdFlagAbsent;
    forged.signatures[1] = tendermint::block::CommitSig::BlockIdFlagAbsent;
    assert_eq!(offer(&mut net, block.clone(), crate::block::encode_commit(&forged)), 1, "too few signatures");
    let mut changed = block.clone();
    let at = changed.len() - 100;
    changed[at] ^= 1;
    assert_eq!(offer(&mut net, changed, commit.clone()), 1, "a changed block");
    assert_eq!(
        offer(&mut net, blocks[0].block_bytes.to_vec(), blocks[0].commit_bytes().to_vec()),
        0,
        "an old one is ignored"
    );
    let before = net.height(3);
    net.step(3, Input::SyncBlock { peer: PeerNumber(7), block: block.into(), commit: commit.into() });
    net.run_ms(10);
    assert_eq!(net.height(3), before + 1, "the right one");
    net.filter = Box::new(|_, _, _, _| true);
    net.run_to(net.height(0) + 3, 20_000);
    net.assert_no_fork();
}

#[test]
fn inputs_out_of_place_do_nothing() {
    use crate::engine::{Ticket, Timer};
    let mut net = running(57);
    let now = Timestamp(net.now);
    let engine = net.nodes[0].engine.as_mut().unwrap();
    for input in [
        Input::Start,
        Input::Durable(Ticket(0)),
        Input::Durable(Ticket(u64::MAX)),
        Input::Elapsed(Timer::Genesis),
        Input::Elapsed(Timer::Observe),
        Input::Elapsed(Timer::NextHeight { height: 1 }),
        Input::Elapsed(Timer::Propose { height: 1, round: 0 }),
        Input::Elapsed(Timer::Precommit { height: u64::MAX, round: u32::MAX }),
    ] {
        let effects = engine.step(now, input.clone());
        assert!(effects.is_empty(), "{input:?} gave {effects:?}");
    }
}

#[test]
fn transactions_are_answered() {
    let mut net = running(58);
    let now = Timestamp(net.now);
    let engine = net.nodes[0].engine.as_mut().unwrap();
    let mut submit = |tx: &'static [u8]| {
        let effects = engine.step(now, Input::Tx { reply: 3, bundle: vec![Bytes::from_static(tx)] });
        match &effects[..] {
            [Effect::TxAnswer { reply: 3, result }] => result.is_ok(),
            other => panic!("{other:?}"),
        }
    };
    assert!(submit(b"good"));
    assert!(!submit(b"bad one"));
    assert_eq!(engine.txs().len(), 1);
    net.run_to(net.height(0) + 5, 10_000);
    assert!(net.blocks(1).iter().any(|b| b.block.data.contains(&b"good".to_vec())));
}

#[test]
fn a_block_with_a_failing_transaction_gets_no_votes() {
    let mut net = running(59);
    // Node 1's pool holds what its check would refuse; its own proposals fall back to empty blocks.
    net.nodes[1].pool.0.lock().unwrap().push(Bytes::from_static(b"bad tx"));
    net.run_to(net.height(0) + 6, 20_000);
    net.assert_no_fork();
    assert!(net.blocks(0).iter().all(|b| b.block.data.is_empty()));
}

/// A double precommit of node `who` at a committed height, as evidence.
fn evidence(net: &Net, who: usize, height: u64) -> DuplicateVoteEvidence {
    let block = &net.blocks(0)[height as usize - 1];
    let vote = |value: Option<ValueId>| {
        let wire = net.forge_vote(who, Step::Precommit, height, 0, value);
        (value, WireMessage::from_bytes(&wire).unwrap().statements()[0].signature)
    };
    let votes = [vote(None), vote(Some(value_id(7, 7, 7)))];
    let pair = DuplicateVote { address: net.address(who), step: Step::Precommit, height, round: 0, votes };
    duplicate_vote(&pair, &block.validators, block.block.header.time).unwrap()
}

fn wire(evidence: DuplicateVoteEvidence) -> Bytes {
    Body::Evidence(Box::new(evidence)).to_wire(0).into()
}

#[test]
fn evidence_is_taken_once_and_a_false_accusation_is_held_against_its_sender() {
    let mut net = running(61);
    let height = net.height(0);
    let good = evidence(&net, 3, height);
    assert_eq!(verdict_of(&mut net, 0, wire(good.clone())).0, Verdict::Accept);
    assert_eq!(verdict_of(&mut net, 0, wire(good)).0, Verdict::Ignore, "known");
    let mut false_power = evidence(&net, 2, height);
    false_power.validator_power = 9u32.into();
    assert_eq!(verdict_of(&mut net, 0, wire(false_power)).0, Verdict::Reject);
    let mut false_time = evidence(&net, 2, height);
    false_time.timestamp = crate::block::testing::time(1);
    assert_eq!(verdict_of(&mut net, 0, wire(false_time)).0, Verdict::Reject);
    let mut forged = evidence(&net, 2, height);
    forged.vote_a.signature = forged.vote_b.signature.clone();
    assert_eq!(verdict_of(&mut net, 0, wire(forged)).0, Verdict::Reject);
    let mut early = evidence(&net, 2, height);
    early.vote_a.height = (height + 5).try_into().unwrap();
    early.vote_b.height = early.vote_a.height;
    assert_eq!(verdict_of(&mut net, 0, wire(early)).0, Verdict::Ignore, "nobody can judge it yet");
    let own = evidence(&net, 0, height);
    assert_eq!(verdict_of(&mut net, 0, wire(own)).0, Verdict::Ignore, "the signer looks for that itself");
    assert_eq!(net.engine(0).host.evidence.iter().count(), 1);
}

#[test]
fn evidence_that_is_too_old_is_nobodys_fault() {
    let members: Vec<_> = (1..=4).map(|i| (public(i), 10)).collect();
    let params = ConsensusParams { evidence_max_age_blocks: 1, evidence_max_age_ns: 1, ..ConsensusParams::DEFAULTS };
    let mut net = Net::with(62, genesis_of(&members, params), (1..=4).map(key).collect(), 0);
    net.start_all();
    net.run_to(5, 10_000);
    let old = evidence(&net, 3, 1);
    assert_eq!(verdict_of(&mut net, 0, wire(old)).0, Verdict::Ignore);
    assert_eq!(net.engine(0).host.evidence.iter().count(), 0);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    /// Real messages with a few bytes changed, and random ones, to a running engine.
    #[test]
    fn mutated_messages_never_panic(seed in 0u64..1000, at in any::<u16>(), flip in 1u8..=255, cut in 0usize..30) {
        let mut net = running(600 + seed);
        let sent: Vec<_> = net.nodes.iter().flat_map(|n| n.sent.clone()).collect();
        for bytes in sent.iter().rev().take(60) {
            let mut bytes = bytes.to_vec();
            let at = at as usize % bytes.len().min(400);
            bytes[at] ^= flip;
            bytes.truncate(bytes.len() - cut.min(bytes.len()));
            verdict_of(&mut net, 0, bytes.into());
        }
        let height = net.height(0);
        net.run_to(height + 2, 20_000);
        net.assert_no_fork();
    }
}
