//! Power cuts at every operation over several lives: no value twice.

use proptest::prelude::*;

use super::*;
use crate::disk::FaultyDisk;
use crate::ids::testkit::dir;

/// What happens in one life: draws (0 is one value, else a range) each with or without a drive, and after how many operations, making and
/// opening included, the power goes; `None` is an end in order.
struct Life {
    draws: Vec<(u32, bool)>,
    operations: Option<u64>,
}

/// Several lives of one counter. Answers what went wrong, for a canary to be caught by.
fn live(disk: &FaultyDisk, lives: Vec<Life>, publish_early: bool) -> Result<(), String> {
    let options = ObeliskOptions { block_bits: 2, manual: true };
    let (mut used, mut made) = (0, false);
    for life in lives {
        if let Some(operations) = life.operations {
            disk.cut_power_after(operations);
        }
        let making = if made { Ok(()) } else { Obelisk::make(dir(), options.block_bits, disk) };
        made = making.is_ok();
        let opened =
            making.and_then(|()| CounterFile::open(disk, dir(), options.block_bits)).and_then(|mut counter| {
                counter.publish_early = publish_early;
                Obelisk::start(dir(), options, counter)
            });
        match &opened {
            Ok(obelisk) => {
                for (count, drive) in &life.draws {
                    let Ok(range) = obelisk.range(count + 1) else { break };
                    if range.start < used {
                        return Err(format!("{} was drawn again, {used} were used", range.start));
                    }
                    used = range.end;
                    if *drive {
                        obelisk.drive();
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
    let draws = |from: u64| (0..30).map(|n| (((from + n * 7) % 11) as u32, n % 3 == 0)).collect();
    let power = [Some(operations), Some(operations / 2), None, Some(operations + 1), Some(1_000)];
    power.into_iter().enumerate().map(|(n, operations)| Life { draws: draws(seed + n as u64), operations }).collect()
}

#[test]
fn no_value_leaves_twice_wherever_the_power_is_cut() {
    for operations in 0..100 {
        for seed in 0..40 {
            live(&FaultyDisk::new(seed), lives_cut_at(operations, seed), false)
                .unwrap_or_else(|why| panic!("seed {seed}, cut after {operations}: {why}"));
        }
    }
}

#[test]
fn a_ceiling_published_before_the_sync_is_caught() {
    let caught = (0..40).filter(|seed| live(&FaultyDisk::new(*seed), lives_cut_at(40, *seed), true).is_err()).count();
    assert!(caught > 20, "{caught} of 40");
}

#[test]
fn a_disk_that_lies_about_syncs_is_caught() {
    let caught = (0..40).filter(|seed| {
        let disk = FaultyDisk::new(*seed);
        live(&disk, lives_cut_at(1_000, *seed), false).unwrap();
        disk.ignore_syncs();
        live(&disk, lives_cut_at(40, *seed), false).is_err()
    });
    assert!(caught.count() > 20);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn no_value_leaves_twice_over_any_lives(
        seed: u64,
        lives in prop::collection::vec(
            (prop::collection::vec((0u32..300, any::<bool>()), 0..25), prop::option::weighted(0.8, 0u64..60)),
            1..8,
        ),
    ) {
        let lives = lives.into_iter().map(|(draws, operations)| Life { draws, operations }).collect();
        live(&FaultyDisk::new(seed), lives, false).map_err(TestCaseError::fail)?;
    }
}
