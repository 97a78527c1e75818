//! Double signs.

use crate::{
    application::{AppError, Misbehavior},
    ledger::{LedgerParams, POWER_UNIT, testkit::*},
};

#[test]
fn five_percent_to_the_pool_and_out_for_ever() {
    let mut chain = TestChain::new();
    chain.blocks(3);
    let evidence = double_sign(&chain, 101, 2);
    let finalized = chain.try_block(&[], &[evidence]).unwrap();
    assert_eq!(finalized.validator_updates, [(public(101), 0)]);
    let record = chain.ledger.validator(&public(101)).unwrap().unwrap();
    assert_eq!((record.bonded, record.tombstoned_at), (9_500_000, 4));
    assert_eq!(chain.ledger.totals().unwrap().pool, 500_000);
    assert_eq!(chain.ledger.active_validators().unwrap().power(&public(101)), 0);

    // Once per validator: another double sign changes nothing.
    let again = double_sign(&chain, 101, 1);
    let finalized = chain.try_block(&[], &[again]).unwrap();
    assert_eq!(finalized.validator_updates, []);
    assert_eq!(chain.ledger.totals().unwrap().pool, 500_000);
}

#[test]
fn the_same_evidence_twice_in_a_block_punishes_once() {
    let mut chain = TestChain::new();
    chain.blocks(3);
    let evidence = double_sign(&chain, 101, 2);
    chain.try_block(&[], &[evidence, evidence]).unwrap();
    assert_eq!(chain.ledger.totals().unwrap().pool, 500_000);
}

#[test]
fn what_unbonds_since_the_offence_is_slashed_too() {
    let mut chain = TestChain::new();
    chain.blocks(2);
    let leave = chain.unbond(1, 101, 10 * POWER_UNIT);
    chain.block(&[leave]);
    chain.blocks(3);
    // Unbonded at 3, without power from 5 on: an offence at 4 was still with that stake.
    let evidence = double_sign(&chain, 101, 4);
    chain.try_block(&[], &[evidence]).unwrap();
    let totals = chain.ledger.totals().unwrap();
    assert_eq!(totals.unbonding, 9_500_000);
    let before = chain.balance(1);
    chain.blocks(40);
    assert_eq!(chain.balance(1), before + 9_500_000);
}

#[test]
fn what_had_left_before_the_offence_is_not_slashed() {
    let mut chain = TestChain::new();
    let some = chain.unbond(1, 101, 4 * POWER_UNIT);
    chain.block(&[some]);
    chain.blocks(5);
    // Unbonded at 1, gone from 3 on; the offence at 4 was with 6 units of power.
    let evidence = Misbehavior { power: 6, ..double_sign(&chain, 101, 4) };
    chain.try_block(&[], &[evidence]).unwrap();
    let totals = chain.ledger.totals().unwrap();
    assert_eq!((totals.unbonding, totals.pool - fees(&chain)), (4 * POWER_UNIT, 300_000));
    assert_eq!(chain.ledger.validator(&public(101)).unwrap().unwrap().bonded, 5_700_000);
}

fn fees(chain: &TestChain) -> u64 {
    // One transaction of account 1, the only one that paid anything besides its stake.
    RICH - chain.balance(1)
}

#[test]
fn stake_that_came_after_the_offence_does_not_raise_the_penalty() {
    let mut chain = TestChain::new();
    chain.blocks(2);
    let more = chain.bond(1, 101, 90 * POWER_UNIT);
    chain.block(&[more]);
    chain.blocks(2);
    let pool = chain.ledger.totals().unwrap().pool;
    let evidence = double_sign(&chain, 101, 2);
    chain.try_block(&[], &[evidence]).unwrap();
    assert_eq!(chain.ledger.totals().unwrap().pool - pool, 500_000);
}

#[test]
fn evidence_that_is_too_old_or_absurd_refuses_the_block() {
    let mut chain = TestChain::new();
    chain.blocks(25);
    // Height 26. More than 10 blocks and more than 20 s old: 5 is 21 s old, 6 exactly 20 s.
    let refuse = |chain: &mut TestChain, e| matches!(chain.try_block(&[], &[e]), Err(AppError::Block(_)));
    let old = double_sign(&chain, 101, 5);
    assert!(refuse(&mut chain, old));
    let future = double_sign(&chain, 101, 27);
    assert!(refuse(&mut chain, future));
    let stranger = double_sign(&chain, 150, 20);
    assert!(refuse(&mut chain, stranger));
    let edge = double_sign(&chain, 101, 6);
    assert!(chain.try_block(&[], &[edge]).is_ok());
}

#[test]
fn stake_cannot_leave_before_evidence_is_too_old() {
    // For every height of the offence up to the last one with power: while evidence counts, the stake is still there.
    for interval in [SECOND / 2, SECOND, 3 * SECOND] {
        let mut chain = TestChain::new();
        chain.interval = interval;
        let leave = chain.unbond(1, 101, 10 * POWER_UNIT);
        chain.block(&[leave]);
        let offence = double_sign(&chain, 101, 2);
        let mut punishable = 0;
        loop {
            let ctx = chain.ctx();
            use crate::application::Application;
            let accepted = chain.ledger.process_proposal(&ctx, &[], &[offence]).is_ok();
            if !accepted {
                break;
            }
            assert_eq!(chain.ledger.totals().unwrap().unbonding, 10 * POWER_UNIT, "height {}", ctx.height);
            punishable += 1;
            // Another block hash, or the cached execution with evidence would be finalized.
            chain.interval += 1;
            chain.ledger.executed.clear();
            chain.block(&[]);
        }
        assert!(punishable >= 10, "{punishable} blocks at {interval} ns");
    }
}

#[test]
fn the_last_validator_keeps_its_seat_until_another_comes() {
    let mut p = parts();
    p.validators.truncate(1);
    let mut chain = TestChain::from_parts(p);
    chain.blocks(2);
    let evidence = double_sign(&chain, 100, 1);
    let finalized = chain.try_block(&[], &[evidence]).unwrap();
    assert_eq!(finalized.validator_updates, [], "a chain without validators could not go on");
    let bond = chain.bond(4, 110, 3 * POWER_UNIT);
    let mut updates = chain.block(&[bond]).validator_updates;
    updates.sort();
    let mut expected = vec![(public(100), 0), (public(110), 3)];
    expected.sort();
    assert_eq!(updates, expected);
}

#[test]
fn fractions_round_down() {
    let params = LedgerParams { slash_numerator: 1, slash_denominator: 3, ..LedgerParams::DEFAULTS };
    assert_eq!(params.slash(10), 3);
    assert_eq!(params.slash(0), 0);
    assert_eq!(params.slash(u128::from(u64::MAX)), u128::from(u64::MAX) / 3);
    let all = LedgerParams { slash_numerator: u64::MAX, slash_denominator: u64::MAX, ..LedgerParams::DEFAULTS };
    assert_eq!(
        all.slash(u128::from(u64::MAX) * 1_000_000),
        u128::from(u64::MAX) * 1_000_000 / u128::from(u64::MAX) * u128::from(u64::MAX)
    );
    let none = LedgerParams { slash_numerator: 0, ..LedgerParams::DEFAULTS };
    assert_eq!(none.slash(1_000_000), 0);
}
