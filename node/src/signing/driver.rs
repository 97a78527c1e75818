//! Follows the signer's log, takes the lease where this member leads it, and gives it up where it does not.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use pyralog_cluster_core::cluster::Cluster;
use pyralog_cluster_core::raft::GroupError;
use pyralog_cluster_core::replication::Epoch;
use pyralog_cluster_core::{self as core, Logs, Mark, Partition, PartitionId};
use pyralog_consensus::engine::{Input, PeerNumber, SignMark, SignerState, WalRecovery};
use pyralog_crypto::codec::{Decode, Encode};
use pyralog_crypto::{PublicKey, Record};
use tokio::sync::{Mutex, oneshot};
use tokio::time::{Instant, sleep, timeout};

use super::quorum_wal::append;
use super::reading::read_on;
use super::strange::Strange;
use super::{Handing, QuorumWal, Role, Said, SignerLog, SignerRecord, Signing, lacks_blocks};
use crate::chain::ChainReader;
use crate::cluster::{ClusterMember, OwnLogs};
use crate::driver::{EngineHandle, LoopEvent, Shared};
use crate::error::Error;
use crate::home::{Home, PUBLIC, write_atomic};
use crate::logs::LogError;
use crate::store::CoreChain;

/// How often the log is looked at.
const LOOK: Duration = Duration::from_millis(10);
/// After a lease could not be taken, or the store does not answer, nothing is tried for so long.
const REST: Duration = Duration::from_millis(200);
/// After another member was asked to lead, this one waits so long for it to do so.
const HANDED: Duration = Duration::from_secs(2);
/// A block that was handed to the engine and is not in the chain is handed over again.
const AGAIN: Duration = Duration::from_millis(500);
/// In this time a height is decided, or a member cannot be admitted now.
const RESIGNED: Duration = Duration::from_secs(20);
/// In this time what the cluster has decided is seen here.
const SEEN: Duration = Duration::from_secs(10);
/// How often it is looked where this member's copy is.
const PLACES: Duration = Duration::from_secs(1);
/// Blocks of the log are nobody's; no peer has this number.
const LOG: PeerNumber = PeerNumber(u64::MAX);
/// What stands in a home whose validator key other members have too.
pub const SHARED_KEYS: &str = "The validator key in this directory signs for a cluster of several members, by turns. A member whose data/ is lost is started with its \
     data/members.json, and never alone: see docs/node.md.\n";

/// What the driver works with.
pub struct SigningParts {
    /// This node in its cluster.
    pub member: ClusterMember,
    /// The names of the cluster's own logs.
    pub names: OwnLogs,
    /// The record logs of this node.
    pub logs: Logs,
    /// The mark on this node's disk.
    pub mark: Mark,
    /// The chain.
    pub chain: CoreChain,
    /// The chain's id, which is part of the ids of logs.
    pub chain_id: String,
    /// The cluster's log key.
    pub owner: PublicKey,
    /// The engine's thread.
    pub engine: EngineHandle,
    /// Which heights peers have.
    pub shared: Arc<Shared>,
    /// The home.
    pub home: Home,
    /// The number of this start.
    pub number: u64,
    /// What the WAL on this node's disk held, where no engine has begun with it.
    pub wal: Option<WalRecovery>,
}

/// See the module.
pub struct SigningDriver {
    parts: SigningParts,
    now: Mutex<Now>,
}

/// What this member is doing.
struct Now {
    role: Doing,
    wal: Option<WalRecovery>,
    log: SignerLog,
    /// The log's partition, and this member's copy of it, if there is one.
    copy: Option<(PartitionId, Partition)>,
    /// The last block that was handed to the engine, and when.
    handed: (u64, Instant),
    rests_until: Instant,
    /// When it was looked where the copy is.
    looked: Instant,
    /// Whether the cluster was asked to take the log, and may have.
    offered: bool,
    handing: Handing,
    /// A signature that this member did not make.
    strange: Option<Strange>,
}

enum Doing {
    /// Signs over its own disk: it is the only member.
    Alone,
    Follow,
    /// Signs in an epoch.
    Sign(QuorumWal),
}

impl SigningDriver {
    /// A driver. The engine follows, or signs over the node's own disk where `alone`.
    pub fn new(mut parts: SigningParts, alone: bool) -> Arc<Self> {
        let now = Instant::now();
        let role = if alone { Doing::Alone } else { Doing::Follow };
        let wal = parts.wal.take();
        let now = Now {
            role,
            wal,
            log: SignerLog::default(),
            copy: None,
            handed: (0, now),
            rests_until: now,
            looked: now,
            offered: false,
            handing: Handing::default(),
            strange: None,
        };
        Arc::new(Self { parts, now: Mutex::new(now) })
    }

    /// Whether signatures of the cluster rest on a log that it replicates.
    pub fn is_shared(&self) -> bool {
        self.cluster().partition(&self.parts.names.signer, 0).is_ok()
    }

    /// Runs until the node stops, or the storage fails: the engine's thread is told then.
    pub async fn run(self: Arc<Self>) {
        loop {
            let mut now = self.now.lock().await;
            let stepped = self.step(&mut now).await;
            if stepped.is_err() {
                now.copy = None;
            }
            drop(now);
            match stepped {
                Ok(()) => sleep(LOOK).await,
                Err(error) if error.is_fatal() => {
                    return self.parts.engine.send(LoopEvent::Failed(Error::Storage(error.to_string())));
                }
                Err(error) => {
                    tracing::warn!(%error, "the signer's log cannot be read at the moment");
                    sleep(REST).await;
                }
            }
        }
    }

    fn cluster(&self) -> &Cluster {
        self.parts.member.cluster()
    }

    async fn step(&self, now: &mut Now) -> std::result::Result<(), core::Error> {
        if !self.is_shared() {
            if matches!(now.role, Doing::Follow) && !now.offered && self.may_sign_alone() {
                self.sign_alone(now);
            }
            return Ok(());
        }
        if now.copy.is_none() || now.looked.elapsed() > PLACES {
            now.looked = Instant::now();
            now.copy = self.copy()?;
        }
        let Some((partition, copy)) = now.copy.clone() else { return Ok(()) };
        read_on(&copy, &mut now.log).await?;
        self.parts.shared.set_lacks_signed(lacks_blocks(self.parts.chain.height(), &now.log));
        self.explain(now);
        let led = self.cluster().epoch_led(partition).filter(|_| self.parts.member.is_started());
        match &now.role {
            // It became the cluster's in the course of an earlier start.
            Doing::Alone => self.resign(now).await,
            Doing::Sign(quorum) if led == Some(quorum.epoch()) && !quorum.is_lost() => {}
            Doing::Sign(_) => {
                self.parts.engine.send(LoopEvent::Become(Box::new(Role::Follow)));
                now.role = Doing::Follow;
            }
            Doing::Follow => {
                self.hand_block(now);
                if let Some(epoch) = led.filter(|_| Instant::now() >= now.rests_until) {
                    if self.hand_over(now, partition) {
                        now.rests_until = Instant::now() + HANDED;
                    } else if !self.take_lease(now, partition, &copy, epoch).await? {
                        now.rests_until = now.rests_until.max(Instant::now() + REST);
                    }
                }
            }
        }
        Ok(())
    }

    /// Says whose a signature is that this member did not make. Nothing but words: the engine has stopped signing at once.
    fn explain(&self, now: &mut Now) {
        if let Doing::Sign(quorum) = &now.role {
            let number = quorum.number();
            let state = match (self.parts.shared.take_strange(), self.parts.shared.signer()) {
                // Its epoch was over a moment later.
                (Some(seen), SignerState::NoKey) => SignerState::Suspended { seen },
                (_, state) => state,
            };
            now.strange = Strange::seen(now.strange.take(), state, number, Instant::now());
        }
        if let Some(strange) = &now.strange
            && strange.explain(&now.log, self.cluster().id().0, Instant::now())
        {
            now.strange = strange.said();
        }
    }

    /// Asks another member to lead the log, where this one cannot sign before it has fetched blocks, and somebody has them.
    fn hand_over(&self, now: &mut Now, partition: PartitionId) -> bool {
        let SigningParts { member, names, chain, shared, .. } = &self.parts;
        lacks_blocks(chain.height(), &now.log)
            && now.handing.hand_over(member, shared, (&names.signer, partition), now.log.decided())
    }

    /// Whether this node is its cluster's only member, and certainly so.
    fn may_sign_alone(&self) -> bool {
        let member = &self.parts.member;
        member.is_started() && member.holds_notary_log() && self.cluster().is_alone() && !self.is_shared()
    }

    fn sign_alone(&self, now: &mut Now) {
        // Whoever resigned did so with nothing undecided: there is no WAL to go on with.
        let wal = now.wal.take().unwrap_or_default();
        let signing = Signing { wal, mark: self.own_mark(), number: self.number(now), quorum: None };
        self.parts.engine.send(LoopEvent::Become(Box::new(Role::Sign(signing))));
        now.role = Doing::Alone;
    }

    /// The mark on this node's disk: it signed up to there while it was alone.
    fn own_mark(&self) -> Option<SignMark> {
        // One that cannot be read has stopped the start.
        self.parts.mark.get().and_then(|bytes| SignMark::from_bytes(&bytes).ok())
    }

    fn number(&self, now: &Now) -> u64 {
        self.parts.number.max(now.log.number().saturating_add(1))
    }

    /// Takes the lease of an epoch: everything of earlier ones is read before anything is signed. Answers whether it is taken.
    async fn take_lease(
        &self,
        now: &mut Now,
        partition: PartitionId,
        copy: &Partition,
        epoch: Epoch,
    ) -> std::result::Result<bool, core::Error> {
        let number = self.number(now);
        let begin = SignerRecord::Begin { number, member: self.cluster().id().0 };
        let own = self.own_mark().filter(|own| Some(*own) > now.log.mark()).map(|own| Said::Mark(own).of(0, 0));
        let mut place = None;
        for record in own.into_iter().chain([begin]) {
            let appending = append(self.cluster(), partition, epoch, &record);
            let Ok(appending) = appending else { return Ok(false) };
            match appending.await {
                Ok(placed) => place = Some(placed.offset),
                Err(reason) => {
                    tracing::debug!(%reason, "this member cannot sign yet");
                    return Ok(false);
                }
            }
        }
        let until = Instant::now() + SEEN;
        while place.is_some_and(|place| now.log.next() <= place) || self.parts.chain.height() < now.log.decided() {
            if Instant::now() > until || self.cluster().epoch_led(partition) != Some(epoch) {
                return Ok(false);
            }
            read_on(copy, &mut now.log).await?;
            if self.hand_over(now, partition) {
                now.rests_until = Instant::now() + HANDED;
                return Ok(false);
            }
            self.hand_block(now);
            sleep(LOOK).await;
        }
        if now.log.begun() != place {
            // Somebody began under this number or a higher one that was not known here: nothing that follows this begin would count.
            return Ok(false);
        }
        let quorum = QuorumWal::new(self.cluster().clone(), partition, epoch, number, self.parts.engine.clone());
        let signing = Signing { wal: now.log.wal(), mark: now.log.mark(), number, quorum: Some(quorum.clone()) };
        tracing::info!(epoch = epoch.0, mark = ?signing.mark, "this member signs for its cluster");
        self.parts.engine.send(LoopEvent::Become(Box::new(Role::Sign(signing))));
        now.role = Doing::Sign(quorum);
        Ok(true)
    }

    /// Gives the engine the next block, where the log has it: whoever signed may be the only one that ever had it.
    fn hand_block(&self, now: &mut Now) {
        let next = self.parts.chain.height() + 1;
        if now.handed.0 == next && now.handed.1.elapsed() < AGAIN {
            return;
        }
        if let Some((block, commit)) = now.log.block(next)
            && self.parts.engine.offer(Input::SyncBlock { peer: LOG, block, commit })
        {
            now.handed = (next, Instant::now());
        }
    }

    /// Has the engine sign no more over this node's disk, from a moment on at which nothing is undecided.
    async fn resign(&self, now: &mut Now) {
        let (told, mut resigned) = oneshot::channel();
        self.parts.engine.send(LoopEvent::Resign(told));
        let in_time = timeout(RESIGNED, &mut resigned).await.is_ok_and(|told| told.is_ok());
        resigned.close();
        if in_time || resigned.try_recv().is_ok() {
            now.role = Doing::Follow;
            now.wal = None;
        }
    }

    /// Has the cluster's signatures rest on a log that it replicates, if they do not.
    ///
    /// # Errors
    /// [`LogError`]: this node goes on signing by itself then, unless the cluster does not know.
    pub async fn share(&self) -> std::result::Result<(), LogError> {
        let mut now = self.now.lock().await;
        if self.is_shared() {
            // Nobody else may sign before what this node signed alone is known to all.
            return match now.role {
                Doing::Alone => Err(LogError::Signing),
                _ if now.log.mark() >= self.own_mark() => Ok(()),
                _ => Err(LogError::NotStarted),
            };
        }
        if !self.may_sign_alone() || now.offered {
            return Err(LogError::NotStarted);
        }
        self.resign(&mut now).await;
        if !matches!(now.role, Doing::Follow) {
            return Err(LogError::Signing);
        }
        let next = self.parts.chain.height() + 1;
        let number = self.number(&now);
        let begin = SignerRecord::Begin { number, member: self.cluster().id().0 };
        let mark = self.own_mark().map(|mark| Said::Mark(mark).of(0, 0));
        let records = mark.into_iter().chain([begin, Said::Reset { height: next }.of(number, 1)]);
        let records: Vec<Bytes> = records.map(|record| record.to_bytes().into()).collect();
        self.write_first(records).await?;
        let (marker, text) = (self.parts.home.shared_keys(), SHARED_KEYS.as_bytes());
        tokio::task::spawn_blocking(move || write_atomic(&marker, text, PUBLIC))
            .await
            .map_err(|_| LogError::Panicked)?
            .map_err(|e| LogError::Home(e.to_string()))?;
        now.offered = true;
        let adopted = self.cluster().adopt_log(&self.parts.names.signer).await;
        if let Err(GroupError::Refused { .. }) = &adopted {
            now.offered = self.is_shared();
        }
        adopted?;
        let until = Instant::now() + SEEN;
        while !self.is_shared() && Instant::now() < until {
            sleep(LOOK).await;
        }
        if !self.is_shared() {
            return Err(LogError::NotStarted);
        }
        tracing::info!("the cluster's signatures rest on a replicated log from now on");
        Ok(())
    }

    /// Begins the log on this node's disk. Records of an attempt before stay in front.
    async fn write_first(&self, records: Vec<Bytes>) -> std::result::Result<(), LogError> {
        let SigningParts { names, logs, chain_id, owner, .. } = &self.parts;
        let (names, logs, chain_id, owner) = (names.clone(), logs.clone(), chain_id.clone(), *owner);
        let (sender, receiver) = oneshot::channel();
        let written = tokio::task::spawn_blocking(move || -> std::result::Result<(), core::Error> {
            let log = names.open_or_make(&logs, &names.signer, &chain_id, &owner)?;
            // They are short.
            let records: Vec<Record> =
                records.into_iter().filter_map(|bytes| Record::new(0, None, bytes, Vec::new()).ok()).collect();
            let done = Box::new(move |event: core::Event| drop(sender.send(event.durable())));
            log.partition(0)?.append_then(&records, done).map(|_| ())
        });
        written.await.map_err(|_| LogError::Panicked)??;
        receiver.await.map_err(|_| LogError::Stopping)??;
        Ok(())
    }

    /// The log's partition, and this member's copy of it, if it has one.
    fn copy(&self) -> std::result::Result<Option<(PartitionId, Partition)>, core::Error> {
        let name = &self.parts.names.signer;
        let (Some(of), Ok(id)) = (self.cluster().log(name), self.cluster().partition(name, 0)) else { return Ok(None) };
        match self.parts.logs.open_log(name.as_str()) {
            Ok(log) if log.spec().id == of.spec.id => Ok(Some((id, log.partition(0)?.clone()))),
            // It is being made.
            Ok(_) | Err(core::Error::NoSuchLog { .. }) => Ok(None),
            Err(other) => Err(other),
        }
    }
}
