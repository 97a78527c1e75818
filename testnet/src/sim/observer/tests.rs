use pyralog_consensus::block::{Timestamp, to_tendermint_hash};
use pyralog_consensus::engine::Ticket;
use pyralog_crypto::{Hash, Signature};
use tendermint::block::{self, parts};

use super::super::plan::{Plan, SECOND};
use super::super::rig_test::{blocks, grown};
use super::super::setting::{GENESIS, all_accounts, genesis};
use super::*;

const NOW: u64 = GENESIS + 10 * SECOND;

/// Four validators before height 1, the last of them Byzantine.
struct Rig {
    observer: Observer,
    audit: Audit,
    disk: Disk,
    who: Vec<ValidatorAddress>,
    signatures: u64,
}

impl Rig {
    fn new() -> Self {
        let plan = Plan::calm(1);
        let audit = Audit::new(&genesis(&plan).unwrap(), all_accounts(plan.nodes())).unwrap();
        let who: Vec<_> = audit.chain.validators.validators().iter().map(|v| v.address).collect();
        let observer = Observer::new(who[..3].iter().copied());
        Self { observer, audit, disk: Disk::default(), who, signatures: 0 }
    }

    fn statement(&mut self, who: usize, round: u32, step: Step, value: Option<ValueId>) -> Statement {
        self.signatures += 1;
        let mut signature = [7; 64];
        signature[..8].copy_from_slice(&self.signatures.to_be_bytes());
        let (address, signature) = (self.who[who], Signature(signature));
        Statement { address, height: 1, round, step, value, pol_round: None, signature }
    }

    fn store(&mut self, statement: &Statement) {
        let (entry, marked) = (Ticket(2 * self.signatures), Ticket(2 * self.signatures + 1));
        self.disk.append(entry, statement.signature.0.to_vec().into());
        self.disk.synced(entry);
        self.disk.set_mark(marked, mark(statement));
        self.disk.synced(marked);
    }

    fn send(&mut self, statement: &Statement) -> Result<(), Broken> {
        let message = WireMessage::of(statement, 0).unwrap();
        self.observer.honest(statement.address, &message, NOW, &self.disk, &self.audit)
    }

    /// Says something as an engine does: durable first.
    fn say(&mut self, who: usize, round: u32, step: Step, value: Option<ValueId>) -> Result<(), Broken> {
        // Each node has a disk; one that forgets the marks of the others does as well.
        self.disk = Disk::default();
        let statement = self.statement(who, round, step, value);
        self.store(&statement);
        self.send(&statement)
    }

    /// These prevote a value.
    fn polka(&mut self, who: &[usize], round: u32, value: ValueId) {
        for one in who {
            self.say(*one, round, Step::Prevote, Some(value)).unwrap();
        }
    }

    fn proposer(&self, round: u32) -> usize {
        let address = self.audit.chain.validators.proposer_at(round).address;
        self.who.iter().position(|who| *who == address).unwrap()
    }
}

/// A value of a block at some time after genesis.
fn value_at(n: u8, time: u64) -> ValueId {
    let hash = to_tendermint_hash(Hash([n; 32]));
    let part_set_header = parts::Header::new(1, hash).unwrap();
    ValueId::new(block::Id { hash, part_set_header }, Timestamp(time).to_time()).unwrap()
}

fn value(n: u8) -> ValueId {
    value_at(n, NOW)
}

fn rule(result: Result<(), Broken>) -> Rule {
    result.unwrap_err().0
}

#[test]
fn two_different_votes_at_one_position_are_a_double_sign() {
    for step in [Step::Prevote, Step::Precommit] {
        for other in [Some(value(2)), None] {
            let mut rig = Rig::new();
            rig.polka(&[1, 2], 0, value(1));
            let first = rig.statement(0, 0, step, Some(value(1)));
            rig.store(&first);
            rig.send(&first).unwrap();
            rig.send(&first).unwrap();
            rig.say(0, 1, step, None).unwrap();
            assert_eq!(rule(rig.say(0, 0, step, other)), Rule::DoubleSign, "{step:?} {other:?}");
        }
    }
    let mut rig = Rig::new();
    rig.say(0, 0, Step::Prevote, None).unwrap();
    assert_eq!(rule(rig.say(0, 0, Step::Prevote, Some(value(1)))), Rule::DoubleSign, "nil first");
}

#[test]
fn two_different_proposals_of_one_round_are_a_double_sign() {
    let mut rig = Rig::new();
    let turn = (0..9).find(|round| rig.proposer(*round) < 3).unwrap();
    let who = rig.proposer(turn);
    rig.say(who, turn, Step::Propose, Some(value(1))).unwrap();
    assert_eq!(rule(rig.say(who, turn, Step::Propose, Some(value(2)))), Rule::DoubleSign);
    let mut again = rig.statement(who, turn, Step::Propose, Some(value(1)));
    again.pol_round = Some(0);
    rig.store(&again);
    assert_eq!(rule(rig.send(&again)), Rule::DoubleSign, "the proof-of-lock round is signed too");
}

#[test]
fn what_others_say_in_a_message_is_not_held_against_its_sender() {
    let mut rig = Rig::new();
    let stranger = rig.statement(3, 0, Step::Prevote, Some(value(1)));
    let other = rig.statement(3, 0, Step::Prevote, Some(value(2)));
    for statement in [&stranger, &other] {
        let message = WireMessage::of(statement, 0).unwrap();
        rig.observer.byzantine(&message);
        rig.observer.honest(rig.who[0], &message, NOW, &rig.disk, &rig.audit).unwrap();
    }
}

/// A real commit against what a signer of it is known to have said.
#[test]
fn a_commit_with_another_precommit_than_was_sent_is_a_double_sign() {
    let world = grown(Plan::calm(1), 1);
    let first = blocks(&world).remove(0);
    let decided = ValueId::new(first.block_id, first.block.header.time).unwrap();
    let signer = first.commit.signatures.iter().position(CommitSig::is_commit).unwrap();
    let address = ValidatorAddress::from(first.commit.signatures[signer].validator_address().unwrap());
    let said = |what| {
        let mark = SignMark { height: 1, round: first.commit.round.value(), step: Step::Precommit };
        let mut observer = Observer::new([address]);
        observer.said.insert((address, mark), (what, None));
        observer
    };
    said(Some(decided)).commit(&first.commit, &decided).unwrap();
    for other in [None, Some(value(9))] {
        assert_eq!(rule(said(other).commit(&first.commit, &decided)), Rule::DoubleSign);
    }
    let mut nobody = said(None);
    nobody.honest.clear();
    nobody.commit(&first.commit, &decided).unwrap();
}

#[test]
fn who_is_locked_prevotes_nothing_else_without_proof() {
    let mut rig = Rig::new();
    rig.polka(&[0, 1, 2], 0, value(1));
    rig.say(0, 0, Step::Precommit, Some(value(1))).unwrap();
    rig.say(0, 1, Step::Prevote, None).unwrap();
    rig.say(0, 2, Step::Prevote, Some(value(1))).unwrap();
    assert_eq!(rule(rig.say(0, 3, Step::Prevote, Some(value(2)))), Rule::Lock);
    // Who precommitted nothing is free.
    rig.say(1, 3, Step::Prevote, Some(value(2))).unwrap();
}

#[test]
fn a_later_polka_frees_from_a_lock_and_an_earlier_one_does_not() {
    let locked_in = |round: u32| {
        let mut rig = Rig::new();
        rig.polka(&[1, 2], 1, value(2));
        let byzantine = rig.statement(3, 1, Step::Prevote, Some(value(2)));
        rig.observer.byzantine(&WireMessage::of(&byzantine, 0).unwrap());
        rig.polka(&[0, 1, 2], round, value(1));
        rig.say(0, round, Step::Precommit, Some(value(1))).unwrap();
        rig.say(0, 3, Step::Prevote, Some(value(2)))
    };
    locked_in(0).unwrap();
    assert_eq!(rule(locked_in(2)), Rule::Lock, "two thirds prevoted it before the lock, not since");
}

#[test]
fn a_precommit_rests_on_two_thirds_of_prevotes_of_its_round() {
    let mut rig = Rig::new();
    rig.polka(&[1], 0, value(1));
    assert_eq!(rule(rig.say(0, 0, Step::Precommit, Some(value(1)))), Rule::Quorum);
    let mut rig = Rig::new();
    rig.polka(&[0, 1, 2], 0, value(1));
    assert_eq!(rule(rig.say(0, 1, Step::Precommit, Some(value(1)))), Rule::Quorum, "those of another round");
    let mut rig = Rig::new();
    rig.polka(&[1, 2], 0, value(1));
    rig.say(0, 0, Step::Precommit, Some(value(1))).expect("its own prevote counts, also if it is not out yet");
    rig.say(1, 0, Step::Precommit, None).expect("nil needs nothing");
}

#[test]
fn proposals_come_from_whose_turn_it_is() {
    let mut rig = Rig::new();
    let turn = (0..9).find(|round| rig.proposer(*round) < 3).unwrap();
    let other = (rig.proposer(turn) + 1) % 3;
    assert_eq!(rule(rig.say(other, turn, Step::Propose, Some(value(1)))), Rule::Proposer);
}

#[test]
fn a_signature_must_be_durable_under_the_mark_and_in_the_wal() {
    let mut rig = Rig::new();
    let vote = rig.statement(0, 0, Step::Prevote, None);
    assert_eq!(rule(rig.send(&vote)), Rule::Durability, "nothing is stored");
    let mut rig = Rig::new();
    let vote = rig.statement(0, 0, Step::Prevote, None);
    rig.disk.set_mark(Ticket(1), mark(&vote));
    rig.disk.synced(Ticket(1));
    assert_eq!(rule(rig.send(&vote)), Rule::Durability, "only the mark is");
    let mut rig = Rig::new();
    let vote = rig.statement(0, 0, Step::Prevote, None);
    rig.disk.append(Ticket(1), vote.signature.0.to_vec().into());
    rig.disk.synced(Ticket(1));
    assert_eq!(rule(rig.send(&vote)), Rule::Durability, "only the WAL is");
}

#[test]
fn nobody_proposes_or_prevotes_the_future() {
    let late = value_at(1, NOW + 2 * PRECISION + MS);
    let mut rig = Rig::new();
    assert_eq!(rule(rig.say(0, 0, Step::Prevote, Some(late))), Rule::Time);
    let mut rig = Rig::new();
    let turn = (0..9).find(|round| rig.proposer(*round) < 3).unwrap();
    let who = rig.proposer(turn);
    assert_eq!(rule(rig.say(who, turn, Step::Propose, Some(late))), Rule::Time);
    // Two thirds found it timely: the own clock counts no more.
    let mut rig = Rig::new();
    let byzantine = |rig: &mut Rig, who| {
        let vote = rig.statement(who, 0, Step::Prevote, Some(late));
        rig.observer.count(&vote);
    };
    (1..4).for_each(|who| byzantine(&mut rig, who));
    rig.say(0, 0, Step::Prevote, Some(late)).unwrap();
    Rig::new().say(0, 0, Step::Prevote, Some(value_at(1, NOW + PRECISION))).unwrap();
}

#[test]
fn decided_heights_are_forgotten_and_others_are_not() {
    let mut rig = Rig::new();
    rig.polka(&[0, 1, 2], 0, value(1));
    rig.say(0, 0, Step::Precommit, Some(value(1))).unwrap();
    rig.observer.forget_below(1);
    assert!(!rig.observer.said.is_empty() && !rig.observer.prevotes.is_empty() && !rig.observer.locks.is_empty());
    rig.observer.forget_below(2);
    assert!(rig.observer.said.is_empty() && rig.observer.prevotes.is_empty() && rig.observer.locks.is_empty());
}
