//! Logs that one member had alone, and the cluster takes over with their records.

use std::collections::BTreeSet;

use pyralog_crypto::Encode;

use super::host::{Cluster, Shared};
use crate::raft::{GlobalAnswer, GlobalCommand, GlobalState, GroupError, NewLog, Spread};
use crate::{Log, LogName, Storage};

impl Cluster {
    /// Has the cluster take over a log that this member has alone, also where it is the only member: its records stay, and are stored by as many members as
    /// there are, up to R. Nothing happens where it is the cluster's.
    ///
    /// # Errors
    /// [`GroupError::Refused`] where there is no such log here, or it cannot be; as [`crate::raft::Group::propose`].
    pub async fn adopt_log(&self, name: &LogName) -> Result<(), GroupError> {
        let refused = |why: String| GroupError::Refused { group: 0, why };
        let log = self.shared.logs.open_log(name.as_str()).map_err(|error| refused(error.to_string()))?;
        if self.shared.has_log(name) {
            return Ok(());
        }
        if !self.shared.is_adoptable(&log) {
            return Err(refused(format!(
                "log {name} is in memory, or was made under another key: it stays with this member"
            )));
        }
        match self.shared.adopt(&log).await? {
            GlobalAnswer::Refused(why) if !self.shared.has_log(name) => Err(refused(why.to_string())),
            _ => {
                self.shared.look.notify_one();
                Ok(())
            }
        }
    }
}

impl Shared {
    /// Whether the cluster has a log of this name, as far as this member knows.
    pub(super) fn has_log(&self, name: &LogName) -> bool {
        self.groups.global().look(|state: &GlobalState| state.log(name).is_some())
    }

    /// Whether the cluster can take a log over: it is not the cluster's already, as far as its files say, and others would derive the same id.
    pub(super) fn is_adoptable(&self, log: &Log) -> bool {
        let spec = log.spec();
        spec.storage == Storage::Disk
            && !log.is_replicated()
            && (self.options.log_id)(&spec.name, log.incarnation()) == spec.id
    }

    /// Has the cluster take a log of this member over.
    pub(super) async fn adopt(&self, log: &Log) -> Result<GlobalAnswer, GroupError> {
        let spec = log.spec();
        let (healthy, adopt) = (BTreeSet::new(), Some((self.me, log.incarnation())));
        let (replication, copies) = self.options.numbers;
        let (name, partitions, spec) = (spec.name.clone(), spec.partitions, spec.to_bytes());
        let spread = Spread::whole(replication, copies);
        let new = NewLog { name, spec, partitions, spread, weak: false, healthy, adopt };
        self.groups.global().propose(&GlobalCommand::CreateLog(new)).await.map(|(_, answer)| answer)
    }
}
