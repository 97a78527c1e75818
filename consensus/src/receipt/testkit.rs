//! A maker of real receipts: a notary log, its anchors in a [`TestChain`], and everything a node would serve for a leaf. For
//! tests here and in other crates.

#![allow(clippy::unwrap_used, clippy::missing_panics_doc, clippy::indexing_slicing)]

use super::{
    AttestedHeader, BatchMembership, GenesisTrust, NotaryReceipt, NotarySubject, PendingReceipt, ProofParts, Refresh,
    ServedProof, Trust, attest, pending,
};
use crate::{
    application::{StateStore, StoreError},
    ledger::{JellyfishTree, StateTree, ValueChange, state_key},
    light::{Validators, testkit::TestBlock, testkit::TestChain, testkit::TestVote},
    tx::AnchorTx,
};
use pyralog_crypto::{
    Blake3, Checkpoint, Encode, Frontier, Hash, LogId, MemoryTree, MerkleHash, NodeSource, NotaryLeaf, Promise, Roots,
    Sha256, SignedCheckpoint, SignedPromise, SigningKey,
};
use std::collections::BTreeMap;

/// An anchor in a block of the chain.
#[derive(Clone, Copy, Debug)]
struct Anchored {
    height: u64,
    place: u64,
    checkpoint: SignedCheckpoint,
}

/// A chain with one notary log.
#[derive(Debug)]
pub struct ReceiptMaker {
    /// The chain.
    pub chain: TestChain,
    /// The log.
    pub log: LogId,
    owner: SigningKey,
    blake3: MemoryTree<Blake3>,
    sha256: MemoryTree<Sha256>,
    headers: MemoryTree<Sha256>,
    anchors: Vec<Anchored>,
    state: Memory,
    /// The frontier of the log of header hashes, by version of the state.
    logs: Vec<Vec<u8>>,
    app_hash: Hash,
}

/// A state store in memory.
#[derive(Debug, Default)]
struct Memory(BTreeMap<Vec<u8>, Vec<u8>>);

impl StateStore for Memory {
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        Ok(self.0.get(key).cloned())
    }
}

impl ReceiptMaker {
    /// A chain of `members` (validator number, power) and an empty log.
    pub fn new(chain_id: &str, members: &[(u8, u64)]) -> Self {
        let owner = SigningKey::from_seed([0xa0; 32]);
        let mut maker = Self {
            chain: TestChain::new(chain_id, members),
            log: LogId::derive(chain_id, &owner.public_key(), "main"),
            owner,
            blake3: MemoryTree::new(),
            sha256: MemoryTree::new(),
            headers: MemoryTree::new(),
            anchors: Vec::new(),
            state: Memory::default(),
            logs: Vec::new(),
            app_hash: Hash::default(),
        };
        maker.app_hash = maker.write_state(0);
        maker
    }

    /// Number of leaves in the log.
    pub fn size(&self) -> u64 {
        self.blake3.size()
    }

    /// Fills the log up to `size` leaves of other people's.
    pub fn fill(&mut self, size: u64) {
        for i in self.size()..size {
            self.blake3.push_hash(Blake3::leaf(&i.to_be_bytes()));
            self.sha256.push_hash(Sha256::leaf(&i.to_be_bytes()));
        }
    }

    /// Logs a leaf and returns its index.
    pub fn append(&mut self, leaf: &NotaryLeaf) -> u64 {
        let bytes = leaf.to_bytes();
        self.sha256.push(&bytes);
        self.blake3.push(&bytes)
    }

    /// Logs a batch and returns the membership of each leaf, and the batch's index in the log.
    pub fn append_batch(&mut self, members: &[NotaryLeaf]) -> (Vec<BatchMembership>, u64) {
        let bytes: Vec<Vec<u8>> = members.iter().map(Encode::to_bytes).collect();
        let (blake3, sha256) = (MemoryTree::<Blake3>::from_leaves(&bytes), MemoryTree::<Sha256>::from_leaves(&bytes));
        let roots = Roots { blake3: blake3.root(), sha256: sha256.root() };
        let index = self.append(&NotaryLeaf::Batch { count: members.len() as u64, roots });
        let member = |i| BatchMembership::new(blake3.inclusion(i).unwrap(), sha256.inclusion(i).unwrap()).unwrap();
        ((0..members.len() as u64).map(member).collect(), index)
    }

    /// The log's promise for the leaf at `index`.
    pub fn promise(&self, leaf: &NotaryLeaf, index: u64) -> SignedPromise {
        let promise = Promise { log: self.log, index, leaf: leaf.leaf_hashes(), anchor_by: self.chain.height() + 10 };
        SignedPromise::sign(promise, &self.chain.chain_id, &self.owner).unwrap()
    }

    /// Commits a block that anchors the log between `before` and `after` other transactions.
    pub fn anchor(&mut self, before: usize, after: usize) -> u64 {
        self.anchor_with(before, after, None, |_| TestVote::Commit)
    }

    /// As [`ReceiptMaker::anchor`], with a change of the validator set and with votes by place.
    pub fn anchor_with(
        &mut self,
        before: usize,
        after: usize,
        change: Option<Validators>,
        votes: impl Fn(usize) -> TestVote,
    ) -> u64 {
        let roots = Roots { blake3: self.blake3.root(), sha256: self.sha256.root() };
        let checkpoint = Checkpoint { log: self.log, size: self.size(), roots };
        let checkpoint = SignedCheckpoint::sign(checkpoint, &self.chain.chain_id, &self.owner).unwrap();
        let height = self.chain.height() + 1;
        let other = |i: usize| format!("transaction {i} of block {height}").into_bytes();
        let mut txs: Vec<Vec<u8>> = (0..before).map(other).collect();
        txs.push(AnchorTx { checkpoint }.to_bytes());
        txs.extend((before..before + after).map(other));
        self.anchors.push(Anchored { height, place: before as u64, checkpoint });
        self.push(txs, change, votes);
        height
    }

    /// Commits empty blocks up to `height`.
    pub fn advance(&mut self, height: u64) {
        while self.chain.height() < height {
            self.push(Vec::new(), None, |_| TestVote::Commit);
        }
    }

    /// Commits an empty block after which the set changes (from the height after the next one on).
    pub fn change(&mut self, set: Validators) {
        self.push(Vec::new(), Some(set), |_| TestVote::Commit);
    }

    fn push(&mut self, txs: Vec<Vec<u8>>, change: Option<Validators>, votes: impl Fn(usize) -> TestVote) {
        let round = u32::from(self.chain.height() % 3 == 2);
        let hash = self.chain.push_with(txs, self.app_hash, change, round, votes).hash();
        self.headers.push(&hash.0);
        self.app_hash = self.write_state(self.chain.height());
    }

    /// Version `height` of the state: the hashes of all headers up to there, beside another name.
    fn write_state(&mut self, height: u64) -> Hash {
        let mut log = Frontier::<Sha256>::new();
        (0..self.headers.size()).for_each(|i| {
            log.append(self.headers.node(0, i).unwrap());
        });
        let (log, number) = (log.to_bytes(), height.to_be_bytes());
        let changes: [ValueChange<'_>; 2] =
            [(state_key::HEADERS, Some(log.as_slice())), (state_key::TOTALS, Some(number.as_slice()))];
        let update = JellyfishTree.update(&self.state, height, &changes).unwrap();
        self.state.0.extend(update.nodes);
        self.logs.push(log);
        update.root
    }

    /// The proof for leaf `index` under the first anchor that covers it.
    pub fn proof(&self, index: u64) -> ServedProof {
        let anchored = *self.anchors.iter().find(|a| a.checkpoint.checkpoint.size > index).unwrap();
        let block = self.chain.at(anchored.height);
        let size = anchored.checkpoint.checkpoint.size;
        let txs = MemoryTree::<Sha256>::from_leaves(block.txs.iter().map(|tx| Sha256::digest(tx).0));
        ProofParts {
            header: &block.header,
            commit: &block.commit,
            validators: &block.validators,
            checkpoint: &anchored.checkpoint,
            anchor: &txs.inclusion(anchored.place).unwrap(),
            leaf_blake3: self.blake3.inclusion_at(index, size).unwrap(),
            leaf_sha256: self.sha256.inclusion_at(index, size).unwrap(),
            bridge: self.bridge(1, anchored.height),
        }
        .build()
        .unwrap()
    }

    /// The headers from height `from` up to below `to` after which the set changes.
    fn bridge(&self, from: u64, to: u64) -> Vec<AttestedHeader> {
        (from..to)
            .map(|height| self.chain.at(height))
            .filter(|b| b.header.validators_hash != b.header.next_validators_hash)
            .map(attested)
            .collect()
    }

    /// The re-anchoring of `receipt` under the last block.
    pub fn refresh(&self, receipt: &NotaryReceipt) -> NotaryReceipt {
        let (from, to) = (receipt.proof.block.header.height, self.chain.height());
        // The state under the header of height h holds the hashes of the headers below h.
        let size = to - 1;
        let log = &self.logs[size as usize];
        let proof = JellyfishTree.prove(&self.state, size, state_key::HEADERS, Some(log)).unwrap();
        let place = self.headers.inclusion_at(from - 1, size).unwrap();
        let refresh = Refresh::new(&place, &proof, self.bridge(from + 1, to), attested(self.chain.at(to)));
        NotaryReceipt { refresh: Some(refresh), ..receipt.clone() }
    }

    /// Logs, anchors (between two other transactions on each side) and receipts one subject.
    pub fn notarize(&mut self, subject: NotarySubject) -> NotaryReceipt {
        let index = self.append(&subject.leaf());
        self.anchor(2, 2);
        self.proof(index).attach(subject, None)
    }

    /// The pending receipt of a logged subject.
    pub fn pending(&self, subject: NotarySubject, index: u64) -> PendingReceipt {
        let promise = self.promise(&subject.leaf(), index);
        pending(&self.chain.chain_id, subject, None, Some((&promise, self.owner.public_key())))
    }

    /// Trust in this chain's genesis.
    pub fn genesis(&self) -> Trust {
        Trust::Genesis(GenesisTrust {
            chain_id: self.chain.chain_id.clone(),
            validators: self.chain.genesis.clone(),
            time: self.chain.genesis_time,
            hash: Sha256::digest(self.chain.chain_id.as_bytes()),
        })
    }

    /// Trust in the header of `height`.
    pub fn header(&self, height: u64) -> Trust {
        Trust::Header { height, hash: self.chain.at(height).hash() }
    }
}

fn attested(block: &TestBlock) -> AttestedHeader {
    attest(&block.header, &block.commit, &block.validators).unwrap()
}
