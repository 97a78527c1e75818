//! The BFT engine: a host around Malachite's core, without IO.
//!
//! One entry point, [`Engine::step`]: one [`Input`] at a time goes in, [`Effect`]s come out. No clock, no sockets, no disk, no randomness: a whole
//! network of engines runs in one thread under a seed, and the same inputs give the same effects.
//!
//! The rules that safety rests on, and where they are:
//! - a signature leaves only after it is durable in the WAL and under the mark: `outbox`;
//! - what may be signed at all: `guard`; what was signed before a crash is sent again byte for byte: `heights`, `recover`;
//! - every arriving message is verified before it is kept, and what is kept is bounded: `gossip`, `candidates`;
//! - a proposal is voted for only at its time: `drive`; a block only if chain and application accept it: `proposals`;
//! - nothing is signed after a start before most of the others were heard: `attendance`, `heights`;
//! - blocks of other nodes need a commit that we verified ourselves: `sync`.

mod asks;
mod attendance;
mod candidates;
mod committed;
mod config;
mod context;
mod drive;
mod effects;
mod evidence;
mod evidence_pool;
mod fields;
mod gossip;
mod guard;
mod heights;
mod history;
mod host;
mod io;
mod mark;
mod outbox;
mod presence;
mod proposals;
mod recover;
mod retry;
mod signatures;
mod statement;
mod sync;
mod wal;
mod wire;

pub use committed::CommittedBlock;
#[cfg(any(test, all(feature = "testkit", debug_assertions)))]
pub use config::Canary;
pub use config::EngineConfig;
pub use history::{History, NoHistory};
pub use io::{Effect, Input, MessageId, PeerNumber, Report, SignerState, Ticket, Timer, Verdict};
pub use mark::SignMark;
pub use recover::{Recovery, WalRecovery};
pub use statement::Statement;
pub use wal::WalEntry;
pub use wire::{MAX_MESSAGE_BYTES, WireMessage};

use malachitebft_core_consensus::State;
use malachitebft_core_types::{Round, Timeout, TimeoutKind};

use crate::application::{Application, TxSource};
use crate::block::{ChainState, Timestamp, ValidatorAddress};
use context::{CoreInput, Ctx};
use host::{Host, Phase};
use outbox::Durable;

/// See the module.
pub struct Engine<A: Application> {
    core: State<Ctx>,
    host: Host<A>,
}

/// Where the vote stands, for `/consensus_state`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RoundView {
    /// The height under way.
    pub height: u64,
    /// Its round.
    pub round: u32,
    /// Whose turn it is.
    pub proposer: ValidatorAddress,
    /// Messages and blocks that wait for something durable.
    pub held: usize,
}

impl<A: Application> Engine<A> {
    /// Handles one input at `now` and gives what the driver must do, in order. Never panics, whatever peers send.
    pub fn step(&mut self, now: Timestamp, input: Input) -> Vec<Effect> {
        if !self.host.is_stopped() {
            self.host.now = now;
            self.handle(input);
        } else if let Input::Gossip { id, .. } = input {
            self.host.out.push(Effect::Verdict { id, verdict: Verdict::Ignore });
        }
        std::mem::take(&mut self.host.out)
    }

    fn handle(&mut self, input: Input) {
        match input {
            Input::Start => self.start(),
            Input::Gossip { id, peer, bytes } => self.on_gossip(id, peer, &bytes),
            Input::SyncBlock { peer, block, commit } => self.on_sync_block(peer, block, &commit),
            Input::PeerHeight { height, .. } => {
                self.host.sync_target = self.host.sync_target.max(height);
                self.host.ask_for_blocks();
            }
            Input::Elapsed(timer) => self.on_timer(timer),
            Input::Durable(ticket) => {
                let committing = matches!(&self.host.phase, Phase::Committing(pending) if pending.ticket == ticket);
                let what = self.host.outbox.durable(ticket, &mut self.host.out);
                if what == Durable::Commit && committing {
                    self.committed();
                }
            }
            Input::Tx { reply, bundle } => {
                let Host { app, txs, chain, .. } = &mut self.host;
                let result = txs.submit(chain.height, bundle, &|txs| app.check_bundle(txs));
                self.host.out.push(Effect::TxAnswer { reply, result });
            }
            Input::SignerResume => {
                if let Some(seen) = self.host.guard.resume() {
                    self.host.outbox.raise_mark(seen, &mut self.host.out);
                }
                self.host.report_signer();
            }
        }
    }

    fn on_timer(&mut self, timer: Timer) {
        if !self.host.timers.remove(&timer) {
            return;
        }
        let (current, running) = (self.host.height(), self.host.is_running());
        let step = |height: u64, round: u32, kind: TimeoutKind| {
            (running && height == current).then(|| Timeout::new(Round::new(round), kind))
        };
        let timeout = match timer {
            Timer::Genesis => return self.observe_or_begin(),
            Timer::Observe => return self.observed(),
            Timer::Retry => return self.retry(),
            Timer::NextHeight { height } => {
                if height == current && !self.host.guard.observing {
                    self.begin_height();
                }
                return;
            }
            Timer::Propose { height, round } => step(height, round, TimeoutKind::Propose),
            Timer::Prevote { height, round } => step(height, round, TimeoutKind::Prevote),
            Timer::Precommit { height, round } => step(height, round, TimeoutKind::Precommit),
            Timer::Rebroadcast { height, round } => {
                let timeout = step(height, round, TimeoutKind::Rebroadcast);
                if timeout.is_some() {
                    self.rebroadcast_proposal();
                }
                timeout
            }
        };
        if let Some(timeout) = timeout {
            self.host.queue.push_back(CoreInput::TimeoutElapsed(timeout));
            self.drive();
        }
    }

    /// The state machine.
    pub fn app(&self) -> &A {
        &self.host.app
    }

    /// The state machine, for what does not change the committed state.
    pub fn app_mut(&mut self) -> &mut A {
        &mut self.host.app
    }

    /// The mempool.
    pub fn txs(&self) -> &dyn TxSource {
        self.host.txs.as_ref()
    }

    /// The chain after the last durable height.
    pub fn chain(&self) -> &ChainState {
        &self.host.chain
    }

    /// Whether this node signs at the height under way.
    pub fn signer_state(&self) -> SignerState {
        self.host.signer_state()
    }

    /// Whether blocks are missing that somebody claims to have, and how far.
    pub fn sync_target(&self) -> Option<u64> {
        Some(self.host.sync_target).filter(|target| *target > self.host.chain.height)
    }

    /// Where the vote stands.
    pub fn round(&self) -> RoundView {
        let round = self.core.round().as_u32().unwrap_or(0);
        let proposer = self.host.ctx.proposer(&self.host.set, round);
        RoundView { height: self.host.height(), round, proposer, held: self.host.held() }
    }
}

#[cfg(test)]
mod tests;
