//! Streams are given once, and what is entered comes back.

use super::*;
use crate::MemoryTables;
use crate::disk::FaultyDisk;

fn open(tables: &MemoryTables) -> Result<Registry, Error> {
    Registry::open(Arc::new(tables.clone()), "/tables".into())
}

#[test]
fn streams_are_given_once_and_logs_come_back_after_a_crash() {
    let tables = MemoryTables::new(FaultyDisk::new(1));
    let mut registry = open(&tables).unwrap();
    assert_eq!((registry.take_stream().unwrap(), registry.take_stream().unwrap()), (2, 3));
    registry.put_notary(LogId([9; 32]), 3).unwrap();
    registry.put_notary(LogId([1; 32]), 8).unwrap();
    tables.crash();
    let mut registry = open(&tables).unwrap();
    assert_eq!(registry.notary_logs().unwrap(), [(LogId([1; 32]), 8), (LogId([9; 32]), 3)]);
    assert_eq!(registry.take_stream().unwrap(), 9, "above every stream that was seen");
}

#[test]
fn entries_that_are_none_are_refused() {
    for (key, value) in
        [(NEXT.to_vec(), vec![0; 7]), (NEXT.to_vec(), vec![0; 8]), (b"notary/short".to_vec(), vec![1; 8])]
    {
        let tables = MemoryTables::new(FaultyDisk::new(1));
        let mut batch = Batch::default();
        batch.put(Family::Log, key.clone(), value);
        tables.write(batch, Durability::Synced).unwrap();
        let refused = open(&tables).and_then(|registry| registry.notary_logs());
        assert!(matches!(refused, Err(Error::Tables { .. })), "{key:?}: {refused:?}");
    }
}
