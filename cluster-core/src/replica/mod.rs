//! Replicated partitions on the store of one member: where [`crate::replication`]'s copies become durable, and then records.
//!
//! ```text
//! Persist ─▶ journal (entry of the replica's stream) ─▶ durable: the member may answer
//!              │
//!              └ released, and without a gap ─▶ segments and trees of the partition, the same on every member
//! ```
//!
//! A copy stands in the journal, and in memory until its record is in the partition's files. What is released is final, so the files of two
//! members differ in their length only. Where a member has no copy of what was released, it takes records out of another member's files
//! ([`Replica::catch_up`]); where that one has removed them, it goes on behind them with the roots that are left of them
//! ([`Replica::go_behind`]). An entry of the journal says so, as for copies.
//!
//! ```text
//! journal entry = stream, position = number of the entry in the stream, bytes = changes                            see [`crate::replication::Change`]
//!                                                                            or 2:u8 first:u64 option<reached> item*    see [`crate::items`]
//!                                                                            or 3:u8 prefix                             see [`crate::tree::TrimmedPrefix`]
//! table "log"
//! key "replica/" partition:u64         value version:u8 (1) stream:u64 of:u64 next:u64 lsn offset:u64 between:bool state producers
//! key "renew/" partition:u64           number:u64 under which the partition's damaged files are put aside at the next start; its records are taken from other members
//! key "copy/" stream:u64 lsn           value entry, of what is not in the files
//! ```
//!
//! `reached` is `lsn producers`; `of` is the stream of the partition whose records they become, `next` the position behind the last entry that the value has, `lsn` and `offset` the
//! [`Frontier`]. The values are written when the journal lets go of its files; a start reads them and then the journal from `next` on.

#[cfg(any(test, feature = "testkit"))]
pub(crate) mod fuzz;
mod held;
mod replicas;
mod shared;
mod snapshot;

pub use held::{Frontier, Reached};
pub(crate) use replicas::Table;
pub use replicas::{PartitionId, Replicas};
pub use shared::{Replica, payload, payload_records, stamped_payload};
pub(crate) use shared::{Written, are_records};

#[cfg(test)]
mod missing_tests;
#[cfg(test)]
mod removal_tests;
#[cfg(test)]
mod tests;
