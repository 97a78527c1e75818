//! The record of the mark, and every way to lose one of the files.

use proptest::prelude::*;

use super::*;
use crate::disk::FaultyDisk;
use crate::ids::testkit::dir;
use crate::ids::{Obelisk, ObeliskOptions};

fn options(block_bits: u32) -> ObeliskOptions {
    ObeliskOptions { block_bits, manual: true }
}

fn open(disk: &FaultyDisk, block_bits: u32) -> Result<Obelisk, Error> {
    Obelisk::open_with(dir(), options(block_bits), disk)
}

/// A counter of which so many values were drawn, one by one.
fn drawn(values: u64, block_bits: u32) -> (FaultyDisk, Obelisk) {
    let disk = FaultyDisk::new(values);
    Obelisk::make(dir(), block_bits, &disk).unwrap();
    let obelisk = open(&disk, block_bits).unwrap();
    for _ in 0..values {
        obelisk.next().unwrap();
        obelisk.drive();
    }
    (disk, obelisk)
}

fn counter() -> PathBuf {
    dir().join(COUNTER)
}

fn mark() -> PathBuf {
    dir().join(MARK)
}

#[test]
fn a_missing_or_short_counter_is_refused_and_the_length_it_names_is_enough() {
    for (values, crashes) in (1..400).step_by(7).flat_map(|values| [(values, true), (values, false)]) {
        let (disk, obelisk) = drawn(values, 0);
        if crashes {
            disk.crash();
        }
        drop(obelisk);
        let blocks = disk.contents(&counter()).unwrap().len() as u64;
        disk.lose(&counter());
        let Err(Error::CounterLost { found, marked, .. }) = open(&disk, 0) else { panic!("not refused") };
        assert!(found == "is missing" && marked == blocks && marked >= values);
        assert!(disk.contents(&counter()).is_none(), "nothing is made");
        for cut in [0, 1, values - 1, marked - 1].into_iter().filter(|cut| *cut < marked) {
            disk.overwrite(&counter(), vec![0; cut as usize]);
            let Err(Error::CounterLost { found, marked, .. }) = open(&disk, 0) else { panic!("{cut} not refused") };
            assert_eq!((found, marked), (format!("has {cut} bytes"), blocks));
        }
        // As truncate(1) would do it.
        disk.overwrite(&counter(), vec![0; marked as usize]);
        assert!(open(&disk, 0).unwrap().next().unwrap() >= values);
    }
}

#[test]
fn a_counter_without_its_mark_and_a_mark_without_its_counter_were_used() {
    for (name, lost) in [(counter(), mark()), (mark(), counter())] {
        let (disk, obelisk) = drawn(3, 2);
        drop(obelisk);
        disk.lose(&lost);
        assert!(Obelisk::used(dir(), &disk).unwrap(), "{} is there", name.display());
        assert!(matches!(Obelisk::make(dir(), 2, &disk), Err(Error::IdsUsed { .. })));
        assert!(disk.contents(&lost).is_none(), "nothing is made");
    }
}

#[test]
fn a_directory_without_both_files_is_refused() {
    let (disk, obelisk) = drawn(3, 2);
    drop(obelisk);
    disk.lose(&counter());
    disk.lose(&mark());
    let error = open(&disk, 2).unwrap_err();
    assert!(error.to_string().starts_with("counter and mark are missing from /ids: "), "{error}");
    assert!(disk.contents(&counter()).is_none() && disk.contents(&mark()).is_none(), "nothing is made");
}

#[test]
fn a_lost_or_damaged_mark_is_refused() {
    let (disk, obelisk) = drawn(100, 2);
    drop(obelisk);
    let (whole, long) = (disk.contents(&mark()).unwrap(), disk.contents(&counter()).unwrap());
    let empty = FaultyDisk::new(1);
    SlotFile::open(&empty, &mark()).unwrap();
    disk.lose(&mark());
    for empty in [None, empty.contents(&mark())] {
        empty.into_iter().for_each(|bytes| disk.overwrite(&mark(), bytes));
        let error = open(&disk, 2).unwrap_err();
        assert!(error.to_string().starts_with("/ids/mark is missing or empty"), "{error}");
    }
    // One damaged copy takes nothing away.
    for at in [50, 4096 + 50] {
        let mut bytes = whole.clone();
        bytes[at] ^= 1;
        disk.overwrite(&mark(), bytes);
        disk.overwrite(&counter(), long[1..].to_vec());
        assert!(matches!(open(&disk, 2), Err(Error::CounterLost { .. })));
    }
    let mut bytes = whole.clone();
    bytes[50] ^= 1;
    bytes[4096 + 50] ^= 1;
    disk.overwrite(&counter(), long);
    disk.overwrite(&mark(), bytes);
    assert!(matches!(open(&disk, 2), Err(Error::Damaged { .. })));
    disk.overwrite(&mark(), whole[..4096].to_vec());
    assert!(matches!(open(&disk, 2), Err(Error::Damaged { .. })));
    disk.overwrite(&mark(), whole);
    assert!(open(&disk, 2).unwrap().next().unwrap() >= 100);
}

#[test]
fn an_older_mark_takes_nothing_away() {
    let (disk, obelisk) = drawn(100, 2);
    let older = disk.contents(&mark()).unwrap();
    let used = obelisk.range(1_000).unwrap().end;
    drop(obelisk);
    disk.overwrite(&mark(), older);
    assert!(open(&disk, 2).unwrap().next().unwrap() >= used);
}

#[test]
fn other_blocks_than_it_was_made_with_are_refused() {
    let disk = FaultyDisk::new(1);
    Obelisk::make(dir(), 3, &disk).unwrap();
    Obelisk::make(dir(), 2, &disk).unwrap();
    drop(open(&disk, 2).unwrap());
    let error = open(&disk, 3).unwrap_err();
    assert_eq!(error.to_string(), "the counter in /ids has blocks of 2^2 values, not 2^3: set block_bits to 2");
    assert!(matches!(open(&disk, 20), Err(Error::BlockBits { found: 20 })));
    assert!(matches!(Obelisk::make(dir(), 20, &disk), Err(Error::BlockBits { found: 20 })));
}

#[test]
fn a_mark_has_ten_bytes() {
    assert_eq!(Mark { block_bits: 16, blocks: 0x0102 }.encode(), [1, 16, 0, 0, 0, 0, 0, 0, 1, 2]);
}

#[test]
fn other_records_are_refused() {
    for record in [&b""[..], &[1], &[2, 16, 0, 0, 0, 0, 0, 0, 0, 0], &[1, 20, 0, 0, 0, 0, 0, 0, 0, 0], &[1; 11]] {
        let disk = FaultyDisk::new(1);
        SlotFile::open(&disk, &mark()).unwrap().put(record).unwrap();
        assert!(matches!(find_mark(&disk, &mark()), Err(Error::Damaged { .. })), "{record:?}");
    }
}

proptest! {
    #[test]
    fn marks_come_back(block_bits in 0..=MAX_BLOCK_BITS, blocks: u64) {
        let mark = Mark { block_bits, blocks };
        prop_assert_eq!(Mark::decode(&mark.encode()), Some(mark));
    }
}
