//! Keys, sets and blocks for tests.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;

use pyralog_crypto::{Hash, PublicKey, SigningKey};
use tendermint::{
    Time,
    block::{self, Commit},
};

use super::*;

pub(crate) const CHAIN: &str = "pyralog-dev-test";

/// Validators with keys, found by address.
pub(crate) struct Keys(pub(crate) BTreeMap<ValidatorAddress, SigningKey>);

pub(crate) fn key(seed: u8) -> SigningKey {
    SigningKey::from_seed([seed; 32])
}

pub(crate) fn public(seed: u8) -> PublicKey {
    key(seed).public_key()
}

impl Keys {
    pub(crate) fn new(seeds: std::ops::RangeInclusive<u8>) -> Self {
        Self(seeds.map(|seed| (ValidatorAddress::of(&public(seed)), key(seed))).collect())
    }

    pub(crate) fn sign_precommit(
        &self,
        who: &ValidatorAddress,
        height: u64,
        round: u32,
        value: Option<&ValueId>,
    ) -> pyralog_crypto::Signature {
        self.0[who].sign(&vote_sign_bytes(CHAIN, Step::Precommit, height, round, value))
    }

    /// Everybody precommits `value`.
    pub(crate) fn commit(&self, set: &ValidatorSet, height: u64, value: &ValueId) -> Commit {
        let votes = set
            .validators()
            .iter()
            .map(|v| (v.address, (true, self.sign_precommit(&v.address, height, 0, Some(value)))))
            .collect();
        assemble_commit(height, 0, value, set, &votes)
    }
}

pub(crate) fn time(ns: u64) -> Time {
    Timestamp(1_800_000_000_000_000_000 + ns).to_time()
}

pub(crate) fn value_id(hash: u8, parts: u8, ns: u64) -> ValueId {
    let header = block::parts::Header::new(1, to_tendermint_hash(Hash([parts; 32]))).unwrap();
    let block_id = block::Id { hash: to_tendermint_hash(Hash([hash; 32])), part_set_header: header };
    ValueId::new(block_id, time(ns)).unwrap()
}

/// Genesis of four validators (seeds 1 to 4) with power 10 each.
pub(crate) fn genesis() -> ChainState {
    let members: Vec<_> = (1..=4).map(|seed| (public(seed), 10)).collect();
    let set = ValidatorSet::new(&members).unwrap();
    ChainState::genesis(CHAIN, time(0), set, ConsensusParams::DEFAULTS, Hash([0xaa; 32])).unwrap()
}

/// An empty result with this app hash.
pub(crate) fn finalized(app_hash: u8) -> crate::application::Finalized {
    crate::application::Finalized {
        app_hash: Hash([app_hash; 32]),
        tx_results: Vec::new(),
        validator_updates: Vec::new(),
        writes: Vec::new(),
    }
}

/// The block of `chain.height + 1` by its round-0 proposer, `ns` after genesis.
pub(crate) fn next_block(chain: &ChainState, last_commit: Option<Commit>, ns: u64) -> BuiltBlock {
    chain
        .build(BlockDraft {
            time: time(ns),
            proposer: chain.validators.proposer().address,
            txs: vec![bytes::Bytes::from_static(b"tx")],
            evidence: Vec::new(),
            last_commit,
        })
        .unwrap()
}

/// A chain of `heights` blocks with the commit of the last one. The sets of past heights are those of genesis.
pub(crate) fn chain_of(heights: u64) -> (ChainState, Option<Commit>, Vec<BuiltBlock>) {
    let keys = Keys::new(1..=4);
    let (mut chain, mut commit, mut blocks) = (genesis(), None, Vec::new());
    for height in 1..=heights {
        let built = next_block(&chain, commit.take(), height * 1_000);
        commit = Some(keys.commit(&chain.validators, height, &built.value));
        chain = chain.after(&built.block, built.value.block_id, &finalized(height as u8)).unwrap();
        blocks.push(built);
    }
    (chain, commit, blocks)
}

/// Answers for chains of [`chain_of`].
pub(crate) struct Past<'a>(pub(crate) &'a [BuiltBlock]);

impl EvidenceContext for Past<'_> {
    fn validators(&self, height: u64) -> Option<ValidatorSet> {
        (height as usize <= self.0.len()).then(|| genesis().validators)
    }

    fn block_time(&self, height: u64) -> Option<Time> {
        self.0.get(height as usize - 1).map(|built| built.block.header.time)
    }
}
