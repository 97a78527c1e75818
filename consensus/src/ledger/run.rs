//! Executing transactions on an overlay.

use std::{cmp::Ordering, collections::BTreeMap};

use pyralog_crypto::{Address, Hash, PublicKey};

use super::{
    LedgerParams, LogRecord,
    form::Formed,
    keys::state_key,
    overlay::Overlay,
    signatures::{Signatures, VerifiedId},
};
use crate::{
    application::{AppError, TxEvent, TxResult},
    tx::{AnchorTx, CompanionTx, Message, TxError},
};

/// How far ahead of the committed nonce a transaction may be to wait in a mempool.
pub const MAX_NONCE_AHEAD: u64 = 1024;

/// One block, or one check of a bundle, on top of the state of H-1.
pub(crate) struct Run<'a> {
    pub overlay: Overlay<'a>,
    pub params: LedgerParams,
    pub chain_id: &'a str,
    /// The height of the block that the transactions are for.
    pub height: u64,
    pub signatures: &'a Signatures,
}

/// Why a transaction did not execute: refused, or the node is broken.
#[derive(Debug)]
pub(crate) enum Failure {
    Refused(TxError),
    Broken(AppError),
}

impl From<TxError> for Failure {
    fn from(e: TxError) -> Self {
        Self::Refused(e)
    }
}

impl From<AppError> for Failure {
    fn from(e: AppError) -> Self {
        Self::Broken(e)
    }
}

impl Failure {
    /// For the mempool: a node that cannot read its state refuses.
    pub fn into_tx_error(self) -> TxError {
        match self {
            Self::Refused(e) => e,
            Self::Broken(e) => TxError::Unavailable { detail: e.to_string() },
        }
    }
}

/// Who signs the message that is being executed.
pub(crate) struct Signing<'t> {
    pub formed: &'t Formed<'t>,
}

impl Signing<'_> {
    pub fn address(&self, index: u8) -> Result<Address, TxError> {
        let signers = self.formed.signers.len();
        let at = self.formed.signers.get(usize::from(index));
        at.map(|(address, _)| *address).ok_or(TxError::SignerIndex { message: 0, index, signers })
    }

    pub fn includes(&self, key: &PublicKey) -> bool {
        let address = Address::from_key(key);
        self.formed.signers.iter().any(|(signer, _)| *signer == address)
    }
}

impl Run<'_> {
    /// Expiry and fee: what a transaction of `size` bytes must meet besides nonces and funds.
    pub fn admit(&self, formed: &Formed<'_>, size: usize) -> Result<(), TxError> {
        let (expiry, height) = (formed.expiry_height, self.height);
        if expiry < height {
            return Err(TxError::Expired { expiry, height });
        }
        let latest = height.saturating_add(self.params.max_expiry_blocks);
        if expiry > latest {
            return Err(TxError::ExpiryTooFar { expiry, height, latest });
        }
        let required = self.params.required_fee(size, formed.logs);
        if formed.fee < required {
            return Err(TxError::FeeTooLow { required, got: formed.fee });
        }
        Ok(())
    }

    /// The next nonce of each signer; an error if the one it uses is used up.
    pub fn next_nonces(&mut self, formed: &Formed<'_>) -> Result<Vec<u64>, Failure> {
        let mut next = Vec::with_capacity(formed.signers.len());
        for (signer, got) in &formed.signers {
            let expected = self.overlay.account(signer)?.nonce;
            if *got < expected {
                return Err(TxError::NonceReplayed { signer: *signer, expected, got: *got }.into());
            }
            next.push(expected);
        }
        Ok(next)
    }

    /// Whether each signer can pay; for a transaction that waits for others of its signer and cannot be executed yet.
    pub fn funds(&mut self, formed: &Formed<'_>) -> Result<(), Failure> {
        for ((account, _), required) in formed.signers.iter().zip(&formed.debits) {
            let available = self.overlay.account(account)?.balance;
            if available < *required {
                return Err(TxError::InsufficientFunds { account: *account, required: *required, available }.into());
            }
        }
        Ok(())
    }

    /// Executes a signed transaction whose signatures are verified.
    pub fn signed(&mut self, formed: &Formed<'_>) -> Result<TxResult, Failure> {
        for (signer, got) in &formed.signers {
            let mut account = self.overlay.account(signer)?;
            let expected = account.nonce;
            match got.cmp(&expected) {
                Ordering::Less => return Err(TxError::NonceReplayed { signer: *signer, expected, got: *got }.into()),
                Ordering::Greater => return Err(TxError::NonceGap { signer: *signer, expected, got: *got }.into()),
                Ordering::Equal => {}
            }
            account.nonce = account.nonce.checked_add(1).ok_or(TxError::Overflow { signer: *signer })?;
            self.overlay.put_account(signer, account)?;
        }
        if let Some((payer, _)) = formed.signers.first() {
            self.debit(payer, formed.fee)?;
        }
        self.pay_pool(formed.fee)?;
        let signing = Signing { formed };
        let mut result = TxResult::default();
        for message in formed.messages {
            result.events.push(self.message(message, &signing)?);
        }
        Ok(result)
    }

    /// Executes an anchor with its companion. `hash` is that of the anchor's transaction.
    pub fn anchor(&mut self, hash: &Hash, anchor: &AnchorTx, companion: &CompanionTx) -> Result<TxResult, Failure> {
        let checkpoint = &anchor.checkpoint.checkpoint;
        let mut log = self.anchorable(anchor)?;
        if !self.signatures.is_verified(&VerifiedId::anchor(*hash, &log.owner)) {
            anchor
                .checkpoint
                .verify(self.chain_id, &log.owner)
                .map_err(|_| TxError::NotLogKey { log: checkpoint.log })?;
        }
        companion.verify(log.size, &log.roots, checkpoint)?;
        log.size = checkpoint.size;
        log.roots = checkpoint.roots;
        log.anchored_at = self.height;
        log.signature = anchor.checkpoint.signature;
        self.overlay.put(&state_key::log(&checkpoint.log), &log)?;
        let attributes = vec![("log".into(), checkpoint.log.to_string()), ("size".into(), checkpoint.size.to_string())];
        let events = vec![TxEvent { kind: "anchor".into(), attributes }];
        Ok(TxResult { events, ..TxResult::default() })
    }

    /// The log of an anchor, if the anchor is newer than what stands there.
    pub fn anchorable(&mut self, anchor: &AnchorTx) -> Result<LogRecord, Failure> {
        let checkpoint = &anchor.checkpoint.checkpoint;
        let (log, got) = (checkpoint.log, checkpoint.size);
        let record: LogRecord = self.overlay.get(&state_key::log(&log))?.ok_or(TxError::LogUnknown { log })?;
        if record.anchored_at == self.height {
            return Err(TxError::AnchorTwice { log }.into());
        }
        let anchored = record.size;
        if got < anchored {
            return Err(TxError::AnchorShrinks { log, anchored, got }.into());
        }
        if got == anchored {
            let same = record.roots == checkpoint.roots;
            let error =
                if same { TxError::AnchorNotNewer { log, size: got } } else { TxError::AnchorForks { log, size: got } };
            return Err(error.into());
        }
        Ok(record)
    }

    pub fn debit(&mut self, address: &Address, amount: u64) -> Result<(), Failure> {
        let mut account = self.overlay.account(address)?;
        let available = account.balance;
        account.balance = available.checked_sub(amount).ok_or(TxError::InsufficientFunds {
            account: *address,
            required: amount,
            available,
        })?;
        Ok(self.overlay.put_account(address, account)?)
    }

    pub fn credit(&mut self, address: &Address, amount: u64) -> Result<(), Failure> {
        let mut account = self.overlay.account(address)?;
        account.balance = account.balance.checked_add(amount).ok_or(TxError::BalanceOverflow { account: *address })?;
        Ok(self.overlay.put_account(address, account)?)
    }

    pub fn pay_pool(&mut self, amount: u64) -> Result<(), AppError> {
        let mut totals = self.overlay.totals();
        totals.pool = totals
            .pool
            .checked_add(amount)
            .ok_or_else(|| AppError::Invariant("the community pool overflows".into()))?;
        self.overlay.put_totals(totals);
        Ok(())
    }

    fn message(&mut self, message: &Message, signing: &Signing<'_>) -> Result<TxEvent, Failure> {
        let mut attributes = BTreeMap::new();
        let mut note = |key: &str, value: String| attributes.insert(key.to_owned(), value);
        let kind = match message {
            Message::Transfer { signer, to, amount } => {
                let from = signing.address(*signer)?;
                self.debit(&from, *amount)?;
                self.credit(to, *amount)?;
                note("from", from.to_string());
                note("to", to.to_string());
                note("amount", amount.to_string());
                "transfer"
            }
            Message::RegisterLog { owner, name } => {
                let log = LogRecord::id(self.chain_id, owner, name);
                self.register_log(LogRecord::new(*owner, name.clone(), self.height))?;
                note("log", log.to_string());
                note("owner", owner.to_string());
                "register_log"
            }
            Message::RotateLogKey { signer, log, new_owner } => {
                let key = state_key::log(log);
                let mut record: LogRecord = self.overlay.get(&key)?.ok_or(TxError::LogUnknown { log: *log })?;
                if signing.address(*signer)? != Address::from_key(&record.owner) {
                    return Err(TxError::NotLogOwner { log: *log }.into());
                }
                record.owner = *new_owner;
                record.owner_since = self.height;
                self.overlay.put(&key, &record)?;
                note("log", log.to_string());
                note("owner", new_owner.to_string());
                "rotate_log_key"
            }
            Message::Bond { signer, validator, amount } => {
                self.bond(signing, *signer, validator, *amount)?;
                note("validator", validator.to_string());
                note("amount", amount.to_string());
                "bond"
            }
            Message::Unbond { signer, validator, amount } => {
                self.unbond(&signing.address(*signer)?, validator, *amount)?;
                note("validator", validator.to_string());
                note("amount", amount.to_string());
                "unbond"
            }
        };
        Ok(TxEvent { kind: kind.into(), attributes: attributes.into_iter().collect() })
    }

    fn register_log(&mut self, record: LogRecord) -> Result<(), Failure> {
        let log = LogRecord::id(self.chain_id, &record.owner, &record.name);
        let key = state_key::log(&log);
        if self.overlay.get::<LogRecord>(&key)?.is_some() {
            return Err(TxError::LogExists { log }.into());
        }
        self.overlay.put(&key, &record)?;
        let mut totals = self.overlay.totals();
        self.overlay.put(&state_key::log_number(totals.logs), &log)?;
        totals.logs += 1;
        self.overlay.put_totals(totals);
        Ok(())
    }
}
