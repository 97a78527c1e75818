//! From one height to the next: begin, execute, make durable.

use std::sync::Arc;

use malachitebft_core_types::VoteExtensionPolicy;
use pyralog_crypto::Hash;
use tendermint::block::Commit;

use super::context::{CoreInput, Height, SharedSet};
use super::host::{Host, Pending, Phase};
use super::proposals::shared_txs;
use super::wal::{Record, WalEntry};
use super::{CommittedBlock, Effect, Engine, Report, Timer};
use crate::application::{Application, BlockContext, Misbehavior};
use crate::block::{BuiltBlock, assemble_commit, from_tendermint_hash};
use crate::error::EngineError;

/// How often the observation at start is prolonged for blocks that somebody claims to have and nobody gives.
const MAX_PROLONGED: u32 = 20;
/// Where the WAL's end was torn, the others get so many observations' time (or block intervals', if longer) to decide the height alone.
const TORN_LOOKS: u32 = 10;

impl<A: Application> Engine<A> {
    /// The driver says start.
    pub(super) fn start(&mut self) {
        if !matches!(self.host.phase, Phase::Created) {
            return;
        }
        self.host.phase = Phase::Waiting;
        // From the beginning: blocks may come while the genesis time is waited for.
        self.host.guard.observing = self.host.signer.is_some();
        self.host.schedule(Timer::Retry, self.host.config.retry_ns);
        let genesis = crate::block::Timestamp::from_time(self.host.chain.genesis_time).unwrap_or_default();
        if self.host.chain.height == 0 && self.host.now < genesis {
            let after_ns = genesis.since(self.host.now);
            return self.host.schedule(Timer::Genesis, after_ns);
        }
        self.observe_or_begin();
    }

    /// With a key: watch for own signatures first.
    pub(super) fn observe_or_begin(&mut self) {
        if self.host.signer.is_none() {
            self.host.report_signer();
            return self.begin_height();
        }
        self.host.observed_height = self.host.chain.height;
        self.host.report_signer();
        self.host.schedule(Timer::Observe, self.host.config.observe_ns);
        self.tell_presence();
    }

    /// The observation ends, unless too few others were heard (`attendance`) or blocks are missing: signatures of ours may be in them. As long as
    /// old blocks keep coming in it goes on; a mere claim that there are more (anybody can make it) prolongs it [`MAX_PROLONGED`] times only.
    /// After a torn WAL it goes on until the others have decided the height under way, and not longer than [`TORN_LOOKS`]: where more than a
    /// third waits so, nobody else decides it, and what is not lost (see `recover`) may be signed on.
    pub(super) fn observed(&mut self) {
        let host = &mut self.host;
        if host.waits_for_others() {
            return host.schedule(Timer::Observe, host.config.retry_ns);
        }
        let advanced = host.chain.height > host.observed_height;
        let last = crate::block::Timestamp::from_time(host.chain.last_time).unwrap_or_default();
        let stale = host.now.since(last) > host.config.observe_ns.saturating_mul(2).max(5_000_000_000);
        let behind = host.sync_target > host.chain.height;
        if advanced && stale || behind && host.prolonged < MAX_PROLONGED {
            host.observed_height = host.chain.height;
            host.prolonged = if advanced && stale { 0 } else { host.prolonged + 1 };
            return host.schedule(Timer::Observe, host.config.observe_ns);
        }
        if host.guard.is_torn(host.height()) && host.torn_looks < TORN_LOOKS {
            host.torn_looks += 1;
            let look = host.config.observe_ns.max(host.config.block_interval_ns);
            return host.schedule(Timer::Observe, look);
        }
        host.guard.end_torn();
        host.guard.observing = false;
        host.report_signer();
        if matches!(self.host.phase, Phase::Waiting) {
            self.begin_height();
        }
    }

    /// Lets the core begin `chain.height + 1`.
    pub(super) fn begin_height(&mut self) {
        if !matches!(self.host.phase, Phase::Waiting) {
            return;
        }
        self.finish_last_commit();
        let height = self.host.height();
        self.host.timers.retain(|timer| !matches!(timer, Timer::NextHeight { .. }));
        self.host.core_decided = false;
        self.host.phase = Phase::Running;
        self.host.height_started = self.host.now;
        self.host.relayed.clear();
        self.host.served.clear();
        self.host.untimely.clear();
        self.core.params.enabled = self.host.guard.may_sign(height);

        let replay = std::mem::take(&mut self.host.wal);
        if replay.is_empty() {
            self.host.logged.clear();
            self.host.out.push(Effect::WalReset { height });
            let pending: Vec<_> = self.host.evidence.iter().cloned().collect();
            for evidence in pending {
                self.host.append(WalEntry { height, record: Record::Evidence(Box::new(evidence)) });
            }
        }
        let set = self.host.set.clone();
        let start = CoreInput::StartHeight(Height(height), set, false, None, VoteExtensionPolicy::Disabled);
        self.host.replaying = !replay.is_empty();
        self.host.queue.push_back(start);
        self.drive();
        if !replay.is_empty() {
            self.replay(replay);
        }
        self.feed_early();
    }

    /// Tells the core what it knew before the crash. Signatures that it made then are used again, byte for byte.
    fn replay(&mut self, inputs: Vec<CoreInput>) {
        let (height, entries) = (self.host.height(), inputs.len());
        self.core.index_wal_entries(inputs.iter());
        for input in inputs {
            self.host.queue.push_back(input);
            self.drive();
        }
        self.core.reset_entries_index();
        self.host.replaying = false;
        self.host.report(Report::Replayed { height, entries });
        for round in std::mem::take(&mut self.host.deferred) {
            let ours = self.host.candidates.proposal(height, round).is_some();
            if self.host.is_running() && self.core.round().as_u32() == Some(round) && !ours {
                self.host.propose(round);
            }
        }
        self.drive();
    }

    /// Messages that came before the height began.
    fn feed_early(&mut self) {
        let height = self.host.height();
        self.host.early.retain(|(h, ..), _| *h >= height);
        let now: Vec<_> = self.host.early.keys().filter(|(h, ..)| *h == height).copied().collect();
        for votes in now.into_iter().filter_map(|key| self.host.early.remove(&key)).collect::<Vec<_>>() {
            self.host.queue.extend(votes.into_iter().map(CoreInput::Vote));
        }
        let proposals: Vec<_> =
            self.host.candidates.at(height).flat_map(|(_, c)| c.proposals.values().cloned()).collect();
        self.drive();
        for proposal in proposals {
            if self.host.is_running() && self.host.height() == height {
                self.admit(proposal);
            }
        }
    }

    /// Puts precommits that came after the decision into the commit that our next proposal carries.
    fn finish_last_commit(&mut self) {
        let late = self.core.driver.take_vote_evidence();
        self.host.collect_offences(late);
        self.host.judge_offences();
        let (Some(commit), Some(value)) = (&self.host.last_commit, self.host.chain.last_value()) else { return };
        if !self.host.core_decided || self.core.height().0 != self.host.chain.height {
            return;
        }
        let round = commit.round.value();
        let votes = self.commit_votes(round, &value);
        let set = &self.host.chain.last_validators;
        let fuller = assemble_commit(self.host.chain.height, round, &value, set, &votes);
        let signed = |commit: &Commit| commit.signatures.iter().filter(|s| !s.is_absent()).count();
        if signed(&fuller) > signed(commit) {
            self.host.last_commit = Some(fuller);
        }
    }

    /// The decided block is durable.
    pub(super) fn committed(&mut self) {
        let Phase::Committing(pending) = std::mem::replace(&mut self.host.phase, Phase::Waiting) else { return };
        let Pending { next, commit, txs, synced, .. } = *pending;
        if !self.host.core_decided {
            // The core was left in the middle of the height.
            let found = self.core.driver.take_vote_evidence();
            self.host.collect_offences(found);
        }
        let host = &mut self.host;
        let height = next.height;
        host.app.commit(height);
        let was_member = host.is_member();
        host.set = host.next_set.clone();
        host.next_set = SharedSet::new(next.next_validators.clone());
        host.chain = next;
        host.last_commit = Some(commit);
        host.wal.clear();
        let Host { app, txs: pool, .. } = host;
        pool.committed(height, &txs, &|txs| app.check_bundle(txs));
        host.candidates.clear_below(height + 1);
        host.evidence.prune(&host.chain);
        host.judge_offences();
        host.sync_queue.retain(|h, _| *h > height);
        if !synced {
            // More than two thirds voted on this height together with us: claims of much later heights were false.
            host.sync_target = height;
        }
        host.out.push(Effect::NewHeight { height });
        if host.timers.contains(&Timer::Genesis) {
            // The others have begun: our clock is behind theirs.
            host.cancel(Timer::Genesis);
            self.observe_or_begin();
        } else if !host.guard.observing && host.is_member() && !host.is_attended() {
            // We came into the set while we followed. An older copy of this home may have been there before.
            host.guard.observing = true;
            self.observe_or_begin();
        } else if host.signer.is_some() && host.is_member() != was_member {
            host.report_signer();
        }
        let host = &mut self.host;
        if !host.guard.observing {
            let behind = host.sync_target > height;
            let elapsed = host.now.since(host.height_started).min(host.config.block_interval_ns);
            let wait = match (synced, behind) {
                (true, true) => host.config.block_interval_ns,
                (true, false) => 0,
                (false, _) => host.config.block_interval_ns - elapsed,
            };
            host.schedule(Timer::NextHeight { height: height + 1 }, wait);
        }
        self.host.sync_asked = None;
        self.host.ask_for_blocks();
        self.apply_synced();
    }
}

impl<A: Application> Host<A> {
    /// Executes a decided block and asks to persist it.
    pub(super) fn execute(&mut self, built: BuiltBlock, misbehavior: Vec<Misbehavior>, commit: Commit, synced: bool) {
        let height = self.height();
        self.cancel_steps();
        self.queue.clear();
        let context = BlockContext::of(&self.chain, &built.block);
        let txs = shared_txs(&built);
        let finalized = match self.app.finalize_block(&context, &txs, &misbehavior) {
            Ok(finalized) => finalized,
            Err(error) => return self.fail(EngineError::Decided { height, error: error.into() }),
        };
        let next = match self.chain.after(&built.block, built.value.block_id, &finalized) {
            Ok(next) => Arc::new(next),
            Err(error) => return self.fail(EngineError::Decided { height, error }),
        };
        let hash: Hash = from_tendermint_hash(built.value.block_id.hash);
        let signatures = commit.signatures.iter().filter(|s| s.is_commit()).count();
        let round = commit.round.value();
        self.report(Report::Decided { height, round, hash, txs: txs.len(), signatures, synced });
        let block = Box::new(CommittedBlock {
            height,
            block_bytes: built.bytes,
            block_id: built.value.block_id,
            block: built.block,
            commit: commit.clone(),
            validators: self.chain.validators.clone(),
            next_validators: self.chain.next_validators.clone(),
            tx_results: finalized.tx_results,
            misbehavior,
            validator_updates: finalized.validator_updates,
            app_hash: finalized.app_hash,
            writes: finalized.writes,
            chain: Arc::clone(&next),
            synced,
        });
        let ticket = self.outbox.commit(block, self.guard.top(), &mut self.out);
        self.phase = Phase::Committing(Box::new(Pending { ticket, next, commit, txs, synced }));
    }
}
