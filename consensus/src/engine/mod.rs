//! The BFT engine: a host around Malachite's core, without IO.
//!
//! One entry point, [`Engine::step`]: an [`Input`] at a time goes in, [`Effect`]s come out. No clock, no sockets, no disk, no randomness.

mod committed;
mod config;
mod history;
mod io;
mod mark;

pub use committed::CommittedBlock;
#[cfg(feature = "canary")]
pub use config::Canary;
pub use config::EngineConfig;
pub use history::{History, NoHistory};
pub use io::{Effect, Input, MessageId, PeerNumber, Report, SignerState, Ticket, Timer, Verdict};
pub use mark::SignMark;

use std::marker::PhantomData;

use bytes::Bytes;

use crate::application::{Application, TxSource};
use crate::block::{ChainState, Timestamp};
use crate::error::EngineError;
use pyralog_crypto::Signer;

/// What the consensus WAL held when the node was opened.
#[derive(Clone, Debug, Default)]
pub struct WalRecovery {
    /// The entries, oldest first, as [`Effect::WalAppend`] gave them.
    pub entries: Vec<Bytes>,
    /// Whether a torn last entry was cut off.
    pub truncated: bool,
}

/// Everything that an engine is recovered from.
pub struct Recovery<A> {
    /// Settings.
    pub config: EngineConfig,
    /// The chain after the last durable block, or [`ChainState::genesis`].
    pub chain: ChainState,
    /// The state machine, its base state being that of `chain`.
    pub app: A,
    /// The mempool.
    pub txs: Box<dyn TxSource>,
    /// Committed heights.
    pub history: Box<dyn History>,
    /// The validator key; `None` follows as a full node.
    pub signer: Option<Box<dyn Signer>>,
    /// The consensus WAL.
    pub wal: WalRecovery,
    /// The last durable mark.
    pub mark: Option<SignMark>,
}

/// See the module.
pub struct Engine<A: Application> {
    app: A,
    marker: PhantomData<A>,
}

impl<A: Application> Engine<A> {
    /// Builds an engine from what the node stored. Cheap and deterministic; nothing happens before [`Input::Start`].
    ///
    /// # Errors
    /// A damaged WAL entry or a chain state that contradicts itself.
    pub fn recover(recovery: Recovery<A>) -> Result<Self, EngineError> {
        Ok(Self { app: recovery.app, marker: PhantomData })
    }

    /// Handles one input at `now`.
    pub fn step(&mut self, _now: Timestamp, _input: Input) -> Vec<Effect> {
        Vec::new()
    }

    /// The state machine.
    pub fn app(&self) -> &A {
        &self.app
    }
}
