//! Logs of records, each in partitions.
//!
//! ```text
//! logs/<name>.<stream>/<partition>/    segments and trees of one partition: see [`crate::segment`] and [`crate::tree`]
//!                      signed          what was last handed out for signing (slot file)
//! ```
//!
//! The table of logs says which there are; `stream` is that of partition 0, so that a log of an earlier name has another directory. A
//! partition's files are made at its first append and opened when they are first needed.

mod aside;
mod batch;
mod files;
mod handles;
mod partition;
mod spec;
mod state;

use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use pyralog_crypto::LogId;

use crate::Error;
use crate::applier::Applied;
use crate::disk::Disk;
use crate::home::make_dir;
use crate::queue::Queue;
use crate::registry::{Entry, Made, Registry};

pub(crate) use batch::RecordBatch;
pub use batch::{MAX_APPEND_BYTES, MAX_APPEND_RECORDS, check_append};
pub(crate) use handles::Handles;
pub(crate) use partition::Checked;
pub use partition::Partition;
pub use spec::{LogName, LogSpec, MAX_LOG_NAME_BYTES, MAX_PARTITIONS, Storage};
pub(crate) use state::PartitionState;

/// Most partitions of all logs together: each costs memory also while it rests.
const MAX_HOME_PARTITIONS: u64 = 1 << 16;

/// The partitions of all logs, by stream.
pub(crate) type Partitions = Arc<Mutex<BTreeMap<u64, Arc<PartitionState>>>>;

/// Where the files of one partition are, and the table that says so.
#[derive(Clone)]
pub(crate) struct Place {
    pub(crate) disk: Arc<dyn Disk>,
    pub(crate) dir: PathBuf,
    pub(crate) registry: Arc<Mutex<Registry>>,
    pub(crate) handles: Arc<Handles>,
    pub(crate) applied: Arc<Applied>,
}

/// All logs of a home but the notary logs. Clones are handles of the same.
#[derive(Clone)]
pub struct Logs {
    queue: Arc<Queue>,
    /// Home of the logs.
    place: Place,
    partitions: Partitions,
    logs: Arc<Mutex<BTreeMap<LogName, Log>>>,
    /// Whose turn it is to create or delete; before `logs`.
    changes: Arc<Mutex<()>>,
}

/// A log. Clones are handles of the same.
#[derive(Debug, Clone)]
pub struct Log {
    spec: Arc<LogSpec>,
    incarnation: u64,
    partitions: Arc<[Partition]>,
}

impl Logs {
    /// Takes the logs from the table, and removes what is left of those that were being deleted. Opens no file of a partition. Logs in memory begin
    /// again, and under streams that nobody had.
    pub(crate) fn open(queue: Arc<Queue>, place: Place, partitions: Partitions) -> Result<Self, Error> {
        let this = Self { queue, place, partitions, logs: Arc::default(), changes: Arc::default() };
        let (entries, made) = {
            let registry = this.registry();
            (registry.logs()?, registry.made()?)
        };
        this.require_known(&entries)?;
        let in_memory = entries.iter().filter(|entry| !entry.deleted && entry.spec.storage == Storage::Memory);
        let mut fresh = match in_memory.map(|entry| u64::from(entry.spec.partitions)).sum() {
            0 => 0,
            count => this.registry().take_streams(count)?,
        };
        for entry in entries {
            if entry.deleted {
                this.remove(&entry)?;
            } else {
                let stream = match entry.spec.storage {
                    Storage::Disk => entry.stream,
                    Storage::Memory => {
                        let behind = fresh + u64::from(entry.spec.partitions);
                        std::mem::replace(&mut fresh, behind)
                    }
                };
                let log = this.log(&entry, stream, &made);
                this.logs().insert(entry.spec.name, log);
            }
        }
        Ok(this)
    }

    /// Makes a log.
    ///
    /// # Errors
    /// [`Error::LogExists`], [`Error::Size`], [`Error::DiskLow`], or why the table or the disk refused; then there is no log, or the next start shows it.
    pub fn create(&self, spec: LogSpec) -> Result<Log, Error> {
        let id = spec.id;
        self.create_as(spec, |_| id)
    }

    /// Makes a log whose id `id` answers for its [`Log::incarnation`], and not the one in `spec`.
    ///
    /// # Errors
    /// As [`Logs::create`].
    pub fn create_as(&self, spec: LogSpec, id: impl FnOnce(u64) -> LogId) -> Result<Log, Error> {
        self.create_with(spec, id, |entry, _| self.registry().put_log(entry))
    }

    /// The same, where `enter` writes its entry into the table, with something else.
    pub(crate) fn create_with(
        &self,
        spec: LogSpec,
        id: impl FnOnce(u64) -> LogId,
        enter: impl FnOnce(&Entry, &Log) -> Result<(), Error>,
    ) -> Result<Log, Error> {
        let spec = spec.bounded();
        spec.check()?;
        self.queue.usable()?;
        let _turn = self.turn();
        if self.logs().contains_key(&spec.name) {
            return Err(Error::LogExists { name: spec.name.to_string() });
        }
        let all = self.states().len() as u64 + u64::from(spec.partitions);
        if all > MAX_HOME_PARTITIONS {
            return Err(Error::Size { what: "the home", found: all, allowed: "65536 partitions in all logs" });
        }
        self.queue.space.measure()?;
        // What a deletion left undone would be in the way of the next start.
        let left = self.registry().logs()?.into_iter().find(|entry| entry.spec.name == spec.name);
        if let Some(left) = left {
            self.remove(&left)?;
        }
        let stream = self.registry().take_streams(u64::from(spec.partitions))?;
        let entry = Entry { stream, spec: LogSpec { id: id(stream), ..spec }, deleted: false };
        let log = self.log(&entry, stream, &BTreeMap::new());
        if let Err(reason) = enter(&entry, &log) {
            self.forget(&log);
            return Err(reason);
        }
        self.logs().insert(entry.spec.name, log.clone());
        Ok(log)
    }

    /// The log of a name.
    ///
    /// # Errors
    /// [`Error::NoSuchLog`].
    pub fn open_log(&self, name: &str) -> Result<Log, Error> {
        let found = name.parse().ok().and_then(|name: LogName| self.logs().get(&name).cloned());
        found.ok_or_else(|| Error::NoSuchLog { name: name.chars().take(MAX_LOG_NAME_BYTES).collect() })
    }

    /// All logs, by name.
    #[must_use]
    pub fn list(&self) -> Vec<Log> {
        self.logs().values().cloned().collect()
    }

    /// Deletes a log with all its records, for ever. Handles of it refuse everything but reads of what is open from then on.
    ///
    /// # Errors
    /// [`Error::NoSuchLog`]; why the table or the disk refused, where the next start may finish it.
    pub fn delete(&self, name: &str) -> Result<(), Error> {
        self.delete_with(name, |entry, log| match log.is_replicated() {
            true => Err(Error::Replicated { name: name.to_owned() }),
            false => self.registry().put_log(entry),
        })
    }

    /// The same, replicated or not, where `enter` writes into the table that it is being deleted, with something else.
    pub(crate) fn delete_with(
        &self,
        name: &str,
        enter: impl FnOnce(&Entry, &Log) -> Result<(), Error>,
    ) -> Result<(), Error> {
        self.queue.usable()?;
        let _turn = self.turn();
        let log = self.open_log(name)?;
        let entry = self.registry().logs()?.into_iter().find(|entry| entry.spec.name == log.spec.name);
        let Some(mut entry) = entry else { return Err(Error::NoSuchLog { name: name.to_owned() }) };
        entry.deleted = true;
        enter(&entry, &log)?;
        self.logs().remove(&entry.spec.name);
        self.forget(&log);
        self.remove(&entry)
    }

    /// Its partitions take nothing any more.
    fn forget(&self, log: &Log) {
        for partition in log.partitions.iter() {
            let state = self.states().remove(&partition.state().stream);
            if let Some(state) = state {
                state.delete();
            }
        }
    }

    /// Lets go the records that no log need keep at the time `now_ms` (milliseconds since 1970), for ever. Only partitions that were used since the
    /// start are looked at. The caller vouches for the clock: one that is ahead removes too early.
    ///
    /// # Errors
    /// What the disk answered, for the first partition where it did.
    pub fn retain(&self, now_ms: u64) -> Result<(), Error> {
        self.queue.usable()?;
        let limited = |state: &&Arc<PartitionState>| state.spec.retention != crate::segment::Retention::default();
        let states: Vec<_> = self.states().values().filter(limited).cloned().collect();
        states.iter().try_for_each(|state| state.retain(now_ms))
    }

    /// Refuses a directory of a log that the table does not name: with the table its records would be lost.
    fn require_known(&self, entries: &[Entry]) -> Result<(), Error> {
        let (disk, home) = (self.place.disk.as_ref(), &self.place.dir);
        make_dir(disk, home)?;
        for name in disk.list(home).map_err(|e| Error::io("list", home, e))? {
            let dir = home.join(&name);
            let parts = name.rsplit_once('.').map(|(name, stream)| (name.parse::<LogName>(), stream.parse::<u64>()));
            // Other names are somebody else's.
            let Some((Ok(_), Ok(_))) = parts else { continue };
            if !entries.iter().any(|entry| self.dir(entry) == dir) {
                let why = "the tables do not name this log: move it away where it is not of this home, else the tables are older than it";
                return Err(Error::damaged(&dir, 0, why));
            }
        }
        Ok(())
    }

    /// Handles of a log, whose partitions are entered, the first under `stream`.
    fn log(&self, entry: &Entry, stream: u64, made: &BTreeMap<u64, Made>) -> Log {
        let spec = Arc::new(entry.spec.clone());
        let (dir, replicas) = (self.dir(entry), Arc::default());
        let partition = |number: u32| {
            let stream = stream + u64::from(number);
            let place = Place { dir: dir.join(number.to_string()), ..self.place.clone() };
            let made = made.get(&stream).copied();
            let state = PartitionState::new(stream, Arc::clone(&spec), number, place, made, Arc::clone(&replicas));
            let state = Arc::new(state);
            self.states().insert(stream, Arc::clone(&state));
            Partition::new(Arc::clone(&self.queue), state)
        };
        let partitions = (0..spec.partitions).map(partition).collect();
        Log { spec: Arc::clone(&spec), incarnation: stream, partitions }
    }

    fn dir(&self, entry: &Entry) -> PathBuf {
        self.place.dir.join(format!("{}.{}", entry.spec.name, entry.stream))
    }

    /// Removes the files of a log, and then its entry.
    fn remove(&self, entry: &Entry) -> Result<(), Error> {
        let (disk, dir) = (self.place.disk.as_ref(), self.dir(entry));
        for number in 0..entry.spec.partitions {
            remove_dir(disk, &dir.join(number.to_string()))?;
        }
        remove_dir(disk, &dir)?;
        disk.sync_dir(&self.place.dir).map_err(|e| Error::sync(&self.place.dir, e))?;
        let streams = (0..entry.spec.partitions).map(|number| entry.stream + u64::from(number));
        self.registry().remove_log(&entry.spec.name, streams)
    }

    fn turn(&self) -> MutexGuard<'_, ()> {
        self.changes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn logs(&self) -> MutexGuard<'_, BTreeMap<LogName, Log>> {
        // Nothing in the locked sections panics.
        self.logs.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn states(&self) -> MutexGuard<'_, BTreeMap<u64, Arc<PartitionState>>> {
        self.partitions.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn registry(&self) -> MutexGuard<'_, Registry> {
        self.place.registry.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Log {
    /// What its creator said.
    #[must_use]
    pub fn spec(&self) -> &LogSpec {
        &self.spec
    }

    /// A number that no other log of this home has or had: that of the stream of partition 0. A log in memory, which begins again with each start,
    /// has another one each time.
    #[must_use]
    pub fn incarnation(&self) -> u64 {
        self.incarnation
    }

    /// One partition.
    ///
    /// # Errors
    /// [`Error::NoSuchPartition`].
    pub fn partition(&self, number: u32) -> Result<&Partition, Error> {
        self.partitions.get(number as usize).ok_or_else(|| Error::NoSuchPartition {
            name: self.spec.name.to_string(),
            last: self.spec.partitions - 1,
            asked: number,
        })
    }

    /// Whether a partition of it is replicated: then it is the cluster's.
    pub(crate) fn is_replicated(&self) -> bool {
        self.partitions.iter().any(|partition| partition.state().is_replicated())
    }

    /// All partitions.
    #[must_use]
    pub fn partitions(&self) -> &[Partition] {
        &self.partitions
    }
}

/// Removes the files of a directory, and it.
fn remove_dir(disk: &dyn Disk, dir: &Path) -> Result<(), Error> {
    let names = match disk.list(dir) {
        Ok(names) => names,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(Error::io("list", dir, error)),
    };
    for name in names {
        let path = dir.join(name);
        disk.remove(&path).map_err(|e| Error::io("remove", &path, e))?;
    }
    disk.sync_dir(dir).map_err(|e| Error::sync(dir, e))?;
    disk.remove_dir(dir).map_err(|e| Error::io("remove", dir, e))
}

#[cfg(test)]
mod crash_tests;
#[cfg(test)]
mod incarnation_tests;
#[cfg(test)]
mod start_tests;
#[cfg(test)]
mod stub_tests;
#[cfg(test)]
pub(crate) mod tests;
