//! What is lost is asked for, and sent again.

use std::collections::BTreeMap;

use malachitebft_core_types::{NilOrVal, VoteType};

use super::host::Host;
use super::wire::Body;
use super::{Engine, Timer};
use crate::application::Application;
use crate::block::ValueId;

/// Values asked for in one tick.
const MAX_WANTS: usize = 8;

impl<A: Application> Engine<A> {
    /// The retry timer: asks for missing parts and missing blocks.
    pub(super) fn retry(&mut self) {
        self.host.schedule(Timer::Retry, self.host.config.retry_ns);
        // One whole block at once, then an eighth of it per tick.
        self.host.served.retain(|value, spent| {
            *spent = spent.saturating_sub((value.block_id.part_set_header.total / 8).max(1));
            *spent > 0
        });
        self.host.ask_for_blocks();
        self.tell_presence();
        if !self.host.is_running() {
            return;
        }
        let (height, attempt) = (self.host.height(), self.host.attempt());
        for value in self.wanted() {
            let missing = match self.host.candidates.get(height, &value) {
                Some(candidate) if candidate.block.is_some() => Vec::new(),
                Some(candidate) => candidate.parts.missing().collect(),
                None => (0..value.block_id.part_set_header.total).collect(),
            };
            self.host.publish(&Body::WantParts { height, value, missing }, attempt);
        }
    }

    /// Values of which the proposal or a part is missing: proposed ones, and those that were voted for in this round or precommitted in any. Those
    /// with most power behind them first, so that a few validators who vote for nonsense cannot crowd out the others.
    fn wanted(&self) -> Vec<ValueId> {
        let height = self.host.height();
        let round = self.core.round();
        let set = &self.host.set.set;
        let candidate = |value: &ValueId| self.host.candidates.get(height, value);
        let incomplete = |value: &ValueId| candidate(value).is_none_or(|c| c.block.is_none() && c.judged.is_none());
        let mut wanted: BTreeMap<ValueId, u64> = BTreeMap::new();
        for (voted, per_round) in self.core.driver.votes().all_rounds() {
            for vote in per_round.received_votes() {
                let NilOrVal::Val(value) = &vote.message.value else { continue };
                let proposed =
                    candidate(value).is_some_and(|c| voted.as_u32().is_some_and(|r| c.proposals.contains_key(&r)));
                let counts = *voted == round || vote.message.step == VoteType::Precommit;
                if counts && (incomplete(value) || !proposed) {
                    let power = set.get(&vote.message.address).map_or(0, |v| v.power);
                    let sum = wanted.entry(*value).or_default();
                    *sum = sum.saturating_add(power);
                }
            }
        }
        // A proposal is its proposer's word and counts like a vote of everybody: at most two values a round can have one.
        for (value, _) in self.host.candidates.at(height).filter(|(value, _)| incomplete(value)) {
            wanted.insert(*value, u64::MAX);
        }
        let mut ranked: Vec<_> = wanted.into_iter().map(|(value, power)| (std::cmp::Reverse(power), value)).collect();
        ranked.sort_unstable();
        ranked.into_iter().take(MAX_WANTS).map(|(_, value)| value).collect()
    }

    /// The rebroadcast timer: besides the votes that the core sends again, the proposal of the current round if it is ours.
    pub(super) fn rebroadcast_proposal(&mut self) {
        let height = self.host.height();
        let Some(round) = self.core.round().as_u32() else { return };
        let Some(proposal) = self.host.candidates.proposal(height, round).cloned() else { return };
        if self.host.own_key(&proposal.message.address).is_some() && self.core.params.enabled {
            let attempt = self.host.attempt();
            self.host.publish(&Body::Proposal(proposal), attempt);
        }
    }

    /// Sends parts, or the proposal alone, to whoever asks; each part about once, however many ask. All answers to one request
    /// are the same bytes, so a gossip network carries them once.
    pub(super) fn serve(&mut self, height: u64, value: &ValueId, missing: &[u32], attempt: u32) {
        if height != self.host.height() || !self.host.is_running() {
            return;
        }
        let Some(candidate) = self.host.candidates.get(height, value) else { return };
        let proposals: Vec<_> = candidate.proposals.values().rev().take(2).cloned().collect();
        let budget = value.block_id.part_set_header.total + 4;
        let Some(newest) = proposals.first() else { return };
        let newest = newest.clone();
        let spent = self.host.served.get(value).copied().unwrap_or(0);
        if spent >= budget || self.host.served.len() >= 64 {
            return;
        }
        let mut sent = 0;
        for proposal in &proposals {
            self.host.publish(&Body::Proposal(proposal.clone()), attempt);
            sent += 1;
        }
        if !missing.is_empty() {
            sent += self.host.publish_parts(&newest, Some(missing), attempt);
        }
        self.host.served.insert(*value, spent + sent);
    }
}

impl<A> Host<A> {
    /// How many messages wait for something durable.
    pub(super) fn held(&self) -> usize {
        self.outbox.len()
    }
}
