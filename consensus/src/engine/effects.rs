//! What the BFT core asks of its host, answered at once.

use std::collections::BTreeSet;

use malachitebft_core_consensus::{ConsensusMsg, LivenessMsg, Resumable, Resume, Role, SignedConsensusMsg};
use malachitebft_core_types::{
    CertificateError, CommitSignature, NilOrVal, Round, RoundCertificateType, SignedMessage, Timeout, TimeoutKind,
    VoteType,
};
use pyralog_crypto::{Encode, PublicKey, Signature};

use super::context::{Ctx, Height, Proposal, SharedSet, SignedProposal, SignedVote, Vote, step_of};
use super::host::{Decision, Host};
use super::wal::{Record, WalEntry};
use super::wire::Body;
use super::{Report, SignMark, Timer};
use crate::application::Application;
use crate::block::{SignatureItem, SignatureVerifier, Step, ValidatorAddress, ValueId};
use crate::error::EngineError;

pub(super) type CoreEffect = malachitebft_core_consensus::Effect<Ctx>;

impl<A: Application> Host<A> {
    /// Answers one effect. An `Err` makes the core give up the input that it works on.
    pub(super) fn on_effect(&mut self, effect: CoreEffect) -> Result<Resume<Ctx>, &'static str> {
        Ok(match effect {
            CoreEffect::CancelAllTimeouts(r) => {
                self.cancel_steps();
                r.resume_with(())
            }
            CoreEffect::CancelTimeout(timeout, r) => {
                if let Some(timer) = self.timer_of(timeout) {
                    self.cancel(timer);
                }
                r.resume_with(())
            }
            CoreEffect::ScheduleTimeout(timeout, r) => {
                if let Some(timer) = self.timer_of(timeout) {
                    let after = self.config.timeouts().duration_for(timeout);
                    self.schedule(timer, u64::try_from(after.as_nanos()).unwrap_or(u64::MAX));
                }
                r.resume_with(())
            }
            CoreEffect::StartRound(height, round, proposer, role, r) => {
                let (round, ours) = (round.as_u32().unwrap_or(0), role == Role::Proposer);
                self.report(Report::Round { height: height.0, round, proposer, ours });
                r.resume_with(())
            }
            CoreEffect::PublishConsensusMsg(message, r) => {
                self.publish_signed(message);
                r.resume_with(())
            }
            CoreEffect::PublishLivenessMsg(message, r) => {
                let body = match message {
                    LivenessMsg::Vote(vote) => Body::Vote(vote),
                    LivenessMsg::PolkaCertificate(polka) => Body::Polka(polka),
                    LivenessMsg::SkipRoundCertificate(certificate) => Body::RoundCertificate(certificate),
                };
                let attempt = self.attempt();
                self.publish(&body, attempt);
                r.resume_with(())
            }
            CoreEffect::RepublishVote(vote, r) => {
                let attempt = self.attempt();
                self.publish(&Body::Vote(vote), attempt);
                r.resume_with(())
            }
            CoreEffect::RepublishRoundCertificate(certificate, r) => {
                let attempt = self.attempt();
                self.publish(&Body::RoundCertificate(certificate), attempt);
                r.resume_with(())
            }
            CoreEffect::GetValue(_, round, _, r) => {
                let round = round.as_u32().unwrap_or(0);
                if self.replaying {
                    self.deferred.push(round);
                } else {
                    self.propose(round);
                }
                r.resume_with(())
            }
            // Whoever lacks parts of a re-proposed block asks for them.
            CoreEffect::RestreamProposal(_, _, _, _, _, r) => r.resume_with(()),
            // Synced blocks never pass through the core.
            CoreEffect::CertVerifiedSyncValue(_, _, r) => r.resume_with(()),
            CoreEffect::CertRejectedSyncValue(_, _, _, r) => r.resume_with(()),
            CoreEffect::SignVote(vote, r) => r.resume_with(self.sign_vote(vote)?),
            CoreEffect::SignProposal(proposal, r) => r.resume_with(self.sign_proposal(proposal)?),
            CoreEffect::VerifySignature(message, key, r) => {
                let bytes = match &message.message {
                    ConsensusMsg::Vote(vote) => self.ctx.vote_bytes(vote),
                    ConsensusMsg::Proposal(proposal) => self.ctx.proposal_bytes(proposal),
                };
                r.resume_with(self.signatures.verify_one(&key, &bytes, &message.signature))
            }
            CoreEffect::VerifyCommitCertificate(certificate, set, _, r) => {
                let votes = certificate.commit_signatures.iter().map(|s| (s.address, s.signature));
                let votes = self.precommits(certificate.height, certificate.round, certificate.value_id, votes);
                r.resume_with(self.check_votes(&votes, &set, true))
            }
            CoreEffect::VerifyExtendedCommitCertificate(certificate, set, _, _, r) => {
                let votes = certificate.commit_signatures.iter().map(|s| (s.address, s.signature));
                let votes = self.precommits(certificate.height, certificate.round, certificate.value_id, votes);
                r.resume_with(self.check_votes(&votes, &set, true))
            }
            CoreEffect::VerifyPolkaCertificate(certificate, set, _, r) => {
                let votes: Vec<_> = certificate.votes(&self.ctx).collect();
                r.resume_with(self.check_votes(&votes, &set, true))
            }
            CoreEffect::VerifyRoundCertificate(certificate, set, _, r) => {
                let votes: Vec<_> = certificate.votes(&self.ctx).collect();
                let precommits = certificate.cert_type == RoundCertificateType::Precommit;
                r.resume_with(self.check_round_votes(&votes, &set, precommits))
            }
            CoreEffect::WalAppend(height, input, r) => {
                self.log(height, &input);
                r.resume_with(())
            }
            CoreEffect::ExtendVote(.., r) => r.resume_with(None),
            CoreEffect::VerifyVoteExtension(.., r) => r.resume_with(Ok(())),
            CoreEffect::Decide(_, _, r) => r.resume_with(()),
            CoreEffect::Finalize(certificate, _, evidence, r) => {
                self.collect_offences(evidence.votes);
                self.decision = Some(Decision {
                    round: certificate.round.as_u32().unwrap_or(0),
                    value: certificate.value_id,
                    signatures: certificate.commit_signatures.iter().map(|s| (s.address, s.signature)).collect(),
                });
                r.resume_with(())
            }
        })
    }

    fn timer_of(&self, timeout: Timeout) -> Option<Timer> {
        let (height, round) = (self.height(), timeout.round.as_u32()?);
        match timeout.kind {
            TimeoutKind::Propose => Some(Timer::Propose { height, round }),
            TimeoutKind::Prevote => Some(Timer::Prevote { height, round }),
            TimeoutKind::Precommit => Some(Timer::Precommit { height, round }),
            TimeoutKind::Rebroadcast => Some(Timer::Rebroadcast { height, round }),
            // The host paces heights itself.
            TimeoutKind::FinalizeHeight(_) => None,
        }
    }

    fn publish_signed(&mut self, message: SignedConsensusMsg<Ctx>) {
        let attempt = if self.replaying { self.attempt() } else { 0 };
        match message {
            SignedConsensusMsg::Vote(vote) => self.publish(&Body::Vote(vote), attempt),
            SignedConsensusMsg::Proposal(proposal) => {
                let height = proposal.message.height.0;
                self.candidates.add_proposal(&proposal, height, &|_| true);
                let fresh = proposal.message.pol_round.is_nil() && self.own_key(&proposal.message.address).is_some();
                self.publish(&Body::Proposal(proposal.clone()), attempt);
                if fresh {
                    self.publish_parts(&proposal, None, attempt);
                }
            }
        }
    }

    /// Sends parts of a block that we hold: all, or the numbered ones.
    pub(super) fn publish_parts(&mut self, proposal: &SignedProposal, only: Option<&[u32]>, attempt: u32) -> u32 {
        let Some(candidate) = self.candidates.get(proposal.message.height.0, &proposal.message.value) else { return 0 };
        let total = proposal.message.value.block_id.part_set_header.total;
        let wanted = |index: &u32| only.is_none_or(|only| only.contains(index));
        let parts: Vec<_> =
            (0..total).filter(wanted).filter_map(|index| candidate.parts.part(index)).cloned().collect();
        let sent = parts.len() as u32;
        for part in parts {
            self.publish(&Body::Part(Box::new((proposal.clone(), part))), attempt);
        }
        sent
    }

    fn sign_vote(&mut self, vote: Vote) -> Result<SignedVote, &'static str> {
        let signature = self.sign(vote.height, vote.round, step_of(vote.step), self.ctx.vote_bytes(&vote))?;
        Ok(SignedMessage::new(vote, signature))
    }

    fn sign_proposal(&mut self, proposal: Proposal) -> Result<SignedProposal, &'static str> {
        let bytes = self.ctx.proposal_bytes(&proposal);
        let signature = self.sign(proposal.height, proposal.round, Step::Propose, bytes)?;
        Ok(SignedMessage::new(proposal, signature))
    }

    fn sign(&mut self, height: Height, round: Round, step: Step, bytes: Vec<u8>) -> Result<Signature, &'static str> {
        let mark = SignMark { height: height.0, round: round.as_u32().unwrap_or(0), step };
        if !self.guard.permit(mark) {
            self.refused = true;
            return Err("the signing rule forbids this signature");
        }
        let Some(signer) = &self.signer else {
            self.refused = true;
            return Err("there is no signer");
        };
        match signer.sign(&bytes) {
            Ok(signature) => {
                let key = signer.public_key();
                self.signatures.insert_own(&key, &bytes, &signature);
                Ok(signature)
            }
            Err(error) => {
                self.refused = true;
                self.fail(EngineError::Signer(error.to_string()));
                Err("the signer failed")
            }
        }
    }

    fn log(&mut self, height: Height, input: &super::context::CoreInput) {
        if self.replaying && !self.is_unrecorded(input) || !self.is_running() || height.0 != self.height() {
            return;
        }
        let Self { candidates, logged, .. } = self;
        let record = Record::of(input, |value| {
            let block = candidates.get(value.height.0, &value.value)?.block.as_ref()?;
            logged.insert(value.value).then(|| block.bytes.clone())
        });
        if let Some(record) = record {
            self.append(WalEntry { height: height.0, record });
        }
    }

    /// Whether this is a signature of ours that is made again during replay because the crash kept it from getting into the WAL. Everything else
    /// that is replayed stands there.
    fn is_unrecorded(&self, input: &super::context::CoreInput) -> bool {
        let (address, height, round, step) = match input {
            super::context::CoreInput::Vote(vote) => {
                let vote = &vote.message;
                (vote.address, vote.height, vote.round, step_of(vote.step))
            }
            super::context::CoreInput::Proposal(proposal) => {
                let proposal = &proposal.message;
                (proposal.address, proposal.height, proposal.round, Step::Propose)
            }
            _ => return false,
        };
        let mark = SignMark { height: height.0, round: round.as_u32().unwrap_or(0), step };
        self.own_key(&address).is_some() && !self.recorded.contains(&mark)
    }

    pub(super) fn append(&mut self, entry: WalEntry) {
        self.outbox.append(entry.to_bytes().into(), &mut self.out);
    }

    fn precommits(
        &self,
        height: Height,
        round: Round,
        value: ValueId,
        signatures: impl Iterator<Item = (ValidatorAddress, Signature)>,
    ) -> Vec<SignedVote> {
        let vote = |address| Vote { step: VoteType::Precommit, height, round, value: NilOrVal::Val(value), address };
        signatures.map(|(address, signature)| SignedMessage::new(vote(address), signature)).collect()
    }

    /// Distinct known validators, valid signatures, and enough power: a quorum, or one third.
    #[allow(clippy::result_large_err)] // The core's own error type.
    pub(super) fn check_votes(
        &mut self,
        votes: &[SignedVote],
        set: &SharedSet,
        quorum: bool,
    ) -> Result<(), CertificateError<Ctx>> {
        let (mut seen, mut power, mut items) = (BTreeSet::new(), 0u64, Vec::with_capacity(votes.len()));
        for vote in votes {
            let address = vote.message.address;
            let Some(validator) = set.set.get(&address) else {
                return Err(CertificateError::UnknownValidator(address));
            };
            if !seen.insert(address) {
                return Err(CertificateError::DuplicateVote(address));
            }
            power += validator.power;
            let message = self.ctx.vote_bytes(&vote.message);
            items.push(SignatureItem { key: validator.public_key, message, signature: vote.signature });
        }
        let total = set.set.total_power();
        let enough =
            if quorum { self.quorum().is_met(&set.set, power) } else { u128::from(power) * 3 > u128::from(total) };
        if !enough {
            return Err(CertificateError::NotEnoughVotingPower { signed: power, total, expected: total / 3 * 2 + 1 });
        }
        let bad = self.signatures.verify(items).iter().position(|valid| !valid);
        match bad.and_then(|i| votes.get(i)) {
            None => Ok(()),
            Some(vote) => Err(CertificateError::InvalidCommitSignature(CommitSignature::new(
                vote.message.address,
                vote.signature,
            ))),
        }
    }

    /// As [`Host::check_votes`] for a round certificate: two thirds of precommits, or one third of anything.
    #[allow(clippy::result_large_err)] // The core's own error type.
    pub(super) fn check_round_votes(
        &mut self,
        votes: &[SignedVote],
        set: &SharedSet,
        precommits: bool,
    ) -> Result<(), CertificateError<Ctx>> {
        let stray = votes.iter().find(|vote| precommits && vote.message.step != VoteType::Precommit);
        if let Some(vote) = stray {
            return Err(CertificateError::InvalidVoteType(vote.message.address));
        }
        self.check_votes(votes, set, precommits)
    }

    /// Whether a message of `address` verifies under the key it has in `set`.
    pub(super) fn verify_vote(&mut self, vote: &SignedVote, key: &PublicKey) -> bool {
        let bytes = self.ctx.vote_bytes(&vote.message);
        self.signatures.verify_one(key, &bytes, &vote.signature)
    }

    pub(super) fn verify_proposal(&mut self, proposal: &SignedProposal, key: &PublicKey) -> bool {
        let bytes = self.ctx.proposal_bytes(&proposal.message);
        self.signatures.verify_one(key, &bytes, &proposal.signature)
    }
}
