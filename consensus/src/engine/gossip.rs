//! Messages of other nodes: judged, bounded, then given to the core.

use bytes::Bytes;
use malachitebft_core_consensus::MAX_FUTURE_ROUND_LOOKAHEAD;
use pyralog_crypto::Decode;

use super::candidates::Stored;
use super::context::{CoreInput, SharedSet, SignedProposal, SignedVote, step_of};
use super::host::{Host, Phase, RelayKey};
use super::wire::{Body, WireMessage};
use super::{Effect, Engine, MessageId, PeerNumber, Report, SignMark, Verdict};
use crate::application::Application;
use crate::block::{Part, Step, ValidatorAddress};

/// Messages remembered for limiting how often they are forwarded.
const MAX_RELAYED: usize = 1 << 15;
/// Votes kept for a height that has not begun.
const MAX_EARLY: usize = 1 << 14;

/// `Err` is a reason to hold the message against its sender.
pub(super) type Judged = Result<Verdict, &'static str>;

impl<A: Application> Engine<A> {
    pub(super) fn on_gossip(&mut self, id: MessageId, peer: PeerNumber, bytes: &Bytes) {
        let verdict = match self.judge_message(bytes) {
            Ok(verdict) => verdict,
            Err(reason) => {
                self.host.report(Report::Rejected { peer, reason });
                Verdict::Reject
            }
        };
        self.host.out.push(Effect::Verdict { id, verdict });
        self.drive();
    }

    fn judge_message(&mut self, bytes: &[u8]) -> Judged {
        let message = WireMessage::from_bytes(bytes).map_err(|_| "undecodable")?;
        if matches!(self.host.phase, Phase::Created | Phase::Stopped) {
            return Ok(Verdict::Ignore);
        }
        let attempt = message.attempt;
        if let Body::Evidence(evidence) = &message.body {
            return self.host.on_evidence(evidence);
        }
        let height = message.body.height();
        // Whoever speaks of a later height has committed ours. A claim like any other: it only makes us ask for blocks.
        if height > self.host.height() {
            self.host.sync_target = self.host.sync_target.max(height - 1);
        }
        match message.body {
            Body::Vote(vote) => self.on_vote(vote, attempt),
            Body::Proposal(proposal) => self.on_proposal(&proposal, attempt),
            Body::Part(part) => self.on_part(&part.0, part.1),
            Body::Polka(polka) => {
                let votes: Vec<_> = polka.votes(&self.host.ctx).collect();
                let Some(verdict) =
                    self.check_certificate(&votes, polka.height.0, 3, polka.round, attempt, |e, v, s| {
                        e.host.check_votes(v, s, true).is_ok()
                    })?
                else {
                    return Ok(Verdict::Ignore);
                };
                self.host.queue.push_back(CoreInput::PolkaCertificate(polka));
                Ok(verdict)
            }
            Body::RoundCertificate(certificate) => {
                let votes: Vec<_> = certificate.votes(&self.host.ctx).collect();
                let precommits = certificate.cert_type == malachitebft_core_types::RoundCertificateType::Precommit;
                let (height, round) = (certificate.height.0, certificate.round);
                let Some(verdict) = self.check_certificate(&votes, height, 4, round, attempt, |e, v, s| {
                    e.host.check_round_votes(v, s, precommits).is_ok()
                })?
                else {
                    return Ok(Verdict::Ignore);
                };
                self.host.queue.push_back(CoreInput::RoundCertificate(certificate));
                Ok(verdict)
            }
            Body::WantParts { height, value, missing } => {
                self.serve(height, &value, &missing, attempt);
                Ok(Verdict::Ignore)
            }
            Body::Presence(presence) => self.on_presence(*presence),
            Body::Evidence(_) => Ok(Verdict::Ignore),
        }
    }

    fn on_vote(&mut self, vote: SignedVote, attempt: u32) -> Judged {
        let (height, round) = (vote.message.height.0, vote.message.round.as_u32().unwrap_or(0));
        let (address, step) = (vote.message.address, step_of(vote.message.step));
        self.look_for_own_vote(&vote);
        // Precommits of the height that was just decided still get into its commit.
        let late = matches!(self.host.phase, Phase::Waiting) && height == self.host.chain.height;
        if late && self.host.core_decided {
            return self.on_late_precommit(vote, step);
        }
        let Some(set) = self.host.set_of(height).cloned() else { return Ok(Verdict::Ignore) };
        let Some(validator) = set.set.get(&address) else { return Err("a vote of somebody who is no validator") };
        let active = self.is_active(height);
        if active && self.is_beyond(round) || !active && round > MAX_FUTURE_ROUND_LOOKAHEAD {
            return Ok(Verdict::Ignore);
        }
        let key = (1, height, round, step as u8, address);
        if active {
            let votes = self.core.driver.votes();
            if votes.has_vote(&vote) {
                // Known, but its signature may be another's: forward only what verifies.
                let valid = self.host.verify_vote(&vote, &validator.public_key);
                return if valid { Ok(self.relay(key, attempt)) } else { Err("a vote with a wrong signature") };
            }
            if votes.is_saturated_conflict(&vote) {
                return Ok(Verdict::Ignore);
            }
        }
        if !self.host.verify_vote(&vote, &validator.public_key) {
            return Err("a vote with a wrong signature");
        }
        if active {
            self.host.queue.push_back(CoreInput::Vote(vote));
        } else if !self.keep_early(vote) {
            return Ok(Verdict::Ignore);
        }
        self.relay(key, attempt);
        Ok(Verdict::Accept)
    }

    fn on_late_precommit(&mut self, vote: SignedVote, step: Step) -> Judged {
        let set = &self.host.chain.last_validators;
        let Some(key) = set.get(&vote.message.address).map(|v| v.public_key) else {
            return Err("a vote of somebody who is no validator");
        };
        if step != Step::Precommit || self.core.height().0 != self.host.chain.height {
            return Ok(Verdict::Ignore);
        }
        let votes = self.core.driver.votes();
        if votes.has_vote(&vote) || votes.is_saturated_conflict(&vote) || self.is_beyond_core(&vote) {
            return Ok(Verdict::Ignore);
        }
        if !self.host.verify_vote(&vote, &key) {
            return Err("a vote with a wrong signature");
        }
        self.host.queue.push_back(CoreInput::Vote(vote));
        Ok(Verdict::Accept)
    }

    fn on_proposal(&mut self, proposal: &SignedProposal, attempt: u32) -> Judged {
        let key = self.proposal_key(proposal);
        match self.keep_proposal(proposal)? {
            Stored::New => {
                self.relay(key, attempt);
                Ok(Verdict::Accept)
            }
            Stored::Known => Ok(self.relay(key, attempt)),
            Stored::Full | Stored::Foreign => Ok(Verdict::Ignore),
        }
    }

    fn on_part(&mut self, proposal: &SignedProposal, part: Part) -> Judged {
        let (height, value) = (proposal.message.height.0, proposal.message.value);
        let known = self.host.candidates.get(height, &value).is_some_and(|c| c.parts.part(part.index).is_some());
        match self.keep_proposal(proposal)? {
            Stored::Full | Stored::Foreign => return Ok(Verdict::Ignore),
            Stored::New | Stored::Known if known => return Ok(Verdict::Ignore),
            Stored::New | Stored::Known => {}
        }
        match self.host.candidates.add_part(height, &value, part) {
            Stored::New => {
                self.host.finish(&value);
                Ok(Verdict::Accept)
            }
            Stored::Known | Stored::Full => Ok(Verdict::Ignore),
            Stored::Foreign => Err("a part that does not belong to its block"),
        }
    }

    /// Verifies a proposal; if it is of a height and round that we care for, keeps it and tells the core.
    fn keep_proposal(&mut self, proposal: &SignedProposal) -> Result<Stored, &'static str> {
        let (height, round) = (proposal.message.height.0, proposal.message.round.as_u32().unwrap_or(0));
        let address = proposal.message.address;
        self.host.look_for_own_proposal(proposal);
        let Some(set) = self.host.set_of(height).cloned() else { return Ok(Stored::Full) };
        let active = self.is_active(height) && self.host.is_running();
        let decided = self.is_active(height) && !active;
        if decided || active && self.is_beyond(round) || !active && round > 1 {
            return Ok(Stored::Full);
        }
        if self.host.ctx.proposer(&set, round) != address {
            return Err("a proposal of somebody whose turn it is not");
        }
        let Some(validator) = set.set.get(&address) else { return Err("a proposal of somebody who is no validator") };
        if !self.host.verify_proposal(proposal, &validator.public_key) {
            return Err("a proposal with a wrong signature");
        }
        let pinned = self.pinned();
        let current = self.host.height();
        let stored = self.host.candidates.add_proposal(proposal, current, &|value| pinned.contains(value));
        if stored == Stored::New && active {
            self.admit(proposal.clone());
        }
        Ok(stored)
    }

    /// `None`: not for now. `check` verifies every vote in it.
    fn check_certificate(
        &mut self,
        votes: &[SignedVote],
        height: u64,
        kind: u8,
        round: malachitebft_core_types::Round,
        attempt: u32,
        check: impl Fn(&mut Self, &[SignedVote], &SharedSet) -> bool,
    ) -> Result<Option<Verdict>, &'static str> {
        if !self.is_active(height) || !self.host.is_running() {
            return Ok(None);
        }
        let set = self.host.set.clone();
        if !check(self, votes, &set) {
            return Err("a certificate that does not verify");
        }
        for vote in votes {
            self.look_for_own_vote(vote);
        }
        let key = (kind, height, round.as_u32().unwrap_or(0), 0, ValidatorAddress::default());
        Ok(Some(self.relay(key, attempt)))
    }

    /// Whether this is a signature with our key, and one that this process did not make.
    pub(super) fn look_for_own_vote(&mut self, vote: &SignedVote) {
        let Some(key) = self.host.own_key(&vote.message.address) else { return };
        if self.host.verify_vote(vote, &key) {
            let (height, round) = (vote.message.height.0, vote.message.round.as_u32().unwrap_or(0));
            self.host.saw_own(SignMark { height, round, step: step_of(vote.message.step) });
            if !self.host.guard.may_sign(self.host.height()) {
                self.core.params.enabled = false;
            }
        }
    }

    /// Whether the core works on `height`, or has just decided it.
    fn is_active(&self, height: u64) -> bool {
        let decided_by_core = matches!(self.host.phase, Phase::Committing(_)) && self.host.core_decided;
        height == self.host.height() && (self.host.is_running() || decided_by_core)
    }

    fn is_beyond(&self, round: u32) -> bool {
        i64::from(round) > self.core.round().as_i64() + i64::from(MAX_FUTURE_ROUND_LOOKAHEAD)
    }

    fn is_beyond_core(&self, vote: &SignedVote) -> bool {
        vote.message.round.as_u32().is_none_or(|round| self.is_beyond(round))
    }

    fn keep_early(&mut self, vote: SignedVote) -> bool {
        let (height, round) = (vote.message.height.0, vote.message.round.as_u32().unwrap_or(0));
        let key = (height, vote.message.address, step_of(vote.message.step) as u8, round);
        if self.host.early.len() >= MAX_EARLY && !self.host.early.contains_key(&key) {
            return false;
        }
        let votes = self.host.early.entry(key).or_default();
        let room = votes.len() < 2 && !votes.contains(&vote);
        if room {
            votes.push(vote);
        }
        room
    }

    fn proposal_key(&self, proposal: &SignedProposal) -> RelayKey {
        (2, proposal.message.height.0, proposal.message.round.as_u32().unwrap_or(0), 0, proposal.message.address)
    }

    /// Whether a verified message is forwarded (again): a new attempt, and not more often than honest nodes retransmit.
    fn relay(&mut self, key: RelayKey, attempt: u32) -> Verdict {
        let (now, pause) = (self.host.now, self.host.config.rebroadcast_ns / 2);
        match self.host.relayed.get(&key) {
            Some((last, at)) if *last == attempt || now.since(*at) < pause => Verdict::Ignore,
            None if self.host.relayed.len() >= MAX_RELAYED => Verdict::Ignore,
            _ => {
                self.host.relayed.insert(key, (attempt, now));
                Verdict::Accept
            }
        }
    }
}

impl<A: Application> Host<A> {
    /// Whether this is a proposal with our key, and one that this process did not make.
    pub(super) fn look_for_own_proposal(&mut self, proposal: &SignedProposal) {
        let Some(key) = self.own_key(&proposal.message.address) else { return };
        if self.verify_proposal(proposal, &key) {
            let (height, round) = (proposal.message.height.0, proposal.message.round.as_u32().unwrap_or(0));
            self.saw_own(SignMark { height, round, step: Step::Propose });
        }
    }
}
