#![allow(clippy::unwrap_used)]

use proptest::prelude::*;

use super::*;
use crate::keys::SigningKey;
use crate::notary_leaf::leaf_hashes;

fn sample() -> (SigningKey, SignedRangePromise) {
    let key = SigningKey::from_seed([7; 32]);
    let roots = RangePromise::roots_of(&[leaf_hashes(b"one"), leaf_hashes(b"two"), leaf_hashes(b"three")]);
    let promise = RangePromise { log: LogId([1; 32]), first: 10, count: 3, roots, anchor_by: 99 };
    let signed = SignedRangePromise::sign(promise, "pyralog-dev-1", &key).unwrap();
    (key, signed)
}

#[test]
fn it_is_bound_to_chain_owner_and_every_field() {
    let (key, signed) = sample();
    signed.verify("pyralog-dev-1", &key.public_key()).unwrap();
    assert!(signed.verify("pyralog-dev-2", &key.public_key()).is_err());
    assert!(signed.verify("pyralog-dev-1", &SigningKey::from_seed([8; 32]).public_key()).is_err());
    for change in [
        |p: &mut RangePromise| p.log = LogId([2; 32]),
        |p: &mut RangePromise| p.first += 1,
        |p: &mut RangePromise| p.count += 1,
        |p: &mut RangePromise| p.anchor_by += 1,
        |p: &mut RangePromise| p.roots = Roots::empty(),
    ] {
        let mut other = signed;
        change(&mut other.promise);
        assert!(other.verify("pyralog-dev-1", &key.public_key()).is_err());
    }
}

#[test]
fn the_roots_open_to_each_leaf() {
    let leaves: Vec<_> = [&b"one"[..], b"two", b"three"].iter().map(|leaf| leaf_hashes(leaf)).collect();
    let mut tree = MemoryTree::<Blake3>::new();
    for leaf in &leaves {
        tree.push_hash(leaf.blake3);
    }
    let path = tree.inclusion(1).unwrap();
    path.verify::<Blake3>(&leaves[1].blake3, &sample().1.promise.roots.blake3).unwrap();
}

#[test]
fn sizes_are_as_documented_and_empty_ranges_are_refused() {
    let (_, signed) = sample();
    let bytes = signed.to_bytes();
    assert_eq!((bytes.len(), signed.promise.to_bytes().len()), (185, 120));
    assert_eq!(SignedRangePromise::from_bytes(&bytes).unwrap(), signed);
    let mut empty = signed;
    empty.promise.count = 0;
    assert!(SignedRangePromise::from_bytes(&empty.to_bytes()).is_err());
    empty.promise.count = u64::MAX;
    assert!(SignedRangePromise::from_bytes(&empty.to_bytes()).is_err());
}

proptest! {
    #[test]
    fn mutated_bytes_are_refused_or_canonical(at in any::<prop::sample::Index>(), flip in 1u8.., cut in 0usize..200) {
        let mut bytes = sample().1.to_bytes();
        let at = at.index(bytes.len());
        bytes[at] ^= flip;
        bytes.truncate(cut.max(1));
        if let Ok(value) = SignedRangePromise::from_bytes(&bytes) {
            prop_assert_eq!(value.to_bytes(), bytes);
        }
    }
}
