//! The two records take exactly their lengths.

use proptest::prelude::*;

use super::*;

proptest! {
    #[test]
    fn records_round_trip(size: u64, place: u64, blake3: [u8; 32], sha256: [u8; 32]) {
        let roots = Roots { blake3: Hash(blake3), sha256: Hash(sha256) };
        let (signed, synced) = (Signed { size, roots }, Synced { size, place, roots });
        prop_assert_eq!(Signed::decode(&signed.encode()), Some(signed));
        prop_assert_eq!(Synced::decode(&synced.encode()), Some(synced));
    }

    #[test]
    fn other_lengths_are_refused(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        prop_assert_eq!(Signed::decode(&bytes).is_some(), bytes.len() == 72);
        prop_assert_eq!(Synced::decode(&bytes).is_some(), bytes.len() == 80);
    }
}
