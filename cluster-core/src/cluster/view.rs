//! The cluster as this member knows it, and the logs that it has.

use std::collections::BTreeSet;
use std::sync::Arc;

use pyralog_crypto::Encode;

use super::answers::{AppendError, PartitionStatus};
use super::host::Cluster;
use super::place::ReplicatedLog;
use crate::raft::{GlobalAnswer, GlobalCommand, GlobalRefusal, GlobalState, GroupError, LogPlace, NewLog, Spread};
use crate::replication::{Epoch, EpochStore, MemberId, NodeSet};
use crate::{Error as StoreError, LogName, LogSpec, PartitionId};

impl Cluster {
    /// Why this member stores no further records, if its disk is full.
    #[must_use]
    pub fn disk_low(&self) -> Option<StoreError> {
        self.shared.replicas.has_space().err()
    }

    /// Whether this member is the only one.
    #[must_use]
    pub fn is_alone(&self) -> bool {
        // Whoever has just joined has heard of nobody yet.
        self.shared.groups.global().look(|state| state.live().map(|(id, _)| id).eq([self.shared.me]))
    }

    /// The log of this name, if the cluster has one.
    #[must_use]
    pub fn log(&self, name: &LogName) -> Option<ReplicatedLog> {
        let log_id = Arc::clone(&self.shared.options.log_id);
        self.shared.groups.global().look(|state| ReplicatedLog::of(state, name, log_id.as_ref()))
    }

    /// All logs of the cluster, by name.
    #[must_use]
    pub fn logs(&self) -> Vec<ReplicatedLog> {
        let log_id = Arc::clone(&self.shared.options.log_id);
        let of = |state: &GlobalState| {
            state.logs().filter_map(|(name, _)| ReplicatedLog::of(state, name, log_id.as_ref())).collect()
        };
        self.shared.groups.global().look(of)
    }

    /// Makes a log, and answers its incarnation when this member has seen it.
    ///
    /// # Errors
    /// As [`crate::raft::Group::propose`]; [`GroupError::Unfit`] where its numbers do not fit, [`GroupError::Refused`] where it cannot be.
    pub async fn create_log(&self, spec: &LogSpec, spread: Spread, weak: bool) -> Result<u64, GroupError> {
        let healthy = self.up();
        let (name, partitions) = (spec.name.clone(), spec.partitions);
        let (spec, adopt) = (spec.to_bytes(), None);
        let new = NewLog { name, spec, partitions, spread, weak, healthy, adopt };
        let global = self.shared.groups.global();
        match global.propose(&GlobalCommand::CreateLog(new)).await?.1 {
            GlobalAnswer::Created { incarnation, .. } => {
                self.shared.look.notify_one();
                Ok(incarnation)
            }
            GlobalAnswer::Refused(why @ GlobalRefusal::HeldUp { .. }) => {
                Err(GroupError::Unfit { why: format!("{why}: {}", spread.instead()) })
            }
            GlobalAnswer::Refused(
                why @ (GlobalRefusal::Numbers { .. } | GlobalRefusal::Nodeset { .. } | GlobalRefusal::Weak { .. }),
            ) => Err(GroupError::Unfit { why: why.to_string() }),
            GlobalAnswer::Refused(why) => Err(GroupError::Refused { group: 0, why: why.to_string() }),
            _ => Err(GroupError::Refused { group: 0, why: "the group answered another question".to_owned() }),
        }
    }

    /// Forgets a log with all its records, for ever, on all members.
    ///
    /// # Errors
    /// As [`Cluster::create_log`].
    pub async fn delete_log(&self, name: &LogName) -> Result<(), GroupError> {
        let command = GlobalCommand::DeleteLog { name: name.clone() };
        match self.shared.groups.global().propose(&command).await?.1 {
            GlobalAnswer::Refused(why) => Err(GroupError::Refused { group: 0, why: why.to_string() }),
            _ => {
                self.shared.look.notify_one();
                Ok(())
            }
        }
    }

    /// The id of a partition.
    ///
    /// # Errors
    /// [`AppendError::NoSuchPartition`].
    pub fn partition(&self, name: &LogName, partition: u32) -> Result<PartitionId, AppendError> {
        let id = self.shared.groups.global().look(|state| {
            let log = state.log(name).filter(|log| partition < log.partitions)?;
            Some(PartitionId(log.first_partition + u64::from(partition)))
        });
        id.ok_or_else(|| AppendError::NoSuchPartition { name: name.to_string(), partition })
    }

    /// Who leads a partition, as far as this member knows, if that one is up.
    #[must_use]
    pub fn leader_of(&self, partition: PartitionId) -> Option<MemberId> {
        let sequencer = self.shared.epochs(partition, EpochStore::sequencer)?;
        self.shared.ears.is_up(sequencer).then_some(sequencer)
    }

    /// How all partitions stand, as far as this member knows.
    #[must_use]
    pub fn partitions(&self) -> Vec<PartitionStatus> {
        let places = |state: &GlobalState| {
            let of = |(name, log): (&LogName, &LogPlace)| {
                let (name, first) = (name.clone(), log.first_partition);
                let place = |number| {
                    let id = first + u64::from(number);
                    let sparse = log.spread.is_sparse();
                    state
                        .partition(id)
                        .map(|place| (name.clone(), number, PartitionId(id), place.nodeset.clone(), sparse))
                };
                (0..log.partitions).filter_map(place).collect::<Vec<_>>()
            };
            state.logs().flat_map(of).collect::<Vec<_>>()
        };
        let status = |(log, number, partition, nodeset, sparse): (LogName, u32, PartitionId, NodeSet, bool)| {
            let stands = self.shared.stands(partition);
            let (epoch, sequencer, last_clean) =
                stands.as_ref().map(|at| (at.epoch, at.sequencer, at.last_clean)).unwrap_or_default();
            let stands = stands.filter(|stands| stands.epoch > Epoch::NONE);
            let settled =
                stands.as_ref().is_some_and(|stands| stands.nodeset == nodeset) && last_clean.next() == Some(epoch);
            // Who will store it stores nothing yet.
            let nodeset = stands.map_or(nodeset, |stands| stands.nodeset);
            let replica = self.shared.replicas.get(partition);
            let records = replica.as_ref().map(|replica| replica.applied().offset);
            let repaired = !sparse || self.shared.is_repaired(partition, &nodeset);
            let behind = replica.is_some_and(|replica| !self.shared.keeps_up(&replica, partition) || !repaired);
            let lost = if sparse { self.shared.lost(partition) } else { None };
            PartitionStatus {
                log,
                number,
                partition,
                nodeset,
                epoch,
                sequencer,
                last_clean,
                settled,
                records,
                behind,
                lost,
            }
        };
        self.shared.groups.global().look(places).into_iter().map(status).collect()
    }

    /// The members that are up, as far as this one knows; itself among them.
    #[must_use]
    pub fn up(&self) -> BTreeSet<MemberId> {
        self.shared.ears.up()
    }
}
