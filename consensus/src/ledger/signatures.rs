//! Signature checks: each signature is verified once, in batches where there are several.

use std::{
    collections::{BTreeSet, VecDeque},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use pyralog_crypto::{Hash, PublicKey, Signature, verify_batch};

use crate::tx::{AnchorTx, Authority, Authorization, SignedTx, TxError};

/// Most transactions whose verification is remembered: a few full blocks and a full mempool.
const CAPACITY: usize = 1 << 16;

/// The signatures of one transaction, not verified yet.
pub(crate) struct Pending {
    id: VerifiedId,
    sign_bytes: Vec<u8>,
    items: Vec<(PublicKey, Signature)>,
    /// So many there must be, each a key with its signature.
    signers: usize,
}

/// What was verified: for a signed transaction its hash, for an anchor also the key under which it was verified.
/// Both are bound to one chain: a signed transaction names it, and the id of an anchor's log is derived from it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct VerifiedId(Hash, [u8; 32]);

impl VerifiedId {
    pub fn signed(tx: Hash) -> Self {
        Self(tx, [0; 32])
    }

    pub fn anchor(tx: Hash, owner: &PublicKey) -> Self {
        Self(tx, owner.0)
    }
}

impl Pending {
    pub fn signed(hash: Hash, tx: &SignedTx, sign_bytes: Vec<u8>) -> Self {
        let items = tx.body.signers.iter().zip(&tx.authorizations).filter_map(|(signer, authorization)| {
            match (&signer.authority, authorization) {
                (Authority::Key(key), Authorization::Signature(signature)) => Some((*key, *signature)),
                // Reserved, and refused before signatures are looked at.
                _ => None,
            }
        });
        Self { id: VerifiedId::signed(hash), sign_bytes, items: items.collect(), signers: tx.body.signers.len() }
    }

    pub fn anchor(hash: Hash, tx: &AnchorTx, chain_id: &str, owner: &PublicKey) -> Self {
        Self {
            id: VerifiedId::anchor(hash, owner),
            sign_bytes: tx.checkpoint.checkpoint.sign_bytes(chain_id),
            items: vec![(*owner, tx.checkpoint.signature)],
            signers: 1,
        }
    }

    /// Whether every signer has a signature to be verified. What has not is never remembered as verified.
    fn is_whole(&self) -> bool {
        self.signers > 0 && self.items.len() == self.signers
    }
}

/// The memory of verified signatures that several ledgers over one state share: the engine's, and others that verify ahead of it.
/// Only a verification that succeeded gets into it, so that nobody can tell the engine that a signature is good.
#[derive(Clone, Debug, Default)]
pub struct VerifiedSignatures(pub(super) Arc<Signatures>);

/// Remembers which transactions were verified, so that `process_proposal` does not repeat the work of `check_tx`.
/// What it remembers is a pure function of the bytes: it changes speed, never an answer.
#[derive(Debug, Default)]
pub(crate) struct Signatures {
    verified: Mutex<Verified>,
}

#[derive(Debug, Default)]
struct Verified {
    set: BTreeSet<VerifiedId>,
    order: VecDeque<VerifiedId>,
}

impl Signatures {
    pub fn is_verified(&self, id: &VerifiedId) -> bool {
        self.lock().set.contains(id)
    }

    /// Verifies one transaction.
    ///
    /// # Errors
    /// [`TxError::BadSignature`] names the first signer that fails.
    pub fn verify(&self, pending: Pending) -> Result<(), TxError> {
        if self.is_verified(&pending.id) {
            return Ok(());
        }
        if !pending.is_whole() {
            return Err(TxError::BadSignature { index: pending.items.len() });
        }
        for (index, (key, signature)) in pending.items.iter().enumerate() {
            key.verify(&pending.sign_bytes, signature).map_err(|_| TxError::BadSignature { index })?;
        }
        self.lock().insert(pending.id);
        Ok(())
    }

    /// Verifies many transactions in one batch; those that fail are left unverified, and [`Signatures::verify`] then names
    /// what is wrong with them.
    pub fn verify_all(&self, pending: &[Pending]) {
        let items: Vec<_> = pending
            .iter()
            .flat_map(|p| p.items.iter().map(|(key, signature)| (*key, p.sign_bytes.as_slice(), *signature)))
            .collect();
        let mut valid = verify_batch(&items).into_iter();
        let mut verified = self.lock();
        for p in pending {
            let good = valid.by_ref().take(p.items.len()).filter(|ok| *ok).count();
            if p.is_whole() && good == p.items.len() {
                verified.insert(p.id);
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, Verified> {
        // A panic elsewhere cannot leave the two collections in a state that matters: both only hold verified ids.
        self.verified.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Verified {
    fn insert(&mut self, id: VerifiedId) {
        if !self.set.insert(id) {
            return;
        }
        self.order.push_back(id);
        if self.order.len() > CAPACITY
            && let Some(oldest) = self.order.pop_front()
        {
            self.set.remove(&oldest);
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use pyralog_crypto::{Signer, SigningKey};

    use super::*;

    #[test]
    fn who_lacks_a_signature_is_never_remembered_as_verified() {
        let key = SigningKey::from_seed([7; 32]);
        let item = (key.public_key(), Signer::sign(&key, b"bytes").unwrap());
        let pending = |n: u8, items: &[_], signers| Pending {
            id: VerifiedId::signed(Hash([n; 32])),
            sign_bytes: b"bytes".to_vec(),
            items: items.to_vec(),
            signers,
        };
        let signatures = Signatures::default();
        let all = || [pending(1, &[], 0), pending(2, &[item], 2), pending(3, &[item], 1)];
        signatures.verify_all(&all());
        let known = |n| signatures.is_verified(&VerifiedId::signed(Hash([n; 32])));
        assert_eq!([known(1), known(2), known(3)], [false, false, true]);
        let answers = all().map(|pending| signatures.verify(pending).is_ok());
        assert_eq!(answers, [false, false, true]);
        assert!(!known(1) && !known(2));
    }

    #[test]
    fn the_memory_of_verified_transactions_is_bounded_and_forgets_the_oldest() {
        let mut verified = Verified::default();
        let id = |n: usize| {
            let mut hash = [0; 32];
            hash[..8].copy_from_slice(&(n as u64).to_be_bytes());
            VerifiedId::signed(Hash(hash))
        };
        for n in 0..CAPACITY + 10 {
            verified.insert(id(n));
            verified.insert(id(n));
        }
        assert_eq!((verified.set.len(), verified.order.len()), (CAPACITY, CAPACITY));
        assert!(!verified.set.contains(&id(9)));
        assert!(verified.set.contains(&id(10)) && verified.set.contains(&id(CAPACITY + 9)));
    }
}
