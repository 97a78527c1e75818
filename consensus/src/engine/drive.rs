//! Feeding the BFT core.

use malachitebft_core_consensus::{Error as CoreError, process};
use malachitebft_core_types::{NilOrVal, Round, Threshold, Timeout, TimeoutKind, VoteType};

use super::context::{CoreInput, Ctx, SignedProposal};
use super::host::{Decision, Host};
use super::{Engine, Report};
use crate::application::Application;
use crate::block::{CommitVotes, ValueId};
use crate::error::EngineError;

impl<A: Application> Engine<A> {
    /// Lets the core work off its inputs and everything that follows from them.
    pub(super) fn drive(&mut self) {
        while !self.host.is_stopped() {
            let Some(input) = self.host.queue.pop_front() else {
                if self.release_untimely() {
                    continue;
                }
                return;
            };
            self.feed(input);
            if let Some(decision) = self.host.decision.take() {
                self.decided(decision);
            }
        }
    }

    fn feed(&mut self, input: CoreInput) {
        let (host, core) = (&mut self.host, &mut self.core);
        host.refused = false;
        if let Err(error) = run(host, core, input) {
            self.on_core_error(error);
        }
    }

    fn on_core_error(&mut self, error: CoreError<Ctx>) {
        match error {
            // A signature that we refused; the core gave up that input, and is told not to ask again.
            CoreError::UnexpectedResume(..) if self.host.refused => {
                self.core.params.enabled = false;
                #[cfg(any(test, all(feature = "testkit", debug_assertions)))]
                if self.host.config.canary.lock_forgotten {
                    self.core.params.enabled = self.host.guard.may_sign(self.host.height());
                }
            }
            CoreError::ReplayDivergence(..) | CoreError::WalCorrupted(..) | CoreError::UnexpectedResume(..) => {
                self.host.fail(EngineError::Core(error.to_string()));
            }
            other => self.host.report(Report::CoreError(other.to_string())),
        }
    }

    /// The votes of a decided round, late and nil ones included: what the core has besides the certificate.
    pub(super) fn commit_votes(&self, round: u32, value: &ValueId) -> CommitVotes {
        let mut votes = CommitVotes::new();
        let received = self.core.driver.votes().per_round(Round::new(round)).map(|r| r.received_votes());
        for vote in received.into_iter().flatten().filter(|vote| vote.message.step == VoteType::Precommit) {
            match &vote.message.value {
                NilOrVal::Val(v) if v == value => votes.insert(vote.message.address, (true, vote.signature)),
                NilOrVal::Nil => votes.insert(vote.message.address, (false, vote.signature)),
                NilOrVal::Val(_) => None,
            };
        }
        votes
    }

    fn decided(&mut self, decision: Decision) {
        let Decision { round, value, signatures } = decision;
        let mut votes = self.commit_votes(round, &value);
        votes.extend(signatures.into_iter().map(|(address, signature)| (address, (true, signature))));
        let height = self.host.height();
        let Some(candidate) = self.host.candidates.get(height, &value) else {
            return self.host.fail(EngineError::Core(format!("block {value} is decided but unknown")));
        };
        let Some(built) = candidate.block.clone() else {
            return self.host.fail(EngineError::Core(format!("block {value} is decided but incomplete")));
        };
        let judged = match candidate.judged.clone() {
            Some(Ok(misbehavior)) => Ok(misbehavior),
            _ => self.host.judge(&built),
        };
        match judged {
            Err(error) => self.host.fail(EngineError::Decided { height, error }),
            Ok(misbehavior) => {
                let set = self.host.set.clone();
                let commit = crate::block::assemble_commit(height, round, &value, &set.set, &votes);
                self.host.core_decided = true;
                self.host.execute(built, misbehavior, commit, false);
            }
        }
    }

    /// Gives the core a proposal that was not timely once two thirds prevoted or precommitted it all the same.
    fn release_untimely(&mut self) -> bool {
        let driver = &self.core.driver;
        let wanted = |proposal: &SignedProposal| {
            let (round, value) = (proposal.message.round, proposal.message.value);
            driver.polka_certificate(round, &value).is_some()
                || driver.votes().is_threshold_met(&round, VoteType::Precommit, Threshold::Value(value))
        };
        let mut released = Vec::new();
        for proposals in self.host.untimely.values_mut() {
            proposals.retain(|proposal| {
                let release = wanted(proposal);
                if release {
                    released.push(proposal.clone());
                }
                !release
            });
        }
        let any = !released.is_empty();
        self.host.queue.extend(released.into_iter().map(CoreInput::Proposal));
        any
    }

    /// A proposal of the current height that was verified: to the core if it is timely, aside if not.
    pub(super) fn admit(&mut self, proposal: SignedProposal) {
        let (value, pol) = (proposal.message.value, proposal.message.pol_round);
        let round = proposal.message.round.as_u32().unwrap_or(0);
        let ours = self.host.own_key(&proposal.message.address).is_some();
        if ours || pol.is_defined() || self.host.is_timely(&value, round) {
            self.host.queue.push_back(CoreInput::Proposal(proposal));
        } else {
            let height = self.host.height();
            self.host.report(Report::Untimely { height, round });
            let same_round = self.host.untimely.entry(round).or_default();
            if same_round.len() < 2 && !same_round.contains(&proposal) {
                same_round.push(proposal);
            }
            // Nothing better can come in this round: prevote nil now.
            if self.core.round() == Round::new(round) && self.core.driver.step_is_propose() {
                let timeout = Timeout::new(Round::new(round), TimeoutKind::Propose);
                self.host.queue.push_back(CoreInput::TimeoutElapsed(timeout));
            }
        }
        self.host.finish(&value);
        self.drive();
    }

    /// Values that must be kept: locked, valid, or with two thirds of prevotes.
    pub(super) fn pinned(&self) -> Vec<ValueId> {
        let state = self.core.driver.round_state();
        let kept = [&state.locked, &state.valid].into_iter().flatten().map(|kept| kept.value);
        kept.chain(self.core.driver.polka_certificates().iter().map(|polka| polka.value_id)).collect()
    }
}

#[allow(clippy::result_large_err)] // The core's own error type.
fn run<A: Application>(
    host: &mut Host<A>,
    core: &mut malachitebft_core_consensus::State<Ctx>,
    input: CoreInput,
) -> Result<(), CoreError<Ctx>> {
    let metrics = ();
    process!(input: input, state: core, metrics: &metrics, with: effect => host.on_effect(effect))
}
