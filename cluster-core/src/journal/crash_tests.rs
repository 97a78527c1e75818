//! Power cuts at every operation, over several lives of a journal, against an oracle that remembers every acknowledgement.

use proptest::prelude::*;

use super::canary::switches;
use super::tests::{Groups, SMALL, open, open_with};
use super::*;
use crate::disk::FaultyDisk;

/// What a caller does.
#[derive(Debug, Clone)]
enum Step {
    /// A group of so many entries of so many bytes.
    Append(usize, usize),
    /// All groups but the last so many are released.
    Release(u64),
    Prepare,
    /// The process is killed; the power stays.
    Kill,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        6 => (1usize..4, prop_oneof![0usize..300, 0usize..7000]).prop_map(|(count, bytes)| Step::Append(count, bytes)),
        2 => (0u64..6).prop_map(Step::Release),
        1 => Just(Step::Prepare),
        1 => Just(Step::Kill),
    ];
    prop::collection::vec(step, 1..30)
}

/// Every group that was ever asked for.
#[derive(Default)]
struct Oracle {
    acknowledged: Groups,
    /// Asked for under this number, and not acknowledged.
    flight: Groups,
    released: u64,
    asked: u64,
}

impl Oracle {
    fn step(&mut self, journal: &mut Journal, step: &Step) -> Result<(), Error> {
        match step {
            Step::Append(count, bytes) => {
                self.asked += 1;
                let group: Vec<(u64, u64, Vec<u8>)> = (0..*count as u64)
                    .map(|place| (self.asked, place, vec![(self.asked + place) as u8; *bytes]))
                    .collect();
                let entries: Vec<Entry<'_>> = group
                    .iter()
                    .map(|(stream, position, bytes)| Entry { stream: *stream, position: *position, bytes })
                    .collect();
                self.flight = Groups::from([(journal.next_group(), group.clone())]);
                let number = journal.append(&entries)?;
                self.flight.clear();
                assert_eq!(self.acknowledged.insert(number, group), None, "a group number came twice");
                Ok(())
            }
            Step::Release(kept) => {
                let up_to = journal.next_group().saturating_sub(*kept);
                self.released = self.released.max(up_to);
                journal.release(up_to)
            }
            Step::Prepare => journal.prepare(),
            Step::Kill => Ok(()),
        }
    }

    /// All that was acknowledged and not released is there, in order, and beside it at most the group in flight, whole.
    fn check(&mut self, groups: Groups, seed: u64) {
        for (number, group) in self.acknowledged.range(self.released..) {
            assert_eq!(groups.get(number), Some(group), "seed {seed}: group {number} was acknowledged");
        }
        for (number, group) in &groups {
            let known = self.acknowledged.get(number).or_else(|| self.flight.get(number));
            assert_eq!(known, Some(group), "seed {seed}: group {number} was never asked for");
        }
        let numbers: Vec<u64> = groups.keys().copied().collect();
        assert!(numbers.windows(2).all(|pair| pair[1] == pair[0] + 1), "seed {seed}: a hole in {numbers:?}");
        // What was shown is durable from now on.
        self.acknowledged.extend(groups);
        self.flight.clear();
    }
}

/// Several lives of one journal, each ended by a power cut at an operation, opening included. Panics where the oracle disagrees.
fn live(disk: &FaultyDisk, seed: u64, lives: &[(Vec<Step>, u64)]) {
    let mut oracle = Oracle::default();
    for (steps, operations) in lives {
        let (mut journal, groups, _) = open(disk).unwrap();
        oracle.check(groups, seed);
        disk.cut_power_after(*operations);
        for step in steps {
            if oracle.step(&mut journal, step).is_err() {
                break;
            }
            if matches!(step, Step::Kill) {
                let Ok((again, groups, _)) = open(disk) else { break };
                oracle.check(groups, seed);
                journal = again;
            }
        }
        drop(journal);
        disk.crash();
        // The power may go again while the journal recovers.
        for operations in [1, 4] {
            disk.cut_power_after(operations);
            let _may_fail = open(disk);
            disk.crash();
        }
    }
    let (mut journal, groups, _) = open(disk).unwrap();
    oracle.check(groups, seed);
    journal.close().unwrap();
    oracle.check(open(disk).unwrap().1, seed);
}

fn disk(seed: u64) -> FaultyDisk {
    let disk = FaultyDisk::new(seed);
    disk.shear_sectors();
    disk
}

/// Turns files, releases them and uses them again.
fn script() -> Vec<Step> {
    let round =
        [Step::Append(1, 100), Step::Append(3, 4000), Step::Append(2, 10), Step::Release(3), Step::Append(1, 9000)];
    round.into_iter().cycle().take(25).collect()
}

#[test]
fn power_cuts_at_every_operation_of_a_script() {
    let probe = FaultyDisk::new(0);
    live(&probe, 0, &[(script(), u64::MAX)]);
    let operations = probe.operations();
    assert!(operations > 80, "{operations}");
    for operation in 0..operations {
        for seed in 0..8 {
            let seed = operation << 8 | seed;
            live(&disk(seed), seed, &[(script(), operation), (script(), operation / 2)]);
        }
    }
}

/// Lives that lose a sync between write and acknowledgement.
fn caught(setup: impl Fn(&FaultyDisk)) -> usize {
    let caught = (0..40).filter(|seed| {
        let lied = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            let disk = disk(*seed);
            drop(open(&disk).unwrap());
            setup(&disk);
            live(&disk, *seed, &[(script(), 30), (script(), 40), (script(), 50)]);
        }));
        lied.is_err()
    });
    caught.count()
}

#[test]
fn canary_fsync_skipped() {
    switches::SYNC_SKIPPED.set(true);
    let found = caught(|_| ());
    switches::SYNC_SKIPPED.set(false);
    assert!(found > 20, "{found} of 40");
    assert_eq!(caught(|_| ()), 0);
}

#[test]
fn canary_identity_left_out_of_the_checksum() {
    switches::IDENTITY_UNCHECKED.set(true);
    let found = caught(|_| ());
    switches::IDENTITY_UNCHECKED.set(false);
    assert!(found > 20, "{found} of 40");
}

#[test]
fn a_disk_that_lies_about_syncs_is_caught() {
    let found = caught(FaultyDisk::ignore_syncs);
    assert!(found > 20, "{found} of 40");
}

/// Without blocks of their own, groups would share sectors, and a drive that destroys one would take acknowledged entries with it.
#[test]
fn sheared_sectors_never_hold_acknowledged_entries() {
    for seed in 0..300 {
        let disk = disk(seed);
        let (mut journal, ..) = open_with(&disk, SMALL).unwrap();
        for position in 0..5 {
            journal.append(&[Entry { stream: 1, position, bytes: &[1; 10] }]).unwrap();
        }
        disk.cut_power_after(1);
        assert!(journal.append(&[Entry { stream: 1, position: 5, bytes: &[2; 10] }]).is_err());
        disk.crash();
        assert!(open(&disk).unwrap().1.len() >= 5, "seed {seed}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn nothing_acknowledged_is_lost_over_power_cuts(seed: u64, lives in prop::collection::vec((steps(), 0u64..100), 1..5)) {
        live(&disk(seed), seed, &lives);
    }
}
