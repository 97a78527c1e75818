//! What is known of a log without reading its records.

use pyralog_cluster_core::raft::Spread;
use pyralog_cluster_core::replication::NodeSet;
use pyralog_cluster_core::{Error, Log, LogSpec, Partition};

/// A log as it is now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogReport {
    /// What its creator said.
    pub spec: LogSpec,
    /// A number that no other log of this node has or had. A log in memory gets another one with each start.
    pub incarnation: u64,
    /// How many members keep its records, where it is the cluster's.
    pub spread: Option<Spread>,
    /// All of them, by number.
    pub partitions: Vec<PartitionReport>,
}

/// A partition as it is now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PartitionReport {
    /// Its number.
    pub partition: u32,
    /// What it holds, or why that cannot be seen: the others are not worse for it.
    pub held: Result<Held, String>,
    /// Who stores it, where it is the cluster's.
    pub placed: Option<Placed>,
}

/// Where a partition is now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Placed {
    /// Its members, and the numbers that hold while there are no more of them.
    pub nodeset: NodeSet,
    /// Whether this member has it: else it is none of them, or is about to begin.
    pub here: bool,
}

/// What a partition holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Held {
    /// Offset of the first record that is still there.
    pub first: u64,
    /// Offset behind the last durable record.
    pub next: u64,
    /// Bytes that its segments take.
    pub bytes: u64,
    /// Segments that hold a record.
    pub segments: usize,
    /// Lowest and highest timestamp, milliseconds since 1970, where there is a record.
    pub times: Option<(u64, u64)>,
}

impl LogReport {
    /// Looks at all partitions; opens the files of those that were not used since the start.
    ///
    /// # Errors
    /// The log was deleted.
    pub(super) fn of(log: &Log) -> Result<Self, Error> {
        let partitions = log.partitions().iter().map(PartitionReport::of).collect::<Result<_, _>>()?;
        Ok(Self { spec: log.spec().clone(), incarnation: log.incarnation(), spread: None, partitions })
    }
}

impl PartitionReport {
    fn of(partition: &Partition) -> Result<Self, Error> {
        let held = match Held::of(partition) {
            Ok(held) => Ok(held),
            Err(gone @ Error::NoSuchLog { .. }) => return Err(gone),
            Err(error) => {
                tracing::warn!(?partition, %error, "a partition cannot be described");
                Err(error.to_string())
            }
        };
        Ok(Self { partition: partition.number(), held, placed: None })
    }
}

impl Held {
    fn of(partition: &Partition) -> Result<Self, Error> {
        let (segments, (first, next)) = (partition.segments()?, partition.range()?);
        let holds = || segments.iter().filter(|segment| segment.next > segment.first);
        let lowest = holds().map(|segment| segment.min_time).min();
        Ok(Self {
            first,
            next,
            bytes: segments.iter().map(|segment| segment.bytes).sum(),
            segments: holds().count(),
            times: lowest.zip(holds().map(|segment| segment.max_time).max()),
        })
    }
}
