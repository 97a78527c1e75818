//! The group codec.

use proptest::prelude::*;

use super::*;

fn group(leaves: &[Vec<u8>]) -> Vec<u8> {
    encode(&[Submission { leaves: leaves.to_vec(), hashes: Vec::new() }])
}

#[test]
fn empty_and_over_long_leaves_and_groups_are_refused() {
    assert_eq!(decode(&group(&[])), None);
    assert_eq!(decode(&group(&[vec![]])), None);
    assert_eq!(decode(&group(&[vec![1; MAX_LEAF_BYTES + 1]])), None);
    assert!(decode(&group(&[vec![1; MAX_LEAF_BYTES]])).is_some());
    let mut trailing = group(&[vec![1]]);
    trailing.push(0);
    assert_eq!(decode(&trailing), None);
}

proptest! {
    #[test]
    fn groups_round_trip(leaves in prop::collection::vec(prop::collection::vec(any::<u8>(), 1..100), 1..20)) {
        let bytes = group(&leaves);
        prop_assert_eq!(decode(&bytes), Some(leaves.iter().map(Vec::as_slice).collect()));
        let ends: Vec<usize> = leaves.iter().scan(0, |end, leaf| { *end += ENTRY_HEADER + leaf.len(); Some(*end) }).collect();
        for cut in 0..bytes.len() {
            prop_assert_eq!(decode(&bytes[..cut]).is_some(), ends.contains(&cut));
        }
    }

    #[test]
    fn random_and_mutated_groups_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..300), at: prop::sample::Index, flip: u8) {
        let _may_be_none = decode(&bytes);
        let mut bytes = group(&[vec![1; 30], vec![2; 30]]);
        let at = at.index(bytes.len());
        bytes[at] ^= flip;
        let _may_be_none = decode(&bytes);
    }
}
