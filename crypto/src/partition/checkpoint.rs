//! Signed checkpoints of a partition.

use serde::{Deserialize, Serialize};

use super::SegmentLeaf;
use crate::checkpoint::LogId;
use crate::codec::{Decode, Encode, Reader, Writer};
use crate::error::{CodecError, PartitionError, SignatureError, SignerError};
use crate::hash::{Blake3, Hash, MerkleHash};
use crate::keys::{PublicKey, Signature, Signer};
use crate::merkle::InclusionProof;

/// The state of one partition of a record log: its first `size` records stand in `segments` segments under this root.
///
/// Canonical form (84 bytes): log id 32, partition `u32`, size `u64`, segments `u64`, root 32. A decoder refuses counts that cannot
/// be: each segment has a record, and without records the root is the empty tree's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PartitionCheckpoint {
    /// The log.
    pub log: LogId,
    /// The partition, from 0.
    pub partition: u32,
    /// Number of records, removed ones too: the offset that the next one gets.
    pub size: u64,
    /// Number of segments that hold them.
    pub segments: u64,
    /// Root of the tree of the segments.
    pub root: Hash,
}

impl PartitionCheckpoint {
    const DOMAIN: &str = "pyralog/partition-checkpoint/v1";

    /// The partition without records.
    #[must_use]
    pub fn empty(log: LogId, partition: u32) -> Self {
        Self { log, partition, size: 0, segments: 0, root: Blake3::empty() }
    }

    /// What the log's owner signs: text `"pyralog/partition-checkpoint/v1"`, text chain id, then the checkpoint.
    #[must_use]
    pub fn sign_bytes(&self, chain_id: &str) -> Vec<u8> {
        let mut out = Writer::signing(Self::DOMAIN, chain_id);
        out.put(self);
        out.into_bytes()
    }

    /// Checks that a partition can have these counts.
    ///
    /// # Errors
    /// [`PartitionError::Checkpoint`].
    pub fn check(&self) -> Result<(), PartitionError> {
        self.contradiction().map_or(Ok(()), |why| Err(PartitionError::Checkpoint(why)))
    }

    fn contradiction(&self) -> Option<&'static str> {
        if self.segments > self.size {
            Some("more segments than records")
        } else if self.segments == 0 && self.size > 0 {
            Some("records in no segment")
        } else if self.size == 0 && self.root != Blake3::empty() {
            Some("no record and not the root of the empty tree")
        } else {
            None
        }
    }

    /// Checks that `segment` is number `number` of this partition. `field` names the path in errors.
    pub(super) fn verify_segment(
        &self,
        segment: &SegmentLeaf,
        number: u64,
        field: &'static str,
        path: &InclusionProof,
    ) -> Result<(), PartitionError> {
        self.check()?;
        segment.check_place(number, self.segments, self.size)?;
        if (path.index, path.size) != (number, self.segments) {
            return Err(PartitionError::Field { field, why: "it is for another segment or number of segments" });
        }
        path.verify::<Blake3>(&segment.leaf_hash(), &self.root).map_err(|error| PartitionError::Path { field, error })
    }
}

impl Encode for PartitionCheckpoint {
    fn encode(&self, out: &mut Writer) {
        out.put(&self.log).u32(self.partition).u64(self.size).u64(self.segments).put(&self.root);
    }
}

impl Decode for PartitionCheckpoint {
    fn decode(input: &mut Reader<'_>) -> Result<Self, CodecError> {
        let checkpoint = Self {
            log: input.get()?,
            partition: input.u32()?,
            size: input.u64()?,
            segments: input.u64()?,
            root: input.get()?,
        };
        match checkpoint.contradiction() {
            None => Ok(checkpoint),
            Some(why) => Err(CodecError::Invalid { what: "partition checkpoint", why }),
        }
    }
}

/// A checkpoint of a partition with its log owner's signature.
///
/// Canonical form (149 bytes): version byte 1, checkpoint 84, signature 64.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SignedPartitionCheckpoint {
    /// What is signed.
    pub checkpoint: PartitionCheckpoint,
    /// Over [`PartitionCheckpoint::sign_bytes`].
    pub signature: Signature,
}

impl SignedPartitionCheckpoint {
    const VERSION: u8 = 1;

    /// Signs a checkpoint for a chain.
    ///
    /// # Errors
    /// The signer's own.
    pub fn sign(
        checkpoint: PartitionCheckpoint,
        chain_id: &str,
        signer: &(impl Signer + ?Sized),
    ) -> Result<Self, SignerError> {
        let signature = signer.sign(&checkpoint.sign_bytes(chain_id))?;
        Ok(Self { checkpoint, signature })
    }

    /// Verifies the signature of the log's owner, whose key is known beforehand, never from the message.
    ///
    /// # Errors
    /// [`SignatureError`].
    pub fn verify(&self, chain_id: &str, owner: &PublicKey) -> Result<(), SignatureError> {
        owner.verify(&self.checkpoint.sign_bytes(chain_id), &self.signature)
    }
}

impl Encode for SignedPartitionCheckpoint {
    fn encode(&self, out: &mut Writer) {
        out.u8(Self::VERSION).put(&self.checkpoint).put(&self.signature);
    }
}

impl Decode for SignedPartitionCheckpoint {
    fn decode(input: &mut Reader<'_>) -> Result<Self, CodecError> {
        input.version("signed partition checkpoint", Self::VERSION)?;
        Ok(Self { checkpoint: input.get()?, signature: input.get()? })
    }
}
