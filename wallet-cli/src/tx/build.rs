//! Building and signing a transfer.

use pyralog_consensus::ledger::LedgerParams;
use pyralog_consensus::tx::{Authority, Envelope, Message, Payment, SignedTx, TxBody, TxSigner, tx_hash};
use pyralog_crypto::{Address, Hash, SigningKey};

use crate::error::{Context, Failure, Result};

/// A transfer before it is signed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Transfer {
    /// Chain it is for.
    pub chain_id: String,
    /// Receiver.
    pub to: Address,
    /// upyra.
    pub amount: u64,
    /// upyra; `None` takes the least that the chain accepts.
    pub fee: Option<u64>,
    /// Nonce of the sender's account.
    pub nonce: u64,
    /// Last height whose block may hold it.
    pub expiry_height: u64,
}

/// A signed transaction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ready {
    /// Its bytes.
    pub bytes: Vec<u8>,
    /// Its hash, by which nodes know it.
    pub hash: Hash,
    /// The fee in it, upyra.
    pub fee: u64,
}

impl Transfer {
    /// Signs with `key`.
    pub fn sign(&self, key: &SigningKey, params: &LedgerParams) -> Result<Ready> {
        let fee = match self.fee {
            Some(fee) => fee,
            // Every integer has a fixed width, so the size does not depend on the fee.
            None => params.required_fee(self.signed(key, 0)?.to_bytes().len(), 0),
        };
        let bytes = self.signed(key, fee)?.to_bytes();
        Ok(Ready { hash: tx_hash(&bytes), bytes, fee })
    }

    fn signed(&self, key: &SigningKey, fee: u64) -> Result<SignedTx> {
        let body = TxBody {
            chain_id: self.chain_id.clone(),
            messages: vec![Message::Transfer { signer: 0, to: self.to, amount: self.amount }],
            signers: vec![TxSigner { authority: Authority::Key(key.public_key()), nonce: self.nonce }],
            payment: Payment::Fee(fee),
            expiry_height: self.expiry_height,
            proofs: Vec::new(),
        };
        body.sign(&[key]).context(|| "cannot sign".to_owned())
    }
}

/// Reads a signed transaction, so that nonsense is not sent and its chain is known.
pub fn parse(bytes: Vec<u8>) -> Result<(Ready, String)> {
    let wrong = |why: String| Failure::error(format!("this is no signed transaction: {why}"));
    match Envelope::decode(&bytes).map_err(|error| wrong(error.to_string()))? {
        Envelope::Signed(signed) => {
            let fee = match signed.body.payment {
                Payment::Fee(fee) => fee,
                Payment::Stamp(_) => 0,
            };
            Ok((Ready { hash: tx_hash(&bytes), bytes, fee }, signed.body.chain_id))
        }
        _ => Err(wrong("it is an anchor, which nodes make themselves".to_owned())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn transfer() -> Transfer {
        let to = Address::from_key(&SigningKey::from_seed([2; 32]).public_key());
        Transfer { chain_id: "pyralog-dev-1".to_owned(), to, amount: 5, fee: None, nonce: 3, expiry_height: 100 }
    }

    #[test]
    fn the_least_fee_is_taken_unless_one_is_given() {
        let key = SigningKey::from_seed([1; 32]);
        let ready = transfer().sign(&key, &LedgerParams::DEFAULTS).unwrap();
        assert_eq!(ready.fee, LedgerParams::DEFAULTS.required_fee(ready.bytes.len(), 0));
        let given = Transfer { fee: Some(9_999), ..transfer() }.sign(&key, &LedgerParams::DEFAULTS).unwrap();
        assert_eq!(given.fee, 9_999);
        assert_eq!(given.bytes.len(), ready.bytes.len());
    }

    #[test]
    fn what_was_signed_is_read_back_with_its_chain_and_verifies() {
        let key = SigningKey::from_seed([1; 32]);
        let ready = transfer().sign(&key, &LedgerParams::DEFAULTS).unwrap();
        let (read, chain_id) = parse(ready.bytes.clone()).unwrap();
        assert_eq!((read, chain_id.as_str()), (ready.clone(), "pyralog-dev-1"));
        let Envelope::Signed(signed) = Envelope::decode(&ready.bytes).unwrap() else { panic!("another kind") };
        let pyralog_consensus::tx::Authorization::Signature(signature) = &signed.authorizations[0] else {
            panic!("no signature")
        };
        key.public_key().verify(&signed.body.sign_bytes(), signature).unwrap();
    }

    proptest::proptest! {
        #[test]
        fn changed_bytes_are_refused_or_another_transaction(at: usize, bit in 0u8..8, random: Vec<u8>) {
            let _ = parse(random);
            let ready = transfer().sign(&SigningKey::from_seed([1; 32]), &LedgerParams::DEFAULTS).unwrap();
            let mut bytes = ready.bytes.clone();
            let at = at % bytes.len();
            bytes[at] ^= 1 << bit;
            if let Ok((other, _)) = parse(bytes) {
                proptest::prop_assert_ne!(other.hash, ready.hash);
            }
        }
    }

    #[test]
    fn nonsense_is_not_sent() {
        let ready = transfer().sign(&SigningKey::from_seed([1; 32]), &LedgerParams::DEFAULTS).unwrap();
        assert!(parse(Vec::new()).is_err());
        assert!(parse(ready.bytes[..ready.bytes.len() - 1].to_vec()).is_err());
        let mut longer = ready.bytes;
        longer.push(0);
        assert!(parse(longer).is_err());
    }
}
