//! A log's promise that a leaf will be anchored.

use serde::{Deserialize, Serialize};

use crate::checkpoint::{LogId, Roots};
use crate::codec::{Decode, Encode, Reader, Writer};
use crate::error::{CodecError, SignatureError, SignerError};
use crate::keys::{PublicKey, Signature, Signer};

/// "Leaf `index` of `log` is durable here and will be under an anchor by height `anchor_by`." Broken promises can be proven.
///
/// Canonical form (112 bytes): log id 32, index `u64`, BLAKE3 leaf hash 32, SHA-256 leaf hash 32, height `u64`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Promise {
    /// The log.
    pub log: LogId,
    /// Leaf index in the log.
    pub index: u64,
    /// Both leaf hashes (RFC 9162, with the 0x00 prefix).
    pub leaf: Roots,
    /// Height of the last block that may hold the anchor.
    pub anchor_by: u64,
}

impl Promise {
    const DOMAIN: &str = "pyralog/promise/v1";

    /// What the log's owner signs: text `"pyralog/promise/v1"`, text chain id, then the promise.
    #[must_use]
    pub fn sign_bytes(&self, chain_id: &str) -> Vec<u8> {
        let mut out = Writer::signing(Self::DOMAIN, chain_id);
        out.put(self);
        out.into_bytes()
    }
}

impl Encode for Promise {
    fn encode(&self, out: &mut Writer) {
        out.put(&self.log).u64(self.index).put(&self.leaf).u64(self.anchor_by);
    }
}

impl Decode for Promise {
    fn decode(input: &mut Reader<'_>) -> Result<Self, CodecError> {
        Ok(Self { log: input.get()?, index: input.u64()?, leaf: input.get()?, anchor_by: input.u64()? })
    }
}

/// A promise with its log owner's signature.
///
/// Canonical form (177 bytes): version byte 1, promise 112, signature 64.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SignedPromise {
    /// What is signed.
    pub promise: Promise,
    /// Over [`Promise::sign_bytes`].
    pub signature: Signature,
}

impl SignedPromise {
    const VERSION: u8 = 1;

    /// Signs a promise for a chain.
    ///
    /// # Errors
    /// The signer's own.
    pub fn sign(promise: Promise, chain_id: &str, signer: &(impl Signer + ?Sized)) -> Result<Self, SignerError> {
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

impl Encode for SignedPromise {
    fn encode(&self, out: &mut Writer) {
        out.u8(Self::VERSION).put(&self.promise).put(&self.signature);
    }
}

impl Decode for SignedPromise {
    fn decode(input: &mut Reader<'_>) -> Result<Self, CodecError> {
        input.version("signed promise", Self::VERSION)?;
        Ok(Self { promise: input.get()?, signature: input.get()? })
    }
}

#[cfg(test)]
mod tests;
