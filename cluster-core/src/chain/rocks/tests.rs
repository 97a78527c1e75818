//! RocksDB keeps the contract of the tables.

use super::*;

fn open(dir: &Path) -> RocksTables {
    RocksTables::open(dir, 1 << 20).unwrap()
}

#[test]
fn batches_are_applied_read_and_scanned() {
    let dir = tempfile::tempdir().unwrap();
    let tables = open(dir.path());
    let mut batch = Batch::default();
    for (key, value) in [("b", "2"), ("a", "1"), ("c", "3")] {
        batch.put(Family::State, key, value);
    }
    batch.put(Family::Chain, "a", "other table");
    batch.delete(Family::State, "c");
    tables.write(batch, Durability::Synced).unwrap();
    assert_eq!(tables.get(Family::State, b"a").unwrap().unwrap(), b"1");
    assert_eq!(tables.get(Family::Chain, b"a").unwrap().unwrap(), b"other table");
    assert_eq!(tables.get(Family::State, b"c").unwrap(), None);
    assert_eq!(tables.get(Family::Tx, b"a").unwrap(), None);
    let mut keys = Vec::new();
    tables
        .scan(Family::State, b"a", &mut |key, _| {
            keys.push(key.to_vec());
            true
        })
        .unwrap();
    assert_eq!(keys, [b"a", b"b"]);
    drop(tables);
    assert_eq!(open(dir.path()).get(Family::State, b"b").unwrap().unwrap(), b"2");
}

#[test]
fn every_table_has_its_own_name() {
    let names: std::collections::BTreeSet<_> = Family::ALL.iter().map(|family| family.name()).collect();
    assert_eq!(names.len(), Family::ALL.len());
}

#[test]
fn a_store_of_before_a_table_opens_with_an_empty_one() {
    let dir = tempfile::tempdir().unwrap();
    let mut options = options();
    options.create_if_missing(true);
    options.create_missing_column_families(true);
    let before = families(1 << 20, |family| family != Family::Raft);
    {
        let _closed_behind_this = DB::open_cf_descriptors(&options, dir.path(), before).unwrap();
    }
    let read = RocksTables::open_read(dir.path(), 1 << 20).unwrap();
    assert_eq!(read.get(Family::Raft, b"a").unwrap(), None);
    read.scan(Family::Raft, b"", &mut |_, _| panic!("an entry")).unwrap();
    drop(read);
    let mut batch = Batch::default();
    batch.put(Family::Raft, "a", "1");
    open(dir.path()).write(batch, Durability::Synced).unwrap();
    assert_eq!(RocksTables::open_read(dir.path(), 1 << 20).unwrap().get(Family::Raft, b"a").unwrap().unwrap(), b"1");
}

#[test]
fn a_second_open_is_refused_and_names_the_directory() {
    let dir = tempfile::tempdir().unwrap();
    let _first = open(dir.path());
    let error = RocksTables::open(dir.path(), 1 << 20).unwrap_err();
    assert!(error.to_string().contains(&dir.path().display().to_string()), "{error}");
}

#[test]
fn a_torn_tail_of_the_log_is_dropped_and_damage_before_it_refused() {
    let dir = tempfile::tempdir().unwrap();
    let tables = open(dir.path());
    for key in ["a", "b"] {
        let mut batch = Batch::default();
        batch.put(Family::State, key, vec![7; 100]);
        tables.write(batch, Durability::Synced).unwrap();
    }
    // What a kill leaves: the files as they are, copied while the store is open.
    let copy = tempfile::tempdir().unwrap();
    let mut log = None;
    for entry in std::fs::read_dir(dir.path()).unwrap() {
        let entry = entry.unwrap();
        let to = copy.path().join(entry.file_name());
        std::fs::copy(entry.path(), &to).unwrap();
        if to.extension().is_some_and(|extension| extension == "log") {
            log = Some(to);
        }
    }
    let log = log.unwrap();
    let whole = std::fs::read(&log).unwrap();
    let mut flipped = whole.clone();
    flipped[40] ^= 1;
    std::fs::write(&log, flipped).unwrap();
    let error = RocksTables::open(copy.path(), 1 << 20).unwrap_err();
    assert!(error.to_string().contains("Corruption"), "{error}");
    std::fs::write(&log, &whole[..whole.len() - 10]).unwrap();
    let found = open(copy.path());
    assert!(found.get(Family::State, b"a").unwrap().is_some());
    assert!(found.get(Family::State, b"b").unwrap().is_none());
    drop(found);
}
