//! Order and bytes of positions.

use super::*;

#[test]
fn bytes_are_big_endian_and_come_back() {
    let lsn = Lsn::new(Epoch(0x0102_0304), 0x0a0b);
    assert_eq!(lsn.to_bytes(), [0, 0, 0, 0, 1, 2, 3, 4, 0, 0, 0, 0, 0, 0, 10, 11]);
    assert_eq!(Lsn::from_bytes(lsn.to_bytes()), lsn);
    let last = Lsn::new(Epoch(u64::MAX), u64::MAX);
    assert_eq!(Lsn::from_bytes(last.to_bytes()), last);
}

#[test]
fn bytes_sort_as_positions_do() {
    let rising =
        [(0, 0), (0, u64::MAX), (1, 0), (1, 1), (1, 256), (2, 1), (256, 0)].map(|(e, n)| Lsn::new(Epoch(e), n));
    for pair in rising.windows(2) {
        assert!(pair[0] < pair[1] && pair[0].to_bytes() < pair[1].to_bytes(), "{pair:?}");
    }
}

#[test]
fn the_last_epoch_has_no_next_and_the_first_no_earlier_one() {
    assert_eq!(Epoch(u64::MAX).next(), None);
    assert_eq!(Epoch(1).next(), Some(Epoch(2)));
    assert_eq!(Epoch(1).previous(), Epoch::NONE);
    assert_eq!(Epoch::NONE.previous(), Epoch::NONE);
}
