//! Reading the ledger beside the engine that owns it.

use pyralog_consensus::application::Application;
use pyralog_consensus::application::CheckedTx;
use pyralog_consensus::ledger::{Ledger, LedgerOptions, VerifiedSignatures};
use pyralog_consensus::tx::TxError;

use super::CoreChain;
use crate::backend::StateAnswer;
use crate::chain::{ChainReader, ReadError};

/// Opens a ledger over the committed state for each question. Opening reads one small record; nothing is ever written.
#[derive(Clone)]
pub struct LedgerView {
    chain: CoreChain,
    chain_id: String,
    options: LedgerOptions,
    signatures: VerifiedSignatures,
}

impl LedgerView {
    /// A view over a chain's state.
    pub fn new(chain: CoreChain, chain_id: &str, options: LedgerOptions) -> Self {
        Self { chain, chain_id: chain_id.into(), options, signatures: VerifiedSignatures::default() }
    }

    /// What the ledgers of this view have verified, to be shared with others.
    pub fn signatures(&self) -> &VerifiedSignatures {
        &self.signatures
    }

    /// The ledger at the last durable block. A block that is committed meanwhile can show in later reads of it.
    ///
    /// # Errors
    /// The store failed.
    pub fn open(&self) -> Result<Ledger, ReadError> {
        Ledger::open(Box::new(self.chain.clone()), &self.chain_id, self.options)
            .map(|ledger| ledger.sharing(&self.signatures))
            .map_err(|e| ReadError(e.to_string()))
    }

    /// Asks until no block was committed during the question: reads of one answer then belong to one height.
    ///
    /// # Errors
    /// The store failed, or what `ask` answers.
    pub fn consistent<T>(&self, ask: impl Fn(&Ledger) -> Result<T, String>) -> Result<T, String> {
        let mut last = String::new();
        for _ in 0..8 {
            let before = self.chain.height();
            let answer = self.open().map_err(|e| e.to_string()).and_then(|ledger| ask(&ledger));
            if self.chain.height() == before {
                return answer;
            }
            last = match answer {
                // Blocks come faster than answers: a single-height answer is what was asked for, and it was read.
                Ok(_) => "the chain moved on while the state was read; try again".into(),
                Err(why) => why,
            };
        }
        Err(last)
    }

    /// The value of a name after `height` (the last one where `None`), with an encoded proof where asked.
    ///
    /// # Errors
    /// The height is not kept, or the store failed.
    pub fn state(&self, name: &[u8], height: Option<u64>, prove: bool) -> Result<StateAnswer, String> {
        self.consistent(|ledger| {
            let height = height.unwrap_or_else(|| ledger.height());
            let value = ledger.value(name, height).map_err(|e| e.to_string())?;
            let proof = match prove {
                true => Some(pyralog_crypto::Encode::to_bytes(&ledger.prove(name, height).map_err(|e| e.to_string())?)),
                false => None,
            };
            Ok(StateAnswer { height, value, proof })
        })
    }

    /// Checks a transaction against the last committed state.
    ///
    /// # Errors
    /// Why it is refused.
    pub fn check(&self, tx: &[u8]) -> Result<CheckedTx, TxError> {
        let ledger = self.open().map_err(|e| TxError::Unavailable { detail: e.to_string() })?;
        let mut checked = ledger.check_bundle(&[bytes::Bytes::copy_from_slice(tx)])?;
        checked.pop().ok_or(TxError::Unavailable { detail: "the check gave no answer".into() })
    }
}
