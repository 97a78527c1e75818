//! Double signs: from what the core found, and from other nodes.

use std::sync::Arc;

use tendermint::evidence::DuplicateVoteEvidence;

use super::host::{Host, Past};
use super::wal::{Record, WalEntry};
use super::wire::Body;
use super::{Report, Verdict};
use crate::application::{Application, Misbehavior};
use crate::block::{EvidenceContext, check_duplicate_vote, duplicate_vote};
use crate::error::{BlockError, EvidenceError};

impl<A: Application> Host<A> {
    /// Makes evidence of double votes whose height is committed by now (before, the header's time is not known).
    pub(super) fn judge_offences(&mut self) {
        let (ready, later) = std::mem::take(&mut self.offences)
            .into_iter()
            .partition::<Vec<_>, _>(|pair| pair.height <= self.chain.height);
        self.offences = later;
        for pair in ready {
            let chain = Arc::clone(&self.chain);
            let past = Past { chain: &chain, history: self.history.as_ref() };
            let (Some(set), Some(time)) = (past.validators(pair.height), past.block_time(pair.height)) else {
                continue;
            };
            let Some(evidence) = duplicate_vote(&pair, &set, time) else { continue };
            if self.keep_evidence(&evidence).is_ok() {
                let attempt = self.attempt();
                self.publish(&Body::Evidence(Box::new(evidence)), attempt);
            }
        }
    }

    fn keep_evidence(&mut self, evidence: &DuplicateVoteEvidence) -> Result<(), BlockError> {
        let validator = evidence.vote_a.validator_address.into();
        if self.evidence.contains(&validator) {
            return Err(EvidenceError::Known.into());
        }
        let misbehavior = self.check_evidence(evidence)?;
        if !self.evidence.add(evidence.clone()) {
            return Err(EvidenceError::NoRoom.into());
        }
        let (height, validator) = (misbehavior.height, misbehavior.validator);
        self.report(Report::Equivocation { validator, height });
        if !self.replaying {
            let entry = WalEntry { height: self.height(), record: Record::Evidence(Box::new(evidence.clone())) };
            self.append(entry);
        }
        Ok(())
    }

    pub(super) fn check_evidence(&mut self, evidence: &DuplicateVoteEvidence) -> Result<Misbehavior, BlockError> {
        let chain = Arc::clone(&self.chain);
        let past = Past { chain: &chain, history: self.history.as_ref() };
        check_duplicate_vote(&chain, &past, evidence, &mut self.signatures)
    }

    /// Evidence from another node.
    pub(super) fn on_evidence(&mut self, evidence: &DuplicateVoteEvidence) -> Result<Verdict, &'static str> {
        let validator = evidence.vote_a.validator_address.into();
        // Others accuse us; whether rightly or not, we do not help.
        if self.own_key(&validator).is_some() {
            return Ok(Verdict::Ignore);
        }
        match self.keep_evidence(evidence) {
            Ok(()) => Ok(Verdict::Accept),
            // Old evidence is no fault of whoever forwards it; a false accusation is.
            Err(BlockError::Evidence(why)) if why.is_nobodys_fault() => Ok(Verdict::Ignore),
            Err(_) => Err("false evidence"),
        }
    }
}
