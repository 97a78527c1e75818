//! Verifies the signatures of transactions before the engine's thread sees them: in batches, which take half the time, and beside the
//! engine, whose votes then wait for none of it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::thread::JoinHandle;

use pyralog_consensus::block::tx_hash;
use pyralog_consensus::ledger::Ledger;
use pyralog_consensus::mempool::TxStatus;
use pyralog_consensus::tx::TxError;
use pyralog_crypto::Hash;

use super::engine_queue::{QueuedBundle, UncheckedInbox};
use super::shared::{Shared, SharedPool};
use crate::error::{Error, Result};
use crate::store::LedgerView;

/// Bundles of one batch: as many signatures as gain from one sum.
const BATCH: usize = 256;

/// Starts the thread; it ends with the engine. `ledger` must share its memory of signatures with the engine's, or the work is for nothing.
///
/// # Errors
/// The system gives no thread.
pub fn spawn(inbox: UncheckedInbox, ledger: LedgerView, shared: Arc<Shared>) -> Result<JoinHandle<()>> {
    std::thread::Builder::new()
        .name("tx-signatures".into())
        .spawn(move || {
            while let Some(batch) = inbox.take(BATCH) {
                // A ledger that does not open verifies nothing; the engine will say why.
                let ledger = ledger.open().ok();
                inbox.pass(check(batch, ledger.as_ref(), &shared));
            }
        })
        .map_err(|e| Error::Usage(format!("the system gives no thread for signatures: {e}")))
}

/// Answers what nobody will ever accept, and gives the others in their order.
fn check(batch: Vec<QueuedBundle>, ledger: Option<&Ledger>, shared: &Shared) -> Vec<QueuedBundle> {
    let worth = worth_verifying(&batch, &shared.pool);
    let txs: Vec<&[u8]> = worth.values().map(|copies| batch[copies[0]].txs[0].as_ref()).collect();
    let answers = ledger.map(|ledger| ledger.verify_ahead(&txs)).unwrap_or_default();
    let mut refused: BTreeMap<usize, TxError> = BTreeMap::new();
    for (copies, answer) in worth.into_values().zip(answers) {
        if let Err(error) = answer {
            refused.extend(copies.into_iter().map(|index| (index, error.clone())));
        }
    }
    let mut passed = Vec::with_capacity(batch.len());
    for (index, given) in batch.into_iter().enumerate() {
        match refused.remove(&index) {
            Some(error) => {
                shared.metrics.mempool_refused.inc();
                given.responder.refuse(error);
            }
            None => passed.push(given),
        }
    }
    passed
}

/// Single transactions that are new here: most copies of a transaction arrive by gossip, and the mempool refuses them by their hash. Each
/// with the indices of its copies in the batch, one at least: all of them get the answer of one.
fn worth_verifying(batch: &[QueuedBundle], pool: &SharedPool) -> BTreeMap<Hash, Vec<usize>> {
    let mut copies: BTreeMap<Hash, Vec<usize>> = BTreeMap::new();
    for (index, given) in batch.iter().enumerate().filter(|(_, given)| given.txs.len() == 1) {
        copies.entry(tx_hash(&given.txs[0])).or_default().push(index);
    }
    pool.read(|pool| {
        copies.retain(|hash, _| !matches!(pool.status(hash), TxStatus::Pending | TxStatus::Committed { .. }));
    });
    copies
}

#[cfg(test)]
#[path = "tx_checker_test.rs"]
mod tests;
