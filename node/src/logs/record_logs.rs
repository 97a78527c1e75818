//! The record logs of this node, and the threads in which they are worked on.

use std::collections::BTreeMap;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex};

use pyralog_cluster_core::segment::Retention;
use pyralog_cluster_core::{self as core, Log, LogName, LogSpec, Logs, Storage};
use pyralog_crypto::{LogId, Signer};
use tokio::sync::{Semaphore, watch};

use super::{Copies, LogError, LogReport};
use crate::cluster::{ClusterMember, is_own, is_reserved};
use crate::driver::{EngineHandle, LoopEvent, lock};
use crate::error::Error;
use crate::metrics::Metrics;

/// Threads that work on record logs at once; the disk gives no more to more of them.
const THREADS: u32 = 32;

/// What a log is to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewLog {
    /// Its name.
    pub name: String,
    /// How many.
    pub partitions: u32,
    /// Where the records are.
    pub storage: Storage,
    /// A segment is sealed when it has so many bytes.
    pub segment_bytes: u64,
    /// Which records may go.
    pub retention: Retention,
    /// How many members keep them.
    pub copies: Copies,
}

/// The record logs of this node. One is shared by all requests. Whatever may touch the disk runs in one of a bounded number of threads.
pub struct RecordLogs {
    pub(super) logs: Logs,
    pub(super) signer: Arc<dyn Signer>,
    pub(super) chain_id: String,
    pub(super) metrics: Metrics,
    pub(super) stopping: watch::Receiver<bool>,
    /// Moves with each request whose partition the node chooses.
    pub(super) turn: AtomicU64,
    notary: LogId,
    engine: EngineHandle,
    /// This node in its cluster; `None` where it has none.
    pub(super) member: Option<ClusterMember>,
    /// Ends of partitions that callers were told of, and that this member's copies may not have yet.
    pub(super) ends: Mutex<BTreeMap<(LogId, u32), u64>>,
    threads: Arc<Semaphore>,
    counting: Arc<Mutex<()>>,
}

impl RecordLogs {
    /// The record logs in `logs`, whose key is `signer`. `notary` is the node's notary log, whose name no other may have. `engine` hears where the
    /// store cannot go on.
    pub fn new(
        logs: Logs,
        signer: Arc<dyn Signer>,
        chain_id: &str,
        notary: LogId,
        engine: EngineHandle,
        metrics: Metrics,
        stopping: watch::Receiver<bool>,
        member: Option<ClusterMember>,
    ) -> Arc<Self> {
        let threads = Arc::new(Semaphore::new(THREADS as usize));
        let (turn, counting, ends) = (AtomicU64::new(0), Arc::default(), Mutex::default());
        let chain_id = chain_id.into();
        let this =
            Self { logs, signer, chain_id, metrics, stopping, turn, notary, engine, member, ends, threads, counting };
        count(&this.logs, &this.metrics, &this.counting);
        Arc::new(this)
    }

    /// Makes a log; its id is derived from its incarnation too.
    ///
    /// # Errors
    /// [`LogError::NotaryName`], [`LogError::ReservedName`], [`LogError::CopiesInMemory`], [`LogError::NoCopies`], [`LogError::Copies`], and what
    /// [`Logs::create`] answers.
    pub async fn create(&self, new: NewLog) -> Result<LogReport, LogError> {
        let NewLog { name, partitions, storage, segment_bytes, retention, copies } = new;
        let name: LogName = name.parse()?;
        if is_reserved(name.as_str()) {
            return Err(LogError::ReservedName(name.to_string()));
        }
        let (chain_id, owner) = (self.chain_id.clone(), self.signer.public_key());
        // Each has its own id, but people would take one for the other.
        let id = LogId::derive(&chain_id, &owner, name.as_str());
        if id == self.notary {
            return Err(LogError::NotaryName(name.to_string()));
        }
        if storage == Storage::Memory && !copies.is_silent() {
            return Err(LogError::CopiesInMemory(name.to_string()));
        }
        let spec = LogSpec { name: name.clone(), id, partitions, storage, retention, segment_bytes };
        if let Some(member) = self.creator(storage)? {
            return self.create_replicated(member, spec, copies).await;
        }
        if !copies.is_silent() {
            return Err(LogError::NoCopies(name.to_string()));
        }
        let (logs, metrics, counting) = (self.logs.clone(), self.metrics.clone(), Arc::clone(&self.counting));
        let engine = self.engine.clone();
        self.work(move || {
            let derive = |incarnation| LogId::derive_record(&chain_id, &owner, name.as_str(), incarnation);
            let log = told(&engine, logs.create_as(spec, derive))?;
            let LogSpec { name, id, partitions, storage, .. } = log.spec();
            let incarnation = log.incarnation();
            tracing::info!(%name, log = %id, incarnation, partitions, ?storage, "a record log was created");
            count(&logs, &metrics, &counting);
            Ok(LogReport::of(&log)?)
        })
        .await
    }

    /// All logs, by name.
    ///
    /// # Errors
    /// [`LogError::Stopping`].
    pub async fn list(&self) -> Result<Vec<LogReport>, LogError> {
        let logs = self.logs.clone();
        let own: Vec<LogReport> = self
            .work(move || {
                let reports = logs.list().into_iter().filter_map(|log| match LogReport::of(&log) {
                    // It was deleted in between.
                    Err(_) if logs.open_log(log.spec().name.as_str()).is_err() => None,
                    report => Some(report),
                });
                Ok(reports.collect::<Result<_, _>>()?)
            })
            .await?;
        let own = own.into_iter().map(|report| (report.spec.name.clone(), self.complete(report)));
        let mut all: BTreeMap<LogName, LogReport> = own.collect();
        for cluster in self.member.iter().map(ClusterMember::cluster) {
            for log in cluster.logs() {
                all.entry(log.spec.name.clone()).or_insert_with(|| Self::foreign(log, cluster.id()));
            }
        }
        // Whoever wants to see the cluster's own finds them among its partitions.
        all.retain(|name, _| !is_own(name.as_str()));
        Ok(all.into_values().collect())
    }

    /// One log.
    ///
    /// # Errors
    /// There is none of this name.
    pub async fn describe(&self, name: String) -> Result<LogReport, LogError> {
        self.caught_up(&name).await;
        let (logs, known) = (self.logs.clone(), self.replicated(&name).zip(self.member.as_ref()));
        let report = self.work(move || Ok(LogReport::of(&logs.open_log(&name)?)?)).await;
        match (report, known) {
            (Err(LogError::Store(core::Error::NoSuchLog { .. })), Some((log, member))) => {
                Ok(Self::foreign(log, member.cluster().id()))
            }
            (report, _) => report.map(|report| self.complete(report)),
        }
    }

    /// Deletes a log with all its records, for ever.
    ///
    /// # Errors
    /// What [`Logs::delete`] answers.
    pub async fn delete(&self, name: String) -> Result<(), LogError> {
        refuse_own(&name)?;
        if let Some(log) = self.to_delete(&name).await? {
            return self.delete_replicated(&log).await;
        }
        let (logs, metrics, counting) = (self.logs.clone(), self.metrics.clone(), Arc::clone(&self.counting));
        let engine = self.engine.clone();
        self.work(move || {
            let deleted = told(&engine, logs.delete(&name));
            count(&logs, &metrics, &counting);
            deleted?;
            tracing::info!(name, "a record log was deleted");
            Ok(())
        })
        .await
    }

    /// Sets the gauges again.
    pub(super) fn recount(&self) {
        count(&self.logs, &self.metrics, &self.counting);
    }

    /// Waits until no thread works on a log, and lets none begin: then the store may be closed.
    pub async fn finish(&self) {
        // An error says that it was finished before.
        let _all = self.threads.acquire_many(THREADS).await;
        self.threads.close();
    }

    /// Runs `work` in a thread that may wait for the disk.
    pub(super) async fn work<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> Result<T, LogError> + Send + 'static,
    ) -> Result<T, LogError> {
        let place = Arc::clone(&self.threads).acquire_owned().await.map_err(|_| LogError::Stopping)?;
        let done = tokio::task::spawn_blocking(move || {
            // Given back when the work ends, also where nobody waits for it any more.
            let _place = place;
            work()
        });
        match done.await {
            Ok(answer) => answer,
            Err(error) if error.is_panic() => Err(LogError::Panicked),
            Err(_) => Err(LogError::Stopping),
        }
    }
}

/// Refuses to change what is the cluster's own.
pub(super) fn refuse_own(name: &str) -> Result<(), LogError> {
    if is_own(name) { Err(LogError::OwnName(name.to_owned())) } else { Ok(()) }
}

/// What became of a change, of which `engine` is told where the store cannot go on: then the node stops, as it does for an append.
fn told<T>(engine: &EngineHandle, change: Result<T, core::Error>) -> Result<T, core::Error> {
    change.inspect_err(|error| {
        if error.is_fatal() {
            tracing::error!(%error, "the store has failed");
            engine.send(LoopEvent::Failed(Error::Storage(error.to_string())));
        }
    })
}

/// Sets the gauges. One after another: the last one to count sees what all before it did.
fn count(logs: &Logs, metrics: &Metrics, turn: &Mutex<()>) {
    let _turn = lock(turn);
    let all = logs.list();
    let partitions: usize = all.iter().map(|log: &Log| log.partitions().len()).sum();
    metrics.record_logs.set(all.len() as i64);
    metrics.record_partitions.set(partitions as i64);
}

#[cfg(test)]
#[path = "record_logs_test.rs"]
mod tests;
