use super::{ValidatorEntry, Validators};
use crate::{
    block::{MAX_TOTAL_POWER, MAX_VALIDATORS, ValidatorSet},
    light::testkit::{validator_key, validators},
};
use pyralog_crypto::PublicKey;
use tendermint::{validator, vote::Power};

fn entry(n: u8, power: u64) -> ValidatorEntry {
    ValidatorEntry { public_key: validator_key(n).public_key(), power }
}

fn tendermint_set(set: &Validators) -> validator::Set {
    let info = |v: &ValidatorEntry| {
        let key = tendermint::PublicKey::from_raw_ed25519(&v.public_key.0).unwrap();
        validator::Info::new(key, Power::try_from(v.power).unwrap())
    };
    validator::Set::without_proposer(set.0.iter().map(info).collect())
}

#[test]
fn order_and_hash_are_those_of_tendermint() {
    for members in [
        vec![entry(1, 1)],
        vec![entry(1, 10), entry(2, 10), entry(3, 10), entry(4, 10)],
        vec![entry(9, 1), entry(8, 127), entry(7, 128), entry(6, 16_384), entry(5, MAX_TOTAL_POWER / 2)],
        (1..=100).map(|n| entry(n, u64::from(n % 7) + 1)).collect(),
    ] {
        let set = Validators::sorted(members).unwrap();
        let theirs = tendermint_set(&set);
        assert_eq!(set.hash().0, theirs.hash().as_bytes());
        assert_eq!(Validators::try_from(&theirs).unwrap(), set);
        let keys: Vec<_> = set.0.iter().map(|v| (v.public_key, v.power)).collect();
        assert_eq!(Validators::from(&ValidatorSet::new(&keys).unwrap()), set);
        assert_eq!(ValidatorSet::new(&keys).unwrap().hash(), set.hash());
        for (ours, info) in set.0.iter().zip(theirs.validators()) {
            assert_eq!(ours.address(), info.address.as_bytes());
        }
    }
}

#[test]
fn what_is_no_set_is_refused() {
    let good = validators(&[(1, 10), (2, 10), (3, 5)]);
    assert_eq!(good.check().unwrap(), 25);
    let refuse = |set: Vec<ValidatorEntry>, field: &str| {
        assert_eq!(Validators(set).check().unwrap_err().field, field);
    };
    refuse(vec![], "");
    refuse(vec![good.0[1], good.0[0], good.0[2]], "[1]");
    refuse(vec![good.0[2], good.0[0], good.0[1]], "[1]");
    refuse(vec![good.0[0], good.0[0]], "[1].public_key");
    refuse(vec![good.0[0], ValidatorEntry { power: 9, ..good.0[0] }], "[1].public_key");
    refuse(vec![good.0[0], ValidatorEntry { power: 0, ..good.0[1] }], "[1].power");
    refuse(vec![entry(1, u64::MAX)], "");
    refuse(vec![entry(1, MAX_TOTAL_POWER), entry(2, 1)], "");
    let many = (0..=MAX_VALIDATORS as u32).map(|n| {
        let mut key = [0; 32];
        key[..4].copy_from_slice(&n.to_be_bytes());
        ValidatorEntry { public_key: PublicKey(key), power: 1 }
    });
    assert!(Validators::sorted(many.collect()).is_err());
}

#[test]
fn strangers_have_no_power() {
    let set = validators(&[(1, 10), (2, 7)]);
    assert_eq!(set.power_of(&validator_key(2).public_key()), 7);
    assert_eq!(set.power_of(&validator_key(3).public_key()), 0);
}
