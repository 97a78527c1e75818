//! Bonding, unbonding, and who has power.

use pyralog_crypto::PublicKey;

use crate::{
    application::Application,
    ledger::{ActiveSet, POWER_UNIT, Unbonding, testkit::*, trusting_period_ns},
    tx::Message,
};

fn sorted(mut updates: Vec<(PublicKey, u64)>) -> Vec<(PublicKey, u64)> {
    updates.sort();
    updates
}

#[test]
fn power_is_stake_over_a_million_rounding_down() {
    let mut chain = TestChain::new();
    let bond = chain.bond(0, 100, 2 * POWER_UNIT + 999_999);
    let finalized = chain.block(&[bond]);
    assert_eq!(finalized.validator_updates, [(public(100), 12)]);
    let dust = chain.bond(0, 100, 1);
    assert_eq!(chain.block(&[dust]).validator_updates, [(public(100), 13)], "10 + 2.999999 + 0.000001");
    let back = chain.unbond(0, 100, 1);
    assert_eq!(chain.block(&[back]).validator_updates, [(public(100), 12)]);
    let nothing = chain.unbond(0, 100, 1);
    assert_eq!(chain.block(&[nothing]).validator_updates, [], "no power changed");
}

#[test]
fn validators_come_and_go_two_heights_later() {
    let mut chain = TestChain::new();
    let bond = chain.bond(4, 110, 7 * POWER_UNIT);
    let finalized = chain.block(&[bond]);
    assert_eq!(finalized.validator_updates, [(public(110), 7)]);
    let address = crate::block::ValidatorAddress::of(&public(110));
    // The block was height 1: the sets of 2 and of 3 (H+2).
    assert!(chain.state.validators.get(&address).is_none());
    assert_eq!(chain.state.next_validators.get(&address).map(|v| v.power), Some(7));
    let leave = chain.unbond(4, 110, 7 * POWER_UNIT);
    assert_eq!(chain.block(&[leave]).validator_updates, [(public(110), 0)]);
    assert!(chain.state.validators.get(&address).is_some());
    assert!(chain.state.next_validators.get(&address).is_none());
}

#[test]
fn a_larger_stake_takes_the_smallest_seat() {
    let mut chain = TestChain::new();
    let fourth = chain.bond(4, 110, 5 * POWER_UNIT);
    chain.block(&[fourth]);
    let larger = chain.bond(5, 111, 6 * POWER_UNIT);
    assert_eq!(chain.block(&[larger]).validator_updates, sorted(vec![(public(110), 0), (public(111), 6)]));
    // The loser keeps its stake, can take it back, and can come back with more.
    assert_eq!(chain.ledger.validator(&public(110)).unwrap().unwrap().bonded, 5 * POWER_UNIT);
    let more = chain.bond(4, 110, 2 * POWER_UNIT);
    assert_eq!(chain.block(&[more]).validator_updates, sorted(vec![(public(110), 7), (public(111), 0)]));
    let out = chain.unbond(5, 111, 6 * POWER_UNIT);
    assert_eq!(chain.block(&[out]).validator_updates, []);
}

#[test]
fn changes_within_a_block_are_one_update() {
    let mut chain = TestChain::new();
    let bond = |amount| Message::Bond { signer: 0, validator: public(100), amount };
    let unbond = |amount| Message::Unbond { signer: 0, validator: public(100), amount };
    let tx = chain.tx(&[0], vec![bond(POWER_UNIT), unbond(3 * POWER_UNIT), bond(POWER_UNIT)]);
    assert_eq!(chain.block(&[tx]).validator_updates, [(public(100), 9)]);
    let tx = chain.tx(&[0], vec![bond(POWER_UNIT), unbond(POWER_UNIT)]);
    assert_eq!(chain.block(&[tx]).validator_updates, []);
}

#[test]
fn unbonded_stake_is_paid_out_after_blocks_and_time() {
    // Evidence may be 10 blocks and 20 s old; at 1 s per block the time decides.
    let mut chain = TestChain::new();
    let unbond = chain.unbond(0, 100, 3 * POWER_UNIT);
    chain.block(&[unbond]);
    let before = chain.balance(0);
    assert_eq!(chain.ledger.totals().unwrap().unbonding, 3 * POWER_UNIT);
    // Height 1 unbonds, so it starts at height 3 and must be older than 20 s: first so at height 24.
    while chain.ledger.height() < 23 {
        assert_eq!(chain.balance(0), before, "height {}", chain.ledger.height());
        chain.block(&[]);
    }
    assert_eq!(chain.balance(0), before);
    chain.block(&[]);
    assert_eq!(chain.balance(0), before + 3 * POWER_UNIT);
    assert_eq!(chain.ledger.totals().unwrap().unbonding, 0);
    assert!(chain.ledger.validator(&public(100)).unwrap().unwrap().unbonding.is_empty());
}

#[test]
fn with_slow_blocks_the_count_of_blocks_decides() {
    let mut chain = TestChain::new();
    chain.interval = 60 * SECOND;
    let unbond = chain.unbond(0, 100, 3 * POWER_UNIT);
    chain.block(&[unbond]);
    let before = chain.balance(0);
    // Starts at 3, must be more than 10 blocks old: height 14.
    while chain.ledger.height() < 13 {
        chain.block(&[]);
    }
    assert_eq!(chain.balance(0), before);
    chain.block(&[]);
    assert_eq!(chain.balance(0), before + 3 * POWER_UNIT);
}

#[test]
fn the_queue_pays_in_order_and_survives_gaps() {
    let mut chain = TestChain::new();
    for (height, owner) in [(0u64, 0u8), (1, 1), (4, 0), (5, 2), (5, 1)] {
        while chain.ledger.height() < height {
            chain.block(&[]);
        }
        let unbond = chain.unbond(owner, 100 + owner, 1_000_000 + u64::from(owner));
        chain.block(&[unbond]);
    }
    let record = chain.ledger.validator(&public(100)).unwrap().unwrap();
    assert_eq!(
        record.unbonding,
        [Unbonding { start: 3, amount: 1_000_000 }, Unbonding { start: 7, amount: 1_000_000 }]
    );
    let owed = chain.ledger.totals().unwrap().unbonding;
    let held: u64 = (0..3).map(|n| chain.balance(n)).sum();
    chain.blocks(40);
    assert_eq!(chain.ledger.totals().unwrap().unbonding, 0);
    assert_eq!((0..3).map(|n| chain.balance(n)).sum::<u64>(), held + owed);
    // And the queue works again once it was empty.
    let unbond = chain.unbond(0, 100, 1_000_000);
    chain.block(&[unbond]);
    chain.blocks(40);
    assert_eq!(chain.ledger.totals().unwrap().unbonding, 0);
}

#[test]
fn a_block_with_the_wrong_key_order_cannot_happen() {
    let mut chain = TestChain::new();
    let txs: Vec<_> = [(0, 100), (1, 101), (2, 102)].map(|(owner, v)| chain.bond(owner, v, POWER_UNIT)).into();
    let finalized = chain.block(&txs);
    assert_eq!(finalized.validator_updates.len(), 3);
    assert!(finalized.validator_updates.is_sorted_by(|a, b| a.0 < b.0));
}

#[test]
fn updates_turn_one_set_into_the_other() {
    let set = |list: &[(u8, u64)]| ActiveSet(sorted(list.iter().map(|(n, p)| (public(*n), *p)).collect()));
    let before = set(&[(1, 5), (2, 6), (3, 7)]);
    let after = set(&[(2, 6), (3, 8), (4, 9)]);
    assert_eq!(after.updates_since(&before), sorted(vec![(public(1), 0), (public(3), 8), (public(4), 9)]));
    assert_eq!(before.updates_since(&before), []);
    assert_eq!(after.power(&public(1)), 0);
}

#[test]
fn headers_may_be_trusted_for_two_thirds_of_the_unbonding_period() {
    assert_eq!(trusting_period_ns(21 * 24 * 3600 * SECOND), 14 * 24 * 3600 * SECOND);
    assert_eq!(trusting_period_ns(0), 0);
    assert_eq!(trusting_period_ns(1), 0);
    assert_eq!(trusting_period_ns(2), 1);
    assert_eq!(trusting_period_ns(u64::MAX), u64::MAX / 3 * 2);
}

#[test]
fn the_engines_state_stands_in_the_tree() {
    let mut chain = TestChain::new();
    let ctx = chain.ctx();
    let bond = chain.bond(4, 110, 7 * POWER_UNIT);
    let expected = ctx.consensus_state_after(&[(public(110), 7)]).unwrap();
    chain.block(&[bond]);
    let stored = chain.ledger.value(crate::ledger::state_key::CONSENSUS, 1).unwrap();
    assert_eq!(stored, Some(expected));
    let ctx = chain.ctx();
    assert!(chain.ledger.process_proposal(&ctx, &[], &[]).is_ok());
}
