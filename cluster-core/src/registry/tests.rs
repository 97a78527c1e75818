//! Streams are given once, and what is entered comes back.

use super::*;
use crate::MemoryTables;
use crate::disk::FaultyDisk;

fn open(tables: &MemoryTables) -> Result<Registry, Error> {
    Registry::open(Arc::new(tables.clone()), "/tables".into())
}

fn spec(name: &str) -> LogSpec {
    LogSpec {
        name: name.parse().unwrap(),
        id: LogId([7; 32]),
        partitions: 3,
        storage: crate::Storage::Disk,
        retention: crate::segment::Retention { max_age_ms: Some(5), max_bytes: None },
        segment_bytes: 1 << 20,
    }
}

#[test]
fn streams_are_given_once_and_notary_logs_come_back_after_a_crash() {
    let tables = MemoryTables::new(FaultyDisk::new(1));
    let mut registry = open(&tables).unwrap();
    assert_eq!((registry.take_streams(1).unwrap(), registry.take_streams(5).unwrap()), (2, 3));
    registry.put_notary(LogId([9; 32]), 3).unwrap();
    registry.put_notary(LogId([1; 32]), 18).unwrap();
    tables.crash();
    let mut registry = open(&tables).unwrap();
    assert_eq!(registry.notary_logs().unwrap(), [(LogId([1; 32]), 18), (LogId([9; 32]), 3)]);
    assert_eq!(registry.take_streams(1).unwrap(), 19, "above every stream that was seen");
    assert!(registry.take_streams(u64::MAX).is_err());
}

#[test]
fn logs_are_entered_deleted_and_forgotten() {
    let tables = MemoryTables::new(FaultyDisk::new(1));
    let registry = open(&tables).unwrap();
    let mut entries = ["b", "a.1", "a"].map(|name| Entry { stream: 9, spec: spec(name), deleted: false });
    entries.iter().for_each(|entry| registry.put_log(entry).unwrap());
    [4, 9, 10].into_iter().for_each(|stream| registry.put_made(stream, Made::Files).unwrap());
    registry.put_made(4, Made::Signed).unwrap();
    entries[1].deleted = true;
    registry.put_log(&entries[1]).unwrap();
    registry.remove_log(&entries[0].spec.name, 9..12).unwrap();
    tables.crash();
    let registry = open(&tables).unwrap();
    assert_eq!(registry.logs().unwrap(), [entries[2].clone(), entries[1].clone()]);
    assert_eq!(registry.made().unwrap(), BTreeMap::from([(4, Made::Signed)]));
    assert!(registry.notary_logs().unwrap().is_empty());
}

#[test]
fn entries_that_are_none_are_refused() {
    let log = [&[0][..], &9u64.to_be_bytes(), &spec("a").to_bytes()].concat();
    let state = [&[2][..], &log[1..]].concat();
    for (key, value) in [
        (NEXT.to_vec(), vec![0; 7]),
        (NEXT.to_vec(), vec![0; 8]),
        (b"notary/short".to_vec(), vec![1; 8]),
        (b"made/short".to_vec(), Vec::new()),
        (b"log/b".to_vec(), log.clone()),
        (b"log/a".to_vec(), log[..log.len() - 1].to_vec()),
        (b"log/a".to_vec(), state),
    ] {
        let tables = MemoryTables::new(FaultyDisk::new(1));
        let mut batch = Batch::default();
        batch.put(Family::Log, key.clone(), value);
        tables.write(batch, Durability::Synced).unwrap();
        let read = |registry: Registry| Ok((registry.notary_logs()?, registry.logs()?, registry.made()?));
        let refused = open(&tables).and_then(read);
        assert!(matches!(refused, Err(Error::Tables { .. })), "{key:?}: {refused:?}");
    }
}
