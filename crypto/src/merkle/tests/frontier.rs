use proptest::prelude::*;

use super::leaves;
use crate::codec::{Decode, Encode};
use crate::error::{CodecError, MerkleError};
use crate::hash::{Blake3, Hash, MerkleHash, Sha256};
use crate::merkle::{Frontier, MAX_TREE_SIZE, MemoryTree, NodeSource, naive};
use crate::test_support::{canonical, exact, hostile, unhex};

fn grown<H: MerkleHash>(n: usize) -> Frontier<H> {
    let mut frontier = Frontier::new();
    for leaf in leaves::<H>(n) {
        frontier.append(leaf);
    }
    frontier
}

fn completed_nodes<H: MerkleHash>() {
    const SIZE: usize = 300;
    let leaves = leaves::<H>(SIZE);
    let tree = MemoryTree::<H>::from_hashes(leaves.iter().copied());
    let mut frontier = Frontier::<H>::new();
    let mut seen = 0;
    for (n, leaf) in leaves.iter().enumerate() {
        let completed = frontier.append(*leaf);
        assert_eq!(completed.len(), 1 + (n as u64).trailing_ones() as usize);
        for (expected_level, (level, index, hash)) in completed.enumerate() {
            assert_eq!(usize::from(level), expected_level);
            assert_eq!((index + 1) << level, n as u64 + 1, "completed by exactly this leaf");
            assert_eq!(tree.node(level, index).unwrap(), hash);
            seen += 1;
        }
        assert_eq!(frontier.size(), n as u64 + 1);
        assert_eq!(frontier.root(), naive::mth::<H>(&leaves[..=n]));
        assert_eq!(frontier.peaks().count() as u32, frontier.size().count_ones());
    }
    // Every complete node appears once: n - popcount(n) inner nodes.
    assert_eq!(seen, 2 * SIZE - SIZE.count_ones() as usize);
}

#[test]
fn appending_completes_each_node_once_under_blake3() {
    completed_nodes::<Blake3>();
}

#[test]
fn appending_completes_each_node_once_under_sha256() {
    completed_nodes::<Sha256>();
}

#[test]
fn a_frontier_continues_from_its_parts_and_from_its_bytes() {
    let leaves = leaves::<Blake3>(140);
    let mut original = Frontier::<Blake3>::new();
    for leaf in leaves {
        let peaks: Vec<Hash> = original.peaks().collect();
        let mut from_parts = Frontier::<Blake3>::from_parts(original.size(), &peaks).unwrap();
        let mut from_bytes = Frontier::<Blake3>::from_bytes(&original.to_bytes()).unwrap();
        assert_eq!(from_parts, original);
        assert_eq!(from_bytes, original);
        let expected: Vec<_> = original.append(leaf).collect();
        assert!(from_parts.append(leaf).eq(expected.iter().copied()));
        assert!(from_bytes.append(leaf).eq(expected));
        assert_eq!(from_parts.root(), original.root());
    }
}

#[test]
fn parts_must_fit() {
    let peak = Blake3::leaf(b"");
    assert_eq!(
        Frontier::<Blake3>::from_parts(3, &[peak]),
        Err(MerkleError::PeakCount { size: 3, expected: 2, found: 1 })
    );
    assert_eq!(
        Frontier::<Blake3>::from_parts(0, &[peak]),
        Err(MerkleError::PeakCount { size: 0, expected: 0, found: 1 })
    );
    assert_eq!(
        Frontier::<Blake3>::from_parts(MAX_TREE_SIZE + 1, &[peak, peak]),
        Err(MerkleError::SizeTooLarge(MAX_TREE_SIZE + 1))
    );
}

#[test]
fn encoded_sizes_are_bounded() {
    let mut bytes = Frontier::<Blake3>::from_parts(MAX_TREE_SIZE, &[Hash::default()]).unwrap().to_bytes();
    exact::<Frontier<Blake3>>(&bytes);
    bytes[9] |= 1;
    bytes.extend([0; 32]);
    let expected = CodecError::Invalid { what: "frontier size", why: "above 2^63" };
    assert_eq!(Frontier::<Blake3>::from_bytes(&bytes), Err(expected));
}

#[test]
fn the_largest_frontier_still_grows() {
    let peak = Blake3::leaf(b"");
    let mut frontier = Frontier::<Blake3>::from_parts(MAX_TREE_SIZE, &[peak]).unwrap();
    assert_eq!(frontier.root(), peak);
    assert_eq!(frontier.append(peak).collect::<Vec<_>>(), [(0, MAX_TREE_SIZE, peak)]);
    let mut full = Frontier::<Blake3>::from_parts(MAX_TREE_SIZE - 1, &[peak; 63]).unwrap();
    assert_eq!(full.append(peak).len(), 64);
    assert_eq!(full.peaks().count(), 1);
}

#[test]
fn vector() {
    let bytes = unhex(
        "01 02 0000000000000003
         fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125
         0298d122906dcfc10892cb53a73992fc5b9f493ea4c9badb27b791b4127a7fe7",
    );
    let mut frontier = Frontier::<Sha256>::new();
    for leaf in ["", "00", "10"] {
        frontier.append(Sha256::leaf(&unhex(leaf)));
    }
    assert_eq!(hex::encode(frontier.to_bytes()), hex::encode(&bytes));
    exact::<Frontier<Sha256>>(&bytes);
    let other_hash = Frontier::<Blake3>::from_bytes(&bytes);
    assert_eq!(other_hash, Err(CodecError::Tag { what: "frontier hash id", found: 2 }));
}

#[test]
fn debug_names_hash_and_size() {
    let text = format!("{:?}", grown::<Sha256>(2));
    assert!(text.contains("Sha256") && text.contains("size: 2"), "{text}");
}

proptest! {
    #[test]
    fn hostile_bytes(bytes in hostile(vec![grown::<Blake3>(0).to_bytes(), grown::<Blake3>(13).to_bytes()])) {
        canonical::<Frontier<Blake3>>(&bytes);
        // Whatever decodes can be used.
        if let Ok(mut frontier) = Frontier::<Blake3>::from_bytes(&bytes) {
            frontier.append(Hash::default());
            assert_ne!(frontier.root(), Blake3::empty());
        }
    }
}
