//! All replicas of a home, and their table.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use pyralog_crypto::{Decode, Encode};

use super::held::{Frontier, Held};
use super::shared::Replica;
use super::snapshot::{Saved, Snapshot, Value, copies_prefix};
use crate::Error;
use crate::chain::{Batch, Durability, Family, Tables};
use crate::logs::{LogName, LogSpec, Logs, Partition, PartitionState, Partitions};
use crate::parts::u64_at;
use crate::queue::{Operation, Queue};
use crate::registry::Registry;
use crate::replication::{Entry, Lsn};
use crate::stream::Stream;

const REPLICA: &[u8] = b"replica/";
/// Whose records are taken from other members after the next start.
const RENEWED: &[u8] = b"renew/";

/// A partition of the cluster: the same number on every member, never given twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PartitionId(pub u64);

/// The replicated partitions of one member. Clones are handles of the same.
#[derive(Clone)]
pub struct Replicas {
    queue: Arc<Queue>,
    registry: Arc<Mutex<Registry>>,
    table: Arc<Table>,
    /// Whether nobody works beside the caller.
    manual: bool,
}

/// What the writer and the settler share with the handles.
pub(crate) struct Table {
    tables: Arc<dyn Tables>,
    /// Of the tables, for messages.
    dir: PathBuf,
    partitions: Partitions,
    replicas: Mutex<BTreeMap<PartitionId, Arc<Replica>>>,
    /// Whose turn it is to write the table.
    turn: Mutex<()>,
}

impl Replicas {
    /// Reads the table.
    pub(crate) fn open(
        queue: Arc<Queue>,
        registry: Arc<Mutex<Registry>>,
        tables: Arc<dyn Tables>,
        dir: PathBuf,
        partitions: Partitions,
        manual: bool,
    ) -> Result<Self, Error> {
        let table = Table { tables, dir, partitions, replicas: Mutex::default(), turn: Mutex::default() };
        let renewed = table.renewed()?;
        for (id, value) in table.values()? {
            let value = match renewed.get(&id) {
                Some(number) => table.renew(id, value, *number)?,
                None => value,
            };
            let copies = table.copies(value.stream)?;
            let held = value.held(&copies).map_err(|_| table.broken())?;
            let Some(of) = table.partition(value.of) else { return Err(table.broken()) };
            of.set_replicated();
            let replica = Replica::new(value.stream, of, Arc::clone(&queue), held, Saved::new(&value, &copies));
            table.replicas().insert(id, Arc::new(replica));
        }
        Ok(Self { queue, registry, table: Arc::new(table), manual })
    }

    /// Begins to replicate a partition of this member, whose records so far are those of all members. It takes no appends of its own from then on.
    /// Waits for those that are on their way.
    ///
    /// # Errors
    /// [`Error::Replicated`] for one that is replicated already, [`Error::NotReplicable`] for one in memory, [`Error::NoSuchLog`], [`Error::Damaged`],
    /// or why the table or the disk refused.
    pub fn create(&self, id: PartitionId, partition: &Partition) -> Result<Arc<Replica>, Error> {
        self.queue.usable()?;
        let of = partition.state();
        of.begin_replica()?;
        let made = self.wait_for_queue().and_then(|()| self.make(id, of));
        if made.is_err() {
            of.end_replica();
        }
        made
    }

    fn make(&self, id: PartitionId, of: &Arc<PartitionState>) -> Result<Arc<Replica>, Error> {
        let _turn = self.table.turn();
        if self.table.replicas().contains_key(&id) {
            return Err(Error::Replicated { name: of.spec.name.to_string() });
        }
        self.enter(id, of, Batch::default())
    }

    /// Enters a new replica into the table, with what `batch` has; it is the caller's turn.
    fn enter(&self, id: PartitionId, of: &Arc<PartitionState>, mut batch: Batch) -> Result<Arc<Replica>, Error> {
        let held = Held::new(Frontier::behind(of.next()));
        let stream = self.registry.lock().unwrap_or_else(PoisonError::into_inner).take_streams(1)?;
        let value = Value::new(stream, of.stream(), &held);
        batch.put(Family::Log, key(id), value.to_bytes());
        self.table.tables.write(batch, Durability::Synced)?;
        let saved = Saved::new(&value, &BTreeMap::new());
        let replica = Arc::new(Replica::new(stream, Arc::clone(of), Arc::clone(&self.queue), held, saved));
        self.table.replicas().insert(id, Arc::clone(&replica));
        Ok(replica)
    }

    /// Makes a log of the cluster, of which this member stores partition `number` first: the table has both or neither, so that no start takes it for a
    /// log of this member's own.
    ///
    /// # Errors
    /// As [`Logs::create`] and [`Replicas::create`].
    pub fn create_log(&self, logs: &Logs, spec: LogSpec, number: u32, id: PartitionId) -> Result<Arc<Replica>, Error> {
        if self.get(id).is_some() {
            return Err(Error::Replicated { name: spec.name.to_string() });
        }
        let (log_id, mut made) = (spec.id, None);
        logs.create_with(
            spec,
            |_| log_id,
            |entry, log| {
                let of = log.partition(number)?.state();
                let _turn = self.table.turn();
                of.set_replicated();
                let mut batch = Batch::default();
                entry.put(&mut batch);
                made = Some(self.enter(id, of, batch)?);
                Ok(())
            },
        )?;
        let replica = made.ok_or(Error::Closed)?;
        replica.of.open_first()?;
        Ok(replica)
    }

    /// Deletes a log of the cluster with these replicas, all that it has, and its records, for ever: the table loses all of it at once, so that no start
    /// takes what is left for a log of this member's own. Nothing may be persisted in them any more.
    ///
    /// # Errors
    /// [`Error::Replicated`] where it has other replicas, [`Error::NoSuchLog`], or why the table or the disk refused, where the next start may finish it.
    pub fn delete_log(&self, logs: &Logs, name: &LogName, ids: &[PartitionId]) -> Result<(), Error> {
        logs.delete_with(name.as_str(), |entry, _| {
            let _turn = self.table.turn();
            if self.table.list().iter().any(|(id, replica)| replica.log() == name && !ids.contains(id)) {
                return Err(Error::Replicated { name: name.to_string() });
            }
            let mut batch = Batch::default();
            entry.put(&mut batch);
            for id in ids {
                batch.delete(Family::Log, key(*id));
                batch.delete(Family::Log, renewed_key(*id));
                if let Some(replica) = self.get(*id) {
                    replica.saved().delete(replica.stream, &mut batch);
                }
            }
            self.table.tables.write(batch, Durability::Synced)?;
            self.table.replicas().retain(|id, _| !ids.contains(id));
            Ok(())
        })
    }

    /// The replica of a partition, if this member has one.
    #[must_use]
    pub fn get(&self, id: PartitionId) -> Option<Arc<Replica>> {
        self.table.replicas().get(&id).cloned()
    }

    /// All of them.
    #[must_use]
    pub fn list(&self) -> Vec<(PartitionId, Arc<Replica>)> {
        self.table.list()
    }

    /// Has the records of a replica whose files are damaged taken from other members after the next start: what is there is put aside then, and the copies
    /// that are not records yet stay. The caller vouches for it that others have them all. It is durable on return.
    ///
    /// # Errors
    /// Why the table could not be written.
    pub fn renew(&self, id: PartitionId) -> Result<(), Error> {
        let Some(replica) = self.get(id) else { return Ok(()) };
        let mut batch = Batch::default();
        batch.put(Family::Log, renewed_key(id), replica.of.next_aside()?.to_be_bytes().to_vec());
        self.table.tables.write(batch, Durability::Synced)
    }

    /// Refuses where there is too little space for further copies. Looked at now: a member that stores none any more would not notice otherwise.
    ///
    /// # Errors
    /// [`Error::DiskLow`].
    pub fn has_space(&self) -> Result<(), Error> {
        self.queue.space.measure()
    }

    /// Waits for what was requested so far.
    fn wait_for_queue(&self) -> Result<(), Error> {
        if self.manual {
            return Ok(());
        }
        let (done, event) = crate::event::completion();
        self.queue.push(Operation::Barrier, 0, Some(done))?;
        event.recv().map_err(|_| Error::Closed)?.durable().map(|_| ())
    }

    /// Why the store has failed, if it has.
    #[must_use]
    pub fn failure(&self) -> Option<Error> {
        self.queue.failure()
    }

    pub(crate) fn table(&self) -> Arc<Table> {
        Arc::clone(&self.table)
    }
}

impl Table {
    /// Brings to the files what the tables say is released, before the journal goes on; and answers the replicas by stream. Those that cannot be used
    /// are given to `damaged`.
    pub(crate) fn resume(&self, mut damaged: impl FnMut(u64, Error)) -> BTreeMap<u64, Arc<Replica>> {
        let replicas = self.replicas();
        let by_stream = replicas.values().map(|replica| (replica.stream, Arc::clone(replica)));
        let by_stream: BTreeMap<_, _> = by_stream.collect();
        for (stream, replica) in &by_stream {
            if let Err(reason) = replica.resume() {
                damaged(*stream, reason);
            }
        }
        by_stream
    }

    fn list(&self) -> Vec<(PartitionId, Arc<Replica>)> {
        self.replicas().iter().map(|(id, replica)| (*id, Arc::clone(replica))).collect()
    }

    /// Whether a replica has this stream.
    pub(crate) fn has_stream(&self, stream: u64) -> bool {
        self.replicas().values().any(|replica| replica.stream == stream)
    }

    /// Makes durable what the files have, with `settle`, and then writes what the replicas were before it.
    ///
    /// # Errors
    /// What `settle` answered, or why the table could not be written.
    pub(crate) fn settle(&self, settle: impl FnOnce() -> Result<(), Error>) -> Result<(), Error> {
        let _turn = self.turn();
        let replicas = self.list();
        // The journal keeps what one could not take, and the tables stay before it.
        let sound = replicas.iter().filter(|(_, replica)| replica.of.broken().is_none());
        let snapshots: Vec<_> = sound.map(|(id, replica)| (*id, Arc::clone(replica), replica.snapshot())).collect();
        settle()?;
        let mut batch = Batch::default();
        let saved: Vec<Saved> =
            snapshots.iter().map(|(id, replica, now)| now.write(key(*id), &replica.saved(), &mut batch)).collect();
        if batch.is_empty() {
            return Ok(());
        }
        self.tables.write(batch, Durability::Synced)?;
        snapshots.iter().zip(saved).for_each(|((_, replica, _), saved)| *replica.saved() = saved);
        Ok(())
    }

    /// Replicas that are to begin anew.
    fn renewed(&self) -> Result<BTreeMap<PartitionId, u64>, Error> {
        let mut found = BTreeMap::new();
        let mut whole = true;
        self.tables.scan(Family::Log, RENEWED, &mut |key, value| {
            let Some(id) = key.strip_prefix(RENEWED) else { return false };
            whole &= id.len() == 8 && value.len() == 8;
            if whole {
                found.insert(PartitionId(u64_at(id, 0)), u64_at(value, 0));
            }
            whole
        })?;
        if whole { Ok(found) } else { Err(self.broken()) }
    }

    /// Puts the files of a replica aside, and has it begin without records. Where the power goes meanwhile it is done again. Where it cannot be done the
    /// partition stays as it is, and the others are started.
    fn renew(&self, id: PartitionId, value: Value, number: u64) -> Result<Value, Error> {
        let Some(of) = self.partition(value.of) else { return Err(self.broken()) };
        if let Err(reason) = of.set_aside(number) {
            tracing::error!(log = %of.spec.name, %reason, "the damaged files of a partition cannot be put aside");
            return Ok(value);
        }
        let value = value.anew();
        let mut batch = Batch::default();
        batch.put(Family::Log, key(id), value.to_bytes());
        batch.delete(Family::Log, renewed_key(id));
        self.tables.write(batch, Durability::Synced)?;
        Ok(value)
    }

    fn values(&self) -> Result<Vec<(PartitionId, Value)>, Error> {
        let mut found = Vec::new();
        self.tables.scan(Family::Log, REPLICA, &mut |key, value| {
            let id = key.strip_prefix(REPLICA);
            found.extend(id.map(|id| (id.to_vec(), value.to_vec())));
            id.is_some()
        })?;
        let value = |(id, value): (Vec<u8>, Vec<u8>)| {
            let id = (id.len() == 8).then(|| PartitionId(u64_at(&id, 0)));
            id.zip(Value::from_bytes(&value).ok()).ok_or_else(|| self.broken())
        };
        found.into_iter().map(value).collect()
    }

    fn copies(&self, stream: u64) -> Result<BTreeMap<Lsn, Entry>, Error> {
        let (prefix, mut found) = (copies_prefix(stream), Vec::new());
        self.tables.scan(Family::Log, &prefix, &mut |key, value| {
            let lsn = key.strip_prefix(&prefix[..]);
            found.extend(lsn.map(|lsn| (lsn.to_vec(), Entry::from_bytes(value))));
            lsn.is_some()
        })?;
        let copy = |(lsn, entry): (Vec<u8>, Result<Entry, _>)| {
            let lsn = lsn.try_into().map(Lsn::from_bytes).map_err(|_| self.broken())?;
            Ok((lsn, entry.map_err(|_| self.broken())?))
        };
        found.into_iter().map(copy).collect()
    }

    fn partition(&self, stream: u64) -> Option<Arc<PartitionState>> {
        self.partitions.lock().unwrap_or_else(PoisonError::into_inner).get(&stream).cloned()
    }

    fn broken(&self) -> Error {
        let message = "an entry of the replicas is not as this store writes it".into();
        Error::Tables { dir: self.dir.clone(), message }
    }

    fn replicas(&self) -> MutexGuard<'_, BTreeMap<PartitionId, Arc<Replica>>> {
        // Nothing in the locked sections panics.
        self.replicas.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn turn(&self) -> MutexGuard<'_, ()> {
        self.turn.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Replica {
    fn snapshot(&self) -> Snapshot {
        Snapshot::of(self.stream, self.of.stream(), self.held().sound())
    }

    fn saved(&self) -> MutexGuard<'_, Saved> {
        self.saved.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn renewed_key(id: PartitionId) -> Vec<u8> {
    [RENEWED, &id.0.to_be_bytes()].concat()
}

fn key(id: PartitionId) -> Vec<u8> {
    [REPLICA, &id.0.to_be_bytes()].concat()
}
