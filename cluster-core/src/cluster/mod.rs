//! A running member: its groups, its partitions, and what it says to others over one pair of streams.
//!
//! ```text
//! Cluster ─┬─ RaftGroups          who is in it, which logs there are, who numbers which partition
//!          ├─ member loop (thread) Member: sequencers and storing members on the store
//!          ├─ steward (task)      makes this member's partitions what the groups say, and takes epochs where nobody leads
//!          ├─ repair (task)       gets the records that too few members of their nodeset have
//!          └─ Links               envelopes to and from other members, which the node carries
//! ```
//!
//! **Who is up.** Each member tells the others whom it hears. Where a majority of the voters does not hear the leader of the groups any more, they elect
//! another one at once, and not when their patience with the old one has run out. With it each says whether it lacks something ([`Lacks`]).
//!
//! Whoever asks any member to append is served: a member that does not lead sends the records on to the one that does, or where it does not hear that one,
//! to another that does.
//!
//! **Who leads.** The epoch store knows whose the newest epoch of a partition is. Where that member is not up, or runs in another life, the first member
//! that is, in the order of their scores for the partition, takes the next epoch; all such partitions of a shard in one command.
//!
//! **Who stores.** The steward of the global group's leader makes voters of members that have come up, and has partitions stored by as many members as their
//! log wants: those that were removed are replaced, and a log of a small cluster grows with it. Whoever leads such a partition takes an epoch with the
//! new nodeset; who is new in it takes the records from the others.

mod adopt;
mod answers;
mod append;
mod calls;
mod change;
mod envelope;
mod forward;
mod governor;
mod handing;
mod hearing;
mod holdings;
mod host;
mod knocking;
mod lacks;
mod leaving;
mod looping;
mod pace;
mod place;
mod questions;
mod receive;
mod relay;
mod renewal;
mod repair;
mod sealing;
mod steward;
mod stock;
mod view;

pub use answers::{AppendError, PartitionStatus};
pub use envelope::{Envelope, MAX_ENVELOPE_BYTES, MAX_HEARD, MAX_WHY};
pub use host::{Cluster, ClusterOptions, Links, LogIds};
pub use lacks::Lacks;
pub use place::{Keeps, ReplicatedLog};
pub use questions::{Answering, MAX_TOLD_BYTES};

#[cfg(test)]
mod tests;
