//! Building: the node puts the proof together, the wallet attaches the subject.

use super::{
    notary_receipt::{
        Algorithms, AttestedHeader, CheckpointFields, LeafPosition, NotaryProof, NotaryReceipt, PENDING_TYPE,
        PROOF_TYPE, PendingPromise, PendingReceipt, RECEIPT_TYPE, ServedProof, VERSION,
    },
    notary_subject::{BatchMembership, NotarySubject, logged_leaf},
    tx_path,
};
use crate::light::{CommitFields, Fault, HeaderFields, Validators};
use pyralog_crypto::{InclusionProof, NotaryLeaf, PublicKey, SignedCheckpoint, SignedPromise};

/// What a node holds for a leaf once a block with the log's anchor is committed.
#[derive(Clone, Debug)]
pub struct ProofParts<'a> {
    /// The header of that block.
    pub header: &'a tendermint::block::Header,
    /// Its commit, as seen; it is thinned out to what a quorum needs.
    pub commit: &'a tendermint::block::Commit,
    /// The validator set of its height.
    pub validators: &'a Validators,
    /// The checkpoint in the anchor transaction.
    pub checkpoint: &'a SignedCheckpoint,
    /// From the anchor transaction to `data_hash`: the SHA-256 tree over the hashes of the block's transactions.
    pub anchor: &'a InclusionProof,
    /// The leaf in the BLAKE3 tree at the checkpoint's size.
    pub leaf_blake3: InclusionProof,
    /// The leaf in the SHA-256 tree at the checkpoint's size.
    pub leaf_sha256: InclusionProof,
    /// One header for each change of the validator set below the block's height, oldest first, from genesis on.
    pub bridge: Vec<AttestedHeader>,
}

impl ProofParts<'_> {
    /// Puts the proof together. What does not fit together is refused here rather than by every verifier.
    ///
    /// # Errors
    /// Names the part.
    pub fn build(self) -> Result<ServedProof, Fault> {
        let (blake3, sha256) = (self.leaf_blake3, self.leaf_sha256);
        let size = self.checkpoint.checkpoint.size;
        if blake3.index != sha256.index || blake3.size != size || sha256.size != size {
            return Err(Fault::new("leaf", "the two inclusion proofs are not of one leaf at the checkpoint's size"));
        }
        let proof = NotaryProof {
            log: self.checkpoint.checkpoint.log,
            leaf: LeafPosition { index: blake3.index, blake3_path: blake3.path, sha256_path: sha256.path },
            checkpoint: CheckpointFields::from(self.checkpoint),
            anchor_path: tx_path::steps(self.anchor)?,
            bridge: self.bridge,
            block: attest(self.header, self.commit, self.validators)?,
        };
        proof.check_anchor()?;
        Ok(ServedProof {
            kind: PROOF_TYPE.into(),
            version: VERSION,
            algorithms: Algorithms::default(),
            chain_id: self.header.chain_id.to_string(),
            proof,
        })
    }
}

/// A header as receipts carry it, with a minimal commit. Also makes the entries of a bridge.
///
/// # Errors
/// Parts that do not belong together, or a commit without a quorum.
pub fn attest(
    header: &tendermint::block::Header,
    commit: &tendermint::block::Commit,
    validators: &Validators,
) -> Result<AttestedHeader, Fault> {
    let commit = CommitFields::from_tendermint(commit, header, validators)?.minimal(validators);
    Ok(AttestedHeader { header: HeaderFields::from_tendermint(header)?, commit, validators: validators.clone() })
}

impl ServedProof {
    /// Attaches the subject, and the batch membership where the leaf is a batch's: a complete receipt, to be verified
    /// before it is saved.
    pub fn attach(self, subject: NotarySubject, batch: Option<BatchMembership>) -> NotaryReceipt {
        NotaryReceipt {
            kind: RECEIPT_TYPE.into(),
            version: self.version,
            algorithms: self.algorithms,
            chain_id: self.chain_id,
            subject,
            batch,
            proof: self.proof,
            refresh: None,
        }
    }
}

impl PendingReceipt {
    /// The leaf to submit, or to ask for: the batch's where there is one, else the subject's own.
    ///
    /// # Errors
    /// A batch path that does not fit its index and count.
    pub fn leaf(&self) -> Result<NotaryLeaf, Fault> {
        logged_leaf(&self.subject, self.batch.as_ref())
    }

    /// The complete receipt, once a node serves the proof.
    pub fn complete(self, proof: ServedProof) -> NotaryReceipt {
        proof.attach(self.subject, self.batch)
    }
}

/// A pending receipt: before any promise, or with the one a log gave under the key `owner`.
pub fn pending(
    chain_id: &str,
    subject: NotarySubject,
    batch: Option<BatchMembership>,
    promise: Option<(&SignedPromise, PublicKey)>,
) -> PendingReceipt {
    let promise = promise.map(|(signed, owner)| PendingPromise {
        log: signed.promise.log,
        index: signed.promise.index,
        anchor_by: signed.promise.anchor_by,
        owner,
        signature: signed.signature,
    });
    PendingReceipt {
        kind: PENDING_TYPE.into(),
        version: VERSION,
        algorithms: Algorithms::default(),
        chain_id: chain_id.into(),
        subject,
        batch,
        promise,
    }
}
