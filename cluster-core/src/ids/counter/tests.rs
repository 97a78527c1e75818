//! The record of the mark.

use proptest::prelude::*;

use super::*;
use crate::disk::FaultyDisk;

fn mark_with(record: &[u8]) -> Result<Option<(u32, u64)>, Error> {
    let disk = FaultyDisk::new(1);
    let path = Path::new("/mark");
    let mut slot = SlotFile::open(&disk, path)?;
    slot.put(record)?;
    read(&slot, path)
}

#[test]
fn the_record_has_ten_bytes() {
    assert_eq!(encode(16, 0x0102), [1, 16, 0, 0, 0, 0, 0, 0, 1, 2]);
}

#[test]
fn other_records_are_refused() {
    for record in [&b""[..], &[1], &[2, 16, 0, 0, 0, 0, 0, 0, 0, 0], &[1, 20, 0, 0, 0, 0, 0, 0, 0, 0], &[1; 11]] {
        assert!(matches!(mark_with(record), Err(Error::Damaged { .. })), "{record:?}");
    }
}

proptest! {
    #[test]
    fn records_come_back(block_bits in 0..=MAX_BLOCK_BITS, blocks: u64) {
        prop_assert_eq!(mark_with(&encode(block_bits, blocks)).unwrap(), Some((block_bits, blocks)));
    }
}
