//! What must hold of a network, and forged messages.

use bytes::Bytes;
use pyralog_crypto::{Decode, Encode};

use super::net::Net;
use crate::block::testing::CHAIN;
use crate::block::*;
use crate::engine::wire::Body;
use crate::engine::{SignMark, WireMessage};

impl Net {
    /// A signature leaves only under a durable mark, and one per position.
    pub(super) fn check_signed(&mut self, i: usize, bytes: &Bytes) {
        let message = WireMessage::from_bytes(bytes).unwrap();
        assert_eq!(message.to_bytes(), *bytes);
        let node = &mut self.nodes[i];
        let Some(address) = node.key.as_ref().map(|k| ValidatorAddress::of(&k.public_key())) else { return };
        let (mark, content) = match &message.body {
            Body::Vote(vote) if vote.message.address == address => {
                let step = super::super::context::step_of(vote.message.step);
                let mark =
                    SignMark { height: vote.message.height.0, round: vote.message.round.as_u32().unwrap(), step };
                (mark, format!("{:?} {:?}", vote.message.value, vote.signature.0))
            }
            Body::Proposal(p) if p.message.address == address => {
                let round = p.message.round.as_u32().unwrap();
                let mark = SignMark { height: p.message.height.0, round, step: Step::Propose };
                (mark, format!("{:?} {:?}", p.message, p.signature.0))
            }
            _ => return,
        };
        let disk = node.disk.lock().unwrap();
        assert!(disk.mark >= Some(mark), "a signature left before its mark was durable");
        drop(disk);
        let contents = node.signed.entry(mark).or_default();
        contents.insert(content.into_bytes());
        assert!(contents.len() == 1, "node {i} signed twice: {mark}");
    }

    /// All nodes have the same blocks up to the lowest height.
    pub(super) fn assert_no_fork(&self) {
        let chains: Vec<_> = (0..self.nodes.len()).map(|i| self.blocks(i)).collect();
        for a in &chains {
            for b in &chains {
                for (x, y) in a.iter().zip(b) {
                    assert_eq!(x.block_id, y.block_id, "a fork at {}", x.height);
                    assert_eq!(x.chain, y.chain, "another state at {}", x.height);
                }
            }
        }
        for (i, node) in self.nodes.iter().enumerate() {
            assert_eq!(node.fatal, None, "node {i}");
        }
    }

    pub(super) fn address(&self, i: usize) -> ValidatorAddress {
        ValidatorAddress::of(&self.nodes[i].key.as_ref().unwrap().public_key())
    }

    /// The number under which node `i` asks who is there, since its last start.
    pub(super) fn number(&self, i: usize) -> u64 {
        let bodies = self.nodes[i].sent.iter().map(|bytes| WireMessage::from_bytes(bytes).unwrap().body);
        let mut asked =
            bodies.filter_map(|body| if let Body::Presence(presence) = body { presence.asks } else { None });
        asked.next().unwrap()
    }

    /// All others tell node `i` that they are there, whatever the network loses, and it gets the time to take that in.
    pub(super) fn attend(&mut self, i: usize) {
        let to = (self.address(i), self.number(i));
        let height = self.height(i) + 1;
        for from in (0..self.nodes.len()).filter(|from| *from != i) {
            let key = self.nodes[from].key.as_ref().unwrap();
            let message = WireMessage::presence(CHAIN, key, height, to, 0).unwrap();
            self.inject(from, i, message.to_bytes().into());
        }
        self.run_ms(250);
    }

    /// A proposal signed with the key of node `i`, whatever that node thinks.
    pub(super) fn forge_proposal(&self, i: usize, height: u64, round: u32, value: ValueId) -> Bytes {
        use malachitebft_core_types::{Round, SignedMessage};
        let message = super::super::context::Proposal {
            height: super::super::context::Height(height),
            round: Round::new(round),
            value,
            pol_round: Round::Nil,
            address: self.address(i),
        };
        let bytes = self.engine(i).host.ctx.proposal_bytes(&message);
        let signature = self.nodes[i].key.as_ref().unwrap().sign(&bytes);
        Body::Proposal(SignedMessage::new(message, signature)).to_wire(0).into()
    }

    /// A vote signed with the key of node `i`, whatever that node thinks.
    pub(super) fn forge_vote(&self, i: usize, step: Step, height: u64, round: u32, value: Option<ValueId>) -> Bytes {
        use malachitebft_core_types::{NilOrVal, Round, SignedMessage, VoteType};
        let message = super::super::context::Vote {
            step: if step == Step::Prevote { VoteType::Prevote } else { VoteType::Precommit },
            height: super::super::context::Height(height),
            round: Round::new(round),
            value: value.map_or(NilOrVal::Nil, NilOrVal::Val),
            address: self.address(i),
        };
        let bytes = vote_sign_bytes(CHAIN, step, height, round, value.as_ref());
        let signature = self.nodes[i].key.as_ref().unwrap().sign(&bytes);
        Body::Vote(SignedMessage::new(message, signature)).to_wire(0).into()
    }
}
