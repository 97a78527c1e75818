//! A running member: its groups, its partitions, and what it says to others over one pair of streams.
//!
//! ```text
//! Cluster ─┬─ RaftGroups          who is in it, which logs there are, who numbers which partition
//!          ├─ member loop (thread) Member: sequencers and storing members on the store
//!          ├─ steward (task)      makes this member's partitions what the groups say, and takes epochs where nobody leads
//!          └─ Links               envelopes to and from other members, which the node carries
//! ```
//!
//! Whoever asks any member to append is served: a member that does not lead sends the records on to the one that does.
//!
//! **Who leads.** The epoch store knows whose the newest epoch of a partition is. Where that member is not up, or runs in another life, the first member
//! that is, in the order of their scores for the partition, takes the next epoch; all such partitions of a shard in one command.

mod calls;
mod envelope;
mod host;
mod looping;
mod steward;

pub use envelope::{Envelope, MAX_ENVELOPE_BYTES};
pub use host::{AppendError, Cluster, ClusterOptions, Links, LogIds, PartitionStatus};

#[cfg(test)]
mod tests;
