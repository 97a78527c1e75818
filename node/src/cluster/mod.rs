//! The cluster that this node is a member of: its links, who is at their ends, and how a member begins, joins and comes back.
//!
//! ```text
//! pyralog_p2p::MemberLinks ──▶ Driver ──▶ pyralog_cluster_core::cluster::Cluster ──▶ NodeLinks ──▶ MemberLinks
//!                                │
//!                                └──▶ Book: member id ↔ peer id, from the global group and, before it is heard, HOME/data/members.json
//! ```

mod book;
mod driver;
mod join;
mod lacking;
mod member;
mod members_file;
mod own_logs;
mod removal;
mod view;

pub use book::Book;
pub use join::{JoinPlan, Joined, join};
pub use member::{Begin, ClusterMember, NOT_STARTED};
pub use members_file::{Contact, read as read_contacts, write as write_contacts};
pub use own_logs::{OwnLogs, is_own, is_reserved, unreadable};
pub use view::{MemberView, PartitionView, View};
