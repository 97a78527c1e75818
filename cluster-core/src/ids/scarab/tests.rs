//! The layout, its text, and what is refused.

use proptest::prelude::*;

use super::*;
use crate::ids::{MAX_RANGE, ScarabRange};

fn node(number: u64) -> NodeNumber {
    NodeNumber::new(number).unwrap()
}

#[test]
fn the_layout_is_fixed() {
    let id = Scarab::of_state(1 << SEQUENCE_BITS | 3, node(2));
    assert_eq!(u64::from(id), 1 << 23 | 2 << 13 | 3);
    assert_eq!(id.to_string(), "8404995");
    assert_eq!((id.time_ms(), id.unix_ms(), id.node().number(), id.sequence()), (1, 1_735_689_600_001, 2, 3));
    let last = Scarab::of_state((END_MS << SEQUENCE_BITS) - 1, NodeNumber::MAX);
    assert_eq!(u64::from(last), u64::MAX);
    assert_eq!(last.unix_ms(), 3_934_712_855_551);
    // 2059-11-04T19:53:47.776Z
    let negative = Scarab::of_state((2_835_201_227_776 - SCARAB_EPOCH_MS) << SEQUENCE_BITS, node(0));
    assert_eq!(u64::from(negative), 1 << 63);
}

#[test]
fn node_numbers_have_ten_bits() {
    assert_eq!((node(0).number(), node(1023), NodeNumber::MAX.to_string()), (0, NodeNumber::MAX, "1023".into()));
    for number in [1024, 65_536, u64::MAX] {
        let error = NodeNumber::new(number).unwrap_err();
        assert!(error.to_string().contains("a number from 0 to 1023 that no other has"), "{error}");
        assert!(!error.is_fatal());
    }
}

#[test]
fn other_texts_are_refused() {
    let long = "9".repeat(1000);
    for text in ["", " 1", "1 ", "+1", "-1", "01", "00", "0x1", "1.0", "１", "18446744073709551616", &long] {
        let error = text.parse::<Scarab>().unwrap_err();
        assert!(error.to_string().len() < 200 && !error.is_fatal(), "{error}");
    }
}

#[test]
fn a_range_carries_into_the_next_millisecond() {
    let first = Scarab::of_state(5 << SEQUENCE_BITS | 8190, node(7));
    let range = ScarabRange::new(first, 4).unwrap();
    assert_eq!(range.len(), 4);
    let parts: Vec<_> = range.map(|id| (id.time_ms(), id.node().number(), id.sequence())).collect();
    assert_eq!(parts, [(5, 7, 8190), (5, 7, 8191), (6, 7, 0), (6, 7, 1)]);
}

#[test]
fn ranges_outside_the_bounds_are_refused() {
    let last = Scarab::from(u64::MAX);
    assert_eq!(ScarabRange::new(last, 1).unwrap().collect::<Vec<_>>(), [last]);
    for (first, count) in [(last, 2), (Scarab::from(0), 0), (Scarab::from(0), MAX_RANGE + 1)] {
        assert!(matches!(ScarabRange::new(first, count), Err(Error::Size { .. })));
    }
}

proptest! {
    #[test]
    fn text_and_parts_come_back(id: u64) {
        let scarab = Scarab::from(id);
        prop_assert_eq!(scarab.to_string(), id.to_string());
        prop_assert_eq!(scarab.to_string().parse::<Scarab>().unwrap(), scarab);
        prop_assert_eq!(Scarab::of_state(scarab.state(), scarab.node()), scarab);
    }

    /// Ids of one node order as their states do, which is by time first.
    #[test]
    fn order_is_of_time_then_sequence(a in 0u64..1 << 54, b in 0u64..1 << 54, number in 0u64..1024) {
        let of = |state| Scarab::of_state(state, node(number));
        prop_assert_eq!(of(a).cmp(&of(b)), a.cmp(&b));
    }

    #[test]
    fn parsing_never_panics(text: String) {
        let _refused = text.parse::<Scarab>();
    }
}
