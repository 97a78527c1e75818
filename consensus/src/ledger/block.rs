//! Executing a whole block, and choosing the transactions of one.

use bytes::Bytes;
use pyralog_crypto::{Hash, PublicKey};

use super::{
    Ledger, LogRecord, NewNodes,
    form::{Formed, check_form},
    header_log,
    keys::state_key,
    overlay::{Change, Overlay, read},
    run::{Failure, Run},
    signatures::{Pending, VerifiedId},
    stake::broken,
};
use crate::{
    application::{AppError, BlockContext, Misbehavior, TxResult},
    block::Timestamp,
    tx::{AnchorTx, CompanionTx, Envelope, SignedTx, TxError, tx_hash},
};

/// What executing a block gave, before the state tree is updated.
#[derive(Clone, Debug)]
pub(crate) struct Executed {
    pub height: u64,
    pub changes: Vec<Change>,
    pub results: Vec<TxResult>,
    pub updates: Vec<(PublicKey, u64)>,
    /// Nodes of the log of header hashes.
    pub header_nodes: NewNodes,
}

impl Ledger {
    pub(super) fn run(&self, height: u64) -> Result<Run<'_>, AppError> {
        Ok(Run {
            overlay: Overlay::new(self.store.as_ref())?,
            params: self.params,
            chain_id: &self.meta.chain_id,
            height,
            signatures: &self.signatures.0,
        })
    }

    /// Evidence, transactions, matured unbondings, the log of header hashes, the engine's state: in this order.
    pub(super) fn execute(
        &self,
        ctx: &BlockContext,
        txs: &[Bytes],
        evidence: &[Misbehavior],
    ) -> Result<Executed, AppError> {
        let height = ctx.height;
        if height != self.meta.version + 1 {
            let expected = self.meta.version + 1;
            return Err(AppError::Block(format!("the ledger expects height {expected}, not {height}")));
        }
        let time = Timestamp::from_time(ctx.time).ok_or_else(|| AppError::Block("a block time out of range".into()))?;
        let mut run = self.run(height)?;
        let before = run.active()?;
        for misbehavior in evidence {
            run.punish(ctx, misbehavior)?;
        }
        let results = self.transactions(&mut run, txs)?;
        run.pay_out_matured(time.0, &ctx.chain.params)?;
        let header_nodes = header_log::append(&mut run.overlay, height, &ctx.block_hash)?;
        let updates = run.active()?.updates_since(&before);
        let consensus = ctx
            .consensus_state_after(&updates)
            .map_err(|e| AppError::Block(format!("the validator updates are not applicable: {e}")))?;
        run.overlay.put_raw(state_key::CONSENSUS, Some(consensus))?;
        Ok(Executed { height, changes: run.overlay.into_changes(), results, updates, header_nodes })
    }

    fn transactions(&self, run: &mut Run<'_>, txs: &[Bytes]) -> Result<Vec<TxResult>, AppError> {
        let refuse = |index: usize, error: TxError| AppError::Tx { index, error };
        let decoded = txs
            .iter()
            .enumerate()
            .map(|(index, tx)| Decoded::new(tx).map_err(|e| refuse(index, e)))
            .collect::<Result<Vec<_>, _>>()?;
        self.verify_signatures(decoded.iter())?;
        let mut results = Vec::with_capacity(txs.len());
        while let Some(item) = decoded.get(results.len()) {
            let index = results.len();
            let companion = decoded.get(index + 1).map(|d| &d.envelope);
            match run.item(item, companion) {
                Ok(result) => {
                    results.push(result);
                    if matches!(item.envelope, Envelope::Anchor(_)) {
                        results.push(TxResult::default());
                    }
                }
                Err(Failure::Refused(error)) => return Err(refuse(index, error)),
                Err(Failure::Broken(error)) => return Err(error),
            }
        }
        Ok(results)
    }

    /// One batch over everything that is not known to be good. Failures show when the transaction is executed.
    fn verify_signatures<'t>(&self, txs: impl Iterator<Item = &'t Decoded<'t>>) -> Result<(), AppError> {
        let verified = &self.signatures.0;
        let mut pending = Vec::new();
        for tx in txs {
            match &tx.envelope {
                Envelope::Signed(signed)
                    if check_form(signed, &self.meta.chain_id).is_ok()
                        && !verified.is_verified(&VerifiedId::signed(tx.hash)) =>
                {
                    pending.push(Pending::signed(tx.hash, signed, tx.sign_bytes.clone()));
                }
                Envelope::Anchor(anchor) => {
                    // Under the owner of the last block; where it rotates in this block the anchor is verified on its own.
                    let name = state_key::log(&anchor.checkpoint.checkpoint.log);
                    if let Some(log) = read::<LogRecord>(self.store.as_ref(), &name)?
                        && !verified.is_verified(&VerifiedId::anchor(tx.hash, &log.owner))
                    {
                        pending.push(Pending::anchor(tx.hash, anchor, &self.meta.chain_id, &log.owner));
                    }
                }
                _ => {}
            }
        }
        verified.verify_all(&pending);
        Ok(())
    }

    /// Verifies the signatures of single signed transactions in one batch, beside the engine and ahead of its check: a ledger
    /// that shares its memory of signatures then finds them verified. Answers what is certain whatever the state: the error
    /// of a transaction that nobody will ever accept. What the state refuses, and what is no signed transaction, is left to
    /// `check_bundle`, unverified; so is everything if the state cannot be read.
    pub fn verify_ahead(&self, txs: &[&[u8]]) -> Vec<Result<(), TxError>> {
        let run = next_height(self.meta.version).and_then(|height| self.run(height));
        let Ok(mut run) = run else { return vec![Ok(()); txs.len()] };
        let mut pending = Vec::with_capacity(txs.len());
        let mut places = Vec::with_capacity(txs.len());
        let mut answers: Vec<Result<(), TxError>> = Vec::with_capacity(txs.len());
        for (index, tx) in txs.iter().enumerate() {
            let worth = Decoded::new(tx).and_then(|item| {
                let Envelope::Signed(signed) = &item.envelope else { return Ok(None) };
                let formed = check_form(signed, &self.meta.chain_id)?;
                let passes = run.before_signatures(&item, &formed).is_ok();
                let known = self.signatures.0.is_verified(&VerifiedId::signed(item.hash));
                let wanted = passes && !known;
                Ok(wanted.then(|| Pending::signed(item.hash, signed, item.sign_bytes.clone())))
            });
            answers.push(worth.map(|worth| {
                if let Some(worth) = worth {
                    pending.push(worth);
                    places.push(index);
                }
            }));
        }
        self.signatures.0.verify_all(&pending);
        for (pending, index) in pending.into_iter().zip(places) {
            // Those that failed in the batch: the error names the signer.
            answers[index] = self.signatures.0.verify(pending);
        }
        answers
    }

    /// Keeps what executes on the state of H-1, in order, as far as it fits.
    pub(super) fn choose(&self, height: u64, candidates: Vec<Bytes>, max_bytes: u64) -> Result<Vec<Bytes>, AppError> {
        let mut run = self.run(height)?;
        let mut room = max_bytes;
        let mut chosen = Vec::with_capacity(candidates.len());
        let decoded: Vec<_> = candidates.iter().map(|tx| Decoded::new(tx).ok()).collect();
        self.verify_signatures(decoded.iter().flatten())?;
        let mut index = 0;
        while index < candidates.len() {
            let Some(item) = &decoded[index] else {
                index += 1;
                continue;
            };
            let companion = decoded.get(index + 1).and_then(Option::as_ref).map(|d| &d.envelope);
            let is_pair = matches!((&item.envelope, companion), (Envelope::Anchor(_), Some(Envelope::Companion(_))));
            let bundle = index..index + if is_pair { 2 } else { 1 };
            index = bundle.end;
            let size: u64 = candidates[bundle.clone()].iter().map(size_in_block).sum();
            if size > room {
                continue;
            }
            let mark = run.overlay.mark();
            match run.item(item, companion) {
                Ok(_) => {
                    room -= size;
                    chosen.extend_from_slice(&candidates[bundle]);
                }
                Err(Failure::Refused(_)) => run.overlay.rollback(mark),
                Err(Failure::Broken(error)) => return Err(error),
            }
        }
        Ok(chosen)
    }
}

impl Run<'_> {
    /// Executes a transaction of a block; an anchor together with the transaction behind it.
    fn item(&mut self, item: &Decoded<'_>, next: Option<&Envelope>) -> Result<TxResult, Failure> {
        match &item.envelope {
            Envelope::Signed(tx) => {
                let formed = check_form(tx, self.chain_id)?;
                self.admit(&formed, item.bytes.len())?;
                if !self.signatures.is_verified(&VerifiedId::signed(item.hash)) {
                    self.signatures.verify(Pending::signed(item.hash, tx, item.sign_bytes.clone()))?;
                }
                self.signed(&formed)
            }
            Envelope::Anchor(anchor) => {
                let companion = companion_of(anchor, next)?;
                self.anchor(&item.hash, anchor, companion)
            }
            Envelope::Companion(tx) => Err(TxError::CompanionOutOfPlace { log: tx.log }.into()),
        }
    }
}

/// The companion right behind an anchor.
pub(super) fn companion_of<'t>(anchor: &AnchorTx, next: Option<&'t Envelope>) -> Result<&'t CompanionTx, TxError> {
    let log = anchor.checkpoint.checkpoint.log;
    match next {
        Some(Envelope::Companion(companion)) if companion.log == log => Ok(companion),
        _ => Err(TxError::CompanionMissing { log }),
    }
}

/// A transaction with the bytes that it came from.
pub(super) struct Decoded<'a> {
    pub bytes: &'a [u8],
    pub hash: Hash,
    pub envelope: Envelope,
    /// Empty unless signed.
    pub sign_bytes: Vec<u8>,
}

impl<'a> Decoded<'a> {
    pub fn new(bytes: &'a [u8]) -> Result<Self, TxError> {
        let (envelope, sign_bytes) = Envelope::decode_with_sign_bytes(bytes)?;
        Ok(Self { bytes, hash: tx_hash(bytes), envelope, sign_bytes })
    }
}

/// Bytes of a transaction in the block's protobuf: tag, varint length, bytes.
fn size_in_block(tx: &Bytes) -> u64 {
    let length = tx.len() as u64;
    let varint = u64::from((64 - (length | 1).leading_zeros()).div_ceil(7));
    1 + varint + length
}

/// A check of a bundle for the mempool.
impl Run<'_> {
    /// Checks a signed transaction: executes it if it is next in line, else only what cannot change until it is. Gives
    /// the next nonce of each signer.
    pub(super) fn check_signed(
        &mut self,
        item: &Decoded<'_>,
        tx: &SignedTx,
        formed: &Formed<'_>,
    ) -> Result<Vec<u64>, Failure> {
        let next = self.before_signatures(item, formed)?;
        if !self.signatures.is_verified(&VerifiedId::signed(item.hash)) {
            self.signatures.verify(Pending::signed(item.hash, tx, item.sign_bytes.clone()))?;
        }
        if formed.signers.iter().zip(&next).all(|((_, got), expected)| got == expected) {
            self.signed(formed)?;
        }
        Ok(next)
    }

    /// What costs little and is looked at before the signatures. Gives the next nonce of each signer.
    fn before_signatures(&mut self, item: &Decoded<'_>, formed: &Formed<'_>) -> Result<Vec<u64>, Failure> {
        self.admit(formed, item.bytes.len())?;
        let next = self.next_nonces(formed)?;
        for ((signer, got), expected) in formed.signers.iter().zip(&next) {
            if got - expected > super::MAX_NONCE_AHEAD {
                return Err(TxError::NonceGap { signer: *signer, expected: *expected, got: *got }.into());
            }
        }
        self.funds(formed)?;
        Ok(next)
    }

    /// Checks an anchor with its companion.
    pub(super) fn check_anchor(
        &mut self,
        item: &Decoded<'_>,
        anchor: &AnchorTx,
        companion: &CompanionTx,
    ) -> Result<(), Failure> {
        let log = self.anchorable(anchor)?;
        self.signatures
            .verify(Pending::anchor(item.hash, anchor, self.chain_id, &log.owner))
            .map_err(|_| TxError::NotLogKey { log: anchor.checkpoint.checkpoint.log })?;
        self.anchor(&item.hash, anchor, companion)?;
        Ok(())
    }
}

/// The version after this one.
pub(super) fn next_height(version: u64) -> Result<u64, AppError> {
    version.checked_add(1).ok_or_else(|| broken("the height overflows"))
}
