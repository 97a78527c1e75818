//! Refusals of bonding and unbonding.

use crate::{
    ledger::{LedgerParams, MAX_UNBONDINGS, POWER_UNIT, testkit::*},
    tx::{Message, TxError},
};

fn name(n: u8) -> String {
    public(n).to_string()
}

#[test]
fn the_first_bond_needs_the_validators_own_signature() {
    let mut chain = TestChain::new();
    let bond = Message::Bond { signer: 0, validator: public(110), amount: 5 * POWER_UNIT };
    let alone = chain.tx(&[4], vec![bond.clone()]);
    assert_eq!(chain.refusal(&[alone]), TxError::ValidatorKeyMustSign { validator: name(110) });
    let both = chain.tx(&[4, 110], vec![bond]);
    assert_eq!(chain.check(&both), Ok(()));
}

#[test]
fn only_the_owner_moves_stake() {
    let mut chain = TestChain::new();
    let bond = chain.bond(5, 100, POWER_UNIT);
    assert_eq!(chain.refusal(&[bond]), TxError::NotStakeOwner { validator: name(100) });
    let unbond = chain.unbond(5, 100, POWER_UNIT);
    assert_eq!(chain.refusal(&[unbond]), TxError::NotStakeOwner { validator: name(100) });
    let unknown = chain.unbond(5, 111, POWER_UNIT);
    assert_eq!(chain.refusal(&[unknown]), TxError::ValidatorUnknown { validator: name(111) });
}

#[test]
fn amounts_of_stake() {
    let mut chain = TestChain::new();
    let bonded = 10 * POWER_UNIT;
    let too_much = chain.unbond(0, 100, bonded + 1);
    let expected = TxError::InsufficientStake { validator: name(100), bonded, got: bonded + 1 };
    assert_eq!(chain.refusal(&[too_much]), expected);
    let dust = chain.unbond(0, 100, bonded - 5);
    assert_eq!(chain.refusal(&[dust]), TxError::StakeTooSmall { minimum: POWER_UNIT, got: 5 });
    let small = chain.bond(4, 110, POWER_UNIT - 1);
    assert_eq!(chain.refusal(&[small]), TxError::StakeTooSmall { minimum: POWER_UNIT, got: POWER_UNIT - 1 });
    let all = chain.unbond(0, 100, bonded);
    assert_eq!(chain.check(&all), Ok(()));
}

#[test]
fn seats_are_limited() {
    let mut chain = TestChain::new();
    assert_eq!(chain.ledger.params().max_validators, 4);
    let fourth = chain.bond(4, 110, 5 * POWER_UNIT);
    chain.block(&[fourth]);
    let smaller = chain.bond(5, 111, 4 * POWER_UNIT);
    let required = 6 * POWER_UNIT;
    assert_eq!(chain.refusal(&[smaller]), TxError::ValidatorSetFull { seats: 4, required });
    let larger = chain.bond(5, 111, 6 * POWER_UNIT);
    assert_eq!(chain.check(&larger), Ok(()));
}

#[test]
fn the_last_validator_stays() {
    let mut p = parts();
    p.validators.truncate(1);
    let mut chain = TestChain::from_parts(p);
    let leave = chain.unbond(0, 100, 10 * POWER_UNIT);
    assert_eq!(chain.refusal(&[leave]), TxError::LastValidator { validator: name(100) });
    let most = chain.unbond(0, 100, 9 * POWER_UNIT);
    assert_eq!(chain.check(&most), Ok(()));
}

#[test]
fn the_tombstoned_cannot_bond_again() {
    let mut chain = TestChain::new();
    chain.blocks(2);
    let evidence = double_sign(&chain, 100, 1);
    chain.try_block(&[], &[evidence]).unwrap();
    let again = chain.bond(0, 100, 5 * POWER_UNIT);
    assert_eq!(chain.refusal(&[again]), TxError::Tombstoned { validator: name(100) });
    let rest = chain.unbond(0, 100, 3);
    assert_eq!(chain.check(&rest), Ok(()), "what is left can go, in any amount");
}

#[test]
fn unbondings_in_progress_are_limited() {
    let mut p = parts();
    p.consensus_params.evidence_max_age_blocks = 1000;
    let mut chain = TestChain::from_parts(p);
    for _ in 0..MAX_UNBONDINGS {
        let unbond = chain.unbond(0, 100, 10);
        chain.block(&[unbond]);
    }
    let one_more = chain.unbond(0, 100, 10);
    let expected = TxError::TooManyUnbondings { validator: name(100), max: MAX_UNBONDINGS };
    assert_eq!(chain.refusal(&[one_more]), expected);
}

#[test]
fn several_unbonds_in_one_block_are_one_entry() {
    let mut chain = TestChain::new();
    let unbond = Message::Unbond { signer: 0, validator: public(100), amount: 10 };
    let tx = chain.tx(&[0], vec![unbond; 16]);
    chain.block(&[tx]);
    let record = chain.ledger.validator(&public(100)).unwrap().unwrap();
    assert_eq!(record.unbonding, [crate::ledger::Unbonding { start: 3, amount: 160 }]);
    assert_eq!(LedgerParams::DEFAULTS.min_stake, POWER_UNIT);
}
