//! Catching up: committed blocks from peers. They never pass through the BFT core: a commit of more than two thirds is proof enough, and the
//! block gets the same checks as a proposed one.

use bytes::Bytes;

use super::host::{Host, Phase};
use super::{Effect, Engine, PeerNumber, SignMark};
use crate::application::Application;
use crate::block::{BuiltBlock, Step, decode_block, decode_commit, verify_commit};
use crate::error::EngineError;

/// Blocks that may wait for those before them.
const MAX_QUEUED: usize = 16;
const MAX_QUEUED_BYTES: usize = 64 << 20;

impl<A: Application> Engine<A> {
    pub(super) fn on_sync_block(&mut self, peer: PeerNumber, block: Bytes, commit: &[u8]) {
        let commit = match decode_commit(commit) {
            Ok(commit) if block.len() as u64 <= self.host.chain.params.max_block_bytes => commit,
            _ => return self.host.penalise(peer, "a block or commit that does not decode"),
        };
        let height = commit.height.value();
        let queued: usize = self.host.sync_queue.values().map(|(_, block, _)| block.len()).sum();
        let next = self.host.height();
        let room = self.host.sync_queue.len() < MAX_QUEUED && queued + block.len() <= MAX_QUEUED_BYTES;
        if height < next || height >= next + MAX_QUEUED as u64 || !room && height != next {
            return;
        }
        self.host.sync_queue.insert(height, (peer, block, commit));
        self.apply_synced();
    }

    /// Applies the next block, if it is there and no other is being made durable.
    pub(super) fn apply_synced(&mut self) {
        if !matches!(self.host.phase, Phase::Waiting | Phase::Running) {
            return;
        }
        let height = self.host.height();
        let Some((peer, bytes, commit)) = self.host.sync_queue.remove(&height) else { return };
        let built = match decode_block(&bytes, self.host.chain.params.max_block_bytes) {
            Ok(block) => BuiltBlock::new(block, bytes),
            Err(error) => Err(error.into()),
        };
        let Ok(built) = built else { return self.host.penalise(peer, "a block that does not decode") };
        let chain = std::sync::Arc::clone(&self.host.chain);
        let (chain_id, quorum) = (chain.chain_id.as_str(), self.host.quorum());
        let verified = verify_commit(
            chain_id,
            &chain.validators,
            height,
            &built.value,
            &commit,
            quorum,
            &mut self.host.signatures,
        );
        let Ok(votes) = verified else {
            return self.host.penalise(peer, "a commit that does not verify");
        };
        if votes.contains_key(&self.host.guard.address()) {
            self.host.saw_own(SignMark { height, round: commit.round.value(), step: Step::Precommit });
        }
        // More than two thirds of the power accepted this block; if we cannot, this node or the network is broken.
        match self.host.judge(&built) {
            Err(error) => self.host.fail(EngineError::Decided { height, error }),
            Ok(misbehavior) => {
                self.host.core_decided = false;
                self.host.timers.retain(|timer| !matches!(timer, super::Timer::NextHeight { .. }));
                self.host.sync_target = self.host.sync_target.max(height);
                self.host.execute(built, misbehavior, commit, true);
            }
        }
    }
}

impl<A: Application> Host<A> {
    pub(super) fn penalise(&mut self, peer: PeerNumber, reason: &'static str) {
        self.out.push(Effect::PenalisePeer { peer, reason });
        // Ask somebody else at the next tick.
        self.sync_asked = None;
    }

    /// Asks for the next block if somebody claims to have it, at most once per retry interval.
    pub(super) fn ask_for_blocks(&mut self) {
        let (height, target) = (self.height(), self.sync_target);
        let recently = self.sync_asked.is_some_and(|at| self.now.since(at) < self.config.retry_ns && self.now >= at);
        if target < height || recently || matches!(self.phase, Phase::Created | Phase::Committing(_) | Phase::Stopped) {
            return;
        }
        self.sync_asked = Some(self.now);
        self.out.push(Effect::NeedSync { height, target });
    }
}
