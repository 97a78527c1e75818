//! A validator that misbehaves: a real engine, whose messages are twisted on their way out, and some that no engine sends.

use std::collections::BTreeMap;

use bytes::Bytes;
use pyralog_consensus::block::{
    BlockDraft, ChainState, Part, PartSet, Step, Timestamp, ValidatorAddress, ValueId, to_tendermint_hash,
};
use pyralog_consensus::engine::{Statement, WireMessage};
use pyralog_crypto::{Decode, Encode, Hash, Signature, SigningKey};
use tendermint::block::{self, parts};

use super::disk::SharedDisk;
use super::plan::{MS, Mischief, Plan};
use super::random::{Random, Stream};
use super::setting::{CHAIN, GENESIS, node_key};

/// A message and who gets it.
pub(super) type Sent = (usize, Bytes);

pub(super) struct Byzantine {
    pub(super) node: usize,
    mischief: Mischief,
    key: SigningKey,
    pub(super) address: ValidatorAddress,
    random: Random,
    /// The other value of a round in which it proposed two.
    twins: BTreeMap<(u64, u32), ValueId>,
    /// The last value that its engine voted for.
    seen: Option<ValueId>,
    quiet: bool,
}

impl Byzantine {
    pub(super) fn new(plan: &Plan) -> Option<Self> {
        let (node, mischief) = plan.byzantine?;
        let key = node_key(node);
        let address = ValidatorAddress::of(&key.public_key());
        let random = Random::new(plan.seed, Stream::Mischief);
        Some(Self { node, mischief, key, address, random, twins: BTreeMap::new(), seen: None, quiet: false })
    }

    /// Whether a message must not reach its own engine: it would notice that somebody signs with its key.
    pub(super) fn is_about_me(&self, bytes: &Bytes) -> bool {
        let message = WireMessage::from_bytes(bytes);
        message.is_ok_and(|message| message.statements().iter().any(|s| s.address == self.address))
    }

    /// What it sends in place of a message of its engine.
    pub(super) fn twist(
        &mut self,
        bytes: Bytes,
        peers: &[usize],
        chain: &ChainState,
        disk: &SharedDisk,
        arsenal: &[Bytes],
    ) -> Vec<Sent> {
        if self.quiet {
            return Vec::new();
        }
        let Ok(message) = WireMessage::from_bytes(&bytes) else { return Vec::new() };
        if self.mischief.withhold && message.is_part() && self.random.chance(600) {
            return Vec::new();
        }
        let own = message.statements().into_iter().next().filter(|s| s.address == self.address);
        let mut sent = match own.filter(|_| message.is_statement()) {
            Some(proposal) if proposal.step == Step::Propose => {
                self.propose(&bytes, &proposal, peers, chain, disk, arsenal)
            }
            Some(vote) => self.vote(&bytes, &vote, peers),
            None => to_all(peers, &bytes),
        };
        if self.mischief.garbage && self.random.chance(200) {
            let mut changed = bytes.to_vec();
            let at = self.random.below(changed.len());
            changed[at] ^= self.random.between(1, 255) as u8;
            let noise = self.random.between(0, 400) as usize;
            sent.extend(to_all(peers, &changed.into()));
            sent.extend(to_all(peers, &self.random.bytes(noise).into()));
        }
        sent
    }

    fn propose(
        &mut self,
        bytes: &Bytes,
        proposal: &Statement,
        peers: &[usize],
        chain: &ChainState,
        disk: &SharedDisk,
        arsenal: &[Bytes],
    ) -> Vec<Sent> {
        let two = self.mischief.proposals && self.random.chance(700);
        let bad = self.mischief.bad_blocks && !arsenal.is_empty() && self.random.chance(600);
        if !two && !bad || chain.height + 1 != proposal.height {
            return to_all(peers, bytes);
        }
        let txs = if bad { vec![arsenal[self.random.below(arsenal.len())].clone()] } else { Vec::new() };
        let Some(twin) = self.twin(proposal, chain, disk, txs) else { return to_all(peers, bytes) };
        let mut sent = Vec::new();
        for peer in peers {
            let (first, second) = if two { (self.random.chance(600), self.random.chance(600)) } else { (false, true) };
            if first {
                sent.push((*peer, bytes.clone()));
            }
            if second {
                sent.extend(twin.iter().map(|message| (*peer, message.clone())));
            }
        }
        sent
    }

    /// Another block for the same height and round, with its parts.
    fn twin(
        &mut self,
        proposal: &Statement,
        chain: &ChainState,
        disk: &SharedDisk,
        txs: Vec<Bytes>,
    ) -> Option<Vec<Bytes>> {
        let value = proposal.value?;
        let last_commit = disk.lock().last().map(|block| block.commit.clone());
        let time = Timestamp::from_time(value.time)?.saturating_add(MS).to_time();
        let draft = BlockDraft { time, proposer: self.address, txs, evidence: Vec::new(), last_commit };
        let built = chain.build(draft).ok()?;
        self.twins.insert((proposal.height, proposal.round), built.value);
        let twin = self.sign(Statement { value: Some(built.value), pol_round: None, ..proposal.clone() });
        let parts = PartSet::split(&built.bytes);
        let total = parts.header().total;
        let part = |index| WireMessage::of_part(&twin, parts.part(index)?.clone() as Part, 0);
        let messages = std::iter::once(WireMessage::of(&twin, 0)).chain((0..total).map(part));
        Some(messages.flatten().map(|message| message.to_bytes().into()).collect())
    }

    fn vote(&mut self, bytes: &Bytes, vote: &Statement, peers: &[usize]) -> Vec<Sent> {
        self.seen = vote.value.or(self.seen);
        if !self.mischief.votes && !self.mischief.proposals || self.random.chance(300) {
            return to_all(peers, bytes);
        }
        let twin = self.twins.get(&(vote.height, vote.round)).copied();
        let other = match vote.value {
            Some(value) => twin.filter(|twin| *twin != value),
            None => twin.or(self.seen),
        };
        let second = self.sign(Statement { value: other, ..vote.clone() });
        let Some(second) = WireMessage::of(&second, 0).map(|message| Bytes::from(message.to_bytes())) else {
            return Vec::new();
        };
        let mut sent = Vec::new();
        for peer in peers {
            match self.random.below(3) {
                0 => sent.push((*peer, bytes.clone())),
                1 => sent.push((*peer, second.clone())),
                _ => sent.extend([(*peer, second.clone()), (*peer, bytes.clone())]),
            }
        }
        sent
    }

    /// Now and then: changes its mood, and floods.
    pub(super) fn tick(&mut self, peers: &[usize], height: u64, now: u64) -> Vec<Sent> {
        self.quiet = self.mischief.silence && self.random.chance(500);
        let mut sent = Vec::new();
        if !self.mischief.flood || self.quiet {
            return sent;
        }
        for _ in 0..15 {
            let value = self.fake_value(now);
            let vote = Statement {
                address: self.address,
                height: height + self.random.between(0, 2),
                round: self.random.between(0, 40) as u32,
                step: if self.random.chance(500) { Step::Prevote } else { Step::Precommit },
                value: value.filter(|_| self.random.chance(700)),
                pol_round: None,
                signature: Signature([0; 64]),
            };
            let vote = self.sign(vote);
            let message = if self.random.chance(700) {
                WireMessage::of(&vote, 0)
            } else {
                value.map(|value| WireMessage::want_parts(vote.height, value, vec![0], vote.round))
            };
            let bytes = message.map(|message| Bytes::from(message.to_bytes()));
            sent.extend(bytes.iter().flat_map(|bytes| to_all(peers, bytes)));
        }
        sent
    }

    /// The height that it claims to have.
    pub(super) fn claim(&mut self, height: u64) -> u64 {
        if self.mischief.lie && self.random.chance(500) { height + self.random.between(0, 1_000) } else { height }
    }

    /// The blocks and commits that it gives to somebody who catches up.
    pub(super) fn answer(&mut self, mut blocks: Vec<(Bytes, Bytes)>) -> Vec<(Bytes, Bytes)> {
        if self.quiet {
            return Vec::new();
        }
        if !self.mischief.lie {
            return blocks;
        }
        match self.random.below(4) {
            0 => blocks.clear(),
            1 => blocks.reverse(),
            2 => {
                blocks = blocks.iter().map(|_| (self.random.bytes(300).into(), self.random.bytes(100).into())).collect()
            }
            _ => {
                for (block, commit) in &mut blocks {
                    let changed = if self.random.chance(500) { block } else { commit };
                    let mut bytes = changed.to_vec();
                    let at = self.random.below(bytes.len());
                    bytes[at] ^= self.random.between(1, 255) as u8;
                    *changed = bytes.into();
                }
            }
        }
        blocks
    }

    fn fake_value(&mut self, now: u64) -> Option<ValueId> {
        let mut hash = || {
            let bytes = self.random.bytes(32);
            to_tendermint_hash(Hash(bytes.try_into().unwrap_or([1; 32])))
        };
        let part_set_header = parts::Header::new(1, hash()).ok()?;
        ValueId::new(block::Id { hash: hash(), part_set_header }, Timestamp(GENESIS + now).to_time())
    }

    fn sign(&self, statement: Statement) -> Statement {
        let signature = self.key.sign(&statement.sign_bytes(CHAIN));
        Statement { signature, ..statement }
    }
}

fn to_all(peers: &[usize], bytes: &Bytes) -> Vec<Sent> {
    peers.iter().map(|peer| (*peer, bytes.clone())).collect()
}

#[cfg(test)]
mod tests;
