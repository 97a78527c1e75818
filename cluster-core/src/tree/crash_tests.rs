//! Power cuts at every operation, with a journal that keeps all records.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::testkit::*;
use super::*;
use crate::disk::FaultyDisk;

#[derive(Debug, Clone)]
enum Step {
    /// So many records, which the journal has, go to the stream at once, and to the trees.
    Append(u64),
    Sync,
    Trim(u64),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        6 => (1u64..20).prop_map(Step::Append),
        2 => Just(Step::Sync),
        1 => (0u64..150).prop_map(Step::Trim),
    ];
    prop::collection::vec(step, 1..20)
}

/// What outlives the power: what the journal has, and which roots were signed.
#[derive(Default)]
struct Oracle {
    records: u64,
    signed: BTreeMap<u64, PartitionRoot>,
}

impl Oracle {
    /// Opens both, and gives them what the journal has, in parts of `part` records.
    fn open(&self, disk: &FaultyDisk, part: u64) -> Result<Partition, Error> {
        let partition = Partition::open(disk)?;
        while partition.log.next_offset() < self.records {
            partition.append(part.min(self.records - partition.log.next_offset()))?;
        }
        Ok(partition)
    }

    fn step(&mut self, partition: &Partition, step: &Step) -> Result<(), Error> {
        match step {
            Step::Append(count) => {
                self.records += count;
                partition.append(*count)?;
                let root = partition.tree.root()?;
                self.signed.insert(root.size, root);
                Ok(())
            }
            Step::Sync => partition.log.sync().map(drop),
            Step::Trim(up_to) => partition.tree.trim(*up_to),
        }
    }

    fn check(&self, partition: &Partition, seed: u64) {
        assert_eq!(partition.tree.size(), self.records, "seed {seed}");
        assert_eq!(partition.tree.root().unwrap(), partition.model().root(), "seed {seed}");
        for (number, root) in self.signed.values().enumerate() {
            match partition.tree.root_at(root.size) {
                Ok(found) => assert_eq!(found, *root, "seed {seed}: a signed root does not hold"),
                Err(Error::NoSuchRecord { .. }) if root.size <= partition.log.first_offset() => {}
                Err(error) => panic!("seed {seed}: {error}"),
            }
            if number % 4 == seed as usize % 4 {
                partition.check(root.size / 2, root.size * 2 / 3, root.size).unwrap();
            }
        }
        partition.check_all(50).unwrap();
        partition.tree.verify(&mut |error| panic!("seed {seed}: {error}"));
    }
}

fn live(disk: &FaultyDisk, seed: u64, lives: &[(Vec<Step>, u64)]) {
    let mut oracle = Oracle::default();
    for (number, (steps, operations)) in lives.iter().enumerate() {
        let partition = oracle.open(disk, 1 + number as u64 % 7).unwrap();
        oracle.check(&partition, seed);
        disk.cut_power_after(*operations);
        let lived = steps.iter().try_for_each(|step| oracle.step(&partition, step));
        assert!(!matches!(lived, Err(Error::Damaged { .. })), "seed {seed}: {lived:?}");
        drop(partition);
        disk.crash();
        for operations in [1, 4, 9] {
            disk.cut_power_after(operations);
            let opened = oracle.open(disk, 5);
            assert!(!matches!(opened, Err(Error::Damaged { .. })), "seed {seed}: {opened:?}");
            disk.crash();
        }
    }
    oracle.check(&oracle.open(disk, 13).unwrap(), seed);
}

/// Fills, seals, syncs and trims.
fn script() -> Vec<Step> {
    let mut steps = Vec::new();
    for round in 1..5 {
        steps.extend([Step::Append(9), Step::Append(3), Step::Sync, Step::Append(14), Step::Trim(round * 20)]);
    }
    steps
}

#[test]
fn power_cuts_at_every_operation_of_a_script() {
    let probe = FaultyDisk::new(0);
    live(&probe, 0, &[(script(), u64::MAX)]);
    let operations = probe.operations();
    assert!(operations > 200, "{operations}");
    for operation in 0..operations {
        let seed = operation << 8 | 1;
        live(&FaultyDisk::new(seed), seed, &[(script(), operation), (script(), operation / 3)]);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    #[test]
    fn signed_roots_hold_over_power_cuts(seed: u64, lives in prop::collection::vec((steps(), 0u64..200), 1..4)) {
        live(&FaultyDisk::new(seed), seed, &lives);
    }
}
