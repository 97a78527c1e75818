//! The receipt: one structure, two formats. `docs/protocol.md` section 9 is its specification.

use super::{
    notary_subject::{BatchMembership, NotarySubject},
    refresh::Refresh,
};
use crate::light::{CommitFields, HeaderFields, Validators, fields};
use pyralog_crypto::{Checkpoint, Hash, LogId, PublicKey, Roots, Signature, SignedCheckpoint};
use serde::{Deserialize, Serialize};

/// `type` of a receipt.
pub const RECEIPT_TYPE: &str = "application/vnd.pyralog.notary-receipt";
/// `type` of the proof a node serves; the wallet adds the subject.
pub const PROOF_TYPE: &str = "application/vnd.pyralog.notary-proof";
/// `type` of a pending receipt.
pub const PENDING_TYPE: &str = "application/vnd.pyralog.notary-pending";
/// The only `version` so far.
pub const VERSION: u8 = 1;

/// The algorithms of version 1, spelled out. Another value is refused.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Algorithms {
    /// The two trees of the notary log: `["blake3", "sha-256"]`.
    pub log_hashes: [String; 2],
    /// Hash of headers, transactions and state: `"sha-256"`.
    pub chain_hash: String,
    /// Signatures of checkpoints and commits: `"ed25519"`.
    pub signature: String,
}

impl Default for Algorithms {
    fn default() -> Self {
        Self {
            log_hashes: ["blake3".into(), "sha-256".into()],
            chain_hash: "sha-256".into(),
            signature: "ed25519".into(),
        }
    }
}

/// A complete receipt: verifies with the network off.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NotaryReceipt {
    /// [`RECEIPT_TYPE`].
    #[serde(rename = "type")]
    pub kind: String,
    /// [`VERSION`].
    pub version: u8,
    /// The algorithms.
    pub algorithms: Algorithms,
    /// Chain id.
    pub chain_id: String,
    /// The document.
    pub subject: NotarySubject,
    /// Where the document was notarized in a batch.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "fields::present")]
    pub batch: Option<BatchMembership>,
    /// From the leaf to the validators.
    pub proof: NotaryProof,
    /// Re-anchoring under a later header.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "fields::present")]
    pub refresh: Option<Refresh>,
}

/// What a node serves for a leaf: a receipt without its subject, which the node may not know.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ServedProof {
    /// [`PROOF_TYPE`].
    #[serde(rename = "type")]
    pub kind: String,
    /// [`VERSION`].
    pub version: u8,
    /// The algorithms.
    pub algorithms: Algorithms,
    /// Chain id.
    pub chain_id: String,
    /// From the leaf to the validators.
    pub proof: NotaryProof,
}

/// A pending receipt: the leaf was submitted, no block is known to anchor it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PendingReceipt {
    /// [`PENDING_TYPE`].
    #[serde(rename = "type")]
    pub kind: String,
    /// [`VERSION`].
    pub version: u8,
    /// The algorithms.
    pub algorithms: Algorithms,
    /// Chain id.
    pub chain_id: String,
    /// The document.
    pub subject: NotarySubject,
    /// Where the document was submitted in a batch.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "fields::present")]
    pub batch: Option<BatchMembership>,
    /// The log's signed promise; absent where no node acknowledged the leaf.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "fields::present")]
    pub promise: Option<PendingPromise>,
}

/// A promise and the key it is signed with. The promised leaf hashes follow from the subject and are not repeated.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PendingPromise {
    /// The notary log.
    pub log: LogId,
    /// The leaf's index in it.
    #[serde(with = "fields::decimal")]
    pub index: u64,
    /// Height of the last block that may hold the anchor.
    #[serde(with = "fields::decimal")]
    pub anchor_by: u64,
    /// The log's key as its node named it. Whether the log really is this key's, the ledger's registry says.
    pub owner: PublicKey,
    /// Over the promise's sign bytes.
    pub signature: Signature,
}

/// From a leaf to the validators that witnessed it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NotaryProof {
    /// The notary log.
    pub log: LogId,
    /// The leaf's place in the log, in both trees.
    pub leaf: LeafPosition,
    /// The checkpoint that the anchor transaction holds.
    pub checkpoint: CheckpointFields,
    /// From the anchor transaction's hash up to `block.header.data_hash`, leaf side first.
    pub anchor_path: Vec<PathStep>,
    /// Signed headers that lead over changes of the validator set to the block's, oldest first.
    pub bridge: Vec<AttestedHeader>,
    /// The block that holds the anchor.
    pub block: AttestedHeader,
}

/// A leaf's index and its inclusion paths in both trees at the checkpoint's size.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LeafPosition {
    /// Index, from 0.
    #[serde(with = "fields::decimal")]
    pub index: u64,
    /// Path in the BLAKE3 tree.
    pub blake3_path: Vec<Hash>,
    /// Path in the SHA-256 tree.
    pub sha256_path: Vec<Hash>,
}

/// Size, roots and signature of a checkpoint; the log's id stands beside it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CheckpointFields {
    /// Number of leaves.
    #[serde(with = "fields::decimal")]
    pub size: u64,
    /// Root of the BLAKE3 tree.
    pub blake3: Hash,
    /// Root of the SHA-256 tree.
    pub sha256: Hash,
    /// By the log's owner; part of the anchor transaction's bytes, and checked by the validators against the registry.
    pub signature: Signature,
}

impl CheckpointFields {
    /// The signed checkpoint of `log`.
    pub fn signed(&self, log: LogId) -> SignedCheckpoint {
        let roots = Roots { blake3: self.blake3, sha256: self.sha256 };
        SignedCheckpoint { checkpoint: Checkpoint { log, size: self.size, roots }, signature: self.signature }
    }
}

impl From<&SignedCheckpoint> for CheckpointFields {
    fn from(signed: &SignedCheckpoint) -> Self {
        let Checkpoint { size, roots, .. } = signed.checkpoint;
        Self { size, blake3: roots.blake3, sha256: roots.sha256, signature: signed.signature }
    }
}

/// One step up a Merkle tree. The side is explicit: no index and no number of transactions is stated, which a header does
/// not commit to (in a tree of 3 and in one of 4, the path of leaf 0 is the same).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PathStep {
    /// The sibling stands on the left.
    Left(Hash),
    /// The sibling stands on the right.
    Right(Hash),
}

/// A header with its commit and the validators that signed it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AttestedHeader {
    /// The header.
    pub header: HeaderFields,
    /// A minimal commit: no signature could be left out.
    pub commit: CommitFields,
    /// The validator set of the header's height.
    pub validators: Validators,
}
