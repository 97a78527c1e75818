//! Partitions as the global group says, and what this member has of them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use pyralog_crypto::{Decode, LogId};

use super::host::Shared;
use crate::raft::global::score;
use crate::raft::{GlobalState, LogPlace, Spread};
use crate::replica::Frontier;
use crate::replication::{Epoch, EpochStore, MemberId, NodeSet};
use crate::{Error, LogName, LogSpec, PartitionId, Replicas};

/// One partition, as the global group says.
#[derive(Debug, Clone)]
pub(super) struct Place {
    pub(super) id: PartitionId,
    /// Its number in the log.
    pub(super) number: u32,
    pub(super) spec: Arc<LogSpec>,
    pub(super) nodeset: NodeSet,
    pub(super) spread: Spread,
}

/// The member of a nodeset that is up and has the highest score.
pub(super) fn first_up(partition: PartitionId, nodeset: &NodeSet, up: &BTreeSet<MemberId>) -> Option<MemberId> {
    let members = nodeset.members().iter().filter(|member| up.contains(member));
    members.max_by_key(|member| score(partition.0, **member)).copied()
}

/// A log of the cluster, as this member knows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReplicatedLog {
    /// What its creator said.
    pub spec: LogSpec,
    /// Given once in the life of the cluster.
    pub incarnation: u64,
    /// Over how many members its records are spread, as far as there are so many.
    pub spread: Spread,
    /// Who stores its partitions, in their order.
    pub nodesets: Vec<NodeSet>,
}

impl ReplicatedLog {
    pub(super) fn of(
        state: &GlobalState,
        name: &LogName,
        log_id: &(dyn Fn(&LogName, u64) -> LogId + Send + Sync),
    ) -> Option<Self> {
        let log = state.log(name)?;
        let spec = spec_of(name, log, log_id)?;
        let ids = log.first_partition..log.first_partition + u64::from(log.partitions);
        let nodesets = ids.filter_map(|id| state.partition(id).map(|place| place.nodeset.clone())).collect();
        Some(Self { spec, incarnation: log.incarnation, spread: log.spread, nodesets })
    }
}

fn spec_of(name: &LogName, log: &LogPlace, log_id: &(dyn Fn(&LogName, u64) -> LogId + Send + Sync)) -> Option<LogSpec> {
    let spec = LogSpec::from_bytes(&log.spec).ok()?;
    Some(LogSpec { id: log_id(name, log.incarnation), name: name.clone(), partitions: log.partitions, ..spec })
}

/// All partitions of the cluster.
pub(super) fn places(state: &GlobalState, log_id: &(dyn Fn(&LogName, u64) -> LogId + Send + Sync)) -> Vec<Place> {
    let mut places = Vec::new();
    for (name, log) in state.logs() {
        let Some(spec) = spec_of(name, log, log_id) else {
            tracing::error!(log = %name, "what the cluster says about a log cannot be read");
            continue;
        };
        let spec = Arc::new(spec);
        for number in 0..log.partitions {
            let id = log.first_partition + u64::from(number);
            let nodeset = state.partition(id).map(|place| place.nodeset.clone());
            let place =
                |nodeset| Place { id: PartitionId(id), number, spec: Arc::clone(&spec), nodeset, spread: log.spread };
            places.extend(nodeset.map(place));
        }
    }
    places
}

/// Makes the log and the replica of a partition, where they are not there.
pub(super) fn make(logs: &crate::Logs, replicas: &Replicas, place: &Place) -> Result<(), Error> {
    if let Some(replica) = replicas.get(place.id) {
        return replica.open_first();
    }
    let made = match logs.open_log(place.spec.name.as_str()) {
        Ok(log) if log.spec().id == place.spec.id => replicas.create(place.id, log.partition(place.number)?),
        // It is none of the cluster's: an earlier one goes with its replicas.
        Ok(_) => return Err(Error::LogExists { name: place.spec.name.to_string() }),
        Err(Error::NoSuchLog { .. }) => replicas.create_log(logs, LogSpec::clone(&place.spec), place.number, place.id),
        Err(other) => return Err(other),
    };
    made.map(|_| ())
}

/// Removes logs with their replicas, which are `gone`.
pub(super) fn remove(logs: &crate::Logs, replicas: &Replicas, gone: &[PartitionId]) -> Result<(), Error> {
    let mut of: BTreeMap<LogName, Vec<PartitionId>> = BTreeMap::new();
    for partition in gone {
        if let Some(replica) = replicas.get(*partition) {
            of.entry(replica.log().clone()).or_default().push(*partition);
        }
    }
    // What one log suffers from does not keep the others.
    let mut all = Ok(());
    for (name, partitions) in of {
        all = all.and(replicas.delete_log(logs, &name, &partitions));
    }
    all
}

/// How the newest epoch of a partition stands.
#[derive(Debug, Clone)]
pub(super) struct Stands {
    pub(super) epoch: Epoch,
    pub(super) sequencer: MemberId,
    pub(super) last_clean: Epoch,
    pub(super) nodeset: NodeSet,
}

impl Stands {
    pub(super) fn of(store: &EpochStore) -> Self {
        Self {
            epoch: store.epoch(),
            sequencer: store.sequencer(),
            last_clean: store.last_clean(),
            nodeset: store.nodeset().clone(),
        }
    }
}

/// What a member can say of a partition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Keeps {
    /// Nothing: it stores none of it, or is new in it and has taken nothing over yet.
    Nothing,
    /// Records; what was appended before the newest epoch, or moved here, may be missing.
    Some,
    /// What was appended before the newest epoch, and of this epoch what has come.
    All,
}

impl Shared {
    /// See [`Keeps`].
    pub(super) fn keeps(&self, partition: PartitionId) -> Keeps {
        let Some(replica) = self.replicas.get(partition) else { return Keeps::Nothing };
        let Some(stands) = self.stands(partition).filter(|stands| stands.epoch > Epoch::NONE) else {
            return Keeps::All;
        };
        let at = replica.applied();
        let stores = stands.nodeset.contains(self.me);
        // Before the first epoch there was nothing.
        let is_first = Epoch::NONE.next() == Some(stands.epoch);
        if stores && !at.between && (is_first || at.lsn.epoch >= stands.epoch) {
            Keeps::All
        } else if at == Frontier::behind(0) {
            Keeps::Nothing
        } else {
            Keeps::Some
        }
    }

    /// How a partition stands, as far as this member knows.
    pub(super) fn stands(&self, partition: PartitionId) -> Option<Stands> {
        self.epochs(partition, Stands::of)
    }

    /// Looks at the epochs of a partition, as far as this member knows them.
    pub(super) fn epochs<T>(&self, partition: PartitionId, look: impl FnOnce(&EpochStore) -> T) -> Option<T> {
        let shard = self.groups.open_shard_of(partition.0)?;
        shard.look(|state| state.partition(partition.0).map(look))
    }
}
