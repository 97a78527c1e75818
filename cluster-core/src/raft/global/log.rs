//! Logs, their partitions, and who stores them.

use std::collections::BTreeSet;

use super::{GlobalAnswer, GlobalRefusal, GlobalState, MAX_ALL_PARTITIONS, MAX_LOGS, NewLog, place};
use crate::LogName;
use crate::replication::{MAX_NODESET, MemberId, NodeSet};

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
    /// R: copies of each entry.
    pub replication: u8,
    /// W: copies before an acknowledgement.
    pub copies: u8,
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

type Answer = Result<GlobalAnswer, GlobalRefusal>;

/// Refuses numbers that cannot work, or that lose what nobody expects to be lost: unless W > R / 2, two halves of the nodeset may each
/// acknowledge what the other never sees, and a recovery needs more members than W copies promise.
fn check_numbers(new: &NewLog, members: usize) -> Result<(), GlobalRefusal> {
    let (replication, copies) = (usize::from(new.replication), usize::from(new.copies));
    if replication == 0 || replication > MAX_NODESET || copies == 0 || copies > replication {
        return Err(GlobalRefusal::Numbers { replication: new.replication, copies: new.copies });
    }
    if copies * 2 <= replication && !new.weak {
        return Err(GlobalRefusal::Weak { replication: new.replication, copies: new.copies });
    }
    if replication > members {
        return Err(GlobalRefusal::TooFewMembers { replication: new.replication, members: members as u64 });
    }
    Ok(())
}

impl GlobalState {
    pub(super) fn create_log(&mut self, new: &NewLog) -> Answer {
        if let Some(old) = self.logs.get(&new.name) {
            return Err(GlobalRefusal::LogExists { name: new.name.clone(), incarnation: old.incarnation });
        }
        let live: BTreeSet<MemberId> = self.live().map(|(id, _)| id).collect();
        check_numbers(new, live.len())?;
        if self.logs.len() >= MAX_LOGS {
            return Err(GlobalRefusal::TooMany { what: "logs", limit: MAX_LOGS as u64 });
        }
        if self.partitions.len() + new.partitions as usize > MAX_ALL_PARTITIONS {
            return Err(GlobalRefusal::TooMany { what: "partitions", limit: MAX_ALL_PARTITIONS as u64 });
        }
        let mut places = Vec::with_capacity(new.partitions as usize);
        for partition in (self.last_partition + 1..).take(new.partitions as usize) {
            let chosen = place(partition, &live, &new.healthy, new.replication.into());
            let nodeset = NodeSet::new(chosen, new.replication.into(), new.copies.into());
            let refused = |_| GlobalRefusal::Numbers { replication: new.replication, copies: new.copies };
            places.push((partition, nodeset.map_err(refused)?));
        }
        self.last_log += 1;
        let (incarnation, first_partition) = (self.last_log, self.last_partition + 1);
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
                replication: new.replication,
                copies: new.copies,
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

    /// The numbers stay those of the log; only the members change.
    pub(super) fn move_partition(&mut self, partition: u64, nodeset: &NodeSet) -> Answer {
        for member in nodeset.members() {
            self.must_live(*member)?;
        }
        let place = self.partitions.get_mut(&partition).ok_or(GlobalRefusal::NoSuchPartition { partition })?;
        let numbers = |set: &NodeSet| (set.replication(), set.copies());
        if numbers(nodeset) != numbers(&place.nodeset) {
            // Bounded by MAX_NODESET.
            let (replication, copies) = (nodeset.replication() as u8, nodeset.copies() as u8);
            return Err(GlobalRefusal::Numbers { replication, copies });
        }
        place.nodeset = nodeset.clone();
        Ok(GlobalAnswer::Done)
    }
}
