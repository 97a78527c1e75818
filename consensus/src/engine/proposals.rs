//! Blocks that are proposed: building ours, judging others'.

use std::sync::Arc;

use bytes::Bytes;
use malachitebft_core_consensus::{LocallyProposedValue, ProposedValue};
use malachitebft_core_types::{Round, Validity, ValueOrigin};

use super::Report;
use super::context::{CoreInput, Height};
use super::host::{Host, Past};
use crate::application::{Application, BlockContext, Misbehavior};
use crate::block::{BlockDraft, BuiltBlock, Timestamp, ValueId, decode_block, encode_evidence, validate_block};
use crate::error::BlockError;

impl<A: Application> Host<A> {
    /// Builds a block and gives it to the core. With less in it if it would not be valid otherwise; not at all if not even an empty one would be,
    /// which costs the round and nothing else.
    pub(super) fn propose(&mut self, round: u32) {
        let chain = Arc::clone(&self.chain);
        let Some(proposer) = self.signer.as_ref().map(|_| self.guard.address()) else { return };
        let evidence = self.evidence.select(chain.params.evidence_max_bytes);
        let evidence_bytes = evidence.iter().map(|e| encode_evidence(e).len() as u64 + 16).sum();
        let max_bytes = chain.max_tx_bytes(evidence_bytes);
        let time = self.proposal_time();
        let context = BlockContext::draft(&chain, time.to_time(), proposer, self.last_commit.as_ref());
        // With everything; with fewer transactions, should their prefixes not fit; with none; and without evidence.
        for (max_bytes, evidence) in
            [(max_bytes, &evidence), (max_bytes / 2, &evidence), (0, &evidence), (0, &Vec::new())]
        {
            let candidates = self.txs.candidates(max_bytes);
            let txs =
                if max_bytes == 0 { Vec::new() } else { self.app.prepare_proposal(&context, candidates, max_bytes) };
            let draft = BlockDraft {
                time: time.to_time(),
                proposer,
                txs,
                evidence: evidence.clone(),
                last_commit: self.last_commit.clone(),
            };
            match chain.build(draft).and_then(|built| Ok((self.judge(&built)?, built))) {
                Ok((misbehavior, built)) => return self.give(round, built, misbehavior),
                Err(error) => {
                    let height = self.height();
                    self.report(Report::InvalidBlock { height, reason: format!("our own proposal: {error}") });
                }
            }
        }
    }

    fn give(&mut self, round: u32, built: BuiltBlock, misbehavior: Vec<Misbehavior>) {
        let (height, value) = (self.height(), built.value);
        self.candidates.add_block(height, built, Some(Ok(misbehavior)));
        let local = LocallyProposedValue::new(Height(height), Round::new(round), value);
        self.queue.push_back(CoreInput::Propose(local));
    }

    /// Now, but strictly after the last block.
    fn proposal_time(&self) -> Timestamp {
        let last = Timestamp::from_time(self.chain.last_time).unwrap_or_default();
        let now = self.now.max(last.saturating_add(1_000_000));
        #[cfg(any(test, all(feature = "testkit", debug_assertions)))]
        if self.config.canary.time_rule_off {
            return now.saturating_add(3_600_000_000_000);
        }
        now
    }

    /// Whether a proposal for `value` that arrives now may be voted for without a proof of lock.
    pub(super) fn is_timely(&self, value: &ValueId, round: u32) -> bool {
        #[cfg(any(test, all(feature = "testkit", debug_assertions)))]
        if self.config.canary.time_rule_off {
            return true;
        }
        self.chain.params.time_rule.is_timely(self.now, value.time, round)
    }

    /// Checks a block of the current height against chain and application.
    pub(super) fn judge(&mut self, built: &BuiltBlock) -> Result<Vec<Misbehavior>, BlockError> {
        let chain = Arc::clone(&self.chain);
        let max = chain.params.max_block_bytes;
        if built.bytes.len() as u64 > max {
            return Err(BlockError::TooLarge { bytes: built.bytes.len() as u64, max });
        }
        let past = Past { chain: &chain, history: self.history.as_ref() };
        let quorum = self.quorum();
        let misbehavior = validate_block(&chain, &past, &built.block, quorum, &mut self.signatures)?;
        let context = BlockContext::of(&chain, &built.block);
        self.app.process_proposal(&context, &shared_txs(built), &misbehavior)?;
        Ok(misbehavior)
    }

    /// If all parts of a proposed block of the current height are there, judges it and tells the core.
    pub(super) fn finish(&mut self, value: &ValueId) {
        let height = self.height();
        if !self.is_running() {
            return;
        }
        let Some(candidate) = self.candidates.get(height, value) else { return };
        if candidate.fed {
            return;
        }
        let judged = match (&candidate.judged, &candidate.block) {
            (Some(judged), _) => judged.clone(),
            (None, Some(built)) => {
                let built = built.clone();
                self.judge_reported(&built)
            }
            (None, None) => {
                let Some(bytes) = candidate.parts.assemble() else { return };
                match self.open(bytes, value) {
                    Ok(built) => {
                        self.candidates.add_block(height, built.clone(), None);
                        self.judge_reported(&built)
                    }
                    Err(error) => {
                        self.report(Report::InvalidBlock { height, reason: error.to_string() });
                        Err(())
                    }
                }
            }
        };
        let Some(candidate) = self.candidates.get_mut(height, value) else { return };
        candidate.judged = Some(judged.clone());
        let Some((_, proposal)) = candidate.proposals.first_key_value() else { return };
        candidate.fed = true;
        let proposed = ProposedValue {
            height: Height(height),
            round: proposal.message.round,
            valid_round: proposal.message.pol_round,
            proposer: proposal.message.address,
            value: *value,
            validity: Validity::from_bool(judged.is_ok()),
        };
        self.queue.push_back(CoreInput::ProposedValue(proposed, ValueOrigin::Consensus));
    }

    fn judge_reported(&mut self, built: &BuiltBlock) -> Result<Vec<Misbehavior>, ()> {
        self.judge(built).map_err(|error| {
            let height = self.height();
            self.report(Report::InvalidBlock { height, reason: error.to_string() });
        })
    }

    /// The block that `bytes` are, if it is the one that `value` names.
    fn open(&self, bytes: Bytes, value: &ValueId) -> Result<BuiltBlock, BlockError> {
        let block = decode_block(&bytes, self.chain.params.max_block_bytes)?;
        let built = BuiltBlock::new(block, bytes)?;
        if built.value == *value { Ok(built) } else { Err(BlockError::Header("hash")) }
    }
}

/// The transactions of a block.
pub(super) fn shared_txs(built: &BuiltBlock) -> Vec<Bytes> {
    built.block.data.iter().map(|tx| Bytes::copy_from_slice(tx)).collect()
}
