//! Logs, their partitions, and who stores them.

use std::collections::BTreeSet;

use super::{GlobalAnswer, GlobalRefusal, GlobalState, MAX_ALL_PARTITIONS, MAX_LOGS, NewLog, Role, Spread, place};
use crate::LogName;
use crate::replication::{MemberId, NodeSet};

/// A log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogPlace {
    /// Given once in the life of the cluster: a log that is deleted and created again has another one.
    pub incarnation: u64,
    /// What its creator said about it; opaque here.
    pub spec: Vec<u8>,
    /// Id of its first partition; the others follow.
    pub first_partition: u64,
    /// How many there are.
    pub partitions: u32,
    /// N, R and W of its partitions.
    pub spread: Spread,
    /// Whether W may be half of R or less.
    pub weak: bool,
}

/// A partition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PartitionPlace {
    /// Incarnation of its log.
    pub log: u64,
    /// Who stores it.
    pub nodeset: NodeSet,
}

/// Incarnations up to this one belong to logs that one member alone has.
const OWN_LOGS: u64 = u32::MAX as u64;

type Answer = Result<GlobalAnswer, GlobalRefusal>;

impl GlobalState {
    pub(super) fn create_log(&mut self, new: &NewLog) -> Answer {
        if let Some(old) = self.logs.get(&new.name) {
            return Err(GlobalRefusal::LogExists { name: new.name.clone(), incarnation: old.incarnation });
        }
        let live: BTreeSet<MemberId> = self.live().map(|(id, _)| id).collect();
        new.spread.check(new.weak)?;
        if let Some((member, incarnation)) = new.adopt {
            self.must_live(member)?;
            if incarnation > OWN_LOGS || self.logs.values().any(|log| log.incarnation == incarnation) {
                return Err(GlobalRefusal::Incarnation { incarnation });
            }
        }
        let able: BTreeSet<MemberId> = new.adopt.map_or(live, |(member, _)| [member].into());
        if self.logs.len() >= MAX_LOGS {
            return Err(GlobalRefusal::TooMany { what: "logs", limit: MAX_LOGS as u64 });
        }
        if self.partitions.len() + new.partitions as usize > MAX_ALL_PARTITIONS {
            return Err(GlobalRefusal::TooMany { what: "partitions", limit: MAX_ALL_PARTITIONS as u64 });
        }
        let mut places = Vec::with_capacity(new.partitions as usize);
        for partition in (self.last_partition + 1..).take(new.partitions as usize) {
            let chosen = place(partition, &able, &new.healthy, new.spread.nodeset.into());
            places.push((partition, new.spread.over(chosen).ok_or(new.spread.refused())?));
        }
        // Below are those that members gave to logs of their own.
        self.last_log = self.last_log.max(OWN_LOGS) + u64::from(new.adopt.is_none());
        let incarnation = new.adopt.map_or(self.last_log, |(_, incarnation)| incarnation);
        let first_partition = self.last_partition + 1;
        self.last_partition += u64::from(new.partitions);
        let placed = places.into_iter().map(|(id, nodeset)| (id, PartitionPlace { log: incarnation, nodeset }));
        self.partitions.extend(placed);
        self.logs.insert(
            new.name.clone(),
            LogPlace {
                incarnation,
                spec: new.spec.clone(),
                first_partition,
                partitions: new.partitions,
                spread: new.spread,
                weak: new.weak,
            },
        );
        Ok(GlobalAnswer::Created { incarnation, first_partition })
    }

    pub(super) fn delete_log(&mut self, name: &LogName) -> Answer {
        let log = self.logs.remove(name).ok_or_else(|| GlobalRefusal::NoSuchLog { name: name.clone() })?;
        let all = log.first_partition..log.first_partition + u64::from(log.partitions);
        all.for_each(|partition| {
            self.partitions.remove(&partition);
        });
        Ok(GlobalAnswer::Done)
    }

    /// The numbers are those that the log has with so many members.
    pub(super) fn move_partition(&mut self, partition: u64, nodeset: &NodeSet) -> Answer {
        for member in nodeset.members() {
            self.must_live(*member)?;
        }
        let place = self.partitions.get_mut(&partition).ok_or(GlobalRefusal::NoSuchPartition { partition })?;
        let log = self.logs.values().find(|log| log.incarnation == place.log);
        let due = log.map(|log| log.spread.numbers(nodeset.members().len()));
        if due != Some((nodeset.replication(), nodeset.copies())) {
            // Bounded by MAX_NODESET.
            let (replication, copies) = (nodeset.replication() as u8, nodeset.copies() as u8);
            return Err(GlobalRefusal::Numbers { replication, copies });
        }
        place.nodeset = nodeset.clone();
        Ok(GlobalAnswer::Done)
    }

    /// Partitions that should be stored elsewhere, and where: members that were removed are replaced, and there are as many as the log wants, as far
    /// as there are voters that are `up`. Nobody who is in the cluster is taken out of a nodeset. It shrinks only where somebody comes in, or where
    /// those that are left could acknowledge nothing, or could soon recover nothing: who was removed may be about to come back as another one, and
    /// without it nothing is won.
    #[must_use]
    pub fn better_places(&self, up: &BTreeSet<MemberId>) -> Vec<(u64, NodeSet)> {
        let voters = self.live().filter(|(_, member)| member.role == Role::Voter).map(|(id, _)| id);
        let able: BTreeSet<MemberId> = voters.filter(|id| up.contains(id)).collect();
        let of = |log: &LogPlace| log.first_partition..log.first_partition + u64::from(log.partitions);
        let all = self.logs.values().flat_map(|log| of(log).map(move |partition| (partition, log)));
        all.filter_map(|(partition, log)| Some((partition, self.better_place(partition, log, &able)?))).collect()
    }

    fn better_place(&self, partition: u64, log: &LogPlace, able: &BTreeSet<MemberId>) -> Option<NodeSet> {
        let found = self.partitions.get(&partition)?;
        let now = found.nodeset.members();
        let mut chosen: BTreeSet<MemberId> = now.iter().copied().filter(|id| self.must_live(*id).is_ok()).collect();
        let lacks = usize::from(log.spread.nodeset).saturating_sub(chosen.len());
        let others: BTreeSet<MemberId> = able.difference(&chosen).copied().collect();
        chosen.extend(place(partition, &others, able, lacks));
        // Where not all have all records more members are needed to recover an epoch than to acknowledge in it.
        let enough = match found.nodeset.is_sparse() {
            true => found.nodeset.recovery_quorum() + 1,
            false => found.nodeset.copies(),
        };
        let is_new = |id: &MemberId| !now.contains(id);
        let shrinks = chosen.len() < now.len() && chosen.len() >= enough && !chosen.iter().any(is_new);
        if chosen.is_empty() || shrinks || chosen.iter().eq(now) {
            return None;
        }
        log.spread.over(chosen)
    }
}
