//! A log's promise for many leaves at once: one signature over the root of their own tree.

use serde::{Deserialize, Serialize};

use crate::checkpoint::{LogId, Roots};
use crate::codec::{Decode, Encode, Reader, Writer};
use crate::error::{CodecError, SignatureError, SignerError};
use crate::hash::{Blake3, Sha256};
use crate::keys::{PublicKey, Signature, Signer};
use crate::merkle::MemoryTree;

/// "Leaves `first` to `first + count - 1` of `log` are those under these roots, durable here, and will be under an anchor by
/// height `anchor_by`." Whoever submitted the leaves holds them all, so what was promised for each can be shown as with a
/// [`crate::Promise`]: the leaves, or one leaf with its path, and the roots.
///
/// Canonical form (120 bytes): log id 32, first `u64`, count `u64`, BLAKE3 root 32, SHA-256 root 32, height `u64`. The roots are
/// of RFC 9162 trees over the `count` leaves in their order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RangePromise {
    /// The log.
    pub log: LogId,
    /// Index of the first leaf.
    pub first: u64,
    /// Number of leaves, at least 1.
    pub count: u64,
    /// Roots over the promised leaves alone.
    pub roots: Roots,
    /// Height of the last block that may hold the anchor.
    pub anchor_by: u64,
}

impl RangePromise {
    const DOMAIN: &str = "pyralog/range-promise/v1";

    /// Roots over leaves that are given by their leaf hashes.
    #[must_use]
    pub fn roots_of(leaves: &[Roots]) -> Roots {
        let (mut blake3, mut sha256) = (MemoryTree::<Blake3>::new(), MemoryTree::<Sha256>::new());
        for leaf in leaves {
            blake3.push_hash(leaf.blake3);
            sha256.push_hash(leaf.sha256);
        }
        Roots { blake3: blake3.root(), sha256: sha256.root() }
    }

    /// What the log's owner signs: text `"pyralog/range-promise/v1"`, text chain id, then the promise.
    #[must_use]
    pub fn sign_bytes(&self, chain_id: &str) -> Vec<u8> {
        let mut out = Writer::signing(Self::DOMAIN, chain_id);
        out.put(self);
        out.into_bytes()
    }
}

impl Encode for RangePromise {
    fn encode(&self, out: &mut Writer) {
        out.put(&self.log).u64(self.first).u64(self.count).put(&self.roots).u64(self.anchor_by);
    }
}

impl Decode for RangePromise {
    fn decode(input: &mut Reader<'_>) -> Result<Self, CodecError> {
        let promise = Self {
            log: input.get()?,
            first: input.u64()?,
            count: input.u64()?,
            roots: input.get()?,
            anchor_by: input.u64()?,
        };
        if promise.count == 0 || promise.first.checked_add(promise.count).is_none() {
            return Err(CodecError::Invalid {
                what: "range promise",
                why: "it covers no leaf or more than there are indexes",
            });
        }
        Ok(promise)
    }
}

/// A range promise with its log owner's signature.
///
/// Canonical form (185 bytes): version byte 1, promise 120, signature 64.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SignedRangePromise {
    /// What is signed.
    pub promise: RangePromise,
    /// Over [`RangePromise::sign_bytes`].
    pub signature: Signature,
}

impl SignedRangePromise {
    const VERSION: u8 = 1;

    /// Signs a promise for a chain.
    ///
    /// # Errors
    /// The signer's own.
    pub fn sign(promise: RangePromise, chain_id: &str, signer: &(impl Signer + ?Sized)) -> Result<Self, SignerError> {
        let signature = signer.sign(&promise.sign_bytes(chain_id))?;
        Ok(Self { promise, signature })
    }

    /// Verifies the signature of the log's owner.
    ///
    /// # Errors
    /// [`SignatureError`].
    pub fn verify(&self, chain_id: &str, owner: &PublicKey) -> Result<(), SignatureError> {
        owner.verify(&self.promise.sign_bytes(chain_id), &self.signature)
    }
}

impl Encode for SignedRangePromise {
    fn encode(&self, out: &mut Writer) {
        out.u8(Self::VERSION).put(&self.promise).put(&self.signature);
    }
}

impl Decode for SignedRangePromise {
    fn decode(input: &mut Reader<'_>) -> Result<Self, CodecError> {
        input.version("signed range promise", Self::VERSION)?;
        Ok(Self { promise: input.get()?, signature: input.get()? })
    }
}

#[cfg(test)]
mod tests;
