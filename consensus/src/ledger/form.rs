//! Checks of a signed transaction that need no state.

use std::collections::BTreeSet;

use pyralog_crypto::Address;

use crate::tx::{Authority, Message, Payment, SignedTx, TxError};

/// A signed transaction whose form is right: reserved parts absent, signers distinct, amounts sane.
#[derive(Debug)]
pub(crate) struct Formed<'a> {
    pub messages: &'a [Message],
    /// Address and nonce of each signer.
    pub signers: Vec<(Address, u64)>,
    /// What each signer pays in all messages, and the first one also as fee.
    pub debits: Vec<u64>,
    pub fee: u64,
    pub expiry_height: u64,
    /// How many logs it registers.
    pub logs: usize,
}

/// Checks form and chain id.
pub(crate) fn check_form<'a>(tx: &'a SignedTx, chain_id: &str) -> Result<Formed<'a>, TxError> {
    let body = &tx.body;
    if body.chain_id != chain_id {
        return Err(TxError::WrongChain { expected: chain_id.to_owned(), got: body.chain_id.clone() });
    }
    let Payment::Fee(fee) = body.payment else { return Err(TxError::StampReserved) };
    if !body.proofs.is_empty() {
        return Err(TxError::ProofReserved);
    }
    let mut signers = Vec::with_capacity(body.signers.len());
    let mut seen = BTreeSet::new();
    for (index, signer) in body.signers.iter().enumerate() {
        let Authority::Key(key) = &signer.authority else { return Err(TxError::PolicyReserved) };
        if !seen.insert(key) {
            return Err(TxError::DuplicateSigner { index });
        }
        signers.push((Address::from_key(key), signer.nonce));
    }
    let debits = debits(&body.messages, &signers, fee)?;
    let logs = body.messages.iter().filter(|m| matches!(m, Message::RegisterLog { .. })).count();
    Ok(Formed { messages: &body.messages, signers, debits, fee, expiry_height: body.expiry_height, logs })
}

fn debits(messages: &[Message], signers: &[(Address, u64)], fee: u64) -> Result<Vec<u64>, TxError> {
    let mut debits = vec![0u64; signers.len()];
    if let Some(first) = debits.first_mut() {
        *first = fee;
    }
    for (message, m) in messages.iter().enumerate() {
        if m.amount() == Some(0) {
            return Err(TxError::ZeroAmount { message });
        }
        let Some(index) = m.signer() else { continue };
        let count = signers.len();
        let (Some(debit), Some((signer, _))) = (debits.get_mut(usize::from(index)), signers.get(usize::from(index)))
        else {
            return Err(TxError::SignerIndex { message, index, signers: count });
        };
        *debit = debit.checked_add(m.debit()).ok_or(TxError::Overflow { signer: *signer })?;
    }
    Ok(debits)
}
