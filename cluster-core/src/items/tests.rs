//! The codec of items.

use proptest::prelude::*;

use super::*;

const MAX: usize = 1024;

fn items(items: &[Vec<u8>]) -> Vec<u8> {
    encode(items.iter().map(Vec::as_slice))
}

#[test]
fn empty_and_over_long_items_and_entries_are_refused() {
    assert_eq!(decode(&items(&[]), MAX), None);
    assert_eq!(decode(&items(&[vec![]]), MAX), None);
    assert_eq!(decode(&items(&[vec![1; MAX + 1]]), MAX), None);
    assert!(decode(&items(&[vec![1; MAX]]), MAX).is_some());
    let mut trailing = items(&[vec![1]]);
    trailing.push(0);
    assert_eq!(decode(&trailing, MAX), None);
}

#[test]
fn what_is_known_is_skipped_and_a_gap_is_damage() {
    let lacking = |first, next| lacking(&[7, 8, 9], first, next, Path::new("/log")).map(<[i32]>::to_vec);
    assert_eq!(lacking(5, 5).unwrap(), [7, 8, 9]);
    assert_eq!(lacking(5, 7).unwrap(), [9]);
    assert_eq!((lacking(5, 8).unwrap(), lacking(5, u64::MAX).unwrap()), (vec![], vec![]));
    let error = lacking(5, 4).unwrap_err();
    assert!(matches!(&error, Error::Damaged { file, .. } if file == Path::new("/log")), "{error}");
}

proptest! {
    #[test]
    fn items_round_trip(list in prop::collection::vec(prop::collection::vec(any::<u8>(), 1..100), 1..20)) {
        let bytes = items(&list);
        prop_assert_eq!(decode(&bytes, MAX), Some(list.iter().map(Vec::as_slice).collect()));
        prop_assert!(iter(&bytes).eq(list.iter().map(Vec::as_slice)));
        let ends: Vec<usize> = list.iter().scan(0, |end, item| { *end += ITEM_HEADER + item.len(); Some(*end) }).collect();
        for cut in 0..bytes.len() {
            prop_assert_eq!(decode(&bytes[..cut], MAX).is_some(), ends.contains(&cut));
        }
    }

    #[test]
    fn random_and_mutated_entries_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..300), at: prop::sample::Index, flip: u8) {
        let _may_be_none = decode(&bytes, MAX);
        let mut bytes = items(&[vec![1; 30], vec![2; 30]]);
        let at = at.index(bytes.len());
        bytes[at] ^= flip;
        let _may_be_none = decode(&bytes, MAX);
    }
}
