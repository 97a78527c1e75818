//! A small state machine, its mempool and its key.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use pyralog_crypto::{Hash, MerkleHash, PublicKey, Sha256, Signer, SigningKey};

use crate::application::*;
use crate::block::tx_hash;
use crate::tx::TxError;

/// A state machine: the app hash covers all transactions; `V key power` changes a validator; `bad…` fails; offenders lose their power.
#[derive(Clone, Debug)]
pub(super) struct TestApp {
    pub(super) height: u64,
    pub(super) hash: Hash,
    pub(super) punished: Vec<Misbehavior>,
    next: Option<(u64, Hash, Vec<Misbehavior>)>,
}

impl TestApp {
    pub(super) fn new() -> Self {
        Self { height: 0, hash: Hash([0xaa; 32]), punished: Vec::new(), next: None }
    }

    fn execute(&self, txs: &[Bytes]) -> Result<(Hash, Vec<(PublicKey, u64)>), AppError> {
        let mut updates = BTreeMap::new();
        let mut preimage = self.hash.0.to_vec();
        for (index, tx) in txs.iter().enumerate() {
            self.check_tx(tx).map_err(|error| AppError::Tx { index, error })?;
            preimage.extend_from_slice(tx);
            if tx.len() == 41 && tx[0] == b'V' {
                let power = u64::from_be_bytes(tx[33..].try_into().unwrap());
                updates.insert(PublicKey(tx[1..33].try_into().unwrap()), power);
            }
        }
        Ok((Sha256::digest(&preimage), updates.into_iter().collect()))
    }
}

impl Application for TestApp {
    fn check_tx(&self, tx: &[u8]) -> Result<CheckedTx, TxError> {
        if tx.starts_with(b"bad") {
            return Err(TxError::Duplicate);
        }
        let hash = tx_hash(tx);
        Ok(CheckedTx {
            hash,
            size: tx.len(),
            fee: 1,
            signers: vec![],
            next_nonces: vec![],
            expiry_height: u64::MAX,
            anchor: None,
        })
    }

    fn prepare_proposal(&mut self, ctx: &BlockContext, candidates: Vec<Bytes>, _max: u64) -> Vec<Bytes> {
        assert_eq!(ctx.height, self.height + 1, "prepared on the state before");
        candidates
    }

    fn process_proposal(&mut self, ctx: &BlockContext, txs: &[Bytes], _: &[Misbehavior]) -> Result<(), AppError> {
        assert_eq!(ctx.height, self.height + 1, "judged on the state before");
        self.execute(txs).map(|_| ())
    }

    fn finalize_block(
        &mut self,
        ctx: &BlockContext,
        txs: &[Bytes],
        evidence: &[Misbehavior],
    ) -> Result<Finalized, AppError> {
        assert_eq!(ctx.height, self.height + 1);
        let (app_hash, mut validator_updates) = self.execute(txs)?;
        let next = &ctx.chain.next_validators;
        for offence in evidence {
            if next.get(&offence.validator).is_some() && next.len() > 1 {
                validator_updates.retain(|(key, _)| *key != offence.public_key);
                validator_updates.push((offence.public_key, 0));
            }
        }
        validator_updates.sort();
        self.next = Some((ctx.height, app_hash, evidence.to_vec()));
        let tx_results = txs.iter().map(|_| TxResult::default()).collect();
        Ok(Finalized {
            app_hash,
            tx_results,
            validator_updates,
            writes: vec![(b"hash".to_vec(), Some(app_hash.0.to_vec()))],
        })
    }

    fn commit(&mut self, height: u64) {
        let (h, hash, offences) = self.next.take().unwrap();
        assert_eq!(h, height);
        (self.height, self.hash) = (height, hash);
        self.punished.extend(offences);
    }
}

/// Transactions handed over by the test.
#[derive(Clone, Debug, Default)]
pub(super) struct Pool(pub(super) Arc<Mutex<Vec<Bytes>>>);

impl TxSource for Pool {
    fn submit(&mut self, _: u64, bundle: Vec<Bytes>, check: BundleCheck<'_>) -> Result<Vec<CheckedTx>, TxError> {
        let checked = check(&bundle)?;
        self.0.lock().unwrap().extend(bundle);
        Ok(checked)
    }

    fn candidates(&mut self, max_bytes: u64) -> Vec<Bytes> {
        let mut left = max_bytes as usize;
        let pool = self.0.lock().unwrap();
        let fits = |tx: &&Bytes| {
            let fits = tx.len() <= left;
            left -= if fits { tx.len() } else { 0 };
            fits
        };
        pool.iter().take_while(fits).cloned().collect()
    }

    fn committed(&mut self, _: u64, txs: &[Bytes], _: BundleCheck<'_>) {
        self.0.lock().unwrap().retain(|tx| !txs.contains(tx));
    }

    fn len(&self) -> usize {
        self.0.lock().unwrap().len()
    }
}

/// A key in memory.
pub(super) struct OwnKey(pub(super) SigningKey);

impl Signer for OwnKey {
    fn public_key(&self) -> PublicKey {
        self.0.public_key()
    }

    fn sign(&self, message: &[u8]) -> Result<pyralog_crypto::Signature, pyralog_crypto::error::SignerError> {
        Ok(self.0.sign(message))
    }
}
