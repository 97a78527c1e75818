//! [`Application`] for the ledger.

use bytes::Bytes;

use super::{
    Ledger,
    block::{Decoded, Executed, companion_of, next_height},
    form::check_form,
    run::Failure,
    state_tree::value_changes,
    versions::version_writes,
};
use crate::{
    application::{AppError, Application, BlockContext, CheckedTx, Finalized, Misbehavior},
    tx::{Envelope, TxError},
};

/// Most executed proposals of one height that are remembered; a height rarely has more than two.
const MAX_EXECUTED: usize = 8;

impl Application for Ledger {
    /// A single transaction. An anchor without its companion is refused, so is a companion alone: use `check_bundle`.
    fn check_tx(&self, tx: &[u8]) -> Result<CheckedTx, TxError> {
        let checked = self.check(&[tx])?;
        checked.into_iter().next().ok_or(TxError::BundleShape { count: 0 })
    }

    fn check_bundle(&self, txs: &[Bytes]) -> Result<Vec<CheckedTx>, TxError> {
        let txs: Vec<&[u8]> = txs.iter().map(AsRef::as_ref).collect();
        self.check(&txs)
    }

    fn prepare_proposal(&mut self, ctx: &BlockContext, candidates: Vec<Bytes>, max_bytes: u64) -> Vec<Bytes> {
        self.choose(ctx.height, candidates, max_bytes).unwrap_or_else(|error| {
            // An empty block is always valid; a broken store stops the node at `finalize_block`.
            tracing::error!(%error, "no transactions proposed");
            Vec::new()
        })
    }

    fn process_proposal(
        &mut self,
        ctx: &BlockContext,
        txs: &[Bytes],
        evidence: &[Misbehavior],
    ) -> Result<(), AppError> {
        if self.executed.contains_key(&ctx.block_hash) {
            return Ok(());
        }
        let executed = self.execute(ctx, txs, evidence)?;
        if self.executed.len() >= MAX_EXECUTED {
            self.executed.pop_first();
        }
        self.executed.insert(ctx.block_hash, executed);
        Ok(())
    }

    fn finalize_block(
        &mut self,
        ctx: &BlockContext,
        txs: &[Bytes],
        evidence: &[Misbehavior],
    ) -> Result<Finalized, AppError> {
        let executed = match self.executed.remove(&ctx.block_hash) {
            Some(executed) if executed.height == ctx.height => executed,
            _ => self.execute(ctx, txs, evidence)?,
        };
        let Executed { changes, results, updates, header_nodes, .. } = executed;
        let update = self.tree.update(self.store.as_ref(), ctx.height, &value_changes(&changes))?;
        let (meta, mut writes) =
            version_writes(self.store.as_ref(), &self.meta, self.options.keep_versions, changes, update)?;
        writes.extend(header_nodes.into_iter().map(|(key, node)| (key, Some(node))));
        let app_hash = meta.root;
        self.finalized = Some(meta);
        Ok(Finalized {
            app_hash,
            tx_results: results,
            validator_updates: updates,
            writes: writes.into_iter().collect(),
        })
    }

    fn commit(&mut self, height: u64) {
        self.executed.clear();
        match self.finalized.take() {
            Some(meta) if meta.version == height => self.meta = meta,
            other => {
                tracing::error!(height, finalized = ?other.map(|m| m.version), "commit of a height that was not finalized")
            }
        }
    }
}

impl Ledger {
    fn check(&self, txs: &[&[u8]]) -> Result<Vec<CheckedTx>, TxError> {
        let (first, second) = match txs {
            [first] => (Decoded::new(first)?, None),
            [first, second] => (Decoded::new(first)?, Some(Decoded::new(second)?)),
            _ => return Err(TxError::BundleShape { count: txs.len() }),
        };
        let broken = |e: AppError| TxError::Unavailable { detail: e.to_string() };
        let mut run = self.run(next_height(self.meta.version).map_err(broken)?).map_err(broken)?;
        match (&first.envelope, second) {
            (Envelope::Signed(_), Some(_)) => Err(TxError::BundleShape { count: 2 }),
            (Envelope::Signed(tx), None) => {
                let formed = check_form(tx, &self.meta.chain_id)?;
                let next_nonces = run.check_signed(&first, tx, &formed).map_err(Failure::into_tx_error)?;
                let (signers, fee, expiry_height) = (formed.signers, formed.fee, formed.expiry_height);
                Ok(vec![CheckedTx { signers, next_nonces, fee, expiry_height, ..unsigned(&first) }])
            }
            (Envelope::Anchor(anchor), second) => {
                let companion = companion_of(anchor, second.as_ref().map(|d| &d.envelope))?;
                run.check_anchor(&first, anchor, companion).map_err(Failure::into_tx_error)?;
                let checkpoint = &anchor.checkpoint.checkpoint;
                let anchor = CheckedTx { anchor: Some((checkpoint.log, checkpoint.size)), ..unsigned(&first) };
                Ok(std::iter::once(anchor).chain(second.map(|d| unsigned(&d))).collect())
            }
            (Envelope::Companion(companion), _) => Err(TxError::CompanionOutOfPlace { log: companion.log }),
        }
    }
}

fn unsigned(tx: &Decoded<'_>) -> CheckedTx {
    CheckedTx {
        hash: tx.hash,
        size: tx.bytes.len(),
        fee: 0,
        signers: Vec::new(),
        next_nonces: Vec::new(),
        expiry_height: u64::MAX,
        anchor: None,
    }
}
