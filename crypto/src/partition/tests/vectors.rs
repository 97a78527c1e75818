//! Roots put together by hand, as `docs/protocol.md` prints them.

use bytes::Bytes;

use super::*;
use crate::Record;

/// Five records in segments of two, one and two.
fn records() -> Vec<Hash> {
    let record = |i: u64| {
        let value = Bytes::from(i.to_string().into_bytes());
        Record::new(1_700_000_000_000 + i, None, value, vec![]).unwrap().leaf_hash()
    };
    (0..5).map(record).collect()
}

#[test]
fn roots_at_every_size() {
    let r = records();
    let leaf = |first: u64, next: u64, root: Hash| {
        Blake3::leaf(&[&[1][..], &first.to_be_bytes(), &next.to_be_bytes(), &root.0].concat())
    };
    let (zero, one) = (leaf(0, 1, r[0]), leaf(0, 2, Blake3::node(&r[0], &r[1])));
    let two = leaf(2, 3, r[2]);
    let first = Blake3::node(&one, &two);
    let roots = [
        Blake3::empty(),
        zero,
        one,
        first,
        Blake3::node(&first, &leaf(3, 4, r[3])),
        Blake3::node(&first, &leaf(3, 5, Blake3::node(&r[3], &r[4]))),
    ];
    let model = Model { records: r, firsts: vec![0, 2, 3] };
    for (size, root) in roots.iter().enumerate() {
        assert_eq!(model.checkpoint(size as u64).root, *root, "{size}");
    }
    assert_eq!(roots[5].to_string(), "d735c442a383bb56f28b854c9c5b15af3b96bd518cd4ad510a7b3b9e48f6d043");
}
