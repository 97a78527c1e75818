//! Makes this member's partitions what the groups say, and takes epochs where nobody leads.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use pyralog_crypto::Decode;
use tokio::sync::mpsc;

use super::host::Shared;
use super::looping::Stopped;
use crate::member::Input;
use crate::raft::global::score;
use crate::raft::shard::MAX_BATCH;
use crate::raft::{GlobalState, Group, ShardAnswer, ShardCommand, ShardState, group_of};
use crate::replication::{Answer, Command, Epoch, MemberId, NodeSet};
use crate::{Error, LogSpec, PartitionId, Replicas};

/// It looks at everything so often, also where nothing is said to have changed.
const EVERY: Duration = Duration::from_millis(100);

/// For so long after a start nobody else is taken for away.
const GRACE: Duration = Duration::from_secs(1);
/// So long passes between two epochs that a member takes of one partition: two that do not hear each other must not take it in turns all the time.
const REST: Duration = Duration::from_secs(2);

/// One partition, as the global group says.
#[derive(Debug, Clone)]
struct Place {
    id: PartitionId,
    /// Its number in the log.
    number: u32,
    spec: Arc<LogSpec>,
    nodeset: NodeSet,
}

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
    /// When epochs were taken last.
    taken: BTreeMap<PartitionId, Instant>,
    born: Instant,
}

impl Steward {
    pub(super) fn new(shared: Weak<Shared>, stopped: mpsc::UnboundedReceiver<Stopped>) -> Self {
        let (open, leads, told, damaged, taken) = Default::default();
        Self { shared, stopped, open, leads, told, damaged, taken, born: Instant::now() }
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
            Stopped::Partition(partition) => {
                self.leads.remove(&partition);
                self.damaged.insert(partition);
            }
        }
    }

    async fn look(&mut self, shared: &Arc<Shared>) {
        let log_id = Arc::clone(&shared.options.log_id);
        let places = shared.groups.global().look(|state| places(state, log_id.as_ref()));
        self.close(shared, &places).await;
        let own: Vec<&Place> = places.iter().filter(|place| place.nodeset.contains(shared.me)).collect();
        for place in &own {
            if !self.open.contains(&place.id) {
                self.open(shared, place).await;
            }
        }
        if shared.groups.global().status().leader.member == Some(shared.me) {
            enter(shared).await;
        }
        self.lead(shared, &own).await;
    }

    /// Has the store make what a partition needs, and the member's thread open it.
    async fn open(&mut self, shared: &Arc<Shared>, place: &Place) {
        let (core, wanted) = (Arc::clone(&shared.core), place.clone());
        let made = tokio::task::spawn_blocking(move || make(core.logs(), core.replicas(), &wanted)).await;
        match made.unwrap_or_else(|ended| Err(Error::WriterStopped(ended.to_string()))) {
            Ok(()) => {
                self.open.insert(place.id);
                self.told.remove(&place.id);
                let (partition, nodeset) = (place.id, place.nodeset.clone());
                shared.inputs.give(Input::Open { partition, nodeset });
            }
            Err(reason) => {
                if self.told.insert(place.id) {
                    tracing::error!(log = %place.spec.name, partition = place.number, %reason, "a partition cannot be used on this member");
                }
            }
        }
    }

    /// Lets go of what the cluster has no more, for ever; so the group is asked, since what this member has applied may be old.
    async fn close(&mut self, shared: &Arc<Shared>, places: &[Place]) {
        let known: BTreeSet<PartitionId> = places.iter().map(|place| place.id).collect();
        let gone: Vec<PartitionId> =
            shared.core.replicas().list().into_iter().map(|(id, _)| id).filter(|id| !known.contains(id)).collect();
        if gone.is_empty() {
            return;
        }
        let still = |state: &GlobalState| gone.iter().copied().filter(|id| state.partition(id.0).is_none()).collect();
        let Ok(gone): Result<Vec<PartitionId>, _> = shared.groups.global().read(still).await else { return };
        if gone.is_empty() {
            return;
        }
        for partition in &gone {
            self.open.remove(partition);
            self.leads.remove(partition);
            shared.inputs.give(Input::Close { partition: *partition });
        }
        let core = Arc::clone(&shared.core);
        let removed = tokio::task::spawn_blocking(move || remove(core.logs(), core.replicas(), &gone)).await;
        if let Err(reason) = removed.unwrap_or_else(|ended| Err(Error::WriterStopped(ended.to_string()))) {
            tracing::warn!(%reason, "what is left of a deleted log could not be removed yet");
        }
    }

    /// Takes epochs of the partitions that nobody leads and this member should, all of one shard in one command.
    async fn lead(&mut self, shared: &Arc<Shared>, own: &[&Place]) {
        let mut due: BTreeMap<u64, Vec<&Place>> = BTreeMap::new();
        for place in own.iter().filter(|place| self.open.contains(&place.id)) {
            let Some((epoch, sequencer, _)) = shared.epoch_of(place.id) else { continue };
            if self.is_due(shared, place, epoch, sequencer) {
                due.entry(group_of(shared.options.raft.epoch_shards, place.id.0)).or_default().push(place);
            }
        }
        for places in due.values().flat_map(|places| places.chunks(MAX_BATCH)) {
            let Some(first) = places.first() else { continue };
            let Ok(shard) = shared.groups.shard_of(first.id.0).await else { continue };
            // What this member has applied may be old, and whoever was away may be up by now.
            let newest = |state: &ShardState| {
                let of = |place: &&Place| state.partition(place.id.0).map(|store| (store.epoch(), store.sequencer()));
                places.iter().map(of).collect::<Vec<_>>()
            };
            let Ok(newest) = shard.read(newest).await else { continue };
            let still = places.iter().zip(newest).filter(|(place, newest)| {
                newest.is_some_and(|(epoch, sequencer)| self.is_due(shared, place, epoch, sequencer))
            });
            let partitions: Vec<PartitionId> = still.map(|(place, _)| place.id).collect();
            if !partitions.is_empty() {
                self.take(shared, &shard, &partitions).await;
            }
        }
    }

    /// Whether this member should take the next epoch of a partition, whose newest one is this.
    fn is_due(&self, shared: &Shared, place: &Place, epoch: Epoch, sequencer: MemberId) -> bool {
        let up = shared.up.borrow();
        let young = self.born.elapsed() < GRACE;
        let led = match sequencer {
            _ if self.leads.get(&place.id).is_some_and(|led| *led >= epoch) => true,
            _ if epoch == Epoch::NONE => false,
            member if member == shared.me => false,
            // Links take a moment.
            member => up.contains(&member) || young,
        };
        let rests = self.taken.get(&place.id).is_some_and(|taken| taken.elapsed() < REST);
        !led && !rests && !self.damaged.contains(&place.id) && first_up(place, &up) == Some(shared.me)
    }

    async fn take(&mut self, shared: &Arc<Shared>, shard: &Group<ShardState>, partitions: &[PartitionId]) {
        let take = || Command::TakeEpoch { sequencer: shared.me, nodeset: None };
        let batch = partitions.iter().map(|partition| (partition.0, take())).collect();
        match shard.propose(&ShardCommand::Batch(batch)).await {
            Ok((_, ShardAnswer::Batch(answers))) => {
                for (partition, answer) in partitions.iter().zip(answers) {
                    if let Some(Answer::Taken(taken)) = answer {
                        self.taken.insert(*partition, Instant::now());
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
}

/// The member of a nodeset that is up and has the highest score.
fn first_up(place: &Place, up: &BTreeSet<MemberId>) -> Option<MemberId> {
    let members = place.nodeset.members().iter().filter(|member| up.contains(member));
    members.max_by_key(|member| score(place.id.0, **member)).copied()
}

/// All partitions of the cluster.
fn places(
    state: &GlobalState,
    log_id: &(dyn Fn(&crate::LogName, u64) -> pyralog_crypto::LogId + Send + Sync),
) -> Vec<Place> {
    let mut places = Vec::new();
    for (name, log) in state.logs() {
        let Ok(spec) = LogSpec::from_bytes(&log.spec) else {
            tracing::error!(log = %name, "what the cluster says about a log cannot be read");
            continue;
        };
        let spec = Arc::new(LogSpec {
            id: log_id(name, log.incarnation),
            name: name.clone(),
            partitions: log.partitions,
            ..spec
        });
        for number in 0..log.partitions {
            let id = log.first_partition + u64::from(number);
            let nodeset = state.partition(id).map(|place| place.nodeset.clone());
            let place = |nodeset| Place { id: PartitionId(id), number, spec: Arc::clone(&spec), nodeset };
            places.extend(nodeset.map(place));
        }
    }
    places
}

/// Makes the log and the replica of a partition, where they are not there.
fn make(logs: &crate::Logs, replicas: &Replicas, place: &Place) -> Result<(), Error> {
    if replicas.get(place.id).is_some() {
        return Ok(());
    }
    let log = match logs.open_log(place.spec.name.as_str()) {
        Ok(log) if log.spec().id == place.spec.id => log,
        // It belongs to nobody: a replica of an earlier log is removed before its log is.
        Ok(_) => return Err(Error::LogExists { name: place.spec.name.to_string() }),
        Err(Error::NoSuchLog { .. }) => logs.create(LogSpec::clone(&place.spec))?,
        Err(other) => return Err(other),
    };
    replicas.create(place.id, log.partition(place.number)?).map(|_| ())
}

/// Removes replicas, and their logs when none of their partitions is replicated any more.
fn remove(logs: &crate::Logs, replicas: &Replicas, gone: &[PartitionId]) -> Result<(), Error> {
    let mut names = BTreeSet::new();
    for partition in gone {
        if let Some(replica) = replicas.get(*partition) {
            names.insert(replica.log().clone());
            replicas.remove(*partition)?;
        }
    }
    for name in names {
        match logs.delete(name.as_str()) {
            // Another partition of it is still there.
            Ok(()) | Err(Error::Replicated { .. } | Error::NoSuchLog { .. }) => {}
            Err(other) => return Err(other),
        }
    }
    Ok(())
}

/// Has the shards keep the epochs of all partitions, and of no others.
///
/// What the shards have is looked at first: a partition is in the global group before it is in a shard, and never again after it was deleted, so what the
/// later answer of the group does not know is gone.
async fn enter(shared: &Arc<Shared>) {
    let ids = |state: &ShardState| state.partitions().map(|(id, _)| id).collect::<Vec<u64>>();
    let kept: Vec<_> = shared.groups.shards().into_iter().map(|shard| (shard.look(ids), shard)).collect();
    let stored = |state: &GlobalState| state.partitions().map(|(id, place)| (id, place.nodeset.clone())).collect();
    let all: Result<BTreeMap<u64, NodeSet>, _> = shared.groups.global().read(stored).await;
    let Ok(all) = all else { return };
    for (partition, nodeset) in &all {
        if shared.epoch_of(PartitionId(*partition)).is_some() {
            continue;
        }
        let Ok(shard) = shared.groups.shard_of(*partition).await else { continue };
        let create = ShardCommand::Create { partition: *partition, nodeset: nodeset.clone() };
        if let Err(reason) = shard.propose(&create).await {
            tracing::debug!(partition, %reason, "the epochs of a partition are not kept yet");
        }
    }
    for (partitions, shard) in kept {
        for partition in partitions.into_iter().filter(|id| !all.contains_key(id)) {
            let _later = shard.propose(&ShardCommand::Remove { partition }).await;
        }
    }
}
