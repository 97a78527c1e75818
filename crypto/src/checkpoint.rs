//! Signed checkpoints of a log.

use serde::{Deserialize, Serialize};

use crate::codec::{Decode, Encode, Reader, Writer};
use crate::error::{CodecError, SignatureError, SignerError};
use crate::fixed::fixed_hex;
use crate::hash::{Hash, MerkleHash, Sha256};
use crate::keys::{PublicKey, Signature, Signer};

/// The name of a log for ever: 32 bytes, 64 hexadecimal digits as text. It survives the rotation of the owner's key.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LogId(pub [u8; 32]);

fixed_hex!(LogId, 32, "log id");

impl LogId {
    const DOMAIN: &str = "pyralog/log/v1";
    const RECORD_DOMAIN: &str = "pyralog/record-log/v1";

    /// Id of the log that `first_owner` registers as `name`: SHA-256 over the canonical encoding of
    /// text `"pyralog/log/v1"`, text chain id, 32 bytes of the first owner's key, text name.
    #[must_use]
    pub fn derive(chain_id: &str, first_owner: &PublicKey, name: &str) -> Self {
        let mut preimage = Writer::signing(Self::DOMAIN, chain_id);
        preimage.put(first_owner).text(name);
        Self(Sha256::digest(preimage.as_bytes()).0)
    }

    /// Id of the record log that `first_owner` makes as `name`: SHA-256 over the canonical encoding of text
    /// `"pyralog/record-log/v1"`, text chain id, 32 bytes of the first owner's key, text name, `u64` incarnation. The owner gives no two
    /// logs of a name the same incarnation, so that a log which is deleted and made again is another one.
    #[must_use]
    pub fn derive_record(chain_id: &str, first_owner: &PublicKey, name: &str, incarnation: u64) -> Self {
        let mut preimage = Writer::signing(Self::RECORD_DOMAIN, chain_id);
        preimage.put(first_owner).text(name).u64(incarnation);
        Self(Sha256::digest(preimage.as_bytes()).0)
    }
}

/// One value under each hash of the notary log. Canonical form: BLAKE3 value, SHA-256 value, 64 bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Roots {
    /// Under BLAKE3.
    pub blake3: Hash,
    /// Under SHA-256.
    pub sha256: Hash,
}

impl Roots {
    /// `H(data)` under both hashes.
    #[must_use]
    pub fn digest(data: &[u8]) -> Self {
        Self { blake3: crate::Blake3::digest(data), sha256: Sha256::digest(data) }
    }

    /// Roots of the empty tree.
    #[must_use]
    pub fn empty() -> Self {
        Self::digest(&[])
    }
}

impl Encode for Roots {
    fn encode(&self, out: &mut Writer) {
        out.put(&self.blake3).put(&self.sha256);
    }
}

impl Decode for Roots {
    fn decode(input: &mut Reader<'_>) -> Result<Self, CodecError> {
        Ok(Self { blake3: input.get()?, sha256: input.get()? })
    }
}

/// The state of a log: its first `size` leaves have these two roots.
///
/// Canonical form (104 bytes): log id 32, size `u64`, BLAKE3 root 32, SHA-256 root 32.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Checkpoint {
    /// The log.
    pub log: LogId,
    /// Number of leaves.
    pub size: u64,
    /// Roots of both trees at that size.
    pub roots: Roots,
}

impl Checkpoint {
    const DOMAIN: &str = "pyralog/checkpoint/v1";

    /// What the log's owner signs: text `"pyralog/checkpoint/v1"`, text chain id, then the checkpoint.
    #[must_use]
    pub fn sign_bytes(&self, chain_id: &str) -> Vec<u8> {
        let mut out = Writer::signing(Self::DOMAIN, chain_id);
        out.put(self);
        out.into_bytes()
    }
}

impl Encode for Checkpoint {
    fn encode(&self, out: &mut Writer) {
        out.put(&self.log).u64(self.size).put(&self.roots);
    }
}

impl Decode for Checkpoint {
    fn decode(input: &mut Reader<'_>) -> Result<Self, CodecError> {
        Ok(Self { log: input.get()?, size: input.u64()?, roots: input.get()? })
    }
}

/// A checkpoint with its owner's signature.
///
/// Canonical form (169 bytes): version byte 1, checkpoint 104, signature 64.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SignedCheckpoint {
    /// What is signed.
    pub checkpoint: Checkpoint,
    /// Over [`Checkpoint::sign_bytes`].
    pub signature: Signature,
}

impl SignedCheckpoint {
    const VERSION: u8 = 1;

    /// Signs a checkpoint for a chain.
    ///
    /// # Errors
    /// The signer's own.
    pub fn sign(checkpoint: Checkpoint, chain_id: &str, signer: &(impl Signer + ?Sized)) -> Result<Self, SignerError> {
        let signature = signer.sign(&checkpoint.sign_bytes(chain_id))?;
        Ok(Self { checkpoint, signature })
    }

    /// Verifies the signature of the log's owner, who is known from the ledger's registry, never from the message.
    ///
    /// # Errors
    /// [`SignatureError`].
    pub fn verify(&self, chain_id: &str, owner: &PublicKey) -> Result<(), SignatureError> {
        owner.verify(&self.checkpoint.sign_bytes(chain_id), &self.signature)
    }
}

impl Encode for SignedCheckpoint {
    fn encode(&self, out: &mut Writer) {
        out.u8(Self::VERSION).put(&self.checkpoint).put(&self.signature);
    }
}

impl Decode for SignedCheckpoint {
    fn decode(input: &mut Reader<'_>) -> Result<Self, CodecError> {
        input.version("signed checkpoint", Self::VERSION)?;
        Ok(Self { checkpoint: input.get()?, signature: input.get()? })
    }
}

#[cfg(test)]
mod tests;
