//! Who is there: what a validator must hear of the others before it signs.
//!
//! A home that was restored from an older copy does not know what it signed since, and no look at its own files can tell. The others can: so a
//! validator that starts asks them, under a number of its own for each start, and they answer with their height and with the last of its signatures
//! that they hold. It signs, and promises, once validators with more than two thirds of the power, itself counted, have answered and their blocks are here.
//! Waiting for them costs no block: without them no height can be decided.

use std::collections::{BTreeMap, BTreeSet};

use pyralog_crypto::Signature;

use super::asks::Asks;
use super::gossip::Judged;
use super::host::{Host, Phase};
use super::presence::{Answer, MAX_ANSWERS, Presence, Signed};
use super::wire::Body;
use super::{Engine, Report, Verdict};
use crate::application::Application;
use crate::block::{ValidatorAddress, ValidatorSet};
use crate::error::EngineError;

/// Different presences of one validator that are forwarded between two retry ticks. A correct one sends one or two.
const MAX_FORWARDED: usize = 8;

/// What is known of who is there.
#[derive(Debug, Default)]
pub(super) struct Attendance {
    /// Our number of this start.
    number: u64,
    /// Who answered it, and the height that it worked on when it first did: nothing that an earlier process of ours signed is above.
    present: BTreeMap<ValidatorAddress, u64>,
    /// Whether they were enough.
    complete: bool,
    /// Whether it was said that we wait for them.
    missed: bool,
    /// Who asks us.
    asks: Asks,
    /// First bytes of the signatures of presences that were forwarded since the last retry tick.
    forwarded: BTreeMap<ValidatorAddress, BTreeSet<[u8; 8]>>,
}

impl Attendance {
    pub(super) fn new(number: u64) -> Self {
        Self { number, ..Self::default() }
    }

    /// Whether a presence that was verified is forwarded.
    fn forward(&mut self, presence: &Presence) -> bool {
        let forwarded = self.forwarded.entry(presence.address).or_default();
        let [a, b, c, d, e, f, g, h, ..] = presence.signature.0;
        forwarded.len() < MAX_FORWARDED && forwarded.insert([a, b, c, d, e, f, g, h])
    }

    /// The highest height that validators with more than a third of the power worked on, or a later one, when they answered: at least one of
    /// them told the truth.
    fn height(&self, set: &ValidatorSet) -> u64 {
        let power = |address: &ValidatorAddress| set.get(address).map_or(0, |validator| u128::from(validator.power));
        let mut heights: Vec<_> = self.present.iter().map(|(address, height)| (*height, power(address))).collect();
        heights.sort_unstable();
        let mut sum = 0;
        let total = u128::from(set.total_power());
        let reaches = |(_, power): &&(u64, u128)| {
            sum += power;
            sum * 3 > total
        };
        heights.iter().rev().find(reaches).map_or(0, |(height, _)| *height)
    }
}

impl<A: Application> Engine<A> {
    pub(super) fn on_presence(&mut self, presence: Presence) -> Judged {
        let address = presence.address;
        let host = &mut self.host;
        let Some(key) = host.set.set.get(&address).map(|validator| validator.public_key) else {
            return Ok(Verdict::Ignore);
        };
        if !presence.verify(host.chain.chain_id.as_str(), &key) {
            return Err("a presence with a wrong signature");
        }
        if host.own_key(&address).is_some() {
            return Ok(Verdict::Ignore);
        }
        let attendance = &mut host.attendance;
        let mut useful = presence.asks.is_some_and(|number| attendance.asks.note(address, number));
        let mut to_us = None;
        let ours = (host.guard.address(), attendance.number);
        for answer in &presence.answers {
            useful |= attendance.asks.knows(answer.asker, answer.number);
            if (answer.asker, answer.number) == ours {
                to_us = Some(answer);
            }
        }
        let verdict = if useful && attendance.forward(&presence) { Verdict::Accept } else { Verdict::Ignore };
        if let Some(answer) = to_us {
            attendance.present.entry(address).or_insert(presence.height);
            match &answer.newest {
                Some(Signed::Vote(vote)) => self.look_for_own_vote(vote),
                Some(Signed::Proposal(proposal)) => self.host.look_for_own_proposal(proposal),
                None => {}
            }
        }
        Ok(verdict)
    }

    /// At each retry tick: asks while we wait for others, answers who asked.
    pub(super) fn tell_presence(&mut self) {
        let host = &mut self.host;
        host.attendance.forwarded.clear();
        let due = host.attendance.asks.due(MAX_ANSWERS);
        let asks = !host.attendance.complete && host.needs_others();
        if !host.is_member() || !asks && due.is_empty() || matches!(host.phase, Phase::Created | Phase::Stopped) {
            return;
        }
        let answer = |(asker, number)| Answer { asker, number, newest: self.newest_of(&asker) };
        let answers = due.into_iter().map(answer).collect();
        let host = &mut self.host;
        let Some(signer) = &host.signer else { return };
        let presence = Presence {
            address: host.guard.address(),
            height: host.height(),
            asks: asks.then_some(host.attendance.number),
            answers,
            signature: Signature([0; 64]),
        };
        match presence.sign(host.chain.chain_id.as_str(), signer.as_ref()) {
            Ok(presence) => {
                let attempt = host.attempt();
                host.publish(&Body::Presence(Box::new(presence)), attempt);
            }
            Err(error) => host.fail(EngineError::Signer(error.to_string())),
        }
    }

    /// The last signature of a validator that is known here, of the height under way and the one after.
    fn newest_of(&self, address: &ValidatorAddress) -> Option<Signed> {
        let next = self.host.height();
        let rounds = self.core.driver.votes().all_rounds().values();
        let votes = rounds.flat_map(|round| round.received_votes());
        let early = (next..=next.saturating_add(1)).flat_map(|height| {
            let (first, last) = ((height, *address, 0, 0), (height, *address, u8::MAX, u32::MAX));
            self.host.early.range(first..=last).flat_map(|(_, votes)| votes)
        });
        let votes = votes.chain(early).filter(|vote| vote.message.address == *address).cloned().map(Signed::Vote);
        let candidates = (next..=next.saturating_add(1)).flat_map(|height| self.host.candidates.at(height));
        let proposals = candidates.flat_map(|(_, candidate)| candidate.proposals.values());
        let proposals = proposals.filter(|proposal| proposal.message.address == *address).cloned();
        votes.chain(proposals.map(Signed::Proposal)).max_by_key(Signed::mark)
    }
}

impl<A: Application> Host<A> {
    /// Whether we are in the validator set of the height under way.
    pub(super) fn is_member(&self) -> bool {
        self.set.set.get(&self.guard.address()).is_some()
    }

    /// Whoever has two thirds of the power decides alone; everybody else must hear others.
    fn needs_others(&self) -> bool {
        let set = &self.set.set;
        set.get(&self.guard.address()).is_some_and(|own| !self.quorum().is_met(set, own.power))
    }

    /// Whether it is known what an earlier process of ours may have signed. Once it is, it stays so.
    pub(super) fn is_attended(&self) -> bool {
        self.attendance.complete
    }

    /// Whether a member must hear others before anything else.
    pub(super) fn waits_for_others(&mut self) -> bool {
        #[cfg(any(test, all(feature = "testkit", debug_assertions)))]
        if self.config.canary.unattended {
            self.attendance.complete = true;
        }
        if self.attendance.complete || !self.is_member() {
            return false;
        }
        let (set, own) = (&self.set.set, self.guard.address());
        let here = self.attendance.present.keys().chain([&own]).filter_map(|address| set.get(address));
        let power = here.fold(0, |sum: u64, validator| sum.saturating_add(validator.power));
        let height = self.attendance.height(set);
        if !self.quorum().is_met(set, power) {
            if !std::mem::replace(&mut self.attendance.missed, true) {
                let total = set.total_power();
                self.report(Report::Unattended { power, total });
            }
            return true;
        }
        if height > self.height() {
            // At least one that tells the truth has these blocks.
            self.sync_target = self.sync_target.max(height - 1);
            return true;
        }
        self.attendance.complete = true;
        false
    }
}
