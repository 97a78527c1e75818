//! Who must be heard before anything is signed.

use pyralog_crypto::codec::{Decode, Encode};
use pyralog_crypto::{Signature, SigningKey};

use super::net::{MS, Net, count_reports, genesis_of};
use crate::block::testing::{CHAIN, key};
use crate::block::{Step, ValidatorAddress};
use crate::engine::presence::{Answer, MAX_ANSWERS, Presence, Signed};
use crate::engine::wire::{Body, WireMessage, tests::vote};
use crate::engine::{Input, Report, SignerState, Verdict};

/// The presences that a node sent since its last start.
fn sent(net: &Net, i: usize) -> Vec<Presence> {
    let bodies = net.nodes[i].sent.iter().map(|bytes| WireMessage::from_bytes(bytes).unwrap().body);
    bodies.filter_map(|body| if let Body::Presence(presence) = body { Some(*presence) } else { None }).collect()
}

fn signed_anything(net: &Net, i: usize) -> bool {
    let own = net.address(i);
    net.nodes[i].sent.iter().any(|bytes| {
        WireMessage::from_bytes(bytes).unwrap().statements().iter().any(|statement| statement.address == own)
    })
}

fn answer(net: &mut Net, from: u8, to: usize, number: u64, key: &SigningKey, attempt: u32) {
    let to_us = (net.address(to), number);
    let height = net.height(to) + 1;
    let mut message = WireMessage::presence(CHAIN, key, height, to_us, attempt).unwrap();
    let Body::Presence(presence) = &mut message.body else { panic!() };
    presence.address = net.address(from as usize);
    net.inject(from as usize, to, message.to_bytes().into());
    net.run_ms(5);
}

#[test]
fn a_copy_that_was_restored_signs_nothing_while_it_hears_nobody() {
    let mut net = Net::new(71, 4, 0);
    net.start_all();
    net.run_to(3, 6_000);
    net.crash(3);
    let copy = {
        let disk = net.nodes[3].disk.lock().unwrap();
        (disk.blocks.clone(), disk.wal.clone(), disk.mark)
    };
    net.start(3);
    net.run_to(8, 20_000);
    (0..4).for_each(|i| net.crash(i));
    {
        let mut disk = net.nodes[3].disk.lock().unwrap();
        (disk.blocks, disk.wal, disk.mark) = copy;
    }
    net.nodes[3].reports.clear();
    net.start(3);
    net.run_ms(60_000);
    assert_eq!(net.engine(3).signer_state(), SignerState::Observing);
    assert!(!signed_anything(&net, 3), "alone");
    let unattended = |report: &Report| matches!(report, Report::Unattended { power: 10, total: 40 });
    assert_eq!(count_reports(&net.nodes[3], unattended), 1, "said once");
    // With one other it is still not two thirds; with all of them it learns what it had signed.
    net.start(0);
    net.run_ms(10_000);
    assert!(!signed_anything(&net, 3), "two of four");
    net.start(1);
    net.start(2);
    net.run_to(9, 20_000);
    assert!(
        matches!(net.engine(3).signer_state(), SignerState::Suspended { .. }),
        "{:?}",
        net.engine(3).signer_state()
    );
    assert!(!signed_anything(&net, 3), "suspended");
    net.assert_no_fork();
}

/// The chain stands still in the middle of a height: no commit shows what was signed, only the votes that another holds.
#[test]
fn votes_of_the_asker_are_sent_again_to_it() {
    let mut net = Net::new(72, 4, 0);
    net.start_all();
    net.run_to(3, 6_000);
    net.filter = Box::new(|_, from, to, _| (from, to) == (3, 2));
    let copy = {
        let disk = net.nodes[3].disk.lock().unwrap();
        (disk.blocks.clone(), disk.wal.clone(), disk.mark)
    };
    net.run_ms(3_000);
    net.crash(3);
    {
        let mut disk = net.nodes[3].disk.lock().unwrap();
        assert!(disk.mark > copy.2 && disk.mark.unwrap().height == net.height(2) + 1, "it went on signing");
        (disk.blocks, disk.wal, disk.mark) = copy;
    }
    net.filter = Box::new(|_, from, to, _| from >= 2 && to >= 2);
    net.start(3);
    net.run_ms(1_000);
    assert!(
        matches!(net.engine(3).signer_state(), SignerState::Suspended { .. }),
        "{:?}",
        net.engine(3).signer_state()
    );
    assert!(!signed_anything(&net, 3));
}

#[test]
fn only_answers_of_validators_to_this_start_count() {
    let mut net = Net::new(73, 4, 0);
    net.start(0);
    net.run_ms(1_000);
    let (now, old) = (net.number(0), u64::MAX);
    // To an earlier start; signed with another's key; by somebody who is no validator.
    answer(&mut net, 1, 0, old, &key(2), 1);
    answer(&mut net, 2, 0, old, &key(3), 1);
    assert_eq!(net.nodes[0].verdicts.get(&Verdict::Reject), None);
    answer(&mut net, 1, 0, now, &key(3), 2);
    answer(&mut net, 2, 0, now, &key(2), 2);
    assert_eq!(net.nodes[0].verdicts[&Verdict::Reject], 2, "wrong signatures are held against who sent them on");
    let stranger = WireMessage::presence(CHAIN, &key(9), 1, (net.address(0), now), 3).unwrap();
    net.inject(1, 0, stranger.to_bytes().into());
    net.run_ms(5_000);
    assert_eq!(net.engine(0).signer_state(), SignerState::Observing);
    // One honest answer makes two of four, the second three.
    answer(&mut net, 1, 0, now, &key(2), 4);
    net.run_ms(5_000);
    assert_eq!(net.engine(0).signer_state(), SignerState::Observing);
    answer(&mut net, 2, 0, now, &key(3), 5);
    net.run_ms(1_000);
    assert_eq!(net.engine(0).signer_state(), SignerState::Active);
}

#[test]
fn each_start_asks_under_another_number_and_is_answered_by_name() {
    let mut net = Net::new(74, 4, 0);
    net.start_all();
    net.run_to(2, 6_000);
    let first = net.number(1);
    net.crash(1);
    net.start(1);
    net.run_to(4, 20_000);
    let second = net.number(1);
    assert_ne!(first, second);
    let to_it = |answer: &Answer| (answer.asker, answer.number) == (net.address(1), second);
    assert!([0, 2, 3].into_iter().all(|i| sent(&net, i).iter().any(|presence| presence.answers.iter().any(to_it))));
    // Nobody speaks of it any more once nobody asks.
    (0..4).for_each(|i| net.nodes[i].sent.clear());
    net.run_ms(2_000);
    assert!((0..4).all(|i| sent(&net, i).is_empty()));
}

#[test]
fn one_who_holds_the_power_alone_waits_for_nobody() {
    let members = [(key(1).public_key(), 100), (key(2).public_key(), 10)];
    let genesis = genesis_of(&members, crate::block::ConsensusParams::DEFAULTS);
    let mut net = Net::with(75, genesis, vec![key(1), key(2)], 0);
    net.start(0);
    net.run_to(3, 6_000);
    net.start(1);
    net.run_to(6, 20_000);
    net.assert_no_fork();
}

/// A clock far behind: the others begin before it shows the genesis time. The look at start is not left out, and does not come in the middle of
/// a height either, where the node would fall silent for as long as it lasts.
#[test]
fn a_clock_before_the_genesis_time_delays_the_look_but_does_not_repeat_it() {
    let mut net = Net::new(76, 4, 0);
    net.nodes[3].clock = -(5_000 * MS as i64);
    net.start_all();
    net.run_ms(4_900);
    assert!(net.height(0) > 3 && net.height(3) > 3, "it follows the others");
    let signer = |report: &Report| matches!(report, Report::Signer { .. });
    let states: Vec<_> = net.nodes[3].reports.iter().filter(|report| signer(report)).cloned().collect();
    let watches = Report::Signer { state: SignerState::Observing, watching: true };
    assert_eq!(states, [watches, Report::Signer { state: SignerState::Active, watching: false }]);
    assert!(signed_anything(&net, 3));
    net.nodes[3].clock = 0;
    // Now nothing is decided without it.
    net.crash(2);
    let height = net.height(0);
    net.run_to(height + 5, 30_000);
    assert_eq!(count_reports(&net.nodes[3], signer), 2, "it looked once");
    net.assert_no_fork();
}

#[test]
fn impossible_presences_are_refused() {
    let answer = |asker: u8, number, newest| Answer { asker: ValidatorAddress([asker; 20]), number, newest };
    let presence = |height, answers: &[u8]| Presence {
        address: ValidatorAddress([1; 20]),
        height,
        asks: Some(5),
        answers: answers.iter().map(|n| answer(*n, u64::from(*n), None)).collect(),
        signature: Signature([3; 64]),
    };
    let decodes = |presence: Presence| {
        let bytes = WireMessage { attempt: 1, body: Body::Presence(Box::new(presence)) }.to_bytes();
        WireMessage::from_bytes(&bytes).is_ok_and(|message| message.to_bytes() == bytes)
    };
    assert!(decodes(presence(1, &[])) && decodes(presence(9, &[2, 3, 7])));
    assert!(!decodes(presence(0, &[])), "no height");
    assert!(!decodes(presence(u64::MAX, &[])), "no height of a block");
    assert!(!decodes(presence(1, &[3, 2])) && !decodes(presence(1, &[2, 2])), "ascending, each once");
    let vote = vote(malachitebft_core_types::NilOrVal::Val(crate::block::testing::value_id(1, 2, 3)));
    let signed = |asker, number| answer(asker, number, Some(Signed::Vote(vote.clone())));
    let with = |answers: Vec<Answer>| Presence { answers, ..presence(1, &[]) };
    assert!(decodes(with(vec![answer(3, 1, None), answer(3, 2, None)])), "two numbers of one asker");
    assert!(decodes(with(vec![signed(3, 1)])));
    assert!(!decodes(with(vec![signed(4, 1)])), "the signature of another");
    let most: Vec<_> = (0..=MAX_ANSWERS as u64).map(|number| signed(3, number)).collect();
    let bytes = WireMessage { attempt: 1, body: Body::Presence(Box::new(with(most[1..].to_vec()))) }.to_bytes();
    assert!(decodes(with(most[1..].to_vec())) && bytes.len() <= crate::engine::MAX_MESSAGE_BYTES);
    assert!(!decodes(with(most)), "too many");
}

/// What anybody may have recorded says nothing of now: it neither takes the place of what the validator asks today nor is sent on, and is answered
/// seldom.
#[test]
fn a_recorded_question_of_an_earlier_start_is_of_no_use() {
    let mut net = Net::new(77, 4, 0);
    let ask = |number: u64, net: &Net| {
        let signature = Signature([0; 64]);
        let presence = Presence { address: net.address(1), height: 1, asks: Some(number), answers: vec![], signature };
        presence.sign(CHAIN, &key(2)).unwrap()
    };
    net.start(0);
    net.run_ms(150);
    let mut attempt = 100;
    let mut hear = |net: &mut Net, presence: &Presence| {
        attempt += 1;
        let body = Body::Presence(Box::new(presence.clone()));
        net.inject(1, 0, WireMessage { attempt, body }.to_bytes().into());
        net.run_ms(5);
    };
    let accepted = |net: &Net| net.nodes[0].verdicts.get(&Verdict::Accept).copied().unwrap_or(0);
    for number in 1_000..1_004 {
        let presence = ask(number, &net);
        hear(&mut net, &presence);
    }
    assert_eq!(accepted(&net), 4);
    let old = ask(999, &net);
    hear(&mut net, &old);
    assert_eq!(accepted(&net), 4, "not sent on");
    let again = ask(1_003, &net);
    hear(&mut net, &again);
    assert_eq!(accepted(&net), 4, "nor twice between two ticks");
    net.run_ms(200);
    let numbers = |net: &Net| -> Vec<u64> {
        sent(net, 0).iter().flat_map(|presence| presence.answers.iter().map(|answer| answer.number)).collect()
    };
    assert_eq!(numbers(&net), [1_000, 1_001, 1_002, 1_003]);
    net.nodes[0].sent.clear();
    let last = ask(1_003, &net);
    for _ in 0..200 {
        hear(&mut net, &last);
        net.run_ms(95);
    }
    assert!((40..70).contains(&numbers(&net).len()), "{} answers in 200 ticks", numbers(&net).len());
    let flood = accepted(&net);
    for number in 2_000..2_100 {
        let presence = ask(number, &net);
        hear(&mut net, &presence);
    }
    assert!(accepted(&net) - flood <= 4 * 6, "{} in half a second", accepted(&net) - flood);
}

/// Whoever answers has blocks that the asker has not: it waits for them, however long nobody gives them.
#[test]
fn nothing_is_signed_before_the_blocks_of_those_who_answer_are_here() {
    let mut net = Net::new(78, 4, 0);
    net.start_all();
    net.run_to(3, 6_000);
    net.crash(3);
    net.run_to(9, 20_000);
    // Messages pass, blocks do not (they have no bytes here).
    net.filter = Box::new(|_, _, to, bytes| to != 3 || !bytes.is_empty());
    net.start(3);
    net.run_ms(30_000);
    assert_eq!(net.engine(3).signer_state(), SignerState::Observing);
    assert!(!signed_anything(&net, 3));
    net.filter = Box::new(|_, _, _, _| true);
    let height = net.height(0);
    net.run_to(height + 3, 20_000);
    assert_eq!(net.engine(3).signer_state(), SignerState::Active);
    net.assert_no_fork();
}

/// Whoever names blocks that are not here does not count before they are; one that lies about its height is as good as silent.
#[test]
fn who_has_later_blocks_does_not_count_before_they_are_here() {
    let mut net = Net::new(79, 4, 0);
    net.start(0);
    net.run_ms(1_000);
    let to_us = (net.address(0), net.number(0));
    let tell = |net: &mut Net, from: u8, height: u64| {
        let message = WireMessage::presence(CHAIN, &key(from + 1), height, to_us, 1).unwrap();
        net.inject(from as usize, 0, message.to_bytes().into());
        net.run_ms(60_000);
    };
    tell(&mut net, 1, 1_000_000);
    tell(&mut net, 2, 1);
    assert_eq!(net.engine(0).signer_state(), SignerState::Observing, "two of four, and a liar");
    tell(&mut net, 3, 1);
    assert_eq!(net.engine(0).signer_state(), SignerState::Active);
}

/// Everybody starts at once in the middle of a height, one from an older copy: what it had signed stands in the WALs of the others, which are not
/// replayed before they have heard it.
#[test]
fn votes_that_only_the_logs_of_the_others_hold_are_known() {
    let mut net = Net::new(82, 4, 0);
    net.start_all();
    net.run_to(3, 6_000);
    // No precommit passes: rounds fail, and nobody decides.
    let halts = |_: u64, _: usize, _: usize, bytes: &bytes::Bytes| match WireMessage::from_bytes(bytes) {
        Ok(message) => message.statements().iter().all(|statement| statement.step != Step::Precommit),
        Err(_) => true,
    };
    net.filter = Box::new(halts);
    let copy = |net: &Net| {
        let disk = net.nodes[3].disk.lock().unwrap();
        (disk.blocks.clone(), disk.wal.clone(), disk.mark)
    };
    let before = copy(&net);
    net.run_ms(2_000);
    (0..4).for_each(|i| net.crash(i));
    assert!(copy(&net).2 > before.2 && copy(&net).0.len() == before.0.len(), "it signed, and nothing was decided");
    {
        let mut disk = net.nodes[3].disk.lock().unwrap();
        (disk.blocks, disk.wal, disk.mark) = before;
    }
    net.filter = Box::new(|_, _, _, _| true);
    (1..4).for_each(|i| net.start(i));
    net.run_ms(2_000);
    let state = net.engine(3).signer_state();
    assert!(matches!(state, SignerState::Suspended { .. }), "{state:?}");
    assert!(!signed_anything(&net, 3));
}

/// The only thing that shows what was signed is a proposal.
#[test]
fn a_proposal_of_the_asker_is_sent_to_it_too() {
    let mut net = Net::new(80, 4, 0);
    net.start_all();
    net.run_to(2, 6_000);
    let height = net.height(0) + 1;
    let proposer = net.engine(0).round().proposer;
    let it = (0..4).find(|i| net.address(*i) == proposer).unwrap();
    let proposal = net.forge_proposal(it, height, 0, crate::block::testing::value_id(1, 2, 3));
    // Nobody but one hears it, and its maker is gone and has forgotten it.
    let witness = (it + 1) % 4;
    net.crash(it);
    net.crash((it + 2) % 4);
    net.inject(it, witness, proposal);
    net.run_ms(300);
    net.start(it);
    net.start((it + 2) % 4);
    net.run_ms(2_000);
    let state = net.engine(it).signer_state();
    assert!(matches!(state, SignerState::Suspended { .. }), "{state:?}");
}

/// Whoever comes into the set later watches then as after a start, and in time: without this one nothing is decided.
#[test]
fn who_joins_the_set_hears_the_others_first() {
    let members: Vec<_> = (1..=4).map(|i| (key(i).public_key(), 10)).collect();
    let genesis = genesis_of(&members, crate::block::ConsensusParams::DEFAULTS);
    let mut net = Net::with(81, genesis, (1..=5).map(key).collect(), 0);
    net.start_all();
    net.run_to(3, 6_000);
    assert_eq!(net.engine(4).signer_state(), SignerState::Following);
    let joins = [b"V".as_slice(), &key(5).public_key().0, &30u64.to_be_bytes()].concat();
    net.step(0, Input::Tx { reply: 1, bundle: vec![joins.into()] });
    net.run_to(12, 30_000);
    let signer = |report: &Report| match report {
        Report::Signer { state, .. } => Some(*state),
        _ => None,
    };
    let states: Vec<_> = net.nodes[4].reports.iter().filter_map(signer).collect();
    let (watches, follows) = (SignerState::Observing, SignerState::Following);
    assert_eq!(states, [watches, follows, watches, SignerState::Active], "at start, outside the set, in it, heard");
    assert!(signed_anything(&net, 4));
    net.assert_no_fork();
}
