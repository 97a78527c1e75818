//! Who is there: what a validator must hear of the others before it signs.
//!
//! A home that was restored from an older copy does not know what it signed since, and no look at its own files can tell. The others can: so a
//! validator that starts asks them, under a number of its own for each start, and they answer with their height and with the last of its signatures
//! that they hold. It signs, and promises, once validators with more than two thirds of the power, itself counted, have answered and their blocks are here.
//! Waiting for them costs no block: without them no height can be decided.

use std::collections::{BTreeMap, BTreeSet};

use pyralog_crypto::Signature;

use super::asks::Asks;
use super::context::CoreInput;
use super::gossip::Judged;
use super::host::{Host, Phase};
use super::presence::{Answer, MAX_ANSWERS, Presence, Signed};
use super::wire::Body;
use super::{Engine, Report, Verdict};
use crate::application::Application;
use crate::block::ValidatorAddress;
use crate::error::EngineError;

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
    /// What each validator asked and answered in presences that were forwarded since the last retry tick: (asker, number).
    forwarded: BTreeMap<ValidatorAddress, BTreeSet<(ValidatorAddress, u64)>>,
}

impl Attendance {
    pub(super) fn new(number: u64) -> Self {
        Self { number, ..Self::default() }
    }

    /// Takes in what a presence that was verified asks. `true` if it is of use to others: it asks under one of the last numbers of its sender, or answers
    /// one of somebody else's, and nothing that was forwarded since the last retry tick does the same. What was recorded crowds nobody out.
    fn note(&mut self, presence: &Presence) -> bool {
        let address = presence.address;
        let asks = presence.asks.filter(|number| self.asks.note(address, *number)).map(|number| (address, number));
        let answers = presence.answers.iter().map(|answer| (answer.asker, answer.number));
        let known = answers.filter(|(asker, number)| self.asks.knows(*asker, *number));
        let forwarded = self.forwarded.entry(address).or_default();
        let before = forwarded.len();
        // Who counts up without end is forwarded no more often than there are numbers kept.
        let asked = forwarded.range((address, 0)..=(address, u64::MAX)).count();
        forwarded.extend(known.chain(asks.filter(|_| asked < Asks::KEPT)));
        forwarded.len() > before
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
        let verdict = if attendance.note(&presence) { Verdict::Accept } else { Verdict::Ignore };
        let ours = (host.guard.address(), attendance.number);
        if let Some(answer) = presence.answers.iter().find(|answer| (answer.asker, answer.number) == ours) {
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

    /// The last signature of a validator that is known here, of the height under way and the one after: among what arrived, what certificates hold, and
    /// what the WAL holds that is not replayed yet.
    fn newest_of(&self, address: &ValidatorAddress) -> Option<Signed> {
        let next = self.host.height();
        let rounds = self.core.driver.votes().all_rounds().values();
        let votes = rounds.flat_map(|round| round.received_votes());
        let early = (next..=next.saturating_add(1)).flat_map(|height| {
            let (first, last) = ((height, *address, 0, 0), (height, *address, u8::MAX, u32::MAX));
            self.host.early.range(first..=last).flat_map(|(_, votes)| votes)
        });
        let logged = self.host.wal.iter();
        let polkas = logged.clone().filter_map(|input| match input {
            CoreInput::PolkaCertificate(polka) => Some(polka),
            _ => None,
        });
        let polkas = polkas.chain(self.core.driver.polka_certificates());
        let certified = polkas.flat_map(|polka| polka.votes(&self.host.ctx));
        let round = self.core.round_certificate().map(|entered| &entered.certificate);
        let certified = certified.chain(round.into_iter().flat_map(|certificate| certificate.votes(&self.host.ctx)));
        let logged = logged.filter_map(|input| match input {
            CoreInput::Vote(vote) => Some(vote),
            _ => None,
        });
        let votes = votes.chain(early).chain(logged).cloned().chain(certified);
        let votes = votes.filter(|vote| vote.message.address == *address).map(Signed::Vote);
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
        // Whoever has blocks that are not here yet does not count yet: signatures of ours may be in them. One that lies about its height counts as
        // silent.
        let height = self.height();
        let present = self.attendance.present.iter().filter(|(_, at)| **at <= height).map(|(address, _)| address);
        let here = present.chain([&own]).filter_map(|address| set.get(address));
        let power = here.fold(0, |sum: u64, validator| sum.saturating_add(validator.power));
        self.attendance.complete = self.quorum().is_met(set, power);
        if !self.attendance.complete && !std::mem::replace(&mut self.attendance.missed, true) {
            let total = set.total_power();
            self.report(Report::Unattended { power, total });
        }
        !self.attendance.complete
    }
}
