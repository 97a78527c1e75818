//! Raft among the members of a cluster: who is in it, which logs there are, and who may number their records. Records do not go through it.
//!
//! ```text
//! RaftGroups ─┬─ Group<GlobalState>   0            members, logs, placement, leases of node numbers
//!             └─ Group<ShardState>    1.. or 2^32+ epochs of partitions: replication::EpochStore
//!
//! Group ── openraft ─┬─ LogStore, MachineStore ── Tables     votes, entries, snapshots: durable before they count
//!                    └─ Network ── Door ── RaftLinks         frames with a Hello; both ends check it
//! ```
//!
//! openraft is the engine; this module gives it a store, a wire, and what it has not: a planned change of the leader, the second step of a
//! change of voters whose leader has gone, and members that know an old disk when they see one ([`identity`]).
//!
//! **Whoever lost its hard state never votes again under its id.** Its disk has another incarnation, or an older life; it is removed, and added again
//! under a new id. The loss of a quorum of disks is never mended here.
//!
//! **What a caller may rely on.** A command that is acknowledged is applied once, on all members, in one order. One that ends with
//! [`GroupError::Uncertain`] is applied once or never; commands are made so that giving them again does no harm. [`Group::read`] sees all that was
//! acknowledged before it.
//!
//! **Bounds.** Every length that comes over a link or from the disk has one; frames have at most [`MAX_FRAME_BYTES`].

mod change;
mod codec;
mod elector;
mod error;
#[cfg(any(test, feature = "testkit"))]
pub(crate) mod fuzz;
pub mod global;
mod group;
mod groups;
mod hearing;
pub mod identity;
mod lead;
mod links;
mod machine;
mod options;
pub mod shard;
mod status;
mod store;
mod transfer;
mod types;
mod wire;

pub(crate) use change::runs;
pub use error::GroupError;
pub use global::{
    GlobalAnswer, GlobalCommand, GlobalRefusal, GlobalState, LogPlace, Member, NewLog, NewMember, Role, Spread,
};
pub use global::{MAX_ADDRESS, MAX_ADDRESSES, MAX_MEMBER_NAME};
pub use group::Group;
pub use groups::RaftGroups;
pub use hearing::Hearing;
pub use identity::{Hello, Identity, Incarnation, Life, Stranger};
pub use links::{BoxFuture, LinkError, RaftLinks, Says};
pub use machine::Machine;
pub use options::{EpochShards, RaftOptions};
pub use shard::{ShardAnswer, ShardCommand, ShardState};
pub use status::{Leader, Status};
pub use wire::Change;

/// Most bytes of one command.
pub const MAX_COMMAND_BYTES: usize = 1 << 20;
/// Most bytes of the answer to one command.
pub const MAX_ANSWER_BYTES: usize = 8 << 20;
/// Most bytes of one snapshot.
pub const MAX_SNAPSHOT_BYTES: usize = 64 << 20;
/// Most bytes of a snapshot in one frame.
pub const MAX_CHUNK_BYTES: usize = 4 << 20;
/// Most members of one group, learners included.
pub const MAX_GROUP_MEMBERS: usize = 1024;
/// Most bytes of one frame.
pub const MAX_FRAME_BYTES: usize = 10 << 20;

/// The number of the global group.
pub const GLOBAL: u64 = 0;

/// Most entries of one frame.
const MAX_APPEND_ENTRIES: usize = 1024;
/// Bytes of entries that one frame has at most, unless one entry alone has more.
const MAX_APPEND_BYTES: usize = 2 << 20;

/// The group that keeps the epochs of a partition: 1 and on for shared ones, 2^32 + partition where each has its own.
#[must_use]
pub fn group_of(shards: EpochShards, partition: u64) -> u64 {
    match shards {
        EpochShards::Shared(count) => 1 + partition % count.max(1),
        EpochShards::PerPartition => groups::FIRST_PARTITION_GROUP.saturating_add(partition),
    }
}

#[cfg(test)]
mod tests;
