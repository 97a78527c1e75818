//! Anchors and their companions: kinds 2 and 3.

use pyralog_crypto::{
    Blake3, Checkpoint, CodecError, Hash, LogId, Roots, Sha256, SignedCheckpoint,
    codec::{Reader, Writer},
    merkle::{ConsistencyProof, MAX_PATH},
};

use super::{
    TX_VERSION, Tree, TxError,
    envelope::{KIND_ANCHOR, KIND_COMPANION},
};

/// Kind 2: the checkpoint of a registered log, signed by the key that owns it.
///
/// It authenticates itself: the chain id is in the checkpoint's sign bytes, and it can only extend what is anchored.
/// Encoding after version and kind: the signed checkpoint (169 bytes).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AnchorTx {
    /// Log, size, both roots and the owner's signature.
    pub checkpoint: SignedCheckpoint,
}

/// Kind 3: proofs that the anchor right before it in the block extends what was anchored last.
///
/// It is a transaction of its own so that a receipt, which carries the anchor, need not carry these proofs.
/// Encoding after version and kind: log (32), old size (u64), new size (u64), BLAKE3 path and SHA-256 path (lists of
/// 32-byte hashes). From size 0 both paths are empty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CompanionTx {
    /// The anchored log.
    pub log: LogId,
    /// Its last anchored size.
    pub old_size: u64,
    /// The size in the anchor.
    pub new_size: u64,
    /// RFC 9162 consistency path in the BLAKE3 tree.
    pub blake3: Vec<Hash>,
    /// RFC 9162 consistency path in the SHA-256 tree.
    pub sha256: Vec<Hash>,
}

impl AnchorTx {
    /// The transaction's bytes.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut w = Writer::with_capacity(171);
        w.u8(TX_VERSION).u8(KIND_ANCHOR).put(&self.checkpoint);
        w.into_bytes()
    }

    pub(super) fn decode(r: &mut Reader<'_>) -> Result<Self, CodecError> {
        Ok(Self { checkpoint: r.get()? })
    }
}

impl CompanionTx {
    /// The companion of an anchor from `old` to `new` size, with the proof of each tree.
    pub fn new(log: LogId, blake3: ConsistencyProof, sha256: ConsistencyProof) -> Self {
        Self { log, old_size: blake3.old_size, new_size: blake3.new_size, blake3: blake3.path, sha256: sha256.path }
    }

    /// The transaction's bytes.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut w = Writer::new();
        w.u8(TX_VERSION).u8(KIND_COMPANION).put(&self.log).u64(self.old_size).u64(self.new_size);
        for path in [&self.blake3, &self.sha256] {
            w.list(path, |w, hash| {
                w.put(hash);
            });
        }
        w.into_bytes()
    }

    pub(super) fn decode(r: &mut Reader<'_>) -> Result<Self, CodecError> {
        let log = r.get()?;
        let (old_size, new_size) = (r.u64()?, r.u64()?);
        let blake3 = r.list(MAX_PATH, Reader::get)?;
        let sha256 = r.list(MAX_PATH, Reader::get)?;
        Ok(Self { log, old_size, new_size, blake3, sha256 })
    }

    /// Checks that `checkpoint` extends a log of size `anchored` with the roots `old` in both trees.
    ///
    /// # Errors
    /// [`TxError::CompanionMismatch`] if it proves another step, [`TxError::Inconsistent`] if a path fails.
    pub fn verify(&self, anchored: u64, old: &Roots, checkpoint: &Checkpoint) -> Result<(), TxError> {
        let log = checkpoint.log;
        if self.log != log {
            return Err(TxError::CompanionOutOfPlace { log: self.log });
        }
        if self.old_size != anchored || self.new_size != checkpoint.size {
            let (old, new) = (self.old_size, self.new_size);
            return Err(TxError::CompanionMismatch { log, old, new, anchored, size: checkpoint.size });
        }
        let proof =
            |path: &[Hash]| ConsistencyProof { old_size: anchored, new_size: self.new_size, path: path.to_vec() };
        proof(&self.blake3)
            .verify::<Blake3>(&old.blake3, &checkpoint.roots.blake3)
            .map_err(|_| TxError::Inconsistent { log, tree: Tree::Blake3 })?;
        proof(&self.sha256)
            .verify::<Sha256>(&old.sha256, &checkpoint.roots.sha256)
            .map_err(|_| TxError::Inconsistent { log, tree: Tree::Sha256 })
    }
}
