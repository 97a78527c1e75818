//! What the owner of a record log says of one of its partitions, and how a record is shown to be in it.
//!
//! A partition is a sequence of *segments*, each a run of consecutive records. There are two levels of trees, both in the shape of
//! [`crate::merkle`] under BLAKE3:
//!
//! ```text
//! segment    leaf = H(0x00 || record)               one leaf for each record from `first` to `next` - 1; its root is in the leaf above
//! partition  leaf = H(0x00 || segment leaf)         one leaf for each segment that has a record, the oldest first
//! segment leaf = version:u8 (1) first:u64 next:u64 root:hash                                                             49 bytes
//! ```
//!
//! The first segment begins with record 0, every other one where the one before it ends, and the last one takes part with the records
//! that it has so far. So the boundaries of the segments determine the root at every size, and of a segment whose records were
//! removed its leaf is all that need be kept.
//!
//! Neither root binds the number of its leaves. A checkpoint says both numbers under a signature: verify that first
//! ([`SignedPartitionCheckpoint::verify`]), and proofs against what it signs.

mod checkpoint;
mod consistency;
mod proof;
mod segment;

pub use checkpoint::{PartitionCheckpoint, SignedPartitionCheckpoint};
pub use consistency::{PartitionConsistency, SegmentGrowth};
pub use proof::RecordProof;
pub use segment::SegmentLeaf;

#[cfg(test)]
mod tests;
