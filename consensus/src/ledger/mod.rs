//! The ledger: the replicated state machine behind [`Application`].
//!
//! ```text
//! check_bundle ─▶ mempool ─▶ prepare_proposal ─▶ process_proposal ─▶ finalize_block ─▶ commit
//!                                  state of H-1 + Overlay │ cached by block hash ▲
//!                                                         └──────────────────────┘
//! ```
//!
//! The committed state is read through a [`StateStore`]; nothing is written here. `finalize_block` answers with the
//! writes: changed values, tree nodes, what makes older versions provable, and what became too old and goes.
//!
//! [`Application`]: crate::application::Application
//! [`StateStore`]: crate::application::StateStore

mod application;
mod block;
mod evidence;
mod form;
mod header_log;
mod keys;
mod overlay;
mod params;
mod query;
mod records;
mod run;
mod signatures;
mod stake;
mod stake_records;
mod state_proof;
mod state_tree;
mod versions;

use std::collections::BTreeMap;

use pyralog_crypto::Hash;

use crate::application::{AppError, StateStore};

pub use keys::state_key;
pub use params::{LedgerParams, POWER_UNIT, trusting_period_ns};
pub use query::QueryError;
pub use records::{Account, LogRecord, Totals};
pub use run::MAX_NONCE_AHEAD;
pub use signatures::VerifiedSignatures;
pub use stake_records::{ActiveSet, MAX_UNBONDINGS, Unbonding, ValidatorRecord};
pub use state_proof::{MAX_STATE_VALUE, StateProof, StateProofError};
pub use state_tree::{JellyfishTree, StateTree, TreeUpdate, ValueChange};
pub use versions::Writes;

pub(crate) use versions::{NewNodes, genesis_writes};

use block::Executed;
use versions::Meta;

/// The ledger over a store that holds its committed state.
pub struct Ledger {
    store: Box<dyn StateStore>,
    tree: Box<dyn StateTree>,
    options: LedgerOptions,
    meta: Meta,
    params: LedgerParams,
    signatures: VerifiedSignatures,
    /// Blocks of the next height that executed, by block hash.
    executed: BTreeMap<Hash, Executed>,
    /// What `finalize_block` answered for the next height, until `commit`.
    finalized: Option<Meta>,
}

/// What a node may choose. Nothing here changes the state or its hash.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LedgerOptions {
    /// How many versions before the last one stay provable, at least 2: a header commits to the version before it.
    pub keep_versions: u64,
}

impl Default for LedgerOptions {
    fn default() -> Self {
        Self { keep_versions: 128 }
    }
}

impl Ledger {
    /// Opens the ledger at the version that the store holds.
    ///
    /// # Errors
    /// [`AppError::Store`] if the store fails, [`AppError::Invariant`] if it holds no ledger (write
    /// [`Genesis::state`](crate::genesis::Genesis::state) into it first) or that of another chain.
    pub fn open(store: Box<dyn StateStore>, chain_id: &str, options: LedgerOptions) -> Result<Self, AppError> {
        let meta = Meta::read(store.as_ref())?;
        if meta.chain_id != chain_id {
            let found = &meta.chain_id;
            return Err(AppError::Invariant(format!(
                "the state belongs to chain {found}, genesis.json is for {chain_id}; use the genesis file of this home"
            )));
        }
        let params = overlay::read(store.as_ref(), state_key::PARAMS)?
            .ok_or_else(|| AppError::Invariant("the state holds no ledger parameters".into()))?;
        let options = LedgerOptions { keep_versions: options.keep_versions.max(2) };
        Ok(Self {
            store,
            tree: Box::new(JellyfishTree),
            options,
            meta,
            params,
            signatures: VerifiedSignatures::default(),
            executed: BTreeMap::new(),
            finalized: None,
        })
    }

    /// The same ledger with a memory of verified signatures that it shares with others.
    #[must_use]
    pub fn sharing(mut self, signatures: &VerifiedSignatures) -> Self {
        self.signatures = signatures.clone();
        self
    }

    /// The last committed height; 0 after genesis.
    pub fn height(&self) -> u64 {
        self.meta.version
    }

    /// Root of the state tree after [`Ledger::height`].
    pub fn app_hash(&self) -> Hash {
        self.meta.root
    }

    /// The chain.
    pub fn chain_id(&self) -> &str {
        &self.meta.chain_id
    }

    /// The parameters of genesis.
    pub fn params(&self) -> &LedgerParams {
        &self.params
    }
}

#[cfg(test)]
pub(crate) mod testkit;
#[cfg(test)]
mod tests;
