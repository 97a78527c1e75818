//! A real chain made in memory: real headers, signed with keys from seeds. For tests here and in other crates.

#![allow(clippy::unwrap_used, clippy::missing_panics_doc, clippy::indexing_slicing)]

use super::{CommitFields, HeaderFields, LightBlock, Validators};
use crate::block::{
    APP_PROTOCOL, BLOCK_PROTOCOL, CommitVotes, ConsensusParams, Step, ValidatorAddress, ValidatorSet, ValueId,
    assemble_commit, data_hash, nil_time, part_set_header, to_tendermint_hash, vote_sign_bytes,
};
use pyralog_crypto::{Hash, MerkleHash, PublicKey, Sha256, SigningKey};
use std::{collections::BTreeMap, time::Duration};
use tendermint::{AppHash, Time, block};

/// How one validator votes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TestVote {
    /// For the block.
    Commit,
    /// For nil.
    Nil,
    /// Not at all.
    Absent,
}

/// A committed block of a [`TestChain`].
#[derive(Clone, Debug)]
pub struct TestBlock {
    /// Header.
    pub header: block::Header,
    /// Commit.
    pub commit: block::Commit,
    /// Set of this height.
    pub validators: Validators,
    /// Set of the next height.
    pub next_validators: Validators,
    /// Transactions.
    pub txs: Vec<Vec<u8>>,
}

impl TestBlock {
    /// As light clients see it.
    pub fn light_block(&self) -> LightBlock {
        let (validators, next) = (self.validators.clone(), self.next_validators.clone());
        LightBlock::from_tendermint(&self.header, &self.commit, validators, next).unwrap()
    }

    /// Header hash.
    pub fn hash(&self) -> Hash {
        HeaderFields::from_tendermint(&self.header).unwrap().hash(self.header.chain_id.as_str()).unwrap()
    }
}

/// A chain whose validators are named by seeds. The validator `n` has the key of seed `[n; 32]`.
#[derive(Debug)]
pub struct TestChain {
    /// Chain id.
    pub chain_id: String,
    /// Genesis time.
    pub genesis_time: Time,
    /// The genesis set.
    pub genesis: Validators,
    /// Blocks from height 1.
    pub blocks: Vec<TestBlock>,
    keys: BTreeMap<PublicKey, SigningKey>,
    current: Validators,
    next: Validators,
}

/// The key of validator `n`.
pub fn validator_key(n: u8) -> SigningKey {
    SigningKey::from_seed([n; 32])
}

/// A set of validators `(n, power)`.
pub fn validators(members: &[(u8, u64)]) -> Validators {
    let members: Vec<_> = members.iter().map(|(n, power)| (validator_key(*n).public_key(), *power)).collect();
    Validators::from(&ValidatorSet::new(&members).unwrap())
}

impl TestChain {
    /// A chain without blocks, from 2026-02-03T04:05:06Z on.
    pub fn new(chain_id: &str, members: &[(u8, u64)]) -> Self {
        let genesis = validators(members);
        let (current, next) = (genesis.clone(), genesis.clone());
        let genesis_time = Time::parse_from_rfc3339("2026-02-03T04:05:06Z").unwrap();
        let keys = (0..=u8::MAX).map(|n| (validator_key(n).public_key(), validator_key(n))).collect();
        Self { chain_id: chain_id.into(), genesis_time, genesis, blocks: Vec::new(), keys, current, next }
    }

    /// The block of `height`.
    pub fn at(&self, height: u64) -> &TestBlock {
        &self.blocks[height as usize - 1]
    }

    /// Height of the last block.
    pub fn height(&self) -> u64 {
        self.blocks.len() as u64
    }

    /// A time shortly after the last block.
    pub fn now(&self) -> Time {
        self.time_of(self.height() + 1)
    }

    fn time_of(&self, height: u64) -> Time {
        self.genesis_time.checked_add(Duration::from_nanos(1_234_567_890 * height)).unwrap()
    }

    /// Commits a block that everybody signs.
    pub fn push(&mut self, txs: Vec<Vec<u8>>, app_hash: Hash) -> &TestBlock {
        self.push_with(txs, app_hash, None, 0, |_| TestVote::Commit)
    }

    /// Commits `count` empty blocks.
    pub fn push_empty(&mut self, count: u64) {
        for _ in 0..count {
            self.push(Vec::new(), Sha256::digest(b"state"));
        }
    }

    /// Commits a block in `round` in which validators vote as `votes` says by their place in the set; `change` is the set
    /// from the height after the next one on.
    pub fn push_with(
        &mut self,
        txs: Vec<Vec<u8>>,
        app_hash: Hash,
        change: Option<Validators>,
        round: u32,
        votes: impl Fn(usize) -> TestVote,
    ) -> &TestBlock {
        let header = self.header(&txs, app_hash);
        let commit = self.sign(&header, &self.current, round, votes);
        let (validators, next_validators) = (self.current.clone(), self.next.clone());
        self.current = self.next.clone();
        if let Some(change) = change {
            self.next = change;
        }
        self.blocks.push(TestBlock { header, commit, validators, next_validators, txs });
        self.blocks.last().unwrap()
    }

    fn header(&self, txs: &[Vec<u8>], app_hash: Hash) -> block::Header {
        let height = self.height() + 1;
        let last = self.blocks.last();
        block::Header {
            version: block::header::Version { block: BLOCK_PROTOCOL, app: APP_PROTOCOL },
            chain_id: self.chain_id.parse().unwrap(),
            height: height.try_into().unwrap(),
            time: self.time_of(height),
            last_block_id: last.map(|b| b.commit.block_id),
            last_commit_hash: Some(last.map_or(to_tendermint_hash(Sha256::empty()), |b| {
                to_tendermint_hash(crate::block::commit_hash(&b.commit))
            })),
            data_hash: Some(to_tendermint_hash(data_hash(txs))),
            validators_hash: to_tendermint_hash(self.current.hash()),
            next_validators_hash: to_tendermint_hash(self.next.hash()),
            consensus_hash: to_tendermint_hash(ConsensusParams::DEFAULTS.hash()),
            app_hash: AppHash::try_from(app_hash.0.to_vec()).unwrap(),
            last_results_hash: Some(to_tendermint_hash(Sha256::empty())),
            evidence_hash: Some(to_tendermint_hash(Sha256::empty())),
            proposer_address: ValidatorAddress(self.current.0[0].address()).into(),
        }
    }

    /// Signs `header` with the keys of `set`.
    pub fn sign(
        &self,
        header: &block::Header,
        set: &Validators,
        round: u32,
        votes: impl Fn(usize) -> TestVote,
    ) -> block::Commit {
        // The part set is not looked at by light clients; another header gives another one.
        let block_id = block::Id { hash: header.hash(), part_set_header: part_set_header(header.hash().as_bytes()) };
        let value = ValueId::new(block_id, header.time).unwrap();
        let height = header.height.value();
        let mut signed = CommitVotes::new();
        for (i, validator) in set.0.iter().enumerate() {
            let target = match votes(i) {
                TestVote::Commit => Some(&value),
                TestVote::Nil => None,
                TestVote::Absent => continue,
            };
            let message = vote_sign_bytes(header.chain_id.as_str(), Step::Precommit, height, round, target);
            let signature = self.keys[&validator.public_key].sign(&message);
            signed.insert(ValidatorAddress(validator.address()), (target.is_some(), signature));
        }
        debug_assert_ne!(header.time, nil_time());
        let members: Vec<_> = set.0.iter().map(|v| (v.public_key, v.power)).collect();
        assemble_commit(height, round, &value, &ValidatorSet::new(&members).unwrap(), &signed)
    }

    /// Another block of `height` under the same validators: what an attack on a light client is made of.
    pub fn fork(&self, height: u64, app_hash: Hash) -> TestBlock {
        let mut block = self.at(height).clone();
        block.header.app_hash = AppHash::try_from(app_hash.0.to_vec()).unwrap();
        block.commit = self.sign(&block.header, &block.validators, 0, |_| TestVote::Commit);
        block
    }
}

/// A light block with every vote counted, for tests that take it apart.
pub fn commit_fields(block: &TestBlock) -> CommitFields {
    CommitFields::from_tendermint(&block.commit, &block.header, &block.validators).unwrap()
}
