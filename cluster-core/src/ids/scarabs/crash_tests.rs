//! Power cuts at every operation over several lives, with a clock that goes where it likes: no id twice.

use proptest::prelude::*;

use super::*;
use crate::disk::FaultyDisk;
use crate::ids::testkit::{StepClock, dir};

/// What happens in one life: steps of the clock, each before a draw of so many ids, with or without a drive after it; and after how
/// many operations, making and opening included, the power goes; `None` is an end in order.
struct Life {
    draws: Vec<(i64, u32, bool)>,
    operations: Option<u64>,
}

fn live(disk: &FaultyDisk, lives: Vec<Life>) -> Result<(), String> {
    let options = ScarabOptions { manual: true, ..ScarabOptions::of(NodeNumber::MAX) };
    let clock = StepClock::at(50_000_000_000);
    let (mut used, mut made) = (0, false);
    for life in lives {
        if let Some(operations) = life.operations {
            disk.cut_power_after(operations);
        }
        let making = if made { Ok(()) } else { Scarabs::make(dir(), options.node, disk) };
        made = making.is_ok();
        let opened = making.and_then(|()| Scarabs::open_with(dir(), options, disk, clock.clone()));
        match &opened {
            Ok(scarabs) => {
                for (step, count, drive) in &life.draws {
                    clock.step(*step);
                    let Ok(first) = scarabs.draw(u64::from(*count)) else { break };
                    if first < used {
                        return Err(format!("state {first} was drawn again, {used} was free"));
                    }
                    used = first + u64::from(*count);
                    if *drive {
                        scarabs.drive();
                    }
                }
            }
            Err(Error::Io { .. } | Error::SyncFailed { .. }) if life.operations.is_some() => {}
            Err(error) => return Err(error.to_string()),
        }
        // Dropped after the crash it is a process that died, before it one that ended.
        if life.operations.is_none() {
            drop(opened);
            disk.crash();
        } else {
            disk.crash();
            drop(opened);
        }
    }
    Ok(())
}

fn lives_cut_at(operations: u64, seed: u64) -> Vec<Life> {
    let steps = [1, 1_500, 2_500, -5_000, 30, 4_100, -3 * 3_600_000, 3_600_000];
    let draws = |from: u64| {
        let step = |n: u64| steps[((from + n * 3) % 8) as usize];
        (0..30).map(|n| (step(n), (n % 7 * 3_000 + 1) as u32, n % 3 == 0)).collect()
    };
    let power = [Some(operations), Some(operations / 2), None, Some(operations + 1), Some(1_000)];
    power.into_iter().enumerate().map(|(n, operations)| Life { draws: draws(seed + n as u64), operations }).collect()
}

#[test]
fn no_id_leaves_twice_wherever_the_power_is_cut() {
    for operations in 0..90 {
        for seed in 0..30 {
            live(&FaultyDisk::new(seed), lives_cut_at(operations, seed))
                .unwrap_or_else(|why| panic!("seed {seed}, cut after {operations}: {why}"));
        }
    }
}

#[test]
fn a_disk_that_lies_about_syncs_is_caught() {
    let caught = (0..40).filter(|seed| {
        let disk = FaultyDisk::new(*seed);
        live(&disk, lives_cut_at(1_000, *seed)).unwrap();
        disk.ignore_syncs();
        live(&disk, lives_cut_at(40, *seed)).is_err()
    });
    assert!(caught.count() > 20);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(150))]

    #[test]
    fn no_id_leaves_twice_over_any_lives(
        seed: u64,
        lives in prop::collection::vec(
            (
                prop::collection::vec((-12_000_000i64..10_000_000, 1u32..30_000, any::<bool>()), 0..20),
                prop::option::weighted(0.8, 0u64..60),
            ),
            1..8,
        ),
    ) {
        let lives = lives.into_iter().map(|(draws, operations)| Life { draws, operations }).collect();
        live(&FaultyDisk::new(seed), lives).map_err(TestCaseError::fail)?;
    }
}
