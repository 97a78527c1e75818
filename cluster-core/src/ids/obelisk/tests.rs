//! Values go up, are never answered twice, and end in order.

use std::io::ErrorKind;
use std::sync::Arc;

use proptest::prelude::*;

use super::*;
use crate::disk::FaultyDisk;
use crate::ids::MAX_RANGE;
use crate::ids::counter::MAX_BLOCKS;
use crate::ids::testkit::{DIR, OddDisk, dir};

fn options(block_bits: u32) -> ObeliskOptions {
    ObeliskOptions { block_bits, manual: true }
}

/// Makes the counter where it was not used yet.
fn make(disk: &dyn Disk, block_bits: u32) {
    if !Obelisk::used(dir(), disk).unwrap() {
        Obelisk::make(dir(), block_bits, disk).unwrap();
    }
}

fn open(disk: &dyn Disk, options: ObeliskOptions) -> Obelisk {
    make(disk, options.block_bits);
    Obelisk::open_with(dir(), options, disk).unwrap()
}

fn refused(disk: &dyn Disk, block_bits: u32) -> Error {
    Obelisk::open_with(dir(), options(block_bits), disk).unwrap_err()
}

fn length(disk: &FaultyDisk) -> u64 {
    disk.contents(&dir().join("counter")).unwrap().len() as u64
}

#[test]
fn values_count_up_and_the_size_counts_blocks() {
    let disk = FaultyDisk::new(1);
    let obelisk = open(&disk, options(2));
    assert_eq!((0..4).map(|_| obelisk.next().unwrap()).collect::<Vec<_>>(), [0, 1, 2, 3]);
    assert_eq!((obelisk.reserved(), length(&disk)), (4, 1));
    assert_eq!(obelisk.range(10).unwrap(), 4..14, "a range may span blocks");
    assert_eq!(obelisk.next().unwrap(), 14);
    let reserved = obelisk.reserved();
    assert_eq!(reserved, 4 * length(&disk));
    drop(obelisk);
    assert_eq!(open(&disk, options(2)).next().unwrap(), reserved, "a start begins at the size");
}

#[test]
fn half_a_block_before_the_end_a_reservation_is_due() {
    let disk = FaultyDisk::new(1);
    let obelisk = open(&disk, options(4));
    obelisk.range(8).unwrap();
    assert!(!obelisk.drive());
    obelisk.next().unwrap();
    assert!(obelisk.drive() && !obelisk.drive());
    assert_eq!((obelisk.reserved(), length(&disk)), (32, 2));
    let syncs = disk.syncs();
    obelisk.range(23).unwrap();
    assert_eq!(disk.syncs(), syncs, "nothing waits for what was reserved ahead");
}

#[test]
fn the_thread_reserves_ahead_without_being_waited_for() {
    let disk = FaultyDisk::new(1);
    let obelisk = open(&disk, ObeliskOptions::default());
    assert!(!obelisk.drive(), "nothing is done by hand");
    obelisk.range((1 << 15) + 1).unwrap();
    while obelisk.reserved() == 1 << 16 {
        std::thread::yield_now();
    }
    assert_eq!(obelisk.reserved(), 2 << 16);
}

#[test]
fn reservations_grow_only_where_draws_had_to_wait() {
    let disk = FaultyDisk::new(1);
    let obelisk = open(&disk, options(0));
    for value in 0..5_000 {
        assert_eq!(obelisk.next().unwrap(), value);
    }
    assert!(disk.syncs() < 100, "{} syncs", disk.syncs());
    let disk = FaultyDisk::new(1);
    let obelisk = open(&disk, options(4));
    for _ in 0..5_000 {
        obelisk.next().unwrap();
        obelisk.drive();
    }
    assert!(obelisk.reserved() <= 5_000 + 32);
}

#[test]
fn counts_outside_the_bounds_are_refused() {
    let disk = FaultyDisk::new(1);
    let obelisk = open(&disk, options(16));
    for count in [0, MAX_RANGE + 1, u32::MAX] {
        assert!(matches!(obelisk.range(count), Err(Error::Size { .. })));
    }
    assert_eq!(obelisk.range(MAX_RANGE).unwrap(), 0..u64::from(MAX_RANGE));
}

#[test]
fn eight_threads_draw_a_million_distinct_values() {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("ids");
    Obelisk::make(&path, 8, &RealDisk).unwrap();
    let obelisk = Obelisk::open(&path, ObeliskOptions { block_bits: 8, manual: false }).unwrap();
    let draw = |thread: u64| {
        let mut values = Vec::new();
        let mut draws = 0u64;
        while draws < 125_000 {
            draws += 1;
            let range = if draws % 100 == thread { obelisk.range(40).unwrap() } else { one(&obelisk) };
            assert!(values.last().is_none_or(|last| *last < range.start), "values go up within a thread");
            values.extend(range);
        }
        values
    };
    let mut values: Vec<u64> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..8).map(|thread| scope.spawn(move || draw(thread))).collect();
        threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect()
    });
    values.sort_unstable();
    let count = values.len();
    values.dedup();
    assert_eq!(values.len(), count);
    assert_eq!(values.last(), Some(&(count as u64 - 1)), "and without gaps in one life");
}

fn one(obelisk: &Obelisk) -> Range<u64> {
    let value = obelisk.next().unwrap();
    value..value + 1
}

#[test]
fn a_second_owner_is_refused_until_the_first_ends() {
    let home = tempfile::tempdir().unwrap();
    Obelisk::make(home.path(), 16, &RealDisk).unwrap();
    let obelisk = Obelisk::open(home.path(), ObeliskOptions::default()).unwrap();
    assert!(matches!(Obelisk::make(home.path(), 16, &RealDisk), Err(Error::InUse { .. })));
    let error = Obelisk::open(home.path(), ObeliskOptions::default()).unwrap_err();
    assert!(matches!(&error, Error::InUse { dir, .. } if dir == home.path()), "{error}");
    drop(obelisk);
    Obelisk::open(home.path(), ObeliskOptions::default()).unwrap();
}

#[test]
fn a_failed_sync_poisons_and_is_never_tried_again() {
    // Of the counter, and of both copies of its mark.
    for (manual, syncs) in [true, false].into_iter().flat_map(|manual| [0, 1, 2].map(|syncs| (manual, syncs))) {
        let disk = FaultyDisk::new(1);
        let obelisk = open(&disk, ObeliskOptions { block_bits: 2, manual });
        obelisk.next().unwrap();
        disk.fail_sync_after(syncs);
        let error = obelisk.range(8).unwrap_err();
        assert!(matches!(error, Error::SyncFailed { .. }) && error.is_fatal(), "{error}");
        let (syncs, operations) = (disk.syncs(), disk.operations());
        for _ in 0..10 {
            assert!(matches!(obelisk.next(), Err(Error::SyncFailed { .. })), "also below the old ceiling");
            assert!(matches!(obelisk.range(3), Err(Error::SyncFailed { .. })));
            assert!(!obelisk.drive());
        }
        assert!(matches!(obelisk.failure(), Some(Error::SyncFailed { .. })));
        assert_eq!(obelisk.reserved(), 4);
        drop(obelisk);
        assert_eq!((disk.syncs(), disk.operations()), (syncs, operations));
        disk.crash();
        assert!(open(&disk, options(2)).next().unwrap() >= 1);
    }
}

#[test]
fn all_who_wait_hear_of_the_failure() {
    let disk = FaultyDisk::new(1);
    let obelisk = Arc::new(open(&disk, ObeliskOptions { block_bits: 0, manual: false }));
    disk.cut_power_after(6);
    let draw = |obelisk: Arc<Obelisk>| move || while obelisk.next().is_ok() {};
    let threads: Vec<_> = (0..4).map(|_| std::thread::spawn(draw(Arc::clone(&obelisk)))).collect();
    threads.into_iter().for_each(|thread| thread.join().unwrap());
    assert!(matches!(obelisk.next(), Err(Error::SyncFailed { .. } | Error::Io { .. })));
}

#[test]
fn a_full_disk_names_the_directory() {
    let disk = FaultyDisk::new(1);
    disk.set_capacity(Some(100));
    assert!(matches!(Obelisk::make(dir(), 2, &disk), Err(Error::DiskFull { dir }) if dir == Path::new(DIR)));
    let disk = FaultyDisk::new(1);
    drop(open(&disk, options(2)));
    let odd = OddDisk { disk: disk.clone(), longer: 0, limit: (3, ErrorKind::StorageFull) };
    let obelisk = open(&odd, options(2));
    let error = obelisk.range(30).unwrap_err();
    assert!(error.to_string().contains("no space left on device under /ids: free space there"), "{error}");
    assert!(matches!(obelisk.next(), Err(Error::DiskFull { .. })));
    drop(obelisk);
    assert_eq!(open(&disk, options(2)).next().unwrap(), 8, "it works again when there is space");
}

#[test]
fn the_last_block_ends_the_counter() {
    for block_bits in [0, 16, MAX_BLOCK_BITS] {
        let disk = FaultyDisk::new(1);
        drop(open(&disk, options(block_bits)));
        let longer = MAX_BLOCKS - 3;
        let odd = OddDisk { disk: disk.clone(), longer, limit: (MAX_BLOCKS, ErrorKind::FileTooLarge) };
        let obelisk = open(&odd, options(block_bits));
        let mut last = obelisk.next().unwrap();
        assert_eq!(last, (MAX_BLOCKS - 2) << block_bits);
        assert!(i64::try_from(last).is_ok());
        let end = MAX_BLOCKS << block_bits;
        while last + 1 < end {
            let count = (end - 1 - last).min(u64::from(MAX_RANGE)) as u32;
            last = obelisk.range(count).unwrap().end - 1;
            obelisk.drive();
        }
        for _ in 0..3 {
            assert!(matches!(obelisk.next(), Err(Error::IdsExhausted { .. })));
        }
        drop(obelisk);
        let obelisk = open(&odd, options(block_bits));
        assert!(matches!(obelisk.next(), Err(Error::IdsExhausted { .. })));
        drop(obelisk);
        let odd = OddDisk { longer: MAX_BLOCKS, ..odd };
        assert!(matches!(refused(&odd, block_bits), Error::IdsExhausted { .. }));
    }
}

#[test]
fn a_file_system_that_ends_earlier_ends_the_counter() {
    let disk = FaultyDisk::new(1);
    let odd = OddDisk { disk, longer: 0, limit: (2, ErrorKind::FileTooLarge) };
    let obelisk = open(&odd, options(0));
    assert_eq!(obelisk.next().unwrap(), 0);
    let error = obelisk.next().unwrap_err();
    assert!(error.to_string().starts_with("no ids are left in /ids/counter: start a new generator"), "{error}");
}

#[test]
fn a_counter_that_wraps_while_it_is_failed_admits_nothing() {
    let disk = FaultyDisk::new(1);
    let obelisk = open(&disk, options(2));
    disk.fail_sync_after(0);
    obelisk.range(9).unwrap_err();
    obelisk.next.0.store(u64::MAX - 1, Ordering::Relaxed);
    for _ in 0..5 {
        assert!(obelisk.next().is_err());
    }
}

proptest! {
    /// Against a plain counter: contiguous within a life, from the reserved end on in the next.
    #[test]
    fn it_counts_like_a_counter(steps in prop::collection::vec((0u8..8, 1u32..200), 1..120), block_bits in 0u32..8) {
        let disk = FaultyDisk::new(1);
        let mut obelisk = open(&disk, options(block_bits));
        let mut next = 0;
        for (kind, count) in steps {
            match kind {
                0..=2 => {
                    prop_assert_eq!(obelisk.next().unwrap(), next);
                    next += 1;
                }
                3..=4 => {
                    prop_assert_eq!(obelisk.range(count).unwrap(), next..next + u64::from(count));
                    next += u64::from(count);
                }
                5..=6 => {
                    obelisk.drive();
                }
                _ => {
                    next = obelisk.reserved();
                    drop(obelisk);
                    obelisk = open(&disk, options(block_bits));
                }
            }
            prop_assert!(obelisk.reserved() >= next);
            prop_assert_eq!(obelisk.reserved(), length(&disk) << block_bits);
        }
    }
}
