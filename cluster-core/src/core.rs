//! The store of one member.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use bytes::Bytes;
use pyralog_crypto::LogId;

use crate::Error;
use crate::applier::{Applied, Applier};
use crate::chain::{Chain, ChainFile, Tables};
use crate::fsck::{self, FsckReport};
use crate::home::Home;
use crate::logs::{self, Log, Logs, Partitions};
use crate::mark::{self, Mark};
use crate::notary::{self, LogRecovery, NotaryLog};
use crate::options::{Backend, Options};
use crate::parts::CutTail;
use crate::queue::Queue;
use crate::raft::Identity;
use crate::registry::Registry;
use crate::replica::Replicas;
use crate::replication::MemberId;
use crate::settler::{NotaryLogs, Settler, Work};
use crate::space::Space;
use crate::stats::{Counters, Stats};
use crate::wal::Wal;
use crate::writer::Writer;

mod replay;

use replay::{Replayed, open_logs, replay};

/// What was found and repaired at open. Nothing in it was ever acknowledged, unless it says so.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct RecoveryReport {
    /// The data directory was made by this start.
    pub created: bool,
    /// A torn last group of the journal, which will be written over. [`crate::WalRecovery::truncated`] also remembers earlier ones.
    pub cut: Option<CutTail>,
    /// Height of the WAL's last reset.
    pub wal_height: u64,
    /// Entries in the WAL.
    pub wal_entries: u64,
    /// A write of the signer mark was cut by a crash.
    pub mark_torn: bool,
    /// Height of the latest block, 0 before the first.
    pub chain_height: u64,
    /// Every notary log of the home.
    pub logs: Vec<LogRecovery>,
    /// Partitions of other logs that cannot be used, each with the reason. What the journal holds of them stays there.
    pub damaged: Vec<Error>,
}

/// The store of one member: notary logs, consensus WAL, signer mark, chain. See the crate documentation.
///
/// Handles may outlive it: they still read, and refuse to write. Drop them before the same process opens the home again.
pub struct Core {
    queue: Arc<Queue>,
    counters: Arc<Counters>,
    backend: Backend,
    tables: Arc<dyn Tables>,
    options: Options,
    registry: Arc<Mutex<Registry>>,
    notary_logs: NotaryLogs,
    logs: Logs,
    replicas: Replicas,
    wal: Wal,
    mark: Mark,
    chain: Chain,
    thread: Option<JoinHandle<()>>,
    manual: Mutex<Option<Writer>>,
    /// Last: the lock goes when nothing can be written any more.
    home: Home,
}

impl Core {
    /// Opens the data directory on the real disk, making it where there is none.
    ///
    /// # Errors
    /// [`Error::InUse`], [`Error::OlderFormat`], [`Error::NewerFormat`], [`Error::NotAHome`], [`Error::MarkMissing`], [`Error::Damaged`],
    /// [`Error::DiskFull`], and what the disk or RocksDB answered. Nothing is repaired but torn tails.
    pub fn open(dir: &Path, options: Options) -> Result<(Self, RecoveryReport), Error> {
        Self::open_with(dir, options, Backend::default())
    }

    /// [`Core::open`] on another disk or other tables.
    ///
    /// # Errors
    /// As [`Core::open`].
    pub fn open_with(dir: &Path, options: Options, backend: Backend) -> Result<(Self, RecoveryReport), Error> {
        let disk = &backend.disk;
        let home = Home::open(disk.as_ref(), dir)?;
        let mut report = RecoveryReport { created: home.created, ..RecoveryReport::default() };
        let tables = backend.open_tables(dir, &options)?;
        let chain_file = Arc::new(ChainFile::open(Arc::clone(&tables), dir.join("tables"))?);
        report.chain_height = chain_file.latest();
        let mut registry = Registry::open(Arc::clone(&tables), dir.join("tables"))?;
        let mut openings = open_logs(&backend, dir, &options, &mut registry)?;
        let counters = Arc::new(Counters::default());
        let sink = Arc::clone(&options.events);
        let space = Space::new(Arc::clone(disk), dir.to_owned(), options.reserve_bytes);
        let queue = Arc::new(Queue::new(sink, Arc::clone(&counters), &options, space));
        let registry = Arc::new(Mutex::new(registry));
        let partitions = Partitions::default();
        let applied = Arc::new(Applied::default());
        let log_place = logs::Place {
            disk: Arc::clone(disk),
            dir: dir.join("logs"),
            registry: Arc::clone(&registry),
            handles: Arc::new(logs::Handles::new()),
            applied: Arc::clone(&applied),
        };
        let logs = Logs::open(Arc::clone(&queue), log_place, Arc::clone(&partitions))?;
        let replicas = Replicas::open(
            Arc::clone(&queue),
            Arc::clone(&registry),
            Arc::clone(&tables),
            dir.join("tables"),
            Arc::clone(&partitions),
            options.manual,
        )?;
        let Replayed { journal, wal, place, pinned, cut, damaged } =
            replay(disk, dir, &options, &mut openings, &partitions, &replicas)?;
        report.damaged = damaged;
        report.cut = cut;
        report.wal_height = wal.height;
        report.wal_entries = wal.entries.len() as u64;
        let used = report.wal_height > 0 || report.wal_entries > 0 || report.chain_height > 0;
        let mark_file = mark::open(disk.as_ref(), dir, used)?;
        report.mark_torn = mark_file.torn();

        let mut notary_logs = BTreeMap::new();
        for opening in openings.into_values() {
            let (log, recovery) = opening.finish(&tables, &options)?;
            notary_logs.insert(log.id, Arc::new(log));
            report.logs.push(recovery);
        }
        report.log();

        let notary_logs: NotaryLogs = Arc::new(Mutex::new(notary_logs));
        let wal = Wal::new(Arc::clone(&queue), wal);
        let mark = Mark::new(Arc::clone(&queue), mark_file.value().map(Bytes::copy_from_slice));
        let chain = Chain::new(Arc::clone(&queue), Arc::clone(&chain_file));
        let work = Work {
            disk: Arc::clone(disk),
            notary_logs: Arc::clone(&notary_logs),
            partitions: Arc::clone(&partitions),
            replicas: replicas.table(),
            applied: Arc::clone(&applied),
            queue: Arc::clone(&queue),
        };
        let threads = |e| Error::io("start the store's threads for", dir, e);
        let (applier, settler) = if options.manual {
            (Applier::here(applied), Settler::here(work))
        } else {
            let applier = Applier::beside(applied, Arc::clone(&queue)).map_err(threads)?;
            (applier, Settler::beside(work).map_err(threads)?)
        };
        let writer = Writer {
            queue: Arc::clone(&queue),
            counters: Arc::clone(&counters),
            applier,
            settler,
            settled: journal.active_group(),
            settling: false,
            journal,
            wal: place,
            pinned,
            mark_file,
            mark: mark.clone(),
            chain: chain_file,
            partitions,
            replicas: replicas.table(),
        };
        let (thread, manual) = if options.manual {
            (None, Some(writer))
        } else {
            let named = std::thread::Builder::new().name("store-writer".into());
            (Some(named.spawn(move || writer.run()).map_err(threads)?), None)
        };
        let manual = Mutex::new(manual);
        let core = Self {
            queue,
            counters,
            backend,
            tables,
            options,
            registry,
            notary_logs,
            logs,
            replicas,
            wal,
            mark,
            chain,
            thread,
            manual,
            home,
        };
        Ok((core, report))
    }

    /// A notary log, made where there is none.
    ///
    /// # Errors
    /// As [`Core::open`] for a new log; why the store failed.
    pub fn notary_log(&self, id: LogId) -> Result<NotaryLog, Error> {
        if let Some(failure) = self.queue.failure() {
            return Err(failure);
        }
        let mut logs = self.notary_logs.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(log) = logs.get(&id) {
            return Ok(NotaryLog::new(Arc::clone(&self.queue), Arc::clone(log)));
        }
        let mut registry = self.registry.lock().unwrap_or_else(PoisonError::into_inner);
        let stream = registry.take_streams(1)?;
        let dir = notary_dir(&self.home.dir, id);
        let opening = notary::Opening::open(&self.backend.disk, dir, id, stream, false, &self.options)?;
        registry.put_notary(id, stream)?;
        let (log, _recovery) = opening.finish(&self.tables, &self.options)?;
        let log = Arc::new(log);
        logs.insert(id, Arc::clone(&log));
        Ok(NotaryLog::new(Arc::clone(&self.queue), log))
    }

    /// Ids of the home's notary logs.
    #[must_use]
    pub fn log_ids(&self) -> Vec<LogId> {
        self.notary_logs.lock().unwrap_or_else(PoisonError::into_inner).keys().copied().collect()
    }

    /// The other logs.
    #[must_use]
    pub fn logs(&self) -> &Logs {
        &self.logs
    }

    /// The replicated partitions.
    #[must_use]
    pub fn replicas(&self) -> &Replicas {
        &self.replicas
    }

    /// Which member of a cluster the home belongs to, as its disk says.
    ///
    /// # Errors
    /// As [`Identity::load`].
    pub fn identity(&self) -> Result<Option<Identity>, Error> {
        Identity::load(self.tables.as_ref())
    }

    /// The same; a home that belongs to nobody gets an incarnation, durably, and waits for an id.
    ///
    /// # Errors
    /// As [`Identity::load_or_make`].
    pub fn make_identity(&self) -> Result<Identity, Error> {
        Identity::load_or_make(self.tables.as_ref())
    }

    /// The home is this member of its cluster from now on, durably.
    ///
    /// # Errors
    /// As [`Identity::assign`].
    pub fn assign(&self, member: MemberId) -> Result<(), Error> {
        self.make_identity()?.assign(self.tables.as_ref(), member)
    }

    /// The tables.
    pub(crate) fn tables(&self) -> Arc<dyn Tables> {
        Arc::clone(&self.tables)
    }

    /// The consensus WAL.
    #[must_use]
    pub fn wal(&self) -> &Wal {
        &self.wal
    }

    /// The signer mark.
    #[must_use]
    pub fn mark(&self) -> &Mark {
        &self.mark
    }

    /// The chain.
    #[must_use]
    pub fn chain(&self) -> &Chain {
        &self.chain
    }

    /// The data directory.
    #[must_use]
    pub fn dir(&self) -> &Path {
        &self.home.dir
    }

    /// Why the store has failed, if it has.
    #[must_use]
    pub fn failure(&self) -> Option<Error> {
        self.queue.failure()
    }

    /// Counters and gauges for metrics.
    #[must_use]
    pub fn stats(&self) -> Stats {
        let (queued, queued_bytes) = self.queue.depth();
        Stats {
            queued,
            queued_bytes,
            disk_free: self.backend.disk.free_bytes(&self.home.dir),
            failed_for_good: self.queue.failure().is_some(),
            ..self.counters.read()
        }
    }

    /// Checks everything for [`crate::fsck()`]; nobody else uses the store.
    pub(crate) fn check(&self, report: &mut FsckReport) {
        fsck::check_tables(&self.home.dir, self.tables.as_ref(), report);
        let logs: Vec<_> = self.notary_logs.lock().unwrap_or_else(PoisonError::into_inner).values().cloned().collect();
        for log in logs {
            report.notary_logs += 1;
            report.leaves += log.size();
            let mut damage = Vec::new();
            let checked = log.verify(&mut |error| damage.push(error));
            fsck::note(report, &notary_dir(&self.home.dir, log.id), damage, checked);
        }
        for partition in self.logs.list().iter().flat_map(Log::partitions) {
            let mut damage = Vec::new();
            let checked = partition.check(&mut |error| damage.push(error));
            fsck::note_partition(report, partition.dir(), damage, checked);
        }
        for (_, replica) in self.replicas.list() {
            fsck::note(report, replica.dir(), Vec::new(), replica.check().map(|()| Vec::new()));
        }
    }

    /// Serves one group on the calling thread; `false` where nothing waits. Only with [`Options::manual`].
    pub fn drive(&self) -> bool {
        self.manual.lock().unwrap_or_else(PoisonError::into_inner).as_mut().is_some_and(Writer::drive)
    }

    /// Refuses new requests, serves those that wait, syncs what is derived, and ends. Dropping does the same and tells nobody.
    ///
    /// # Errors
    /// Why the store failed, now or before.
    pub fn close(mut self) -> Result<(), Error> {
        self.end();
        self.queue.failure().map_or(Ok(()), Err)
    }

    fn end(&mut self) {
        self.queue.close();
        if let Some(mut writer) = self.manual.lock().unwrap_or_else(PoisonError::into_inner).take() {
            while writer.drive() {}
            writer.finish();
        }
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            self.queue.fail(&Error::WriterStopped("it panicked".into()));
        }
    }
}

impl Drop for Core {
    fn drop(&mut self) {
        self.end();
    }
}

impl std::fmt::Debug for Core {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Core").field("dir", &self.home.dir).finish_non_exhaustive()
    }
}

impl RecoveryReport {
    fn log(&self) {
        if let Some(cut) = &self.cut {
            tracing::warn!(
                file = %cut.file.display(), offset = cut.offset, bytes = cut.bytes,
                "the last group of the journal does not check: a crash cut it before it was acknowledged, or it was damaged since"
            );
        }
        if self.mark_torn {
            tracing::warn!("a write of the signer mark was cut by a crash; the mark before it stands");
        }
        for reason in &self.damaged {
            tracing::error!(%reason, "a partition of a log cannot be used");
        }
        for log in &self.logs {
            if let Some(reason) = &log.retracted {
                tracing::error!(log = %log.log, %reason, "a notary log refuses appends");
            }
        }
    }
}

pub(crate) fn notary_dir(home: &Path, id: LogId) -> PathBuf {
    home.join("notary").join(id.to_string())
}

#[cfg(test)]
mod crash_tests;
#[cfg(test)]
mod tests;
