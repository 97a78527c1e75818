//! Logs that the cluster keeps: made, appended to and deleted through it, read from this member's copy.

use std::collections::BTreeMap;
use std::time::Duration;

use futures::future::join_all;
use pyralog_cluster_core::cluster::{AppendError, Keeps, ReplicatedLog};
use pyralog_cluster_core::member::Acked;
use pyralog_cluster_core::replication::{MemberId, NodeSet};
use pyralog_cluster_core::{Error as StoreError, Log, LogName, LogSpec, Storage};
use tokio::time::{Instant, sleep};

use super::append::{Outcome, Part, Place, Sender};
use super::{Appended, Copies, LogError, LogReport, PartitionReport, Placed, RecordLogs};
use crate::cluster::ClusterMember;
use crate::driver::lock;

/// How long a change that the cluster has decided may take to be seen on this member.
const SEEN: Duration = Duration::from_secs(5);
/// How often it is looked for.
const LOOK: Duration = Duration::from_millis(1);

impl RecordLogs {
    /// The log of this name, if it is the cluster's.
    pub(super) fn replicated(&self, name: &str) -> Option<ReplicatedLog> {
        let name: LogName = name.parse().ok()?;
        self.member.as_ref()?.cluster().log(&name)
    }

    /// The member through which a new log on disk is made; `None` where this node is the only one: then the log is the node's own, until there is another.
    pub(super) fn creator(&self, storage: Storage) -> Result<Option<&ClusterMember>, LogError> {
        match &self.member {
            Some(member) if storage == Storage::Disk && !member.cluster().is_alone() => serving(member).map(Some),
            _ => Ok(None),
        }
    }

    pub(super) async fn create_replicated(
        &self,
        member: &ClusterMember,
        spec: LogSpec,
        copies: Copies,
    ) -> Result<LogReport, LogError> {
        let (name, spread) = (spec.name.clone(), copies.spread(member.replication()));
        copies.contradiction(&spread).map_or(Ok(()), |why| Err(LogError::Copies(why)))?;
        if self.decided(member, &name).await?.is_some() || self.is_left(name.as_str()).await {
            return Err(StoreError::LogExists { name: name.to_string() }.into());
        }
        let incarnation = member.cluster().create_log(&spec, spread, copies.may_lose_acknowledged).await?;
        tracing::info!(%name, incarnation, partitions = spec.partitions, "a replicated record log was created");
        // A member whose disk is full makes it later.
        let waits = |log: &ReplicatedLog| is_here(log, member) && member.cluster().disk_low().is_none();
        let made = || self.replicated(name.as_str()).is_some_and(|log| !waits(&log) || self.has_all(&log, member));
        self.seen(made).await;
        self.recount();
        self.describe(name.to_string()).await
    }

    /// The log of this name, if the cluster has decided that there is one, up to now: this member may be behind, and nobody is refused by what it knew
    /// a while ago. What is to be done first is seen here then.
    async fn decided(&self, member: &ClusterMember, name: &LogName) -> Result<Option<ReplicatedLog>, LogError> {
        member.cluster().groups().global().read(|_| ()).await?;
        Ok(member.cluster().log(name))
    }

    /// Whether a log of this name stays on this member though it is none of the cluster's: one in memory, or that the cluster has yet to take over. The
    /// files of a deleted one go at once, unless the disk is slow.
    async fn is_left(&self, name: &str) -> bool {
        let is_there = || self.logs.open_log(name).is_ok();
        let in_memory = |log: Log| log.spec().storage == Storage::Memory;
        if !self.logs.open_log(name).is_ok_and(in_memory) {
            self.seen(|| !is_there()).await;
        }
        is_there()
    }

    /// The log to be deleted on all members, if the cluster has it; where it has none, files of one that was deleted elsewhere are gone behind this.
    pub(super) async fn to_delete(&self, name: &str) -> Result<Option<ReplicatedLog>, LogError> {
        let here = self.logs.open_log(name).ok();
        let in_memory = here.as_ref().is_some_and(|log| log.spec().storage == Storage::Memory);
        // A name that is none is refused by who looks for the log.
        let Ok(name) = name.parse::<LogName>() else { return Ok(None) };
        match &self.member {
            Some(member) if !in_memory && !member.cluster().is_alone() => {
                let log = self.decided(serving(member)?, &name).await?;
                if log.is_none() {
                    self.is_left(name.as_str()).await;
                }
                Ok(log)
            }
            _ => Ok(self.replicated(name.as_str())),
        }
    }

    /// Deletes it on all members.
    pub(super) async fn delete_replicated(&self, log: &ReplicatedLog) -> Result<(), LogError> {
        let Some(member) = &self.member else { return Err(LogError::Stopping) };
        serving(member)?.cluster().delete_log(&log.spec.name).await?;
        self.seen(|| !self.has(&log.spec)).await;
        self.recount();
        tracing::info!(name = %log.spec.name, "a replicated record log was deleted");
        Ok(())
    }

    /// Appends parts of a request, each to its partition, all at once; what a producer sends is one part.
    pub(super) async fn append_replicated(
        &self,
        log: &ReplicatedLog,
        parts: BTreeMap<u32, Part>,
        sender: Sender,
    ) -> Result<Outcome, LogError> {
        let Some(member) = &self.member else { return Err(LogError::Stopping) };
        let cluster = serving(member)?.cluster();
        let name = &log.spec.name;
        let send = |(partition, Part { numbers, records }): (u32, Part)| async move {
            let acked = match sender {
                Sender::Producer(stamp) => {
                    cluster.append_as(name, partition, stamp, &records).await.map(Acked::Durable)
                }
                Sender::Anyone(mode) => cluster.append_with(name, partition, &records, mode).await,
            };
            if let Ok(Acked::Durable(placed)) = &acked {
                let bytes: usize = records.iter().map(pyralog_crypto::Record::encoded_len).sum();
                self.metrics.records.inc_by(records.len() as u64);
                self.metrics.record_bytes.inc_by(bytes as u64);
                self.told(log, partition, placed.offset + records.len() as u64);
            }
            (partition, numbers, acked)
        };
        let mut outcome = Outcome::default();
        for (partition, numbers, acked) in join_all(parts.into_iter().map(send)).await {
            match acked {
                Ok(Acked::Durable(placed)) => {
                    let appended = (placed.offset..).map(|offset| Appended::at(partition, offset));
                    outcome.acknowledged.extend(numbers.into_iter().zip(appended));
                }
                Ok(Acked::Early { lsn, mode }) => {
                    let appended = Appended { partition, place: Place::Early { mode, lsn: Some(lsn) } };
                    outcome.acknowledged.extend(numbers.into_iter().map(|number| (number, appended)));
                }
                Err(AppendError::Invalid(error)) => {
                    outcome.failure.get_or_insert(error.into());
                }
                Err(error) => {
                    if matches!(error, AppendError::Unknown { .. }) {
                        outcome.unknown.extend(numbers);
                    }
                    outcome.failure.get_or_insert(LogError::Append(error));
                }
            }
        }
        Ok(outcome)
    }

    /// Says what a report of this member's files cannot know.
    pub(super) fn complete(&self, mut report: LogReport) -> LogReport {
        let Some(log) = self.replicated(report.spec.name.as_str()) else { return report };
        (report.incarnation, report.spread) = (log.incarnation, Some(log.spread));
        for (partition, nodeset) in report.partitions.iter_mut().zip(&log.nodesets) {
            let here = self.incarnation_here(log.spec.name.as_str(), partition.partition);
            if let Err(why) = &here {
                partition.held = Err(why.to_string());
            }
            partition.placed = Some(Placed { nodeset: nodeset.clone(), here: here.is_ok() });
        }
        report
    }

    /// A report of a log that is not on this member, `me`.
    pub(super) fn foreign(log: ReplicatedLog, me: MemberId) -> LogReport {
        let partition = |partition: u32| {
            let nodeset = log.nodesets.get(partition as usize);
            let why = if nodeset.is_some_and(|nodeset| nodeset.contains(me)) { not_yet } else { elsewhere };
            let placed = nodeset.map(|nodeset| Placed { nodeset: nodeset.clone(), here: false });
            PartitionReport { partition, held: Err(why(&log, partition)), placed }
        };
        let partitions = (0..log.spec.partitions).map(partition).collect();
        LogReport { spec: log.spec, incarnation: log.incarnation, spread: Some(log.spread), partitions }
    }

    /// The incarnation that the cluster knows the log under, if it is the cluster's. Refuses a partition that this member has nothing of.
    pub(super) fn incarnation_here(&self, name: &str, partition: u32) -> Result<Option<u64>, LogError> {
        let Some((log, member)) = self.replicated(name).zip(self.member.as_ref()) else { return Ok(None) };
        match log.nodesets.get(partition as usize) {
            Some(nodeset) if member.cluster().keeps(&log.spec.name, partition) == Keeps::Nothing => {
                if nodeset.contains(member.cluster().id()) {
                    return Err(LogError::Newcomer { log: name.to_owned(), partition });
                }
                Err(LogError::Elsewhere(elsewhere(&log, partition)))
            }
            _ => Ok(Some(log.incarnation)),
        }
    }

    /// Whether this member has its files and all its replicas of a log: what it is to store of it can be told.
    fn has_all(&self, log: &ReplicatedLog, member: &ClusterMember) -> bool {
        let is_here = |(number, nodeset): (usize, &NodeSet)| {
            let keeps = || u32::try_from(number).map(|number| member.cluster().keeps(&log.spec.name, number));
            !nodeset.contains(member.cluster().id()) || keeps().is_ok_and(|keeps| keeps != Keeps::Nothing)
        };
        self.has(&log.spec) && log.nodesets.iter().enumerate().all(is_here)
    }

    fn has(&self, spec: &LogSpec) -> bool {
        self.logs.open_log(spec.name.as_str()).is_ok_and(|log| log.spec().id == spec.id)
    }

    /// Waits a little until something is so; whoever goes on finds out what that means for it.
    async fn seen(&self, met: impl Fn() -> bool) {
        let until = Instant::now() + SEEN;
        while !met() && Instant::now() < until {
            sleep(LOOK).await;
        }
    }

    /// Remembers that a caller was told of records up to here. Appends do not wait until this member's copy has them: reads do.
    fn told(&self, log: &ReplicatedLog, partition: u32, end: u64) {
        let mut ends = lock(&self.ends);
        let told = ends.entry((log.spec.id, partition)).or_default();
        *told = end.max(*told);
    }

    /// Up to where callers were told here that a partition of a log has records.
    pub fn told_end(&self, name: &LogName, partition: u32) -> u64 {
        let Some(log) = self.replicated(name.as_str()) else { return 0 };
        lock(&self.ends).get(&(log.spec.id, partition)).copied().unwrap_or(0)
    }

    /// Waits a little until this member's copy of a partition has all records before `end`; whether it has.
    pub async fn reaches(&self, name: &LogName, partition: u32, end: u64) -> bool {
        let Some(copy) = self.logs.open_log(name.as_str()).ok().and_then(|log| log.partition(partition).ok().cloned())
        else {
            return false;
        };
        self.seen(|| copy.end() >= end).await;
        copy.end() >= end
    }

    /// Waits a little until this member's copies of a log have all records that callers were told of here: whoever appends here can read here what was
    /// acknowledged.
    pub(super) async fn caught_up(&self, name: &str) {
        let Ok(log) = self.logs.open_log(name) else { return };
        let id = log.spec().id;
        // It takes none while its disk is full.
        if self.member.as_ref().is_some_and(|member| member.cluster().disk_low().is_some()) {
            return;
        }
        let ends: Vec<(u32, u64)> =
            lock(&self.ends).range((id, 0)..=(id, u32::MAX)).map(|((_, partition), end)| (*partition, *end)).collect();
        for (partition, end) in ends {
            // One that is not stored here is read elsewhere.
            if self.incarnation_here(name, partition).is_ok()
                && let Ok(copy) = log.partition(partition)
            {
                self.seen(|| copy.end() >= end).await;
            }
            let mut ends = lock(&self.ends);
            if ends.get(&(id, partition)) == Some(&end) {
                ends.remove(&(id, partition));
            }
        }
    }
}

/// Whether this member stores a partition of a log.
fn is_here(log: &ReplicatedLog, member: &ClusterMember) -> bool {
    log.nodesets.iter().any(|nodeset| nodeset.contains(member.cluster().id()))
}

/// Nobody is served before the cluster has confirmed the member's start.
pub(super) fn serving(member: &ClusterMember) -> Result<&ClusterMember, LogError> {
    if member.is_started() { Ok(member) } else { Err(LogError::NotStarted) }
}

/// A member makes its files of a log when it hears of it; one whose disk is full, later.
fn not_yet(log: &ReplicatedLog, partition: u32) -> String {
    format!("this member is to store partition {partition} of log {}, and has nothing of it yet", log.spec.name)
}

fn elsewhere(log: &ReplicatedLog, partition: u32) -> String {
    let members = log.nodesets.get(partition as usize).map(|nodeset| nodeset.members().to_vec()).unwrap_or_default();
    let list: Vec<String> = members.iter().map(|member| member.0.to_string()).collect();
    let whom = if list.len() == 1 { "member" } else { "one of the members" };
    let (name, list) = (&log.spec.name, list.join(", "));
    format!("this member stores nothing of partition {partition} of log {name}: ask {whom} {list}")
}
