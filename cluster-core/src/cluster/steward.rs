//! Makes this member's partitions what the groups say, and takes epochs where nobody leads.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use tokio::sync::mpsc;

use super::envelope::Envelope;
use super::host::{Shared, Stands, lock};
use super::looping::{Stopped, is_renewable};
use super::place::{Place, first_up, make, places, remove};
use crate::member::Input;
use crate::raft::shard::MAX_BATCH;
use crate::raft::{
    GlobalAnswer, GlobalCommand, GlobalState, Group, GroupError, Hearing, RaftGroups, Role, ShardAnswer, ShardCommand,
    ShardState, group_of,
};
use crate::replication::{Answer, Command, Epoch, MemberId, NodeSet};
use crate::{Error, LogName, PartitionId};

/// It looks at everything so often, also where nothing is said to have changed.
const EVERY: Duration = Duration::from_millis(100);

/// For so long after a start nobody else is taken for away.
const GRACE: Duration = Duration::from_secs(1);
/// A partition that another member took from this one, and that somebody hears, is not taken back for so long: two that do not hear each other must not take
/// it in turns all the time. Where that one is gone for all, nobody waits.
const REST: Duration = Duration::from_secs(2);

pub(super) struct Steward {
    shared: Weak<Shared>,
    stopped: mpsc::UnboundedReceiver<Stopped>,
    /// Partitions that the member's thread knows.
    open: BTreeSet<PartitionId>,
    /// Epochs that this member took in this life and leads.
    leads: BTreeMap<PartitionId, Epoch>,
    /// What could not be opened, and was said.
    told: BTreeSet<PartitionId>,
    /// What cannot be used here, and is not led.
    damaged: BTreeSet<PartitionId>,
    /// Those of them whose files are damaged.
    renewable: BTreeSet<PartitionId>,
    /// Those that are taken from the others after the next start.
    renewed: BTreeSet<PartitionId>,
    /// The last epoch of each partition that this member took in this life, and when.
    taken: BTreeMap<PartitionId, (Epoch, Instant)>,
    /// When another member was asked to lead what is damaged here.
    offered: BTreeMap<PartitionId, Instant>,
    /// Logs that the cluster does not take over.
    kept: BTreeSet<LogName>,
    /// What makes voters of members that came up, while it runs.
    growing: Option<tokio::task::JoinHandle<()>>,
    born: Instant,
}

impl Steward {
    pub(super) fn new(shared: Weak<Shared>, stopped: mpsc::UnboundedReceiver<Stopped>) -> Self {
        let (open, leads, told, damaged, renewable, renewed, taken, offered, kept, growing) = Default::default();
        let born = Instant::now();
        Self { shared, stopped, open, leads, told, damaged, renewable, renewed, taken, offered, kept, growing, born }
    }

    /// Looks until nobody holds the member any more.
    pub(super) async fn run(mut self) {
        while let Some(shared) = self.shared.upgrade() {
            self.hear();
            self.look(&shared).await;
            let mut applied = shared.groups.global().applied_changes();
            tokio::select! {
                () = shared.look.notified() => {}
                _ = applied.changed() => {}
                Some(stopped) = self.stopped.recv() => self.take_stopped(stopped),
                () = tokio::time::sleep(EVERY) => {}
            }
        }
    }

    fn hear(&mut self) {
        while let Ok(stopped) = self.stopped.try_recv() {
            self.take_stopped(stopped);
        }
    }

    fn take_stopped(&mut self, stopped: Stopped) {
        match stopped {
            Stopped::Epoch(partition, epoch) => {
                if self.leads.get(&partition).is_some_and(|led| *led <= epoch) {
                    self.leads.remove(&partition);
                }
            }
            Stopped::Partition(partition, renewable) => {
                self.leads.remove(&partition);
                self.damaged.insert(partition);
                self.renewable.extend(renewable.then_some(partition));
            }
        }
    }

    async fn look(&mut self, shared: &Arc<Shared>) {
        let log_id = Arc::clone(&shared.options.log_id);
        let places = shared.groups.global().look(|state| places(state, log_id.as_ref()));
        self.close(shared).await;
        self.adopt(shared).await;
        let own: Vec<&Place> = places.iter().filter(|place| place.nodeset.contains(shared.me)).collect();
        for place in &own {
            if !self.open.contains(&place.id) {
                self.open(shared, place).await;
            }
        }
        self.hand_over(shared, &own);
        self.renew(shared, &own).await;
        if shared.groups.global().status().leader.member == Some(shared.me) {
            enter(shared).await;
            self.grow(shared);
            heal(shared).await;
        }
        self.lead(shared, &own).await;
    }

    /// Has the store make what a partition needs, and the member's thread open it.
    async fn open(&mut self, shared: &Arc<Shared>, place: &Place) {
        let (logs, replicas, wanted) = (shared.logs.clone(), shared.replicas.clone(), place.clone());
        let made = tokio::task::spawn_blocking(move || make(&logs, &replicas, &wanted)).await;
        match made.unwrap_or_else(|ended| Err(Error::WriterStopped(ended.to_string()))) {
            Ok(()) => {
                self.open.insert(place.id);
                self.told.remove(&place.id);
                let (partition, nodeset) = (place.id, place.nodeset.clone());
                shared.inputs.give(Input::Open { partition, nodeset });
            }
            Err(reason) => {
                if is_renewable(&reason) {
                    self.damaged.insert(place.id);
                    self.renewable.insert(place.id);
                }
                if self.told.insert(place.id) {
                    tracing::error!(log = %place.spec.name, partition = place.number, %reason, "a partition cannot be used on this member");
                }
            }
        }
    }

    /// Asks others to lead what this member led and cannot use any more: to them it looks as if it led on.
    fn hand_over(&mut self, shared: &Shared, own: &[&Place]) {
        let up = shared.ears.up();
        for place in own.iter().filter(|place| self.damaged.contains(&place.id)) {
            let mine = shared.stands(place.id).is_some_and(|stands| stands.sequencer == shared.me);
            let rests = self.offered.get(&place.id).is_some_and(|asked| asked.elapsed() < REST);
            let others: BTreeSet<MemberId> = up.iter().copied().filter(|member| *member != shared.me).collect();
            if let Some(next) = first_up(place.id, &place.nodeset, &others).filter(|_| mine && !rests) {
                let _sent = shared.links.send(next, Envelope::Lead { partition: place.id });
                self.offered.insert(place.id, Instant::now());
            }
        }
    }

    /// Has what is damaged here taken from the others after the next start, where enough of them have it.
    async fn renew(&mut self, shared: &Arc<Shared>, own: &[&Place]) {
        for place in own {
            // A start has found it, and nobody has used it since.
            let broken = shared.replicas.get(place.id).and_then(|replica| replica.broken());
            if broken.is_some_and(|reason| is_renewable(&reason)) {
                self.damaged.insert(place.id);
                self.renewable.insert(place.id);
            }
        }
        let due: BTreeSet<PartitionId> = self.renewable.difference(&self.renewed).copied().collect();
        for place in own.iter().filter(|place| due.contains(&place.id)) {
            let up = shared.ears.up();
            let others = place.nodeset.members().iter().filter(|member| **member != shared.me && up.contains(member));
            // Whoever recovers the earlier epochs has all of it.
            let settled = shared
                .stands(place.id)
                .is_some_and(|stands| stands.last_clean.next() == Some(stands.epoch) && stands.sequencer != shared.me);
            if !settled || others.count() < place.nodeset.recovery_quorum() || shared.replicas.get(place.id).is_none() {
                continue;
            }
            let (replicas, id) = (shared.replicas.clone(), place.id);
            let marked = tokio::task::spawn_blocking(move || replicas.renew(id)).await;
            match marked.unwrap_or_else(|ended| Err(Error::WriterStopped(ended.to_string()))) {
                Ok(()) => {
                    self.renewed.insert(place.id);
                    tracing::error!(
                        log = %place.spec.name,
                        partition = place.number,
                        "restart this node: its files of a partition are damaged, and are put aside then; the records are taken from the other members"
                    );
                }
                Err(reason) => tracing::error!(%reason, "a damaged partition cannot be marked"),
            }
        }
    }

    /// Lets go of what the cluster has no more, for ever.
    async fn close(&mut self, shared: &Arc<Shared>) {
        let kept: Vec<PartitionId> = shared.replicas.list().into_iter().map(|(id, _)| id).collect();
        let deleted = |state: &GlobalState| kept.into_iter().filter(|id| state.is_deleted(id.0)).collect();
        let gone: Vec<PartitionId> = shared.groups.global().look(deleted);
        if gone.is_empty() {
            return;
        }
        for partition in &gone {
            self.open.remove(partition);
            self.leads.remove(partition);
            shared.inputs.give(Input::Close { partition: *partition });
        }
        let (logs, replicas) = (shared.logs.clone(), shared.replicas.clone());
        let removed = tokio::task::spawn_blocking(move || remove(&logs, &replicas, &gone)).await;
        if let Err(reason) = removed.unwrap_or_else(|ended| Err(Error::WriterStopped(ended.to_string()))) {
            tracing::warn!(%reason, "what is left of a deleted log could not be removed yet");
        }
    }

    /// Takes epochs of the partitions that nobody leads and this member should, all of one shard in one command.
    async fn lead(&mut self, shared: &Arc<Shared>, own: &[&Place]) {
        let mut due: BTreeMap<u64, Vec<&Place>> = BTreeMap::new();
        let hearing = shared.ears.hearing();
        for place in own.iter().filter(|place| self.open.contains(&place.id)) {
            let Some(stands) = shared.stands(place.id) else { continue };
            if self.is_due(shared, &hearing, place, &stands) {
                due.entry(group_of(shared.options.raft.epoch_shards, place.id.0)).or_default().push(place);
            }
        }
        for places in due.values().flat_map(|places| places.chunks(MAX_BATCH)) {
            let Some(first) = places.first() else { continue };
            let Ok(shard) = shared.groups.shard_of(first.id.0).await else { continue };
            // What this member has applied may be old, and whoever was away may be up by now.
            let newest = |state: &ShardState| {
                places.iter().map(|place| state.partition(place.id.0).map(Stands::of)).collect::<Vec<_>>()
            };
            let Ok(newest) = shard.read(newest).await else { continue };
            let hearing = shared.ears.hearing();
            let still = places.iter().zip(newest).filter_map(|(place, newest)| {
                let newest = newest.filter(|stands| self.is_due(shared, &hearing, place, stands))?;
                let moved = newest.nodeset != place.nodeset;
                Some((place.id, moved.then(|| place.nodeset.clone())))
            });
            let partitions: Vec<(PartitionId, Option<NodeSet>)> = still.collect();
            if !partitions.is_empty() {
                self.take(shared, &shard, &partitions).await;
            }
        }
    }

    /// Whether this member should take the next epoch of a partition, which stands like this.
    fn is_due(&self, shared: &Shared, hearing: &Hearing, place: &Place, stands: &Stands) -> bool {
        if self.damaged.contains(&place.id) {
            return false;
        }
        let Stands { epoch, sequencer, ref nodeset, .. } = *stands;
        let leads = self.leads.get(&place.id).is_some_and(|led| *led >= epoch);
        if lock(&shared.asked).contains(&place.id) && !leads {
            return true;
        }
        let up = &hearing.up;
        let young = self.born.elapsed() < GRACE;
        let led = match sequencer {
            _ if leads => true,
            _ if epoch == Epoch::NONE => false,
            member if member == shared.me => false,
            // Links take a moment. Where this member alone does not hear it, it leads on.
            member => up.contains(&member) || young || is_heard_by_most(member, nodeset, shared.me, hearing),
        };
        match led {
            // Whoever leads gives it to its new nodeset, at once: until then it has fewer members. Where it is not in that, the one that will lead does.
            true if *nodeset != place.nodeset && place.nodeset.contains(sequencer) => leads,
            true if *nodeset != place.nodeset => first_up(place.id, &place.nodeset, up) == Some(shared.me),
            true => false,
            false if self.rests(shared.me, hearing, place.id, stands) => false,
            // The others take it for led: it is up, and its earlier life took the epoch.
            false if sequencer == shared.me && epoch > Epoch::NONE => true,
            false => first_up(place.id, &place.nodeset, up) == Some(shared.me),
        }
    }

    /// Whether the newest epoch of a partition is left to who has it for a while, though that one is not heard.
    fn rests(&self, me: MemberId, hearing: &Hearing, partition: PartitionId, stands: &Stands) -> bool {
        let Some((taken, at)) = self.taken.get(&partition) else { return false };
        let left = match stands.sequencer == me {
            // It has stopped, and nobody has said why.
            true => stands.epoch == *taken,
            false => stands.epoch > *taken && hearing.is_heard(stands.sequencer),
        };
        left && at.elapsed() < REST
    }

    /// Takes epochs, with another nodeset where one stands.
    async fn take(
        &mut self,
        shared: &Arc<Shared>,
        shard: &Group<ShardState>,
        partitions: &[(PartitionId, Option<NodeSet>)],
    ) {
        let take = |nodeset: &Option<NodeSet>| Command::TakeEpoch { sequencer: shared.me, nodeset: nodeset.clone() };
        let batch = partitions.iter().map(|(partition, nodeset)| (partition.0, take(nodeset))).collect();
        match shard.propose(&ShardCommand::Batch(batch)).await {
            Ok((_, ShardAnswer::Batch(answers))) => {
                for ((partition, _), answer) in partitions.iter().zip(answers) {
                    lock(&shared.asked).remove(partition);
                    if let Some(Answer::Taken(taken)) = answer {
                        self.taken.insert(*partition, (taken.epoch, Instant::now()));
                        self.leads.insert(*partition, taken.epoch);
                        shared.inputs.give(Input::Lead { partition: *partition, taken });
                    }
                }
            }
            Ok(_) => {}
            // Epochs that were taken without this member hearing of it are followed by the next ones.
            Err(reason) => tracing::debug!(%reason, "epochs could not be taken"),
        }
    }

    /// Has the cluster take over the logs that this member has alone, as soon as there is another member.
    async fn adopt(&mut self, shared: &Shared) {
        let alone = |state: &GlobalState| state.live().nth(1).is_none();
        if shared.groups.global().look(alone) {
            return;
        }
        for log in shared.logs.list() {
            let name = log.spec().name.clone();
            if shared.has_log(&name) || self.kept.contains(&name) || !shared.is_adoptable(&log) {
                continue;
            }
            match shared.adopt(&log).await {
                Ok(GlobalAnswer::Refused(_)) if shared.has_log(&name) => {}
                Ok(GlobalAnswer::Refused(why)) => {
                    tracing::error!(log = %name, %why, "a log stays on this member alone");
                    self.kept.insert(name);
                }
                Ok(_) => tracing::info!(log = %name, "a log is replicated from now on"),
                Err(reason) => return tracing::debug!(log = %name, %reason, "a log is not replicated yet"),
            }
        }
    }

    /// Makes voters of the members that have come up, one after another, beside everything else.
    fn grow(&mut self, shared: &Shared) {
        if self.growing.as_ref().is_some_and(|growing| !growing.is_finished()) {
            return;
        }
        let up = shared.ears.up();
        let learner = shared.groups.global().look(|state| {
            let learners = state.live().filter(|(id, member)| member.role == Role::Learner && up.contains(id));
            learners.map(|(id, _)| id).next()
        });
        let Some(member) = learner else { return };
        let groups = shared.groups.clone();
        self.growing = Some(tokio::spawn(async move {
            match promote(&groups, member).await {
                Ok(()) => tracing::info!(member = member.0, "a member votes from now on"),
                // It is tried again.
                Err(reason) => {
                    tracing::warn!(member = member.0, %reason, "a member cannot vote yet");
                    tokio::time::sleep(GRACE).await;
                }
            }
        }));
    }
}

impl Drop for Steward {
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

/// Whether most of those who store a partition hear a member: it can have records stored then, and others carry appends to it.
fn is_heard_by_most(member: MemberId, nodeset: &NodeSet, me: MemberId, hearing: &Hearing) -> bool {
    let members: BTreeSet<MemberId> = nodeset.members().iter().copied().collect();
    hearing.heard_by(member, &members, me) > members.len() / 2
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

#[cfg(test)]
mod tests;
