//! Record proofs: a record stands at an offset of a partition.

use serde::{Deserialize, Serialize};

use super::{PartitionCheckpoint, SegmentLeaf};
use crate::codec::{Decode, Encode, Reader, Writer};
use crate::error::{CodecError, PartitionError};
use crate::hash::{Blake3, Hash};
use crate::merkle::InclusionProof;

/// The record at `offset` is in `segment`, which is number `number` of the partition.
///
/// Canonical form: version byte 1, offset `u64`, segment leaf 49, number `u64`, then both inclusion proofs. At most 4,202 bytes.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RecordProof {
    /// Offset of the record.
    pub offset: u64,
    /// The segment that holds it, as it is at the checkpoint's size.
    pub segment: SegmentLeaf,
    /// Number of that segment, from 0.
    pub number: u64,
    /// The record in the tree of the segment: leaf `offset - first` of `next - first`.
    pub in_segment: InclusionProof,
    /// The segment in the tree of the partition: leaf `number` of the checkpoint's segments.
    pub in_partition: InclusionProof,
}

impl RecordProof {
    const VERSION: u8 = 1;

    /// Checks that the record with this leaf hash ([`crate::Record::leaf_hash`]) is number `offset` of the partition. The checkpoint's
    /// signature must have been verified: its size is bound by that alone.
    ///
    /// # Errors
    /// [`PartitionError`] says which check failed.
    pub fn verify(&self, record_leaf_hash: &Hash, checkpoint: &PartitionCheckpoint) -> Result<(), PartitionError> {
        let Self { offset, segment, number, in_segment, in_partition } = self;
        checkpoint.verify_segment(segment, *number, "in_partition", in_partition)?;
        if !(segment.first..segment.next).contains(offset) {
            return Err(PartitionError::Field { field: "offset", why: "the segment does not hold it" });
        }
        if (in_segment.index, in_segment.size) != (offset - segment.first, segment.records()) {
            return Err(PartitionError::Field {
                field: "in_segment",
                why: "it is for another offset or number of records",
            });
        }
        let path = in_segment.verify::<Blake3>(record_leaf_hash, &segment.root);
        path.map_err(|error| PartitionError::Path { field: "in_segment", error })
    }
}

impl Encode for RecordProof {
    fn encode(&self, out: &mut Writer) {
        out.u8(Self::VERSION).u64(self.offset).put(&self.segment).u64(self.number);
        out.put(&self.in_segment).put(&self.in_partition);
    }
}

impl Decode for RecordProof {
    fn decode(input: &mut Reader<'_>) -> Result<Self, CodecError> {
        input.version("record proof", Self::VERSION)?;
        Ok(Self {
            offset: input.u64()?,
            segment: input.get()?,
            number: input.u64()?,
            in_segment: input.get()?,
            in_partition: input.get()?,
        })
    }
}
