//! One suite for every implementation of the tables.

use proptest::prelude::*;

use super::*;
use crate::chain::{MemoryTables, RocksTables};
use crate::disk::FaultyDisk;

#[derive(Debug, Clone)]
enum Step {
    Write(Vec<(u8, u8, Option<u8>)>, bool),
    Get(u8, u8),
    Scan(u8, u8, u8),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let change = (0u8..9, 0u8..12, proptest::option::of(any::<u8>()));
    let step = prop_oneof![
        (prop::collection::vec(change, 0..6), any::<bool>()).prop_map(|(changes, synced)| Step::Write(changes, synced)),
        (0u8..9, 0u8..12).prop_map(|(family, key)| Step::Get(family, key)),
        (0u8..9, 0u8..12, 0u8..5).prop_map(|(family, from, count)| Step::Scan(family, from, count)),
    ];
    prop::collection::vec(step, 1..40)
}

/// Keys of different lengths, so that order is by bytes and not by length.
fn key(number: u8) -> Vec<u8> {
    vec![number / 3; usize::from(number % 3) + 1]
}

/// What a step shows: values, or entries of a scan.
fn show(tables: &dyn Tables, step: &Step) -> Vec<(Vec<u8>, Vec<u8>)> {
    let family = |number: &u8| Family::ALL[usize::from(*number)];
    let mut shown = Vec::new();
    match step {
        Step::Write(changes, synced) => {
            let mut batch = Batch::default();
            for (number, at, value) in changes {
                match value {
                    Some(value) => batch.put(family(number), key(*at), [*value]),
                    None => batch.delete(family(number), key(*at)),
                }
            }
            tables.write(batch, if *synced { Durability::Synced } else { Durability::Later }).unwrap();
        }
        Step::Get(number, at) => {
            let value = tables.get(family(number), &key(*at)).unwrap();
            shown.extend(value.map(|value| (Vec::new(), value)));
        }
        Step::Scan(number, from, count) => tables
            .scan(family(number), &key(*from), &mut |key, value| {
                shown.push((key.to_vec(), value.to_vec()));
                shown.len() < usize::from(*count)
            })
            .unwrap(),
    }
    shown
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]

    #[test]
    fn rocksdb_and_memory_agree(lives in prop::collection::vec(steps(), 1..3)) {
        let dir = tempfile::tempdir().unwrap();
        let memory = MemoryTables::new(FaultyDisk::new(1));
        for steps in lives {
            let rocks = RocksTables::open(dir.path(), 1 << 20).unwrap();
            for step in steps {
                prop_assert_eq!(show(&rocks, &step), show(&memory, &step), "{:?}", step);
            }
        }
    }
}

#[test]
fn memory_loses_later_batches_as_a_prefix_and_never_synced_ones() {
    let mut survivors = std::collections::BTreeSet::new();
    for seed in 0..60 {
        let memory = MemoryTables::new(FaultyDisk::new(seed));
        for number in 0..4 {
            show(&memory, &Step::Write(vec![(0, number, Some(1))], false));
        }
        show(&memory, &Step::Write(vec![(1, 0, Some(2))], true));
        memory.crash();
        assert_eq!(show(&memory, &Step::Get(1, 0)).len(), 1);
        let there: Vec<bool> = (0..4).map(|number| !show(&memory, &Step::Get(0, number)).is_empty()).collect();
        assert!(there.is_sorted_by(|a, b| a >= b), "{there:?}");
        survivors.insert(there);
    }
    assert_eq!(survivors.len(), 5, "every length of the prefix is met");
}

#[test]
fn memory_fails_with_the_power() {
    let disk = FaultyDisk::new(1);
    let memory = MemoryTables::new(disk.clone());
    disk.cut_power_after(0);
    let mut batch = Batch::default();
    batch.put(Family::State, "k", "v");
    assert!(memory.write(batch, Durability::Synced).is_err());
    disk.crash();
    memory.crash();
    // The write that was cut may have reached the disk, and is whole or absent.
    assert!(memory.get(Family::State, b"k").unwrap().is_none_or(|value| value == b"v"));
}
