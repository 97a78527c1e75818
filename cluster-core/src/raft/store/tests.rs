//! openraft's own suite, and what a crash leaves.

use openraft::storage::{RaftLogStorage, RaftLogStorageExt, RaftStateMachine};
use openraft::testing::{StoreBuilder, Suite, blank_ent, log_id};
use openraft::{RaftLogReader, RaftSnapshotBuilder};

use super::*;
use crate::disk::FaultyDisk;
use crate::raft::types::{Types, Vote};
use crate::raft::{Machine, ShardCommand, ShardState};
use crate::{MemoryTables, RocksTables};

type Stores = (LogStore, MachineStore<ShardState>);

fn open(tables: Arc<dyn Tables>, group: u64) -> Result<Stores, Error> {
    let shelf = Shelf::new(tables, group);
    Ok((LogStore::open(shelf.clone())?, MachineStore::open(shelf)?))
}

struct Memory;

impl StoreBuilder<Types, LogStore, MachineStore<ShardState>> for Memory {
    async fn build(&self) -> Result<((), LogStore, MachineStore<ShardState>), StorageError> {
        let (log, machine) = open(Arc::new(MemoryTables::new(FaultyDisk::new(1))), 3).unwrap();
        Ok(((), log, machine))
    }
}

struct Rocks;

impl StoreBuilder<Types, LogStore, MachineStore<ShardState>, tempfile::TempDir> for Rocks {
    async fn build(&self) -> Result<(tempfile::TempDir, LogStore, MachineStore<ShardState>), StorageError> {
        let dir = tempfile::tempdir().unwrap();
        let (log, machine) = open(Arc::new(RocksTables::open(dir.path(), 1 << 20).unwrap()), 3).unwrap();
        Ok((dir, log, machine))
    }
}

#[test]
fn the_suite_of_openraft_in_memory() {
    Suite::test_all(Memory).unwrap();
}

#[test]
fn the_suite_of_openraft_on_rocks() {
    Suite::test_all(Rocks).unwrap();
}

struct Rig {
    disk: FaultyDisk,
    tables: MemoryTables,
}

impl Rig {
    fn new(seed: u64) -> Self {
        let disk = FaultyDisk::new(seed);
        Self { tables: MemoryTables::new(disk.clone()), disk }
    }

    fn open(&self, group: u64) -> Stores {
        open(Arc::new(self.tables.clone()), group).unwrap()
    }

    fn crash(&self) {
        self.disk.crash();
        self.tables.crash();
    }
}

fn entries(range: std::ops::Range<u64>) -> Vec<openraft::Entry<Types>> {
    range.map(|index| blank_ent::<Types>(1, 1, index)).collect()
}

#[tokio::test]
async fn what_was_acknowledged_survives_a_crash() {
    for seed in 0..20 {
        let rig = Rig::new(seed);
        let (mut log, _) = rig.open(1);
        log.save_vote(&Vote::new(4, 2)).await.unwrap();
        log.blocking_append(entries(0..10)).await.unwrap();
        log.save_committed(Some(log_id(1, 1, 7))).await.unwrap();
        log.truncate(log_id(1, 1, 8)).await.unwrap();
        log.purge(log_id(1, 1, 2)).await.unwrap();
        rig.crash();
        let (mut log, _) = rig.open(1);
        assert_eq!(log.read_vote().await.unwrap(), Some(Vote::new(4, 2)));
        let state = log.get_log_state().await.unwrap();
        assert_eq!((state.last_purged_log_id, state.last_log_id), (Some(log_id(1, 1, 2)), Some(log_id(1, 1, 7))));
        assert_eq!(log.try_get_log_entries(..).await.unwrap(), entries(3..8));
        assert!(log.read_committed().await.unwrap().is_none_or(|id| id == log_id(1, 1, 7)));
    }
}

#[tokio::test]
async fn a_failed_write_is_the_last_one() {
    let rig = Rig::new(1);
    let (mut log, _) = rig.open(1);
    log.blocking_append(entries(0..1)).await.unwrap();
    rig.disk.cut_power_after(0);
    assert!(log.save_vote(&Vote::new(1, 1)).await.is_err());
    // The power is back, but nobody knows what the disk holds.
    rig.disk.crash();
    assert!(log.blocking_append(entries(1..2)).await.is_err());
    assert!(log.save_vote(&Vote::new(2, 1)).await.is_err());
    rig.tables.crash();
    let (mut log, _) = rig.open(1);
    log.save_vote(&Vote::new(2, 1)).await.unwrap();
}

#[tokio::test]
async fn a_gap_is_damage() {
    let rig = Rig::new(1);
    let (mut log, _) = rig.open(1);
    log.blocking_append(entries(0..5)).await.unwrap();
    let mut batch = Batch::default();
    batch.delete(Family::Raft, log.shelf_key(2));
    rig.tables.write(batch, Durability::Synced).unwrap();
    let error = open(Arc::new(rig.tables.clone()), 1).unwrap_err();
    assert!(error.to_string().contains("entry 2 of the log of group 1"), "{error}");
}

impl LogStore {
    fn shelf_key(&self, index: u64) -> Vec<u8> {
        Shelf::new(Arc::new(MemoryTables::new(FaultyDisk::new(0))), 1).entry_key(index)
    }
}

#[tokio::test]
async fn groups_do_not_meet() {
    let rig = Rig::new(1);
    for group in [0, 1, 1 << 32] {
        let (mut log, _) = rig.open(group);
        log.save_vote(&Vote::new(group, 1)).await.unwrap();
        log.blocking_append(entries(0..group % 7)).await.unwrap();
    }
    for group in [0, 1, 1 << 32] {
        let (mut log, _) = rig.open(group);
        assert_eq!(log.read_vote().await.unwrap(), Some(Vote::new(group, 1)));
        assert_eq!(log.try_get_log_entries(..).await.unwrap(), entries(0..group % 7));
    }
    assert_eq!(groups(&rig.tables).unwrap(), [0, 1, 1 << 32]);
}

#[tokio::test]
async fn a_reader_takes_what_fits_into_a_message() {
    let (mut log, _) = Rig::new(1).open(1);
    let big = |index| openraft::Entry {
        log_id: log_id(1, 1, index),
        payload: openraft::EntryPayload::Normal(vec![0; crate::raft::MAX_COMMAND_BYTES].into()),
    };
    log.blocking_append((0..4).map(big)).await.unwrap();
    assert_eq!(
        log.limited_get_log_entries(0, 4).await.unwrap().len(),
        1,
        "two have more, with what stands around them"
    );
    assert_eq!(log.limited_get_log_entries(3, 4).await.unwrap().len(), 1);
}

#[tokio::test]
async fn an_older_snapshot_does_not_replace_a_newer_one() {
    let rig = Rig::new(1);
    let (_, mut machine) = rig.open(1);
    let create = |index| {
        let nodeset = crate::replication::NodeSet::new([crate::replication::MemberId(1)], 1, 1).unwrap();
        let command = ShardCommand::Create { partition: index, nodeset };
        let payload = openraft::EntryPayload::Normal(pyralog_crypto::Encode::to_bytes(&command).into());
        openraft::Entry { log_id: log_id(1, 1, index), payload }
    };
    machine.apply([create(0)]).await.unwrap();
    let mut old = machine.get_snapshot_builder().await;
    machine.apply([create(1)]).await.unwrap();
    machine.get_snapshot_builder().await.build_snapshot().await.unwrap();
    let built = old.build_snapshot().await.unwrap();
    assert_eq!(built.meta.last_log_id, Some(log_id(1, 1, 1)), "the newer one is answered");
    rig.crash();
    let (_, mut machine) = rig.open(1);
    assert_eq!(machine.applied_state().await.unwrap().0, Some(log_id(1, 1, 1)));
    assert_eq!(machine.applied().read(|state| state.partitions().count()), 2);
    let mut other = ShardState::default();
    assert!(matches!(other.apply(&ShardCommand::Remove { partition: 0 }), crate::raft::ShardAnswer::NoSuchPartition));
}
