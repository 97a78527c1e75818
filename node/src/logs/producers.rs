//! Producers: whose appends stand once, however often they are sent.

use std::collections::BTreeMap;

use pyralog_cluster_core::cluster::{AppendError, ReplicatedLog};
use pyralog_cluster_core::replication::{ProducerId, Stamp};
use pyralog_cluster_core::{self as core, LogName, Storage};
use pyralog_crypto::Record;

use super::append::{Part, Sender, check_partition};
use super::replicated::serving;
use super::{Appended, LogError, RecordLogs};

impl RecordLogs {
    /// Opens a producer of a partition. A log that this node has alone is the cluster's from then on, also where that has no other member: with its
    /// records, and with as many copies as there are members.
    ///
    /// # Errors
    /// [`LogError::NoProducers`], [`LogError::Store`] for a log or partition that is not there, [`LogError::Append`].
    pub async fn open_producer(&self, name: String, partition: u32) -> Result<ProducerId, LogError> {
        let log = match self.replicated(&name) {
            Some(log) => log,
            None => self.take_over(&name, partition).await?,
        };
        check_partition(&log.spec, Some(partition))?;
        let Some(member) = &self.member else { return Err(LogError::NoProducers(name)) };
        let opened = serving(member)?.cluster().open_producer(&log.spec.name, partition).await;
        opened.map_err(LogError::Append)
    }

    /// Makes the cluster's what this node has alone.
    async fn take_over(&self, name: &str, partition: u32) -> Result<ReplicatedLog, LogError> {
        let log = self.logs.open_log(name)?;
        check_partition(log.spec(), Some(partition))?;
        let Some(member) = self.member.as_ref().filter(|_| log.spec().storage == Storage::Disk) else {
            return Err(LogError::NoProducers(name.to_owned()));
        };
        let known: LogName = log.spec().name.clone();
        serving(member)?.cluster().adopt_log(&known).await?;
        tracing::info!(log = name, "a log is the cluster's from now on, since it has a producer");
        self.replicated(name).ok_or_else(|| core::Error::NoSuchLog { name: name.to_owned() }.into())
    }

    /// Appends records of a producer, all to its partition and as one: sent again under the same stamp they have the same places. The partition
    /// need not be named where there is one only.
    ///
    /// # Errors
    /// [`LogError::WhichPartition`], [`LogError::Append`] with [`AppendError::Gap`] and [`AppendError::UnknownProducer`] where an append before it is missing, or
    /// nothing is known of it; otherwise as [`RecordLogs::append`].
    pub async fn append_as(
        &self,
        name: String,
        partition: Option<u32>,
        stamp: Stamp,
        records: Vec<Record>,
    ) -> Result<Vec<Appended>, LogError> {
        let of = records.len();
        core::check_append(&records)?;
        let Some(log) = self.replicated(&name) else {
            // It was never opened here.
            check_partition(self.logs.open_log(&name)?.spec(), partition)?;
            return Err(LogError::Append(AppendError::UnknownProducer));
        };
        check_partition(&log.spec, partition)?;
        let to = match (partition, log.spec.partitions) {
            (Some(partition), _) => partition,
            (None, 1) => 0,
            (None, partitions) => return Err(LogError::WhichPartition { log: name, partitions }),
        };
        let part = Part { numbers: (0..of).collect(), records };
        self.append_replicated(&log, BTreeMap::from([(to, part)]), Sender::Producer(stamp)).await?.finish(of)
    }
}
