//! Where leaves go: into this node's own log, or, where the cluster has more members, into a replicated log whose record n is leaf n, from which each
//! member enters them into its own copy.
//!
//! ```text
//! alone    Admission ─ append ─▶ NotaryLog
//! cluster  Admission ─ append ─▶ pyralog.notary (durable on a quorum) ─ follow ─▶ NotaryLog of each member
//! ```
//!
//! The place of a leaf is that of its record, so whichever member takes it may promise it. The log becomes the cluster's when the second member is admitted.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use pyralog_cluster_core::cluster::AppendError;
use pyralog_cluster_core::replication::MemberId;
use pyralog_cluster_core::{self as core, Logs, MAX_SUBMISSION_LEAVES, NotaryLog, Partition};
use pyralog_crypto::codec::Decode;
use pyralog_crypto::{PublicKey, Record};
use tokio::sync::{Mutex, RwLock, oneshot};
use tokio::time::{Instant, sleep, timeout};

use super::Refused;
use crate::backend::LogState;
use crate::cluster::{ClusterMember, OwnLogs, unreadable};
use crate::driver::Shared;
use crate::error::{Error, Result};
use crate::home::Home;
use crate::logs::LogError;

/// How often it is looked for new leaves.
const LOOK: Duration = Duration::from_millis(10);
/// In this time a leaf that another member has promised is here, if this one is not behind.
const PROMISED: Duration = Duration::from_secs(2);
/// How often it is looked whether this member stores the log.
const PLACES: Duration = Duration::from_secs(1);
/// Bytes of leaves that are carried over at once, about.
const CARRY_BYTES: usize = 2 << 20;
/// How long a change that the cluster has decided may take to be seen here.
const SEEN: Duration = Duration::from_secs(10);

/// See the module. One is shared by all that has to do with the notary log.
pub struct NotaryLeaves {
    log: NotaryLog,
    cluster: Option<InCluster>,
    shared: Arc<Shared>,
    /// Held for reading while leaves go into the log directly, and for writing while the cluster takes it over.
    direct: Arc<RwLock<()>>,
    /// Held by whoever has the cluster take it over.
    sharing: Mutex<()>,
}

/// What the log needs of the cluster.
pub struct InCluster {
    /// This node in it.
    pub member: ClusterMember,
    /// The names of the cluster's own logs.
    pub names: OwnLogs,
    /// The record logs of this node.
    pub logs: Logs,
    /// The chain, which is part of the ids of logs.
    pub chain_id: String,
    /// The cluster's log key.
    pub owner: PublicKey,
    /// The home.
    pub home: Home,
}

impl NotaryLeaves {
    /// The leaves of `log`; without a cluster they are this node's alone.
    pub fn new(log: NotaryLog, cluster: Option<InCluster>, shared: Arc<Shared>) -> Arc<Self> {
        Arc::new(Self { log, cluster, shared, direct: Arc::default(), sharing: Mutex::new(()) })
    }

    /// This node's copy.
    pub fn log(&self) -> &NotaryLog {
        &self.log
    }

    /// Whether the log is the cluster's.
    pub fn is_shared(&self) -> bool {
        self.cluster
            .as_ref()
            .is_some_and(|cluster| cluster.member.cluster().partition(&cluster.names.notary, 0).is_ok())
    }

    /// Whether the log is this node's alone, and certainly so: one that joined, or has shared the log before, may not have heard yet that it is the cluster's.
    pub fn is_alone(&self) -> bool {
        let alone = |cluster: &InCluster| cluster.member.holds_notary_log() && !cluster.home.shared_keys().exists();
        !self.is_shared() && self.cluster.as_ref().is_none_or(alone)
    }

    /// Whether it is this node that has the log anchored.
    pub fn anchors_here(&self) -> bool {
        match &self.cluster {
            None => true,
            Some(cluster) if self.is_shared() => cluster.leader() == Some(cluster.member.cluster().id()),
            Some(cluster) => cluster.member.holds_notary_log(),
        }
    }

    /// Whether other members of the cluster store the log, and this one does not.
    pub fn are_elsewhere(&self) -> bool {
        matches!(self.shared.live().log, LogState::Elsewhere(_))
    }

    /// The other members that store the log and are up, whoever leads it first.
    pub fn kept_by(&self) -> Vec<MemberId> {
        let stored_by = |cluster: &InCluster| cluster.member.cluster().stored_by(&cluster.names.notary, 0);
        self.cluster.as_ref().map(stored_by).unwrap_or_default()
    }

    /// All members that store the log, for people.
    pub fn stored_by(&self) -> String {
        self.cluster.as_ref().map(InCluster::stored_by).unwrap_or_default()
    }

    /// Whether this node's copy may be shorter than what is anchored, without anything being wrong.
    pub fn may_lag(&self) -> bool {
        // Whoever leads has all records of those before it, and enters them within moments.
        !(self.is_alone() || self.anchors_here() && self.has_all())
    }

    /// Whether this node's copy has the leaf at a place. It may have been promised by another member a moment ago, so this waits a little.
    pub(super) async fn reaches(&self, index: u64, within: Duration) -> bool {
        let mut size = self.shared.log_size.subscribe();
        let grown = async {
            while self.log.size() <= index && self.is_shared() {
                if size.changed().await.is_err() {
                    break;
                }
            }
        };
        // Whether it came in time the size says.
        let _late = timeout(within.max(PROMISED), grown).await;
        self.log.size() > index
    }

    /// Whether leaves of the cluster are certainly missing in this node's copy.
    pub(super) fn lags(&self) -> bool {
        let Some(cluster) = self.cluster.as_ref().filter(|_| self.is_shared()) else { return false };
        let copy = cluster.copy().ok().flatten();
        !cluster.member.is_started() || copy.is_none_or(|copy| copy.end() > self.log.size() || copy.end() == 0)
    }

    /// How many leaves of the cluster this node's copy should have by now, if it stores them.
    pub fn end_in_cluster(&self) -> u64 {
        let copy = self.cluster.as_ref().and_then(|cluster| cluster.copy().ok().flatten());
        copy.map_or(0, |copy| copy.end())
    }

    fn has_all(&self) -> bool {
        let Some(cluster) = &self.cluster else { return false };
        let copy = cluster.copy().ok().flatten();
        // One that leads may still lack records that others have: it takes them meanwhile.
        cluster.is_whole() && copy.is_some_and(|copy| copy.end() > 0 && copy.end() <= self.log.size())
    }

    /// Appends leaves, all or none, and answers the place of the first one and the size of this node's copy, when they are durable.
    ///
    /// # Errors
    /// [`Refused`].
    pub(super) async fn append(&self, leaves: Vec<Vec<u8>>) -> std::result::Result<(u64, u64), Refused> {
        let direct = Arc::clone(&self.direct).read_owned().await;
        match &self.cluster {
            Some(cluster) if self.is_shared() => Ok((cluster.append(leaves).await?, self.log.size())),
            Some(cluster) if !cluster.may_write_alone() => Err(Refused::NotYet),
            _ => {
                let (sender, receiver) = oneshot::channel();
                let done = move |event: core::Event| {
                    // Until the leaves have their places, also where nobody waits for that any more.
                    drop(direct);
                    drop(sender.send(event.durable()));
                };
                self.log.append_then(leaves, Box::new(done)).map_err(Refused::of)?;
                let stopping = || Refused::Unavailable("the node is stopping".into());
                receiver.await.map_err(|_| stopping())?.map_err(Refused::of)
            }
        }
    }

    /// Has the cluster take over the log, if it has not. Leaves wait meanwhile; a part of it that was carried over stays so.
    ///
    /// # Errors
    /// [`LogError`]: nothing has changed then, unless the cluster does not know.
    pub async fn share(&self) -> std::result::Result<(), LogError> {
        let _one = self.sharing.lock().await;
        let Some(cluster) = self.cluster.as_ref().filter(|_| !self.is_shared()) else { return Ok(()) };
        if !cluster.member.holds_notary_log() {
            return Err(LogError::NotStarted);
        }
        if let Some(why) = self.log.retracted() {
            return Err(why.into());
        }
        let InCluster { names, logs, chain_id, owner, .. } = cluster;
        let (names_, logs, chain_id, owner) = (names.clone(), logs.clone(), chain_id.clone(), *owner);
        let made = tokio::task::spawn_blocking(move || names_.open_or_make(&logs, &names_.notary, &chain_id, &owner));
        let copy = made.await.map_err(|_| LogError::Panicked)??.partition(0)?.clone();
        // Most of it while leaves are still taken.
        self.carry_over(&copy).await?;
        let _nobody = self.direct.write().await;
        self.carry_over(&copy).await?;
        let (log, carried) = (self.log.clone(), copy.clone());
        let same = tokio::task::spawn_blocking(move || -> std::result::Result<bool, core::Error> {
            let (_, end) = carried.range()?;
            Ok(end == log.size() && (end == 0 || read_leaves(&carried, end - 1, 1)? == [log.leaf(end - 1)?]))
        });
        if !same.await.map_err(|_| LogError::Panicked)?? {
            return Err(different(&self.log).into());
        }
        cluster.member.cluster().adopt_log(&names.notary).await?;
        let until = Instant::now() + SEEN;
        while !self.is_shared() && Instant::now() < until {
            sleep(LOOK).await;
        }
        if !self.is_shared() {
            return Err(LogError::NotStarted);
        }
        tracing::info!(leaves = self.log.size(), "the notary log is the cluster's from now on");
        Ok(())
    }

    async fn carry_over(&self, to: &Partition) -> std::result::Result<(), LogError> {
        loop {
            let (log, to) = (self.log.clone(), to.clone());
            let (sender, receiver) = oneshot::channel();
            let carried = tokio::task::spawn_blocking(move || -> std::result::Result<bool, core::Error> {
                let (_, from) = to.range()?;
                let (mut records, mut bytes) = (Vec::new(), 0);
                while records.len() < MAX_SUBMISSION_LEAVES && bytes < CARRY_BYTES {
                    let index = from + records.len() as u64;
                    if index >= log.size() {
                        break;
                    }
                    let leaf = log.leaf(index)?;
                    bytes += leaf.len();
                    records.extend(record(leaf));
                }
                if records.is_empty() {
                    return Ok(false);
                }
                to.append_then(&records, Box::new(move |event| drop(sender.send(event.durable()))))?;
                Ok(true)
            });
            if !carried.await.map_err(|_| LogError::Panicked)?? {
                return Ok(());
            }
            receiver.await.map_err(|_| LogError::Stopping)??;
        }
    }

    /// Enters leaves of the cluster into this node's copy, until the store fails.
    ///
    /// # Errors
    /// The storage failed: the node stops.
    pub async fn follow(self: Arc<Self>) -> Result<()> {
        let mut following = Following { copy: None, looked: Instant::now(), checked: false };
        loop {
            match self.take_in(&mut following).await {
                Ok(0) => sleep(LOOK).await,
                Ok(_) => {
                    let size = self.log.size();
                    self.shared.log_size.send_if_modified(|known| size > std::mem::replace(known, size.max(*known)));
                }
                Err(error) if error.is_fatal() => return Err(Error::Storage(error.to_string())),
                Err(error) => {
                    tracing::warn!(%error, "leaves of the cluster cannot be entered into this member's copy of the notary log yet");
                    sleep(LOOK * 100).await;
                }
            }
        }
    }

    /// Enters what is there behind the last leaf, and answers how many leaves that were.
    async fn take_in(&self, following: &mut Following) -> std::result::Result<usize, core::Error> {
        let Some(cluster) = &self.cluster else { return Ok(0) };
        if following.copy.is_none() || following.looked.elapsed() > PLACES {
            following.looked = Instant::now();
            following.copy = self.find(cluster)?;
        }
        let Some(copy) = following.copy.clone() else { return Ok(0) };
        let size = self.log.size();
        if following.checked && copy.end() <= size {
            return Ok(0);
        }
        let (log, check) = (self.log.clone(), !following.checked && size > 0);
        let read = move || -> std::result::Result<Option<Vec<Vec<u8>>>, core::Error> {
            let (_, end) = copy.range()?;
            if end < size {
                return Ok(None);
            }
            if check && read_leaves(&copy, size - 1, 1)? != [log.leaf(size - 1)?] {
                return Err(different(&log));
            }
            read_leaves(&copy, size, MAX_SUBMISSION_LEAVES).map(Some)
        };
        let panicked = |_| core::Error::Closed;
        let Some(leaves) = tokio::task::spawn_blocking(read).await.map_err(panicked)?? else { return Ok(0) };
        following.checked = true;
        if leaves.is_empty() {
            return Ok(0);
        }
        let count = leaves.len();
        let (sender, receiver) = oneshot::channel();
        self.log.append_then(leaves, Box::new(move |event| drop(sender.send(event.durable()))))?;
        let (first, _) = receiver.await.map_err(|_| core::Error::Closed)??;
        if first != size {
            return Err(different(&self.log));
        }
        Ok(count)
    }

    /// This member's copy of the replicated log, and says where it is if there is none.
    fn find(&self, cluster: &InCluster) -> std::result::Result<Option<Partition>, core::Error> {
        let Some(of) = cluster.member.cluster().log(&cluster.names.notary) else { return Ok(None) };
        let here = of.nodesets.first().is_some_and(|nodeset| nodeset.contains(cluster.member.cluster().id()));
        let elsewhere = matches!(self.shared.live().log, LogState::Elsewhere(_));
        if !here {
            let list = cluster.stored_by();
            let why = format!("this member of the cluster stores no notary log: ask one of the members {list}");
            self.shared.update(|live| live.log = LogState::Elsewhere(why));
            return Ok(None);
        }
        if elsewhere {
            self.shared.update(|live| live.log = LogState::Unchecked);
        }
        cluster.copy()
    }
}

/// How far the copy is followed.
struct Following {
    copy: Option<Partition>,
    /// When it was looked where the log is stored.
    looked: Instant,
    /// Whether the last leaf of before was found to be the same.
    checked: bool,
}

impl InCluster {
    /// Whether this node is its cluster's only member: certainly so, where others may have the keys.
    fn may_write_alone(&self) -> bool {
        let certain = || self.member.is_started() && self.member.cluster().is_alone();
        self.member.holds_notary_log() && (!self.home.shared_keys().exists() || certain())
    }

    /// The members that store the log.
    fn stored_by(&self) -> String {
        let of = self.member.cluster().log(&self.names.notary);
        let members = of.and_then(|of| Some(of.nodesets.first()?.members().to_vec())).unwrap_or_default();
        let list: Vec<String> = members.iter().map(|MemberId(id)| id.to_string()).collect();
        list.join(", ")
    }

    fn leader(&self) -> Option<MemberId> {
        let cluster = self.member.cluster();
        cluster.leader_of(cluster.partition(&self.names.notary, 0).ok()?)
    }

    /// Whether no records are known to be missing in this member's copy, and all earlier epochs are brought together.
    fn is_whole(&self) -> bool {
        let all = self.member.cluster().partitions();
        let of = all.iter().find(|status| status.log == self.names.notary);
        of.is_some_and(|status| !status.behind && status.last_clean.next() == Some(status.epoch))
    }

    /// This member's copy of the replicated log, if it has one.
    fn copy(&self) -> std::result::Result<Option<Partition>, core::Error> {
        let Some(of) = self.member.cluster().log(&self.names.notary) else { return Ok(None) };
        match self.logs.open_log(self.names.notary.as_str()) {
            Ok(log) if log.spec().id == of.spec.id => log.partition(0).cloned().map(Some),
            // It is being made.
            Ok(_) | Err(core::Error::NoSuchLog { .. }) => Ok(None),
            Err(other) => Err(other),
        }
    }

    async fn append(&self, leaves: Vec<Vec<u8>>) -> std::result::Result<u64, Refused> {
        if !self.member.is_started() {
            return Err(Refused::NotYet);
        }
        let records: Vec<Record> = leaves.into_iter().filter_map(record).collect();
        match self.member.cluster().append_again(&self.names.notary, 0, &records).await {
            Ok(placed) => Ok(placed.offset),
            Err(AppendError::Invalid(error)) => Err(Refused::of(error)),
            Err(error @ AppendError::Busy) => Err(Refused::NoQuorum(error.to_string())),
            Err(AppendError::Unknown { copies, wanted }) => Err(Refused::Unavailable(format!(
                "{copies} of {wanted} copies are known, so the leaves may or may not be in the notary log: start the members of the cluster that are down, and submit \
                 again; a leaf that stands there twice does no harm"
            ))),
            Err(error) => Err(Refused::NoQuorum(format!("{error}; nothing was taken"))),
        }
    }
}

/// A leaf as a record. `None` never, since the longest leaf is much shorter than the longest record.
fn record(leaf: Vec<u8>) -> Option<Record> {
    Record::new(0, None, Bytes::from(leaf), Vec::new()).ok()
}

/// The leaves from a place on, at most so many.
fn read_leaves(copy: &Partition, from: u64, most: usize) -> std::result::Result<Vec<Vec<u8>>, core::Error> {
    let (mut leaves, mut bytes, mut outcome) = (Vec::new(), 0, Ok(()));
    copy.read(from, &mut |stored| {
        match Record::from_bytes(stored.bytes) {
            Ok(record) => {
                bytes += record.value().len();
                leaves.push(record.value().to_vec());
            }
            Err(error) => outcome = Err(unreadable("pyralog.notary", stored.offset, &error)),
        }
        outcome.is_ok() && leaves.len() < most && bytes < CARRY_BYTES
    })?;
    outcome.map(|()| leaves)
}

fn different(log: &NotaryLog) -> core::Error {
    core::Error::WriterStopped(format!(
        "the notary log {} of this member has other leaves than the cluster's: wipe this member's data/core and start it again, it then takes them from the others",
        log.id()
    ))
}
