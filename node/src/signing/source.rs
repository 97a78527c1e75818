//! Engines for the two roles of a member.

use std::sync::Arc;

use pyralog_consensus::engine::{Engine, EngineConfig, Recovery, SignMark, WalRecovery};
use pyralog_consensus::ledger::Ledger;
use pyralog_crypto::Signer;

use super::QuorumWal;
use crate::chain::ChainReader;
use crate::driver::Shared;
use crate::error::{Error, Result};
use crate::store::{CoreChain, LedgerView};

/// What an engine is to do.
#[derive(Debug)]
pub enum Role {
    /// Follow the chain as a full node.
    Follow,
    /// Take part in deciding it.
    Sign(Signing),
}

/// What was signed before.
pub struct Signing {
    /// The WAL.
    pub wal: WalRecovery,
    /// How far may have been signed.
    pub mark: Option<SignMark>,
    /// The number of this start: see [`Recovery::number`].
    pub number: u64,
    /// Where it becomes durable; `None` for this node's disk.
    pub quorum: Option<QuorumWal>,
}

impl std::fmt::Debug for Signing {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Signing").field("mark", &self.mark).field("number", &self.number).finish_non_exhaustive()
    }
}

/// Where what an engine signs becomes durable.
pub enum Wal {
    /// On this node's disk.
    Own,
    /// On a quorum of the cluster.
    Quorum(QuorumWal),
    /// Nowhere: it signs nothing.
    Nowhere,
}

/// Makes engines over what is on the disk.
pub struct EngineSource {
    /// Settings.
    pub config: EngineConfig,
    /// The chain.
    pub chain: CoreChain,
    /// The ledger over it.
    pub ledger: LedgerView,
    /// The mempool is in it.
    pub shared: Arc<Shared>,
    /// The cluster's validator key.
    pub signer: Arc<dyn Signer>,
}

impl EngineSource {
    /// An engine, and where what it signs becomes durable.
    ///
    /// # Errors
    /// What is on the disk does not fit together.
    pub fn engine(&self, role: Role) -> Result<(Engine<Ledger>, Wal)> {
        let key = || -> Option<Box<dyn Signer>> { Some(Box::new(Arc::clone(&self.signer))) };
        let (signer, wal, mark, number, rests_on) = match role {
            Role::Follow => (None, WalRecovery::default(), None, 0, Wal::Nowhere),
            Role::Sign(Signing { wal, mark, number, quorum }) => {
                (key(), wal, mark, number, quorum.map_or(Wal::Own, Wal::Quorum))
            }
        };
        let app = self.ledger.open().map_err(|e| Error::Storage(e.to_string()))?;
        let state = self.chain.state();
        if app.height() != state.height {
            return Err(Error::Storage(format!(
                "the ledger stands at height {} and the chain at {}; restore data/core from a copy",
                app.height(),
                state.height
            )));
        }
        let engine = Engine::recover(Recovery {
            config: self.config.clone(),
            chain: state.as_ref().clone(),
            app,
            txs: Box::new(self.shared.pool.clone()),
            history: Box::new(self.chain.clone()),
            signer,
            wal,
            mark,
            number,
        });
        Ok((engine.map_err(|e| Error::Consensus(e.to_string()))?, rests_on))
    }
}
