//! Why a record log does not do what it was asked.

use pyralog_cluster_core as core;
use pyralog_cluster_core::cluster::AppendError;
use pyralog_cluster_core::raft::GroupError;

use super::Appended;
use crate::cluster::NOT_STARTED;

/// See the module.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LogError {
    /// A log of this name would have the id of the node's notary log.
    #[error("{0} is the name of this node's notary log")]
    NotaryName(String),
    /// The log of this name is not the one that was asked for.
    #[error(
        "log {log} has the incarnation {found} and not {asked}: it was deleted and made again, or is in memory and began again with the node"
    )]
    Replaced {
        /// Name of the log.
        log: String,
        /// Its incarnation.
        found: u64,
        /// The one in the question.
        asked: u64,
    },
    /// The store refused. Nothing was taken.
    #[error(transparent)]
    Store(#[from] core::Error),
    /// The cluster did not acknowledge an append.
    #[error(transparent)]
    Append(AppendError),
    /// A group of the cluster does not do what it was asked.
    #[error(transparent)]
    Group(#[from] GroupError),
    /// A log that can have no producers.
    #[error(
        "{0} has no producers, since only the cluster keeps what they sent: it is in memory, or was made under another key"
    )]
    NoProducers(String),
    /// A producer's records are of one partition, and the log has several.
    #[error("log {log} has {partitions} partitions, and a producer belongs to one of them, which is not named")]
    WhichPartition {
        /// Name of the log.
        log: String,
        /// How many it has.
        partitions: u32,
    },
    /// Copies of a log that one node has alone.
    #[error(
        "{0} would be on this node alone, which keeps one copy: add members to the cluster first, or say nothing about copies"
    )]
    NoCopies(String),
    /// Copies of a log in memory.
    #[error("{0} is to be in memory, and a log in memory is not replicated: it is on one node, with one copy")]
    CopiesInMemory(String),
    /// Numbers of copies that contradict themselves.
    #[error("{0}")]
    Copies(String),
    /// A record that only members have that do not answer.
    #[error(
        "log {log}, partition {partition}: the record at offset {offset} is not on this member, and none of those that should have it gives it: see which \
         members are up"
    )]
    Absent {
        /// Name of the log.
        log: String,
        /// The partition.
        partition: u32,
        /// Its offset.
        offset: u64,
    },
    /// This member stores the partition from now on, and has taken nothing over.
    #[error(
        "log {log}, partition {partition}: this member is new in it and has none of its records yet, and reached no member that has them"
    )]
    Newcomer {
        /// Name of the log.
        log: String,
        /// The partition.
        partition: u32,
    },
    /// The log is the cluster's, and this member stores none of it.
    #[error("{0}")]
    Elsewhere(String),
    /// A log of this name is the cluster's own.
    #[error("logs whose names begin with \"pyralog.\" are the cluster's own: nobody else makes, writes or deletes {0}")]
    OwnName(String),
    /// A new log would be taken for one of the cluster's own.
    #[error(
        "the name \"pyralog\" and all that begin with \"pyralog.\", in either case, are kept for the cluster's own logs: nobody else makes {0}"
    )]
    ReservedName(String),
    /// The node signs, and a height is not decided in time.
    #[error(
        "the node signs for its cluster alone, and the height under way is not decided: a member is admitted when it is"
    )]
    Signing,
    /// Something in the home could not be written.
    #[error("{0}")]
    Home(String),
    /// The cluster has not confirmed this member's start.
    #[error("{NOT_STARTED}")]
    NotStarted,
    /// The store failed while the records were on their way: they may or may not be in the log.
    #[error("{0}")]
    Unknown(core::Error),
    /// Some records of a request are acknowledged and others are not.
    #[error("{} of the {} records are acknowledged, the others are not: {}", .0.acknowledged.len(), .0.of, .0.reason)]
    Partly(Box<Partly>),
    /// What is stored is not a record.
    #[error("log {log}, partition {partition}: what is stored at offset {offset} is not a record: {why}")]
    Unreadable {
        /// Name of the log.
        log: String,
        /// The partition.
        partition: u32,
        /// Where.
        offset: u64,
        /// What does not fit.
        why: String,
    },
    /// No checkpoint can be signed.
    #[error("the log key cannot sign: {0}")]
    Unsigned(String),
    /// A thread that worked for the caller is gone.
    #[error("a thread that worked on a record log ended by a panic")]
    Panicked,
    /// No work is begun any more.
    #[error("the node is stopping")]
    Stopping,
}

/// What became of a request whose records are not all acknowledged.
#[derive(Clone, Debug)]
pub struct Partly {
    /// Number in the request, from 0 on, and where the record stands, or will.
    pub acknowledged: Vec<(usize, Appended)>,
    /// Numbers of those that may or may not be in the log. The rest is not.
    pub unknown: Vec<usize>,
    /// Records of the request.
    pub of: usize,
    /// What stopped the others.
    pub reason: LogError,
}
