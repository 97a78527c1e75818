//! Leaves of a partition's tree.

use serde::{Deserialize, Serialize};

use crate::codec::{Decode, Encode, Reader, Writer};
use crate::error::{CodecError, PartitionError};
use crate::hash::{Blake3, Hash, MerkleHash};

/// A segment of a partition: the records `first` to `next` - 1 have this root. At least one.
///
/// Canonical form (49 bytes): version byte 1, first `u64`, next `u64`, root 32.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SegmentLeaf {
    /// Offset of its first record.
    pub first: u64,
    /// Offset behind its last record.
    pub next: u64,
    /// Root of the BLAKE3 tree of its records.
    pub root: Hash,
}

impl SegmentLeaf {
    const VERSION: u8 = 1;

    /// Hash of this leaf in the tree of the partition.
    #[must_use]
    pub fn leaf_hash(&self) -> Hash {
        Blake3::leaf(&self.to_bytes())
    }

    /// Number of its records.
    #[must_use]
    pub const fn records(&self) -> u64 {
        self.next.saturating_sub(self.first)
    }

    /// Checks that it can be segment `number` of `segments` in a partition of `size` records: each segment has a record, the first one
    /// begins with record 0, and the last one ends with the partition.
    pub(super) fn check_place(&self, number: u64, segments: u64, size: u64) -> Result<(), PartitionError> {
        let refuse = |why| Err(PartitionError::Field { field: "segment", why });
        let Some(behind) = segments.checked_sub(1).and_then(|last| last.checked_sub(number)) else {
            return Err(PartitionError::Field { field: "number", why: "the partition has fewer segments" });
        };
        if self.first >= self.next {
            refuse("it has no record")
        } else if self.next > size {
            refuse("it ends behind the partition")
        } else if (self.first == 0) != (number == 0) || self.first < number {
            refuse("its first record does not fit its number")
        } else if (self.next == size) != (behind == 0) || size - self.next < behind {
            refuse("its last record does not fit its number")
        } else {
            Ok(())
        }
    }
}

impl Encode for SegmentLeaf {
    fn encode(&self, out: &mut Writer) {
        out.u8(Self::VERSION).u64(self.first).u64(self.next).put(&self.root);
    }
}

impl Decode for SegmentLeaf {
    fn decode(input: &mut Reader<'_>) -> Result<Self, CodecError> {
        input.version("segment leaf", Self::VERSION)?;
        let leaf = Self { first: input.u64()?, next: input.u64()?, root: input.get()? };
        if leaf.first < leaf.next {
            Ok(leaf)
        } else {
            Err(CodecError::Invalid { what: "segment leaf", why: "it has no record" })
        }
    }
}
