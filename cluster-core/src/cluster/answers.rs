//! What a running member answers.

use thiserror::Error;

use crate::replication::{Epoch, MemberId, NodeSet};
use crate::{Error as StoreError, LogName, PartitionId};

/// Why an append was not acknowledged.
#[derive(Debug, Clone, Error)]
#[non_exhaustive]
pub enum AppendError {
    /// The cluster has no such log or partition.
    #[error("the cluster has no partition {partition} of a log {name}: list the logs there are, or create it")]
    NoSuchPartition {
        /// The log.
        name: String,
        /// The partition.
        partition: u32,
    },
    /// Nobody leads the partition; nothing was stored.
    #[error("no member leads the partition at the moment: try again in a few seconds, and see which members are up")]
    NoLeader,
    /// Too much waits; nothing was stored.
    #[error("the leader of the partition has too much to do: try again later")]
    Busy,
    /// Nobody with space on its disk leads the partition; nothing was stored.
    #[error(
        "the disk of the member that leads the partition is full, and no member with space on its disk leads it instead: free some space, above all \
         where `pyralog cluster status` says that a disk is full"
    )]
    DiskFull,
    /// Not records, or too many.
    #[error(transparent)]
    Invalid(#[from] StoreError),
    /// It may or may not come to be.
    #[error(
        "{}, so the records may or may not be kept: see which members are up and start the others, and read before you append again",
        known(*copies, *wanted)
    )]
    Unknown {
        /// Copies that are known of; 0 where the leader changed.
        copies: usize,
        /// Copies that were wanted; 0 where the leader did not say.
        wanted: usize,
    },
    /// An append of the producer before it is missing; nothing was stored.
    #[error(
        "an append of the producer before it is missing: the sequence number that is next is {expected}, so send that one first"
    )]
    Gap {
        /// The sequence number that is next.
        expected: u64,
    },
    /// Nothing was stored, unless by an earlier append that is so old that it is not known any more.
    #[error(
        "the partition does not know the producer, or only later appends of it: open another one, and read what is there before you append again"
    )]
    UnknownProducer,
}

/// How a partition stands on this member.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PartitionStatus {
    /// Its log.
    pub log: LogName,
    /// Its number in the log.
    pub number: u32,
    /// Its id.
    pub partition: PartitionId,
    /// Who stores its newest epoch.
    pub nodeset: NodeSet,
    /// Its newest epoch.
    pub epoch: Epoch,
    /// Whose that is.
    pub sequencer: MemberId,
    /// All epochs up to this one are recovered for good.
    pub last_clean: Epoch,
    /// Whether all earlier epochs are recovered, and it is stored where it should be: only then a further member may be lost.
    pub settled: bool,
    /// Records that can be read here; `None` where this member stores none of it.
    pub records: Option<u64>,
    /// Whether records are known to be missing here.
    pub behind: bool,
    /// Records that no member has any more; `None` where this member does not know, and where all who store it have every record.
    pub lost: Option<u64>,
}

fn known(copies: usize, wanted: usize) -> String {
    match wanted {
        0 => "the leader of the partition did not answer in time: it went away, or does not hear enough members to find out what they stored before it led".to_owned(),
        _ => format!("{copies} of {wanted} copies are known"),
    }
}
