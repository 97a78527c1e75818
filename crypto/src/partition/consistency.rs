//! Consistency of two checkpoints of one partition.

use serde::{Deserialize, Serialize};

use super::{PartitionCheckpoint, SegmentLeaf};
use crate::codec::{Decode, Encode, Reader, Writer};
use crate::error::{CodecError, PartitionError};
use crate::hash::Blake3;
use crate::merkle::{ConsistencyProof, InclusionProof};

/// The records of an older checkpoint are the first ones of a newer one.
///
/// Canonical form: version byte 1, optional growth.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PartitionConsistency {
    /// What became of the last segment of the older checkpoint. Absent where there is nothing to be consistent with (the older one
    /// has no record) and where the sizes are equal (the checkpoints are compared).
    pub growth: Option<SegmentGrowth>,
}

/// The segment that is the last one of an older checkpoint, there and in a newer one.
///
/// Canonical form: both segment leaves, 49 each, both inclusion proofs, the consistency proof. At most 6,302 bytes.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SegmentGrowth {
    /// The last segment of the older checkpoint.
    pub old_segment: SegmentLeaf,
    /// The segment with the same number in the newer one.
    pub new_segment: SegmentLeaf,
    /// The former in the tree of the older checkpoint.
    pub in_old: InclusionProof,
    /// The latter in the tree of the newer checkpoint.
    pub in_new: InclusionProof,
    /// The former's records are the first ones of the latter.
    pub in_segment: ConsistencyProof,
}

impl PartitionConsistency {
    const VERSION: u8 = 1;

    /// Checks that the first `old.size` records of `new` are those of `old`, in the same segments. The signatures of both must have
    /// been verified.
    ///
    /// # Errors
    /// [`PartitionError`] says which check failed.
    pub fn verify(&self, old: &PartitionCheckpoint, new: &PartitionCheckpoint) -> Result<(), PartitionError> {
        old.check()?;
        new.check()?;
        if (old.log, old.partition) != (new.log, new.partition) {
            return Err(PartitionError::OtherPartition);
        }
        if old.size > new.size {
            return Err(PartitionError::Shrunk { old: old.size, new: new.size });
        }
        let needed = old.size > 0 && old.size < new.size;
        match &self.growth {
            Some(growth) if needed => growth.verify(old, new),
            None if old.size == new.size && old != new => Err(PartitionError::Fork(old.size)),
            None if !needed => Ok(()),
            Some(_) => Err(PartitionError::Field { field: "growth", why: "it is there and not needed" }),
            None => Err(PartitionError::Field { field: "growth", why: "it is missing" }),
        }
    }
}

impl SegmentGrowth {
    fn verify(&self, old: &PartitionCheckpoint, new: &PartitionCheckpoint) -> Result<(), PartitionError> {
        let Self { old_segment, new_segment, in_old, in_new, in_segment } = self;
        let number = old.segments - 1;
        old.verify_segment(old_segment, number, "in_old", in_old)?;
        new.verify_segment(new_segment, number, "in_new", in_new)?;
        // The set bits of the number name the complete subtrees over the segments before it. They are the whole path of the last
        // leaf of the older tree, and the left side of the path in the newer one.
        if !in_old.path.iter().eq(in_new.left_siblings()) {
            return Err(PartitionError::Field {
                field: "in_new",
                why: "the segments before it are not those of in_old",
            });
        }
        if old_segment.first != new_segment.first {
            return Err(PartitionError::Field { field: "new_segment", why: "it begins with another record" });
        }
        if (in_segment.old_size, in_segment.new_size) != (old_segment.records(), new_segment.records()) {
            return Err(PartitionError::Field { field: "in_segment", why: "it is for other numbers of records" });
        }
        let path = in_segment.verify::<Blake3>(&old_segment.root, &new_segment.root);
        path.map_err(|error| PartitionError::Path { field: "in_segment", error })
    }
}

impl Encode for PartitionConsistency {
    fn encode(&self, out: &mut Writer) {
        out.u8(Self::VERSION).option(self.growth.as_ref(), |out, growth| {
            out.put(growth);
        });
    }
}

impl Decode for PartitionConsistency {
    fn decode(input: &mut Reader<'_>) -> Result<Self, CodecError> {
        input.version("partition consistency", Self::VERSION)?;
        Ok(Self { growth: input.option(Reader::get)? })
    }
}

impl Encode for SegmentGrowth {
    fn encode(&self, out: &mut Writer) {
        out.put(&self.old_segment).put(&self.new_segment).put(&self.in_old).put(&self.in_new).put(&self.in_segment);
    }
}

impl Decode for SegmentGrowth {
    fn decode(input: &mut Reader<'_>) -> Result<Self, CodecError> {
        Ok(Self {
            old_segment: input.get()?,
            new_segment: input.get()?,
            in_old: input.get()?,
            in_new: input.get()?,
            in_segment: input.get()?,
        })
    }
}
