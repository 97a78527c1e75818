//! What the leader of the global group does for all: it makes voters, and has partitions stored where they should be, and their epochs kept.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::task::JoinHandle;

use super::host::Shared;
use crate::PartitionId;
use crate::raft::shard::MAX_BATCH;
use crate::raft::{GlobalCommand, GlobalState, GroupError, RaftGroups, Role, ShardCommand, group_of};
use crate::replication::{MemberId, NodeSet};

/// A member that cannot vote yet is tried again after so long.
const PAUSE: Duration = Duration::from_secs(1);

/// A member that should vote and does not for so long gets its vote back: somebody began to remove it, and did not come to the end. Removing one takes less.
const HALF_REMOVED: Duration = Duration::from_secs(30);

/// Of the member that leads the global group.
#[derive(Default)]
pub(super) struct Governor {
    /// Members that should vote and do not, since when.
    voteless: BTreeMap<MemberId, Instant>,
    /// What makes voters of members that came up, while it runs.
    growing: Option<JoinHandle<()>>,
}

impl Governor {
    pub(super) async fn look(&mut self, shared: &Arc<Shared>) {
        enter(shared).await;
        self.grow(shared);
        heal(shared).await;
    }

    /// Makes voters of the members that have come up, one after another, beside everything else.
    fn grow(&mut self, shared: &Shared) {
        if self.growing.as_ref().is_some_and(|growing| !growing.is_finished()) {
            return;
        }
        self.note_voteless(shared);
        let up = shared.ears.up();
        let due = |id: &MemberId| self.voteless.get(id).is_some_and(|since| since.elapsed() >= HALF_REMOVED);
        let without = shared.groups.global().look(|state| {
            let without = state.live().filter(|(id, member)| member.role == Role::Learner || due(id));
            without.map(|(id, _)| id).find(|id| up.contains(id))
        });
        let Some(member) = without else { return };
        let groups = shared.groups.clone();
        self.growing = Some(tokio::spawn(async move {
            match promote(&groups, member).await {
                Ok(()) => tracing::info!(member = member.0, "a member votes from now on"),
                // It is tried again.
                Err(reason) => {
                    tracing::warn!(member = member.0, %reason, "a member cannot vote yet");
                    tokio::time::sleep(PAUSE).await;
                }
            }
        }));
    }

    fn note_voteless(&mut self, shared: &Shared) {
        let global = shared.groups.global();
        let voters = global.status().voters;
        let all = |state: &GlobalState| -> BTreeSet<MemberId> {
            let should = state.live().filter(|(_, member)| member.role == Role::Voter);
            should.map(|(id, _)| id).filter(|id| !voters.contains(id)).collect()
        };
        let voteless = global.look(all);
        self.voteless.retain(|id, _| voteless.contains(id));
        for id in voteless {
            self.voteless.entry(id).or_insert_with(Instant::now);
        }
    }
}

impl Drop for Governor {
    fn drop(&mut self) {
        if let Some(growing) = self.growing.take() {
            growing.abort();
        }
    }
}

async fn promote(groups: &RaftGroups, member: MemberId) -> Result<(), GroupError> {
    groups.add_learner(member).await?;
    groups.promote(member).await
}

/// Has partitions stored where they should be.
async fn heal(shared: &Arc<Shared>) {
    let up = shared.ears.up();
    let global = shared.groups.global();
    for (partition, nodeset) in global.look(|state| state.better_places(&up)) {
        tracing::info!(partition, members = ?nodeset.members(), "a partition gets members");
        if let Err(reason) = global.propose(&GlobalCommand::MovePartition { partition, nodeset }).await {
            tracing::debug!(partition, %reason, "a partition could not be moved yet");
            return;
        }
    }
}

/// Has the shards keep the epochs of all partitions, and of none that was deleted.
async fn enter(shared: &Arc<Shared>) {
    let stored = |state: &GlobalState| state.partitions().map(|(id, place)| (id, place.nodeset.clone())).collect();
    let all: Result<BTreeMap<u64, NodeSet>, _> = shared.groups.global().read(stored).await;
    let Ok(all) = all else { return };
    let mut missing: BTreeMap<u64, Vec<(u64, NodeSet)>> = BTreeMap::new();
    for (partition, nodeset) in all {
        if shared.epochs(PartitionId(partition), |_| ()).is_none() {
            let group = group_of(shared.options.raft.epoch_shards, partition);
            missing.entry(group).or_default().push((partition, nodeset));
        }
    }
    for create in missing.values().flat_map(|all| all.chunks(MAX_BATCH)) {
        let Some((first, _)) = create.first() else { continue };
        let Ok(shard) = shared.groups.shard_of(*first).await else { continue };
        if let Err(reason) = shard.propose(&ShardCommand::CreateAll(create.to_vec())).await {
            tracing::debug!(first, %reason, "the epochs of partitions are not kept yet");
        }
    }
    for shard in shared.groups.shards() {
        let kept = shard.look(|state| state.partitions().map(|(id, _)| id).collect::<Vec<u64>>());
        let deleted = |state: &GlobalState| kept.into_iter().filter(|id| state.is_deleted(*id)).collect();
        let gone: Vec<u64> = shared.groups.global().look(deleted);
        for partition in gone {
            let _later = shard.propose(&ShardCommand::Remove { partition }).await;
        }
    }
}
