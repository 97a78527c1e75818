//! Tables under an overlay never change, and above it behave as if they had.

use proptest::prelude::*;

use super::*;
use crate::MemoryTables;
use crate::disk::FaultyDisk;

type Change = (u8, Option<u8>);

fn batch(changes: &[Change]) -> Batch {
    let mut batch = Batch::default();
    for (key, value) in changes {
        match value {
            Some(value) => batch.put(Family::State, [*key], [*value]),
            None => batch.delete(Family::State, [*key]),
        }
    }
    batch
}

fn all(tables: &dyn Tables, from: u8, most: usize) -> Vec<(Vec<u8>, Vec<u8>)> {
    let mut found = Vec::new();
    tables
        .scan(Family::State, &[from], &mut |key, value| {
            found.push((key.to_vec(), value.to_vec()));
            found.len() < most
        })
        .unwrap();
    found
}

fn changes() -> impl Strategy<Value = Vec<Change>> {
    prop::collection::vec((0u8..12, prop::option::of(any::<u8>())), 0..12)
}

proptest! {
    #[test]
    fn it_is_a_table(first in changes(), then in prop::collection::vec(changes(), 0..4), from in 0u8..12, most in 1usize..6) {
        let (below, model) = (MemoryTables::new(FaultyDisk::new(1)), MemoryTables::new(FaultyDisk::new(1)));
        for tables in [&below, &model] {
            let mut other = batch(&first);
            other.put(Family::Chain, [1], [1]);
            tables.write(other, Durability::Synced).unwrap();
        }
        let before = all(&below, 0, 99);
        let overlay = OverlayTables::new(Arc::new(below.clone()));
        for changes in &then {
            overlay.write(batch(changes), Durability::Synced).unwrap();
            model.write(batch(changes), Durability::Synced).unwrap();
        }
        prop_assert_eq!(all(&overlay, from, most), all(&model, from, most));
        for key in 0..12 {
            prop_assert_eq!(overlay.get(Family::State, &[key]).unwrap(), model.get(Family::State, &[key]).unwrap());
        }
        prop_assert_eq!(all(&below, 0, 99), before);
    }
}
