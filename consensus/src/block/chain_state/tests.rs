#![allow(clippy::unwrap_used)]
use super::*;
use crate::block::testing::{CHAIN, chain_of, finalized, genesis, next_block, public, time};
use proptest::prelude::*;

#[test]
fn encoding_round_trips_at_genesis_and_later() {
    let (mut later, _, _) = chain_of(4);
    later.punished.insert(ValidatorAddress([2; 20]));
    later.punished.insert(ValidatorAddress([1; 20]));
    for chain in [genesis(), later] {
        let bytes = chain.to_bytes();
        assert_eq!(ChainState::from_bytes(&bytes).unwrap(), chain);
        assert!(ChainState::from_bytes(&bytes[..bytes.len() - 1]).is_err());
        assert!(ChainState::from_bytes(&[bytes.clone(), vec![0]].concat()).is_err());
        assert!(bytes.len() < MAX_CHAIN_STATE_BYTES);
    }
}

#[test]
fn updates_take_effect_two_heights_later() {
    let (chain, commit, _) = chain_of(3);
    let built = next_block(&chain, commit, 9_000);
    let mut result = finalized(1);
    result.validator_updates = vec![(public(9), 5)];
    let after = chain.after(&built.block, built.value.block_id, &result).unwrap();
    assert_eq!(after.height, 4);
    assert_eq!((after.last_validators.len(), after.validators.len(), after.next_validators.len()), (4, 4, 5));
    let state = chain.consensus_state_after(&result.validator_updates).unwrap();
    assert!(
        state.ends_with(&after.next_validators.to_bytes()),
        "the state tree holds the same set with its priorities"
    );
    assert_ne!(state, chain.consensus_state_after(&[]).unwrap());
    result.validator_updates = vec![(public(8), 0)];
    assert!(chain.after(&built.block, built.value.block_id, &result).is_err());
}

#[test]
fn the_proposer_moves_on_with_each_height() {
    let (mut chain, mut commit) = (genesis(), None);
    let keys = crate::block::testing::Keys::new(1..=4);
    let mut proposers = Vec::new();
    for height in 1..=8 {
        let built = next_block(&chain, commit.take(), height * 10);
        commit = Some(keys.commit(&chain.validators, height, &built.value));
        proposers.push(built.block.header.proposer_address);
        chain = chain.after(&built.block, built.value.block_id, &finalized(0)).unwrap();
    }
    assert_eq!(proposers[..4], proposers[4..]);
    proposers.truncate(4);
    proposers.sort();
    proposers.dedup();
    assert_eq!(proposers.len(), 4);
}

#[test]
fn genesis_is_checked() {
    let set = genesis().validators;
    let build = |id: &str, time, params| ChainState::genesis(id, time, set.clone(), params, Hash([0; 32]));
    assert!(build(CHAIN, time(0), ConsensusParams::DEFAULTS).is_ok());
    assert!(build("", time(0), ConsensusParams::DEFAULTS).is_err());
    assert!(build(CHAIN, Time::from_unix_timestamp(-5, 0).unwrap(), ConsensusParams::DEFAULTS).is_err());
    let large = ConsensusParams { max_block_bytes: u64::MAX, ..ConsensusParams::DEFAULTS };
    assert!(build(CHAIN, time(0), large).is_err());
}

proptest! {
    #[test]
    fn decoding_never_panics(at in any::<u16>(), flip in 1u8..=255, random in proptest::collection::vec(any::<u8>(), 0..200)) {
        let mut bytes = chain_of(2).0.to_bytes();
        let at = at as usize % bytes.len();
        bytes[at] ^= flip;
        for bytes in [bytes, random] {
            if let Ok(chain) = ChainState::from_bytes(&bytes) {
                prop_assert_eq!(chain.to_bytes(), bytes);
            }
        }
    }
}
