//! Holdings as bytes.

use proptest::prelude::*;

use super::{Holdings, MAX_BITS};

proptest! {
    #[test]
    fn every_record_has_its_bit(from in 0..u64::MAX / 2, all in prop::collection::vec(any::<bool>(), 0..100)) {
        let whole = Holdings::from_bits(from, &all);
        let read = Holdings::from_bytes(&whole.to_bytes()).unwrap();
        prop_assert_eq!(&read, &whole);
        for (offset, has) in (from..).zip(&all) {
            prop_assert_eq!(read.has(offset), Some(*has));
        }
        prop_assert_eq!(read.has(from + all.len() as u64), None);
        prop_assert_eq!(from.checked_sub(1).and_then(|before| read.has(before)), None);
        prop_assert_eq!(read.is_whole(), all.iter().all(|has| *has));
    }
}

#[test]
fn what_is_none_is_refused() {
    let bytes = |from: u64, end: u64, bits: usize| {
        [&from.to_be_bytes()[..], &end.to_be_bytes(), &[0; 8], &vec![255; bits]].concat()
    };
    assert!(Holdings::from_bytes(&bytes(0, 8, 1)).is_ok());
    let long = MAX_BITS as u64 * 8 + 1;
    for none in [bytes(8, 7, 0), bytes(0, 9, 1), bytes(0, 8, 2), bytes(0, long, MAX_BITS + 1), vec![0; 23]] {
        assert!(Holdings::from_bytes(&none).is_err(), "{} bytes", none.len());
    }
}
