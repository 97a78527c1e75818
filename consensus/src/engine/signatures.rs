//! Verified signatures, remembered.

use std::collections::BTreeSet;

use pyralog_crypto::{MerkleHash, PublicKey, Sha256, Signature, verify_batch};

use crate::block::{SignatureItem, SignatureVerifier};

/// Each vote is verified when it arrives, in certificates, in the commit and in the next block: once is enough. Keyed by a hash of key, signature
/// and message; only valid ones are kept, in two generations of [`SignatureCache::GENERATION`].
#[derive(Debug, Default)]
pub(super) struct SignatureCache {
    young: BTreeSet<[u8; 32]>,
    old: BTreeSet<[u8; 32]>,
}

impl SignatureCache {
    /// 32 bytes each, with the tree around them about 2 MiB in all.
    const GENERATION: usize = 16_384;

    pub(super) fn verify_one(&mut self, key: &PublicKey, message: &[u8], signature: &Signature) -> bool {
        let id = Self::id(key, message, signature);
        if self.contains(&id) {
            return true;
        }
        let valid = key.verify(message, signature).is_ok();
        if valid {
            self.insert(id);
        }
        valid
    }

    /// Remembers a signature that we made ourselves.
    pub(super) fn insert_own(&mut self, key: &PublicKey, message: &[u8], signature: &Signature) {
        self.insert(Self::id(key, message, signature));
    }

    fn id(key: &PublicKey, message: &[u8], signature: &Signature) -> [u8; 32] {
        // Key and signature have fixed widths, so the concatenation is unambiguous.
        Sha256::digest(&[&key.0[..], &signature.0, message].concat()).0
    }

    fn contains(&self, id: &[u8; 32]) -> bool {
        self.young.contains(id) || self.old.contains(id)
    }

    fn insert(&mut self, id: [u8; 32]) {
        if self.young.len() >= Self::GENERATION {
            self.old = std::mem::take(&mut self.young);
        }
        self.young.insert(id);
    }
}

impl SignatureVerifier for SignatureCache {
    fn verify(&mut self, items: Vec<SignatureItem>) -> Vec<bool> {
        let ids: Vec<_> = items.iter().map(|item| Self::id(&item.key, &item.message, &item.signature)).collect();
        let mut answers: Vec<bool> = ids.iter().map(|id| self.contains(id)).collect();
        let unknown: Vec<usize> = (0..items.len()).filter(|i| !answers[*i]).collect();
        let batch: Vec<_> =
            unknown.iter().map(|i| (items[*i].key, items[*i].message.as_slice(), items[*i].signature)).collect();
        for (i, valid) in unknown.into_iter().zip(verify_batch(&batch)) {
            answers[i] = valid;
            if valid {
                self.insert(ids[i]);
            }
        }
        answers
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::block::testing::key;

    fn item(seed: u8, message: &[u8]) -> SignatureItem {
        let key = key(seed);
        SignatureItem { key: key.public_key(), message: message.to_vec(), signature: key.sign(message) }
    }

    #[test]
    fn batches_and_single_checks_agree() {
        let mut cache = SignatureCache::default();
        let mut wrong = item(2, b"b");
        wrong.message = b"c".to_vec();
        let items = vec![item(1, b"a"), wrong.clone(), item(3, b"")];
        assert_eq!(cache.verify(items.clone()), [true, false, true]);
        assert_eq!(cache.verify(items.clone()), [true, false, true], "from memory");
        for (i, expected) in items.iter().zip([true, false, true]) {
            assert_eq!(cache.verify_one(&i.key, &i.message, &i.signature), expected);
        }
        assert_eq!(cache.verify(vec![]), [] as [bool; 0]);
    }

    #[test]
    fn nothing_is_taken_for_known_that_differs_in_any_part() {
        let mut cache = SignatureCache::default();
        let known = item(1, b"a");
        assert!(cache.verify_one(&known.key, &known.message, &known.signature));
        let other = item(2, b"a");
        assert!(!cache.verify_one(&other.key, &known.message, &known.signature));
        assert!(!cache.verify_one(&known.key, b"b", &known.signature));
        assert!(!cache.verify_one(&known.key, &known.message, &other.signature));
    }

    #[test]
    fn memory_is_bounded() {
        let mut cache = SignatureCache::default();
        for i in 0..100_000u32 {
            cache.insert(Sha256::digest(&i.to_be_bytes()).0);
        }
        assert!(cache.young.len() + cache.old.len() <= 2 * SignatureCache::GENERATION);
    }
}
