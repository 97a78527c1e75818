//! Blocks that were proposed for the height under way and the one after it.

use std::collections::BTreeMap;

use super::context::SignedProposal;
use crate::application::Misbehavior;
use crate::block::{BuiltBlock, Part, PartSet, ValueId};

/// Different values that a proposer can make us keep in one round: two, which is what proves that it cheats.
const PER_ROUND: usize = 2;
/// Blocks kept for the current height, and for the next.
const MAX_CURRENT: usize = 8;
const MAX_NEXT: usize = 2;

/// A proposed block: parts as they arrive, then the whole.
#[derive(Debug)]
pub(super) struct Candidate {
    /// Whoever proposed it, in which rounds.
    pub(super) proposals: BTreeMap<u32, SignedProposal>,
    pub(super) parts: PartSet,
    /// Once all parts are there and it is the block that the value names.
    pub(super) block: Option<BuiltBlock>,
    /// Once it was judged: what it proves, or that it is invalid.
    pub(super) judged: Option<Result<Vec<Misbehavior>, ()>>,
    /// Whether the core knows the judgement.
    pub(super) fed: bool,
}

impl Candidate {
    fn new(value: &ValueId) -> Self {
        let parts = PartSet::empty(value.block_id.part_set_header);
        Self { proposals: BTreeMap::new(), parts, block: None, judged: None, fed: false }
    }
}

/// What became of an arriving proposal or part.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stored {
    New,
    Known,
    /// There is no room: the proposer sent too many values.
    Full,
    /// It does not belong to the block that the proposal names.
    Foreign,
}

#[derive(Debug, Default)]
pub(super) struct Candidates {
    map: BTreeMap<(u64, ValueId), Candidate>,
}

impl Candidates {
    pub(super) fn get(&self, height: u64, value: &ValueId) -> Option<&Candidate> {
        self.map.get(&(height, *value))
    }

    pub(super) fn get_mut(&mut self, height: u64, value: &ValueId) -> Option<&mut Candidate> {
        self.map.get_mut(&(height, *value))
    }

    pub(super) fn at(&self, height: u64) -> impl Iterator<Item = (&ValueId, &Candidate)> {
        self.map.iter().filter(move |((h, _), _)| *h == height).map(|((_, value), candidate)| (value, candidate))
    }

    /// The proposal of `round`, the first by value if its proposer cheats.
    pub(super) fn proposal(&self, height: u64, round: u32) -> Option<&SignedProposal> {
        self.at(height).find_map(|(_, candidate)| candidate.proposals.get(&round))
    }

    /// Keeps a verified proposal. Values for which `pinned` holds (locked, or with two thirds of prevotes) are never given up for it.
    pub(super) fn add_proposal(
        &mut self,
        proposal: &SignedProposal,
        current: u64,
        pinned: &dyn Fn(&ValueId) -> bool,
    ) -> Stored {
        let (height, value) = (proposal.message.height.0, proposal.message.value);
        let round = proposal.message.round.as_u32().unwrap_or(0);
        if let Some(candidate) = self.get_mut(height, &value) {
            if candidate.proposals.contains_key(&round) {
                return Stored::Known;
            }
            // Each round has one proposer; keep the newest few, any of them proves the parts.
            candidate.proposals.insert(round, proposal.clone());
            while candidate.proposals.len() > 16 {
                candidate.proposals.pop_first();
            }
            return Stored::New;
        }
        let same_round = self.at(height).filter(|(_, c)| c.proposals.contains_key(&round)).count();
        if same_round >= PER_ROUND && !pinned(&value) {
            return Stored::Full;
        }
        let max = if height == current { MAX_CURRENT } else { MAX_NEXT };
        if self.at(height).count() >= max && !self.give_up_one(height, round, pinned) && !pinned(&value) {
            return Stored::Full;
        }
        let mut candidate = Candidate::new(&value);
        candidate.proposals.insert(round, proposal.clone());
        self.map.insert((height, value), candidate);
        Stored::New
    }

    /// Adds a part to a block whose proposal is known.
    pub(super) fn add_part(&mut self, height: u64, value: &ValueId, part: Part) -> Stored {
        let Some(candidate) = self.get_mut(height, value) else { return Stored::Full };
        match candidate.parts.add(part) {
            Ok(true) => Stored::New,
            Ok(false) => Stored::Known,
            Err(()) => Stored::Foreign,
        }
    }

    /// Keeps a block of our own, or one from the WAL.
    pub(super) fn add_block(&mut self, height: u64, built: BuiltBlock, judged: Option<Result<Vec<Misbehavior>, ()>>) {
        let candidate = self.map.entry((height, built.value)).or_insert_with(|| Candidate::new(&built.value));
        candidate.parts = PartSet::split(&built.bytes);
        candidate.block = Some(built);
        candidate.judged = judged;
    }

    /// Forgets everything below `height`.
    pub(super) fn clear_below(&mut self, height: u64) {
        self.map.retain(|(h, _), _| *h >= height);
    }

    /// Gives up the unpinned block of the oldest round before `round`.
    fn give_up_one(&mut self, height: u64, round: u32, pinned: &dyn Fn(&ValueId) -> bool) -> bool {
        let newest = |candidate: &Candidate| candidate.proposals.last_key_value().map_or(0, |(round, _)| *round);
        let oldest = self
            .at(height)
            .filter(|(value, candidate)| !pinned(value) && newest(candidate) < round)
            .min_by_key(|(_, candidate)| newest(candidate))
            .map(|(value, _)| *value);
        oldest.is_some_and(|value| self.map.remove(&(height, value)).is_some())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::super::context::{Height, Proposal};
    use super::*;
    use crate::block::ValidatorAddress;
    use crate::block::testing::{chain_of, value_id};
    use malachitebft_core_types::{Round, SignedMessage};
    use pyralog_crypto::Signature;

    fn proposal(height: u64, round: u32, value: ValueId) -> SignedProposal {
        let (height, round) = (Height(height), Round::new(round));
        let address = ValidatorAddress([1; 20]);
        SignedMessage::new(Proposal { height, round, value, pol_round: Round::Nil, address }, Signature([0; 64]))
    }

    const NOT_PINNED: &dyn Fn(&ValueId) -> bool = &|_| false;

    #[test]
    fn a_proposer_gets_two_values_a_round() {
        let mut candidates = Candidates::default();
        let mut add = |round, n| candidates.add_proposal(&proposal(5, round, value_id(n, 1, 1)), 5, NOT_PINNED);
        assert_eq!(
            (add(0, 1), add(0, 1), add(0, 2), add(0, 3)),
            (Stored::New, Stored::Known, Stored::New, Stored::Full)
        );
        assert_eq!((add(1, 3), add(1, 1)), (Stored::New, Stored::New), "in its own round, and a re-proposal");
        let found = candidates.proposal(5, 1).unwrap();
        assert!(found.message.round == Round::new(1));
    }

    #[test]
    fn memory_is_bounded_and_what_is_locked_stays() {
        let mut candidates = Candidates::default();
        let locked = value_id(1, 1, 1);
        for round in 0..100u32 {
            let value = if round == 0 { locked } else { value_id(round as u8, 9, 9) };
            candidates.add_proposal(&proposal(5, round, value), 5, &|v| *v == locked);
            assert!(candidates.at(5).count() <= MAX_CURRENT);
        }
        assert!(candidates.get(5, &locked).is_some());
        assert!(candidates.get(5, &value_id(99, 9, 9)).is_some(), "the newest is there");
        let old = candidates.add_proposal(&proposal(5, 2, value_id(200, 1, 1)), 5, &|v| *v == locked);
        assert_eq!(old, Stored::Full, "there are newer ones");
        for n in 0..4 {
            candidates.add_proposal(&proposal(6, n, value_id(n as u8, 1, 1)), 5, NOT_PINNED);
        }
        assert_eq!(candidates.at(6).count(), MAX_NEXT);
        candidates.clear_below(6);
        assert_eq!((candidates.at(5).count(), candidates.at(6).count()), (0, MAX_NEXT));
    }

    #[test]
    fn parts_need_a_proposal_and_must_belong() {
        let (_, _, blocks) = chain_of(2);
        let (a, b) = (&blocks[0], &blocks[1]);
        let mut candidates = Candidates::default();
        let part = |built: &BuiltBlock| PartSet::split(&built.bytes).part(0).unwrap().clone();
        assert_eq!(candidates.add_part(1, &a.value, part(a)), Stored::Full);
        candidates.add_proposal(&proposal(1, 0, a.value), 1, NOT_PINNED);
        assert_eq!(candidates.add_part(1, &a.value, part(b)), Stored::Foreign);
        assert_eq!(candidates.add_part(1, &a.value, part(a)), Stored::New);
        assert_eq!(candidates.add_part(1, &a.value, part(a)), Stored::Known);
        assert_eq!(candidates.get(1, &a.value).unwrap().parts.assemble().unwrap(), a.bytes);
        candidates.add_block(1, b.clone(), Some(Ok(vec![])));
        assert!(candidates.get(1, &b.value).unwrap().block.is_some());
    }
}
