//! The running member, as the node holds it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::AtomicU8;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use pyralog_crypto::LogId;
use tokio::sync::{Notify, Semaphore, mpsc, watch};

use super::calls::Calls;
use super::envelope::Envelope;
use super::forward::Forwarded;
use super::hearing::{Ears, keep_telling};
use super::knocking::Knocking;
use super::looping::{self, Inputs};
use super::pace::Paces;
use super::questions::Answering;
use super::relay::MAX_RELAYED;
use super::repair::{Strength, keep_repairing};
use super::sealing::Sealing;
use super::steward::Steward;
use crate::member::MemberLimits;
use crate::raft::{GroupError, RaftGroups, RaftOptions};
use crate::replication::MemberId;
use crate::{Core, Error as StoreError, LogName, Logs, PartitionId, Replicas};

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
    /// Who hears whom.
    pub(super) ears: Ears,
    /// What the node says that this member lacks; see `Lacks`.
    pub(super) node_lacks: AtomicU8,
    /// Whether another member has said that this one was removed.
    pub(super) removed: watch::Sender<bool>,
    /// Says that the steward has something to look at.
    pub(super) look: Notify,
    /// Partitions that this member was asked to lead.
    pub(super) asked: Mutex<BTreeSet<PartitionId>>,
    /// Homes that ask to be let in.
    pub(super) knocking: Mutex<Knocking>,
    pub(super) calls: Calls,
    /// Who answers the questions of other nodes.
    pub(super) answering: OnceLock<Answering>,
    pub(super) forwarded: Forwarded,
    /// Places for appends that are carried for others.
    pub(super) relaying: Arc<Semaphore>,
    /// Places for questions of other members.
    pub(super) serving: Arc<Semaphore>,
    /// Places for those of other nodes: they may wait for long, and must not be in the way.
    pub(super) telling: Arc<Semaphore>,
    /// How far the partitions were looked at whose records not all members have.
    pub(super) strength: Mutex<BTreeMap<PartitionId, Strength>>,
    /// How this member comes along with the partitions that it stores.
    pub(super) paces: Mutex<Paces>,
    thread: Mutex<Option<JoinHandle<()>>>,
    /// What runs beside the thread.
    tasks: Mutex<Vec<tokio::task::JoinHandle<()>>>,
}

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
        let links = Sealing::new(links);
        let calls = Calls::new(links.clone(), anywhere()?);
        let raft = options.raft.clone();
        let groups = RaftGroups::bootstrap(raft, core.tables(), Arc::new(calls.clone()), name, peer, addresses).await?;
        Self::run(core, options, links, calls, groups)
    }

    /// Opens the member that the home belongs to; [`Cluster::start`] comes next.
    ///
    /// # Errors
    /// As [`RaftGroups::open`].
    pub async fn open(core: &Core, options: ClusterOptions, links: Arc<dyn Links>) -> Result<Self, GroupError> {
        let links = Sealing::new(links);
        let calls = Calls::new(links.clone(), anywhere()?);
        let groups = RaftGroups::open(options.raft.clone(), core.tables(), Arc::new(calls.clone())).await?;
        Self::run(core, options, links, calls, groups)
    }

    /// Has the cluster confirm this start: as [`RaftGroups::start`]. Links must be there before. What the cluster had decided by then is known here behind it.
    ///
    /// # Errors
    /// As [`RaftGroups::start`].
    pub async fn start(&self) -> Result<(), GroupError> {
        self.shared.groups.start().await?;
        self.shared.hear_of_all().await
    }

    fn run(
        core: &Core,
        options: ClusterOptions,
        links: Arc<Sealing>,
        calls: Calls,
        groups: RaftGroups,
    ) -> Result<Self, GroupError> {
        links.set(groups.says());
        let links: Arc<dyn Links> = links;
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
        let (ears, removed, look) = (Ears::new(me, groups.clone()), watch::Sender::new(false), Notify::new());
        let (thread, tasks) = (Mutex::new(Some(thread)), Mutex::default());
        let asked = Mutex::default();
        let (serving, telling) = (Arc::new(Semaphore::new(MAX_SERVING)), Arc::new(Semaphore::new(MAX_TELLING)));
        let (forwarded, relaying) = (Forwarded::new(anywhere()?), Arc::new(Semaphore::new(MAX_RELAYED)));
        let shared = Shared {
            me,
            groups,
            links,
            inputs,
            logs,
            replicas,
            options,
            ears,
            node_lacks: AtomicU8::new(0),
            removed,
            look,
            asked,
            knocking: Mutex::default(),
            calls,
            answering: OnceLock::new(),
            forwarded,
            relaying,
            serving,
            telling,
            strength: Mutex::default(),
            paces: Mutex::default(),
            thread,
            tasks,
        };
        let shared = Arc::new(shared);
        let steward = tokio::spawn(Steward::new(Arc::downgrade(&shared), hears).run());
        let telling = tokio::spawn(keep_telling(Arc::downgrade(&shared)));
        let repairing = tokio::spawn(keep_repairing(Arc::downgrade(&shared)));
        *lock(&shared.tasks) = vec![steward, telling, repairing];
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

    /// Ends everything that runs; the store stays open.
    pub async fn shutdown(&self) {
        lock(&self.shared.tasks).drain(..).for_each(|task| task.abort());
        self.shared.inputs.stop();
        let thread = lock(&self.shared.thread).take();
        let joined = tokio::task::spawn_blocking(move || thread.map(JoinHandle::join));
        if !matches!(joined.await, Ok(None | Some(Ok(())))) {
            tracing::error!("the member's thread has panicked");
        }
        self.shared.groups.shutdown().await;
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
