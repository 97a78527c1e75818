//! Makes this member's partitions what the groups say, and takes epochs where nobody leads.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use tokio::sync::mpsc;

use super::governor::Governor;
use super::handing::Handing;
use super::host::{Shared, lock};
use super::looping::{Stopped, is_renewable};
use super::place::{Place, Stands, first_up, make, places, remove};
use super::renewal::{Fault, Renewal};
use crate::member::Input;
use crate::raft::shard::MAX_BATCH;
use crate::raft::{GlobalAnswer, GlobalState, Group, Hearing, ShardAnswer, ShardCommand, ShardState, group_of};
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
    renewal: Renewal,
    handing: Handing,
    /// The last epoch of each partition that this member took in this life, and when.
    taken: BTreeMap<PartitionId, (Epoch, Instant)>,
    /// Logs that the cluster does not take over.
    kept: BTreeSet<LogName>,
    governor: Governor,
    born: Instant,
}

impl Steward {
    pub(super) fn new(shared: Weak<Shared>, stopped: mpsc::UnboundedReceiver<Stopped>) -> Self {
        let (open, leads, told, renewal, handing, taken, kept, governor) = Default::default();
        let born = Instant::now();
        Self { shared, stopped, open, leads, told, renewal, handing, taken, kept, governor, born }
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
            Stopped::Unusable(partition) => self.give_up(partition, Fault::Unusable),
            Stopped::Damaged(partition) => self.give_up(partition, Fault::Damaged),
        }
    }

    fn give_up(&mut self, partition: PartitionId, fault: Fault) {
        self.leads.remove(&partition);
        self.renewal.add(partition, fault);
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
        let (renewal, open) = (&self.renewal, &self.open);
        let full = shared.replicas.has_space().is_err();
        self.handing.look(shared, &own, |place| full || renewal.contains(place.id) || !open.contains(&place.id));
        self.renewal.renew(shared, &own).await;
        if shared.groups.global().status().leader.member == Some(shared.me) {
            self.governor.look(shared).await;
        }
        // Until its start is confirmed it hears no answers of others, and an epoch would wait for them.
        if shared.groups.is_started() {
            self.lead(shared, &own).await;
        }
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
                    self.renewal.add(place.id, Fault::Damaged);
                }
                if self.told.insert(place.id) {
                    tracing::error!(log = %place.spec.name, partition = place.number, %reason, "a partition cannot be used on this member");
                }
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
                Some((*place, moved.then(|| place.nodeset.clone())))
            });
            let partitions: Vec<(&Place, Option<NodeSet>)> = still.collect();
            if !partitions.is_empty() {
                self.take(shared, &shard, &partitions).await;
            }
        }
    }

    /// Whether this member should take the next epoch of a partition, which stands like this.
    fn is_due(&self, shared: &Shared, hearing: &Hearing, place: &Place, stands: &Stands) -> bool {
        if self.renewal.contains(place.id) {
            return false;
        }
        let Stands { epoch, sequencer, ref nodeset, .. } = *stands;
        let leads = self.leads.get(&place.id).is_some_and(|led| *led >= epoch);
        if lock(&shared.asked).contains(&place.id) && !leads {
            if shared.replicas.has_space().is_ok() {
                return true;
            }
            // Whoever asked asks another one.
            lock(&shared.asked).remove(&place.id);
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
        partitions: &[(&Place, Option<NodeSet>)],
    ) {
        let take = |nodeset: &Option<NodeSet>| Command::TakeEpoch { sequencer: shared.me, nodeset: nodeset.clone() };
        let batch = partitions.iter().map(|(place, nodeset)| (place.id.0, take(nodeset))).collect();
        match shard.propose(&ShardCommand::Batch(batch)).await {
            Ok((_, ShardAnswer::Batch(answers))) => {
                for ((place, _), answer) in partitions.iter().zip(answers) {
                    let (partition, coordinator_only) = (place.id, place.spread.coordinator_only);
                    lock(&shared.asked).remove(&partition);
                    if let Some(Answer::Taken(taken)) = answer {
                        self.taken.insert(partition, (taken.epoch, Instant::now()));
                        self.leads.insert(partition, taken.epoch);
                        shared.inputs.give(Input::Lead { partition, taken, coordinator_only });
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
}

/// Whether most of those who store a partition hear a member: it can have records stored then, and others carry appends to it.
fn is_heard_by_most(member: MemberId, nodeset: &NodeSet, me: MemberId, hearing: &Hearing) -> bool {
    let members: BTreeSet<MemberId> = nodeset.members().iter().copied().collect();
    hearing.heard_by(member, &members, me) > members.len() / 2
}

#[cfg(test)]
mod tests;
