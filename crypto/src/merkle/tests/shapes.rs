//! Every shape of small trees, and the extreme shapes of large ones, against the recursive definition.

use std::collections::BTreeMap;
use std::convert::Infallible;

use proptest::prelude::*;

use super::leaves;
use crate::error::{MerkleError, ProveError};
use crate::hash::{Blake3, Hash, MerkleHash, Sha256};
use crate::merkle::{
    ConsistencyProof, InclusionProof, MAX_PATH, MAX_TREE_SIZE, MemoryTree, NodeSource, naive, prove_consistency,
    prove_inclusion, root_at,
};

const EXHAUSTIVE: usize = 67;

fn every_shape<H: MerkleHash>() {
    let leaves = leaves::<H>(EXHAUSTIVE);
    let tree = MemoryTree::<H>::from_hashes(leaves.iter().copied());
    let roots: Vec<Hash> = (0..=EXHAUSTIVE).map(|n| naive::mth::<H>(&leaves[..n])).collect();
    for (new, new_root) in roots.iter().enumerate() {
        assert_eq!(tree.root_at(new as u64).unwrap(), *new_root);
        for (index, leaf) in leaves[..new].iter().enumerate() {
            let proof = tree.inclusion_at(index as u64, new as u64).unwrap();
            assert_eq!(proof.path, naive::path::<H>(index, &leaves[..new]), "{index} of {new}");
            proof.verify::<H>(leaf, new_root).unwrap();
            assert_eq!(proof.root_from::<H>(leaf).unwrap(), *new_root);
        }
        for (old, old_root) in roots[..=new].iter().enumerate() {
            let proof = tree.consistency_at(old as u64, new as u64).unwrap();
            let expected = if old == 0 || old == new { Vec::new() } else { naive::proof::<H>(old, &leaves[..new]) };
            assert_eq!(proof.path, expected, "{old} to {new}");
            proof.verify::<H>(old_root, new_root).unwrap();
        }
    }
}

#[test]
fn every_small_shape_under_blake3() {
    every_shape::<Blake3>();
}

#[test]
fn every_small_shape_under_sha256() {
    every_shape::<Sha256>();
}

#[test]
fn arguments_outside_the_tree_are_refused() {
    let tree = MemoryTree::<Sha256>::from_hashes(leaves::<Sha256>(5));
    assert_eq!(tree.inclusion(5), Err(MerkleError::IndexOutOfRange { index: 5, size: 5 }));
    assert_eq!(tree.inclusion_at(0, 0), Err(MerkleError::IndexOutOfRange { index: 0, size: 0 }));
    assert_eq!(tree.inclusion_at(0, 6), Err(MerkleError::MissingNode { level: 1, index: 2 }));
    assert_eq!(tree.consistency(6), Err(MerkleError::Shrunk { old: 6, new: 5 }));
    assert_eq!(tree.inclusion_at(0, MAX_TREE_SIZE + 1), Err(MerkleError::SizeTooLarge(MAX_TREE_SIZE + 1)));
    assert_eq!(tree.consistency_at(0, u64::MAX), Err(MerkleError::SizeTooLarge(u64::MAX)));
    assert!(tree.root_at(6).is_err());
    assert_eq!(MemoryTree::<Sha256>::new().size(), 0);
}

/// A tree of up to 2^63 equal leaves: a node's hash depends on its level only.
struct Uniform<H> {
    levels: Vec<Hash>,
    hash: std::marker::PhantomData<H>,
}

impl<H: MerkleHash> Uniform<H> {
    fn new() -> Self {
        let mut levels = vec![H::leaf(b"same")];
        while levels.len() < 64 {
            let below = &levels[levels.len() - 1];
            levels.push(H::node(below, below));
        }
        Self { levels, hash: std::marker::PhantomData }
    }
}

impl<H: MerkleHash> NodeSource for Uniform<H> {
    type Error = Infallible;

    fn node(&self, level: u8, index: u64) -> Result<Hash, Infallible> {
        assert!(u128::from(index + 1) << level <= u128::from(MAX_TREE_SIZE), "node ({level}, {index}) is outside");
        Ok(self.levels[usize::from(level)])
    }
}

fn extreme_size() -> impl Strategy<Value = u64> {
    prop_oneof![
        (0..=63u32, -3i64..=3).prop_map(|(bit, off)| (1u64 << bit).saturating_add_signed(off).clamp(1, MAX_TREE_SIZE)),
        1..=MAX_TREE_SIZE,
    ]
}

proptest! {
    #[test]
    fn large_trees(size in extreme_size(), at: prop::sample::Index, near in 0u64..4) {
        let source = Uniform::<Blake3>::new();
        let root = root_at::<Blake3, _>(&source, size).unwrap();
        for index in [at.index(usize::MAX) as u64 % size, 0, size - 1, (size - 1).saturating_sub(near)] {
            let proof = prove_inclusion::<Blake3, _>(&source, index, size).unwrap();
            prop_assert!(proof.path.len() <= MAX_PATH);
            prop_assert_eq!(proof.path.len(), InclusionProof::path_length(index, size).unwrap());
            prop_assert_eq!(proof.verify::<Blake3>(&source.levels[0], &root), Ok(()));
            prop_assert_eq!(naive::root_of_path::<Blake3>(index, size, source.levels[0], &proof.path), Some(root));
        }
    }

    #[test]
    fn large_trees_grow(a in extreme_size(), b in extreme_size()) {
        let (old, new) = (a.min(b), a.max(b));
        let source = Uniform::<Blake3>::new();
        let old_root = root_at::<Blake3, _>(&source, old).unwrap();
        let new_root = root_at::<Blake3, _>(&source, new).unwrap();
        let proof = prove_consistency::<Blake3, _>(&source, old, new).unwrap();
        prop_assert!(proof.path.len() <= MAX_PATH);
        prop_assert_eq!(proof.path.len(), ConsistencyProof::path_length(old, new).unwrap());
        prop_assert_eq!(proof.verify::<Blake3>(&old_root, &new_root), Ok(()));
        prop_assert_eq!(
            naive::roots_of_proof::<Blake3>(old, new, old_root, &proof.path),
            Some((old_root, new_root))
        );
    }
}

/// Counts what is read and fails on demand.
struct Counting<'a, H> {
    tree: &'a MemoryTree<H>,
    reads: std::cell::RefCell<BTreeMap<(u8, u64), u32>>,
    broken: Option<(u8, u64)>,
}

impl<H: MerkleHash> NodeSource for Counting<'_, H> {
    type Error = String;

    fn node(&self, level: u8, index: u64) -> Result<Hash, String> {
        *self.reads.borrow_mut().entry((level, index)).or_default() += 1;
        if self.broken == Some((level, index)) {
            return Err("disk on fire".into());
        }
        self.tree.node(level, index).map_err(|e| e.to_string())
    }
}

#[test]
fn proofs_read_logarithmically_many_nodes_and_each_once() {
    let tree = MemoryTree::<Blake3>::from_hashes(leaves::<Blake3>(1000));
    for (old, index) in [(1, 0), (333, 500), (512, 999), (999, 511)] {
        let source = Counting { tree: &tree, reads: Default::default(), broken: None };
        prove_inclusion::<Blake3, _>(&source, index, 1000).unwrap();
        let reads = source.reads.take();
        assert!(reads.len() <= 16 && reads.values().all(|count| *count == 1), "{reads:?}");
        prove_consistency::<Blake3, _>(&source, old, 1000).unwrap();
        let reads = source.reads.take();
        assert!(reads.len() <= 17 && reads.values().all(|count| *count == 1), "{reads:?}");
    }
}

#[test]
fn errors_of_the_source_come_through() {
    let tree = MemoryTree::<Blake3>::from_hashes(leaves::<Blake3>(8));
    let source = Counting { tree: &tree, reads: Default::default(), broken: Some((2, 0)) };
    let error = ProveError::Source("disk on fire".to_owned());
    assert_eq!(prove_inclusion::<Blake3, _>(&source, 7, 8), Err(error.clone()));
    assert_eq!(prove_consistency::<Blake3, _>(&source, 6, 8), Err(error));
    assert_eq!(root_at::<Blake3, _>(&source, 7), Err("disk on fire".to_owned()));
    assert!(prove_inclusion::<Blake3, _>(&source, 0, 8).is_ok(), "reads node (2, 1) only");
}
