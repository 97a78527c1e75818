//! Places of nodes are exactly the order in which appends complete them.

use proptest::prelude::*;
use pyralog_crypto::{Blake3, Frontier, MerkleHash};

use super::*;

#[test]
fn places_follow_the_order_of_completion() {
    let mut frontier = Frontier::<Blake3>::new();
    let mut place = 0;
    for leaf in 0..5000u64 {
        assert_eq!(node_count(leaf), place);
        for (level, index, _) in frontier.append(Blake3::leaf(&leaf.to_be_bytes())) {
            assert_eq!(node_place(level, index), place, "level {level}, index {index}");
            place += 1;
        }
    }
    assert_eq!(NodeFile::bytes(3), 4 * 32);
}

proptest! {
    /// No overflow, and no two nodes in one place, up to the sizes a log may reach.
    #[test]
    fn places_stay_in_bounds(size in 1u64..1 << 57, level in 0u8..57) {
        let complete = size >> level;
        prop_assume!(complete > 0);
        prop_assert!(node_place(level, complete - 1) < node_count(size));
        prop_assert!(node_place(level, complete) >= node_count(size));
    }
}
