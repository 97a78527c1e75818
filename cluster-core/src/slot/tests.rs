//! A record is there or the one before it is.

use std::path::Path;

use proptest::prelude::*;

use super::*;
use crate::disk::FaultyDisk;

const PATH: &str = "/d/slot";

fn disk(seed: u64) -> FaultyDisk {
    let disk = FaultyDisk::new(seed);
    disk.create_dir(Path::new("/d")).unwrap();
    disk
}

fn open(disk: &FaultyDisk) -> SlotFile {
    SlotFile::open(disk, Path::new(PATH)).unwrap()
}

#[test]
fn nothing_was_put_at_first() {
    let disk = disk(1);
    let slot = open(&disk);
    assert_eq!(slot.value(), None);
    assert!(!slot.torn());
    disk.crash();
    assert_eq!(open(&disk).value(), None);
}

#[test]
fn the_last_record_comes_back() {
    let disk = disk(1);
    let mut slot = open(&disk);
    for number in 0..5u8 {
        slot.put(&[number; 3]).unwrap();
        assert_eq!(open(&disk).value(), Some(&[number; 3][..]));
    }
    slot.put(&[]).unwrap();
    assert_eq!(open(&disk).value(), Some(&[][..]));
    slot.put(&[9; MAX_SLOT_BYTES]).unwrap();
    assert_eq!(open(&disk).value(), Some(&[9; MAX_SLOT_BYTES][..]));
    assert!(matches!(slot.put(&[9; MAX_SLOT_BYTES + 1]), Err(Error::Size { .. })));
}

#[test]
fn every_flip_in_the_newer_copy_gives_the_older_record_and_is_told() {
    let disk = disk(1);
    let mut slot = open(&disk);
    slot.put(b"older").unwrap(); // number 2, first copy
    slot.put(b"newer").unwrap(); // number 3, second copy
    let whole = disk.contents(Path::new(PATH)).unwrap();
    for at in SLOT..2 * SLOT {
        let mut bytes = whole.clone();
        bytes[at] ^= 1;
        disk.overwrite(Path::new(PATH), bytes);
        let slot = open(&disk);
        assert_eq!(slot.value(), Some(&b"older"[..]));
        assert!(slot.torn());
    }
}

#[test]
fn two_bad_copies_and_wrong_lengths_are_damage() {
    let disk = disk(1);
    drop(open(&disk));
    let whole = disk.contents(Path::new(PATH)).unwrap();
    let mut both = whole.clone();
    both[100] ^= 1;
    both[SLOT + 100] ^= 1;
    let swapped = [&whole[SLOT..], &whole[..SLOT]].concat();
    for bytes in [both, swapped, whole[..SLOT].to_vec(), [&whole[..], &[0]].concat(), Vec::new()] {
        disk.overwrite(Path::new(PATH), bytes);
        assert!(matches!(SlotFile::open(&disk, Path::new(PATH)), Err(Error::Damaged { .. })));
    }
}

#[test]
fn a_failed_sync_is_told() {
    let disk = disk(1);
    let mut slot = open(&disk);
    disk.fail_sync_after(0);
    assert!(matches!(slot.put(b"x"), Err(Error::SyncFailed { .. })));
}

proptest! {
    /// A power cut at any operation of any put leaves the last acknowledged record or the one in flight.
    #[test]
    fn power_cuts_keep_the_acknowledged_record(seed: u64, operations in 0u64..12) {
        let disk = disk(seed);
        let mut slot = open(&disk);
        disk.cut_power_after(operations);
        let mut acknowledged = None;
        let mut flight = None;
        for number in 0..8u8 {
            flight = Some(vec![number; 1000]);
            if slot.put(&[number; 1000]).is_err() {
                break;
            }
            acknowledged = flight.clone();
        }
        disk.crash();
        let found = open(&disk).value().map(<[u8]>::to_vec);
        prop_assert!(found == acknowledged || found == flight, "{found:?}");
    }

    #[test]
    fn decoding_never_panics(bytes in prop::collection::vec(any::<u8>(), 0..5000), place in 0u64..2) {
        prop_assert_eq!(decode(&bytes, place), None);
        let mut slot = encode(place, &bytes[..bytes.len().min(MAX_SLOT_BYTES)]);
        prop_assert!(decode(&slot, place).is_some());
        prop_assert_eq!(decode(&slot, 1 - place), None);
        // A length beyond the slot, under a checksum that fits.
        slot[16..20].copy_from_slice(&u32::MAX.to_be_bytes());
        let crc = crc32c::crc32c(&slot[..SLOT - 4]);
        slot[SLOT - 4..].copy_from_slice(&crc.to_be_bytes());
        prop_assert_eq!(decode(&slot, place), None);
    }
}
