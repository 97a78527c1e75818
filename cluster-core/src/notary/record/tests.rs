//! The record takes exactly its length.

use proptest::prelude::*;

use super::*;

proptest! {
    #[test]
    fn records_round_trip(size: u64, blake3: [u8; 32], sha256: [u8; 32]) {
        let record = TreeSize { size, roots: Roots { blake3: Hash(blake3), sha256: Hash(sha256) } };
        prop_assert_eq!(TreeSize::decode(&record.encode()), Some(record));
    }

    #[test]
    fn other_lengths_are_refused(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        prop_assert_eq!(TreeSize::decode(&bytes).is_some(), bytes.len() == 72);
    }
}
