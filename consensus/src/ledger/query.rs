//! Reading the committed state, with proofs.

use pyralog_crypto::{Address, Frontier, InclusionProof, LogId, PublicKey, Sha256, codec::Decode};

use super::{
    Account, ActiveSet, Ledger, LogRecord, StateProof, Totals, ValidatorRecord, header_log,
    keys::{state_key, store_key},
    overlay::read,
    versions::UndoRecord,
};
use crate::{application::AppError, block::ValidatorAddress};

/// Why a query has no answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum QueryError {
    /// The version does not exist yet, or was pruned.
    #[error("the state of height {height} is not kept, heights {oldest} to {newest} are; ask for one of these")]
    Height {
        /// Asked for.
        height: u64,
        /// First one kept.
        oldest: u64,
        /// Last one.
        newest: u64,
    },
    /// No such header in the log of header hashes at that size.
    #[error("the log of header hashes of size {size} does not hold height {height}; ask for a height from 1 to {size}")]
    Header {
        /// Asked for.
        height: u64,
        /// Size of the log.
        size: u64,
    },
    /// The node is broken.
    #[error(transparent)]
    App(#[from] AppError),
}

impl Ledger {
    /// An account; nonce and balance 0 if it does not exist.
    ///
    /// # Errors
    /// The store failed.
    pub fn account(&self, address: &Address) -> Result<Account, AppError> {
        Ok(read(self.store.as_ref(), &state_key::account(address))?.unwrap_or_default())
    }

    /// The sums over the ledger.
    ///
    /// # Errors
    /// The store failed.
    pub fn totals(&self) -> Result<Totals, AppError> {
        Ok(read(self.store.as_ref(), state_key::TOTALS)?.unwrap_or_default())
    }

    /// A registered log.
    ///
    /// # Errors
    /// The store failed.
    pub fn log(&self, id: &LogId) -> Result<Option<LogRecord>, AppError> {
        read(self.store.as_ref(), &state_key::log(id))
    }

    /// Registered logs in the order of registration: at most `limit` from number `from` on, with their total.
    ///
    /// # Errors
    /// The store failed.
    pub fn logs(&self, from: u64, limit: usize) -> Result<(Vec<(LogId, LogRecord)>, u64), AppError> {
        let total = self.totals()?.logs;
        let mut logs = Vec::new();
        for n in (from..total).take(limit) {
            if let Some(id) = read::<LogId>(self.store.as_ref(), &state_key::log_number(n))?
                && let Some(log) = self.log(&id)?
            {
                logs.push((id, log));
            }
        }
        Ok((logs, total))
    }

    /// A validator's stake.
    ///
    /// # Errors
    /// The store failed.
    pub fn validator(&self, key: &PublicKey) -> Result<Option<ValidatorRecord>, AppError> {
        read(self.store.as_ref(), &state_key::validator(&ValidatorAddress::of(key)))
    }

    /// The validators with power after the last committed height (in force two heights later).
    ///
    /// # Errors
    /// The store failed.
    pub fn active_validators(&self) -> Result<ActiveSet, AppError> {
        Ok(read(self.store.as_ref(), state_key::ACTIVE)?.unwrap_or_default())
    }

    /// The frontier of the log of header hashes; its size is the last committed height.
    ///
    /// # Errors
    /// The store failed.
    pub fn header_log(&self) -> Result<Frontier<Sha256>, AppError> {
        Ok(read(self.store.as_ref(), state_key::HEADERS)?.unwrap_or_default())
    }

    /// Proves that the header of `height` is leaf `height - 1` of the log of header hashes as it stood after block `size`.
    /// The leaf is the header hash; the root follows from the value of [`state_key::HEADERS`] at that version.
    ///
    /// # Errors
    /// [`QueryError::Header`] unless 1 <= `height` <= `size` <= the last committed height.
    pub fn prove_header(&self, height: u64, size: u64) -> Result<InclusionProof, QueryError> {
        if size > self.height() || height == 0 || height > size {
            return Err(QueryError::Header { height, size: size.min(self.height()) });
        }
        header_log::prove(self.store.as_ref(), height, size)
            .map_err(|e| QueryError::App(AppError::Invariant(e.to_string())))
    }

    /// The value of a name (see [`state_key`]) after `height`.
    ///
    /// # Errors
    /// [`QueryError::Height`] if that version is not kept.
    pub fn value(&self, name: &[u8], height: u64) -> Result<Option<Vec<u8>>, QueryError> {
        self.check_height(height)?;
        // The first later version that changed the name recorded what stood there before.
        for version in height + 1..=self.height() {
            let bytes = self.store.get(&store_key::undo(version)).map_err(AppError::from)?;
            let undo = bytes.as_deref().map(UndoRecord::from_bytes);
            let Some(Ok(UndoRecord(entries))) = undo else {
                let what = format!("the record of what height {version} replaced is missing or damaged");
                return Err(AppError::Invariant(what).into());
            };
            if let Ok(at) = entries.binary_search_by(|(n, _)| n.as_slice().cmp(name)) {
                return Ok(entries.into_iter().nth(at).and_then(|(_, old)| old));
            }
        }
        Ok(self.store.get(&store_key::value(name)).map_err(AppError::from)?)
    }

    /// Proves the value of a name, or that it has none, after `height`: under the `app_hash` in the header of `height + 1`.
    ///
    /// # Errors
    /// [`QueryError::Height`] if that version is not kept.
    pub fn prove(&self, name: &[u8], height: u64) -> Result<StateProof, QueryError> {
        let value = self.value(name, height)?;
        Ok(self.tree.prove(self.store.as_ref(), height, name, value.as_deref())?)
    }

    fn check_height(&self, height: u64) -> Result<(), QueryError> {
        let (oldest, newest) = (self.meta.oldest, self.height());
        if (oldest..=newest).contains(&height) { Ok(()) } else { Err(QueryError::Height { height, oldest, newest }) }
    }
}
