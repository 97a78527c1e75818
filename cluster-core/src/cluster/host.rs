//! The running member, as the node holds it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use bytes::Bytes;
use pyralog_crypto::{Encode, LogId, Record};
use tokio::sync::{Notify, Semaphore, mpsc, oneshot, watch};
use tokio::time::Instant;

use super::answers::{AppendError, PartitionStatus};
use super::append::Again;
use super::calls::Calls;
use super::envelope::Envelope;
use super::looping::{self, Inputs};
use super::place::ReplicatedLog;
use super::questions::Answering;
use super::steward::Steward;
use crate::member::{Acked, MemberLimits, Placed, Unplaced};
use crate::raft::{GlobalAnswer, GlobalCommand, GlobalState, GroupError, NewLog, RaftGroups, RaftOptions};
use crate::replication::{AckMode, Epoch, EpochStore, MemberId, NodeSet};
use crate::{Core, Error as StoreError, LogName, LogSpec, Logs, PartitionId, Replicas, payload};

/// Questions of other members that are answered at once, at most.
const MAX_SERVING: usize = 256;
/// Questions of other nodes that are answered at once, at most.
const MAX_TELLING: usize = 64;

/// Carries envelopes between members: in order where it does, at most once, and it may lose any.
pub trait Links: Send + Sync + 'static {
    /// Sends an envelope, at once: `false` where there is no link, or no place in it.
    fn send(&self, to: MemberId, envelope: Envelope) -> bool;
}

/// The id of a log with this name and incarnation.
pub type LogIds = Arc<dyn Fn(&LogName, u64) -> LogId + Send + Sync>;

/// How a member behaves.
#[derive(Clone)]
pub struct ClusterOptions {
    /// Its groups.
    pub raft: RaftOptions,
    /// Its partitions.
    pub limits: MemberLimits,
    /// The time after which a client is told that nobody serves its append: default 10 s.
    pub patience: Duration,
    /// The id of a log with this name and incarnation, which its checkpoints name.
    pub log_id: LogIds,
    /// R and W of a log that one member had alone, and the cluster takes over: default 3 and 2.
    pub numbers: (u8, u8),
}

/// A running member. Clones are handles of the same.
#[derive(Clone)]
pub struct Cluster {
    pub(super) shared: Arc<Shared>,
}

pub(super) struct Shared {
    pub(super) me: MemberId,
    pub(super) groups: RaftGroups,
    pub(super) links: Arc<dyn Links>,
    pub(super) inputs: Inputs,
    pub(super) logs: Logs,
    pub(super) replicas: Replicas,
    pub(super) options: ClusterOptions,
    /// Members that are up; this one is.
    pub(super) up: watch::Sender<BTreeSet<MemberId>>,
    /// Whether another member has said that this one was removed.
    removed: watch::Sender<bool>,
    /// Says that the steward has something to look at.
    pub(super) look: Notify,
    /// Partitions that this member was asked to lead.
    pub(super) asked: Mutex<BTreeSet<PartitionId>>,
    pub(super) calls: Calls,
    /// Who answers the questions of other nodes.
    pub(super) answering: OnceLock<Answering>,
    forwarded: Forwarded,
    /// Places for questions of other members.
    pub(super) serving: Arc<Semaphore>,
    /// Places for those of other nodes: they may wait for long, and must not be in the way.
    pub(super) telling: Arc<Semaphore>,
    /// Id of the next append that is sent on. It begins anywhere, so that no answer to an earlier life is taken for one to this.
    next: AtomicU64,
    thread: Mutex<Option<JoinHandle<()>>>,
    steward: Mutex<Option<tokio::task::JoinHandle<()>>>,
}

/// Appends that were sent on: to whom, and who waits.
type Sent = BTreeMap<u64, (MemberId, oneshot::Sender<Result<Acked, Unplaced>>)>;
type Forwarded = Mutex<Sent>;

impl Cluster {
    /// Starts a cluster of this one member, or goes on with what was begun.
    ///
    /// # Errors
    /// As [`RaftGroups::bootstrap`].
    pub async fn bootstrap(
        core: &Core,
        options: ClusterOptions,
        links: Arc<dyn Links>,
        name: &str,
        peer: &[u8],
        addresses: &[String],
    ) -> Result<Self, GroupError> {
        let calls = Calls::new(Arc::clone(&links), anywhere()?);
        let raft = options.raft.clone();
        let groups = RaftGroups::bootstrap(raft, core.tables(), Arc::new(calls.clone()), name, peer, addresses).await?;
        Self::run(core, options, links, calls, groups)
    }

    /// Opens the member that the home belongs to; [`Cluster::start`] comes next.
    ///
    /// # Errors
    /// As [`RaftGroups::open`].
    pub async fn open(core: &Core, options: ClusterOptions, links: Arc<dyn Links>) -> Result<Self, GroupError> {
        let calls = Calls::new(Arc::clone(&links), anywhere()?);
        let groups = RaftGroups::open(options.raft.clone(), core.tables(), Arc::new(calls.clone())).await?;
        Self::run(core, options, links, calls, groups)
    }

    /// Has the cluster confirm this start: as [`RaftGroups::start`]. Links must be there before.
    ///
    /// # Errors
    /// As [`RaftGroups::start`].
    pub async fn start(&self) -> Result<(), GroupError> {
        self.shared.groups.start().await
    }

    fn run(
        core: &Core,
        options: ClusterOptions,
        links: Arc<dyn Links>,
        calls: Calls,
        groups: RaftGroups,
    ) -> Result<Self, GroupError> {
        let me = groups.hello().member;
        let (stopped, hears) = mpsc::unbounded_channel();
        let (logs, replicas, limits) = (core.logs().clone(), core.replicas().clone(), options.limits);
        let (inputs, thread) = looping::start(
            me,
            replicas.clone(),
            limits,
            groups.clone(),
            Arc::clone(&links),
            stopped,
            options.raft.epoch_shards,
        )?;
        let (up, removed, look) = (watch::Sender::new(BTreeSet::from([me])), watch::Sender::new(false), Notify::new());
        let (thread, steward, forwarded) = (Mutex::new(Some(thread)), Mutex::default(), Mutex::default());
        let asked = Mutex::default();
        let (serving, telling) = (Arc::new(Semaphore::new(MAX_SERVING)), Arc::new(Semaphore::new(MAX_TELLING)));
        let next = AtomicU64::new(anywhere()?);
        let shared = Shared {
            me,
            groups,
            links,
            inputs,
            logs,
            replicas,
            options,
            up,
            removed,
            look,
            asked,
            calls,
            answering: OnceLock::new(),
            forwarded,
            serving,
            telling,
            next,
            thread,
            steward,
        };
        let shared = Arc::new(shared);
        let task = tokio::spawn(Steward::new(Arc::downgrade(&shared), hears).run());
        *lock(&shared.steward) = Some(task);
        Ok(Self { shared })
    }

    /// The groups: members are added and removed there.
    #[must_use]
    pub fn groups(&self) -> &RaftGroups {
        &self.shared.groups
    }

    /// This member's id.
    #[must_use]
    pub fn id(&self) -> MemberId {
        self.shared.me
    }

    /// A link to a member is there, or is not any more. Whoever is not up leads nothing for long.
    pub fn link(&self, member: MemberId, up: bool) {
        if !up {
            self.shared.calls.away(member);
            // Whoever forwarded there may never hear.
            self.forwarded().retain(|_, (at, _)| *at != member);
        }
        self.shared.up.send_if_modified(|all| {
            if up { all.insert(member) } else { member != self.shared.me && all.remove(&member) }
        });
        // The steward may wait for a leader at the moment, and this member is to be one.
        self.shared.groups.set_up(&self.shared.up.borrow());
        if !up {
            self.shared.groups.replace_leader(member);
        }
        self.shared.look.notify_one();
    }

    /// An envelope of another member.
    pub fn receive(&self, from: MemberId, envelope: Envelope) {
        match envelope {
            Envelope::Call { id, group, frame } => {
                let shared = Arc::clone(&self.shared);
                let Ok(place) = Arc::clone(&shared.serving).try_acquire_owned() else {
                    let _sent = shared.links.send(from, Envelope::Answer { id, frame: None });
                    return;
                };
                tokio::spawn(async move {
                    let _place = place;
                    let answer = shared.groups.serve(from, group, frame).await;
                    if let Err(reason) = &answer {
                        tracing::debug!(member = from.0, group, %reason, "a question to a group has no answer");
                    }
                    let _sent = shared.links.send(from, Envelope::Answer { id, frame: answer.ok() });
                });
            }
            Envelope::Answer { id, frame } | Envelope::Told { id, answer: frame } => {
                self.shared.calls.answered(from, id, frame);
            }
            Envelope::Ask { id, question } => self.answer_node(from, id, question),
            Envelope::Note { partition, note } => {
                self.shared.inputs.note(from, partition, note);
            }
            Envelope::Append { id, partition, mode, payload } => {
                self.shared.inputs.append_for((from, id), partition, mode, payload);
            }
            Envelope::Appended { id, acked } => {
                let mut forwarded = self.forwarded();
                if forwarded.get(&id).is_some_and(|(at, _)| *at == from)
                    && let Some((_, answer)) = forwarded.remove(&id)
                {
                    let _gone = answer.send(acked);
                }
            }
            Envelope::Lead { partition } => self.ask(partition),
            Envelope::Join(new) => self.let_in(from, new),
            // This one has its id.
            Envelope::Joined { .. } => {}
            Envelope::Removed { member } => {
                self.shared
                    .removed
                    .send_if_modified(|removed| member == self.shared.me && !std::mem::replace(removed, true));
            }
        }
    }

    /// Returns when another member has said that this one was removed: then it is to end, since nobody speaks with it any more.
    pub async fn removed(&self) {
        let mut removed = self.shared.removed.subscribe();
        // The sender stays.
        let _was = removed.wait_for(|removed| *removed).await;
    }

    /// Tells a member that it was removed.
    pub fn tell_removed(&self, member: MemberId) {
        // One that does not hear it hears from nobody, and never starts again.
        let _sent = self.shared.links.send(member, Envelope::Removed { member });
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
    /// As [`crate::raft::Group::propose`]; [`GroupError::Refused`] where it cannot be.
    pub async fn create_log(&self, spec: &LogSpec, replication: u8, copies: u8, weak: bool) -> Result<u64, GroupError> {
        let healthy = self.shared.up.borrow().clone();
        let (name, partitions) = (spec.name.clone(), spec.partitions);
        let (spec, adopt) = (spec.to_bytes(), None);
        let new = NewLog { name, spec, partitions, replication, copies, weak, healthy, adopt };
        let global = self.shared.groups.global();
        match global.propose(&GlobalCommand::CreateLog(new)).await?.1 {
            GlobalAnswer::Created { incarnation, .. } => {
                self.shared.look.notify_one();
                Ok(incarnation)
            }
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

    /// Appends records, through whoever leads the partition, and answers when they are durable on enough members.
    ///
    /// # Errors
    /// [`AppendError`].
    pub async fn append(&self, name: &LogName, partition: u32, records: &[Record]) -> Result<Placed, AppendError> {
        let payload = payload(records)?;
        self.place_durably(self.partition(name, partition)?, payload, Again::Refused).await
    }

    pub(super) async fn wait(
        &self,
        answered: oneshot::Receiver<Result<Acked, Unplaced>>,
        deadline: Instant,
    ) -> Result<Acked, Unplaced> {
        let unknown = Err(Unplaced::Unknown { copies: 0, wanted: 0 });
        match tokio::time::timeout_at(deadline, answered).await {
            Ok(Ok(acked)) => acked,
            // The leader is gone, or nobody knows in time.
            Ok(Err(_)) | Err(_) => unknown,
        }
    }

    pub(super) async fn forward(
        &self,
        leader: MemberId,
        partition: PartitionId,
        (mode, payload): (AckMode, Bytes),
        deadline: Instant,
    ) -> Result<Acked, Unplaced> {
        let (answer, answered) = oneshot::channel();
        let id = {
            let id = self.shared.next.fetch_add(1, Ordering::Relaxed);
            self.forwarded().insert(id, (leader, answer));
            id
        };
        if !self.shared.links.send(leader, Envelope::Append { id, partition, mode, payload }) {
            self.forwarded().remove(&id);
            return Err(Unplaced::NotLeader);
        }
        // Also where nobody waits any more.
        let _forget = Forget(self, id);
        self.wait(answered, deadline).await
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
        self.shared.up.borrow().contains(&sequencer).then_some(sequencer)
    }

    /// How all partitions stand, as far as this member knows.
    #[must_use]
    pub fn partitions(&self) -> Vec<PartitionStatus> {
        let places = |state: &GlobalState| {
            let of = |(name, log): (&LogName, &crate::raft::LogPlace)| {
                let (name, first) = (name.clone(), log.first_partition);
                let place = |number| {
                    let id = first + u64::from(number);
                    state.partition(id).map(|place| (name.clone(), number, PartitionId(id), place.nodeset.clone()))
                };
                (0..log.partitions).filter_map(place).collect::<Vec<_>>()
            };
            state.logs().flat_map(of).collect::<Vec<_>>()
        };
        let status = |(log, number, partition, nodeset)| {
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
            let behind = replica.is_some_and(|replica| replica.lacks());
            PartitionStatus { log, number, partition, nodeset, epoch, sequencer, last_clean, settled, records, behind }
        };
        self.shared.groups.global().look(places).into_iter().map(status).collect()
    }

    /// The members that are up, as far as this one knows; itself among them.
    #[must_use]
    pub fn up(&self) -> BTreeSet<MemberId> {
        self.shared.up.borrow().clone()
    }

    /// Ends everything that runs; the store stays open.
    pub async fn shutdown(&self) {
        if let Some(task) = lock(&self.shared.steward).take() {
            task.abort();
        }
        self.shared.inputs.stop();
        let thread = lock(&self.shared.thread).take();
        let joined = tokio::task::spawn_blocking(move || thread.map(JoinHandle::join));
        if !matches!(joined.await, Ok(None | Some(Ok(())))) {
            tracing::error!("the member's thread has panicked");
        }
        self.shared.groups.shutdown().await;
    }

    fn forwarded(&self) -> MutexGuard<'_, Sent> {
        lock(&self.shared.forwarded)
    }
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

impl Shared {
    /// How a partition stands, as far as this member knows.
    pub(super) fn stands(&self, partition: PartitionId) -> Option<Stands> {
        self.epochs(partition, Stands::of)
    }

    /// Looks at the epochs of a partition, as far as this member knows them.
    pub(super) fn epochs<T>(&self, partition: PartitionId, look: impl FnOnce(&EpochStore) -> T) -> Option<T> {
        let number = crate::raft::group_of(self.options.raft.epoch_shards, partition.0);
        let shard = self.groups.shards().into_iter().find(|shard| shard.number() == number)?;
        shard.look(|state| state.partition(partition.0).map(look))
    }
}

/// Forgets an append that was sent on.
struct Forget<'a>(&'a Cluster, u64);

impl Drop for Forget<'_> {
    fn drop(&mut self) {
        self.0.forwarded().remove(&self.1);
    }
}

/// A number that no earlier life began with.
fn anywhere() -> Result<u64, StoreError> {
    getrandom::u64().map_err(|e| StoreError::WriterStopped(format!("the system gives no random bytes: {e}")))
}

pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Nothing in the locked sections panics.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl std::fmt::Debug for Cluster {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Cluster").field("member", &self.shared.me).finish_non_exhaustive()
    }
}
