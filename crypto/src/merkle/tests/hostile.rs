//! Proofs that are wrong must fail, whatever is wrong with them.

use proptest::prelude::*;

use super::leaves;
use crate::codec::Encode;
use crate::error::MerkleError;
use crate::hash::{Blake3, Hash, MerkleHash, Sha256};
use crate::merkle::{ConsistencyProof, InclusionProof, MAX_TREE_SIZE, MemoryTree, naive};
use crate::test_support::{canonical, exact, hostile, unhex};

fn flip(hash: &Hash, bit: usize) -> Hash {
    let mut other = *hash;
    other.0[bit / 8 % 32] ^= 1 << (bit % 8);
    other
}

/// Every way to change one part of a path.
fn mutated_paths(path: &[Hash]) -> Vec<Vec<Hash>> {
    let mut mutants = Vec::new();
    for at in 0..path.len() {
        let mut flipped = path.to_vec();
        flipped[at] = flip(&path[at], 13 * at + 5);
        mutants.push(flipped);
        let mut removed = path.to_vec();
        removed.remove(at);
        mutants.push(removed);
        let mut doubled = path.to_vec();
        doubled.insert(at, path[at]);
        mutants.push(doubled);
        if at + 1 < path.len() {
            let mut swapped = path.to_vec();
            swapped.swap(at, at + 1);
            mutants.push(swapped);
        }
    }
    mutants.push([path, &[Hash::default()]].concat());
    mutants
}

#[test]
fn no_mutated_inclusion_proof_verifies() {
    const SIZE: usize = 21;
    let leaves = leaves::<Blake3>(SIZE);
    let tree = MemoryTree::<Blake3>::from_hashes(leaves.iter().copied());
    for size in 1..=SIZE as u64 {
        let root = tree.root_at(size).unwrap();
        for index in 0..size {
            let leaf = leaves[index as usize];
            let proof = tree.inclusion_at(index, size).unwrap();
            for path in mutated_paths(&proof.path) {
                assert!(InclusionProof { index, size, path }.verify::<Blake3>(&leaf, &root).is_err());
            }
            for other in (0..size + 3).filter(|other| *other != index) {
                let moved = InclusionProof { index: other, ..proof.clone() };
                assert!(moved.verify::<Blake3>(&leaf, &root).is_err(), "leaf {index} passed as {other} of {size}");
            }
            for (other, other_leaf) in leaves.iter().enumerate().filter(|(other, _)| *other as u64 != index) {
                assert!(proof.verify::<Blake3>(other_leaf, &root).is_err(), "leaf {other} passed as {index}");
            }
            for other_size in (1..=SIZE as u64).filter(|other| *other != size) {
                let other_root = tree.root_at(other_size).unwrap();
                assert!(proof.verify::<Blake3>(&leaf, &other_root).is_err());
            }
            assert!(proof.verify::<Blake3>(&flip(&leaf, 9), &root).is_err());
            assert!(proof.verify::<Blake3>(&leaf, &flip(&root, 77)).is_err());
            assert!(size == 1 || proof.verify::<Sha256>(&leaf, &root).is_err());
        }
    }
}

#[test]
fn no_mutated_consistency_proof_verifies() {
    const SIZE: usize = 21;
    let tree = MemoryTree::<Blake3>::from_hashes(leaves::<Blake3>(SIZE));
    for new_size in 0..=SIZE as u64 {
        let new_root = tree.root_at(new_size).unwrap();
        for old_size in 0..=new_size {
            let old_root = tree.root_at(old_size).unwrap();
            let proof = tree.consistency_at(old_size, new_size).unwrap();
            for path in mutated_paths(&proof.path) {
                let mutant = ConsistencyProof { old_size, new_size, path };
                assert!(mutant.verify::<Blake3>(&old_root, &new_root).is_err(), "{mutant:?}");
            }
            assert!(proof.verify::<Blake3>(&flip(&old_root, 3), &new_root).is_err());
            // Every log is consistent with the empty one.
            assert!((old_size == 0 && new_size > 0) || proof.verify::<Blake3>(&old_root, &flip(&new_root, 3)).is_err());
            let shrunk = ConsistencyProof { old_size: new_size + 1, ..proof };
            assert_eq!(
                shrunk.verify::<Blake3>(&old_root, &new_root),
                Err(MerkleError::Shrunk { old: new_size + 1, new: new_size })
            );
        }
    }
}

#[test]
fn a_forked_log_is_not_consistent() {
    let honest = leaves::<Blake3>(13);
    for changed in 0..8 {
        let mut forked = honest.clone();
        forked[changed] = flip(&honest[changed], 0);
        let old = MemoryTree::<Blake3>::from_hashes(honest[..8].iter().copied());
        let new = MemoryTree::<Blake3>::from_hashes(forked);
        let proof = new.consistency(8).unwrap();
        assert!(proof.verify::<Blake3>(&old.root(), &new.root()).is_err());
    }
}

#[test]
fn the_error_says_which_check_failed() {
    let tree = MemoryTree::<Sha256>::from_hashes(leaves::<Sha256>(6));
    let (root, leaf) = (tree.root(), Sha256::leaf(&0u64.to_be_bytes()));
    let good = tree.inclusion(0).unwrap();
    let verify = |proof: &InclusionProof| proof.verify::<Sha256>(&leaf, &root);
    assert_eq!(
        verify(&InclusionProof { index: 6, ..good.clone() }),
        Err(MerkleError::IndexOutOfRange { index: 6, size: 6 })
    );
    assert_eq!(
        verify(&InclusionProof { size: 0, ..good.clone() }),
        Err(MerkleError::IndexOutOfRange { index: 0, size: 0 })
    );
    assert_eq!(verify(&InclusionProof { size: u64::MAX, ..good.clone() }), Err(MerkleError::SizeTooLarge(u64::MAX)));
    assert_eq!(
        verify(&InclusionProof { path: vec![], ..good.clone() }),
        Err(MerkleError::PathLength { expected: 3, found: 0 })
    );
    assert!(
        matches!(good.verify::<Sha256>(&root, &root), Err(MerkleError::RootMismatch { expected, .. }) if expected == root)
    );

    let (old_root, other) = (tree.root_at(3).unwrap(), Sha256::leaf(b"other"));
    let grown = tree.consistency(3).unwrap();
    assert_eq!(
        grown.verify::<Sha256>(&other, &root),
        Err(MerkleError::OldRootMismatch { expected: other, computed: old_root })
    );
    assert_eq!(
        grown.verify::<Sha256>(&old_root, &other),
        Err(MerkleError::RootMismatch { expected: other, computed: root })
    );
}

#[test]
fn from_empty_and_to_the_same_size() {
    let tree = MemoryTree::<Sha256>::from_hashes(leaves::<Sha256>(6));
    let (root, empty) = (tree.root(), Sha256::empty());
    let nothing = ConsistencyProof { old_size: 0, new_size: 6, path: vec![] };
    nothing.verify::<Sha256>(&empty, &root).unwrap();
    assert!(nothing.verify::<Sha256>(&root, &root).is_err(), "the old root must be the empty tree's");
    let same = ConsistencyProof { old_size: 6, new_size: 6, path: vec![] };
    same.verify::<Sha256>(&root, &root).unwrap();
    assert!(same.verify::<Sha256>(&empty, &root).is_err());
    let both_empty = ConsistencyProof { old_size: 0, new_size: 0, path: vec![] };
    both_empty.verify::<Sha256>(&empty, &empty).unwrap();
    assert!(both_empty.verify::<Sha256>(&root, &root).is_err());
    let padded = ConsistencyProof { old_size: 6, new_size: 6, path: vec![root] };
    assert_eq!(padded.verify::<Sha256>(&root, &root), Err(MerkleError::PathLength { expected: 0, found: 1 }));
}

#[test]
fn proof_encodings() {
    let bytes = unhex(&format!("0000000000000001 0000000000000002 00000001 {}", "ab".repeat(32)));
    exact::<InclusionProof>(&bytes);
    exact::<ConsistencyProof>(&bytes);
    let inclusion = InclusionProof { index: 1, size: 2, path: vec![Hash([0xab; 32])] };
    assert_eq!(inclusion.to_bytes(), bytes);
    let json = serde_json::to_string(&inclusion).unwrap();
    assert_eq!(json, format!("{{\"index\":1,\"size\":2,\"path\":[\"{}\"]}}", "ab".repeat(32)));
    assert_eq!(serde_json::from_str::<InclusionProof>(&json).unwrap(), inclusion);
    assert!(serde_json::from_str::<InclusionProof>(&json.replace("{\"index\"", "{\"note\":1,\"index\"")).is_err());
    assert!(serde_json::from_str::<InclusionProof>(&json.replace("{\"index\"", "{\"index\":1,\"index\"")).is_err());
}

/// Few enough different hashes that random proofs are accepted now and then.
fn some_hash() -> impl Strategy<Value = Hash> {
    prop::sample::select(leaves::<Blake3>(3))
}

proptest! {
    /// The loops of section 2.1.3.2 and 2.1.4.2 accept exactly what running the definitions backwards accepts.
    #[test]
    fn verification_agrees_with_the_definition(
        a in prop_oneof![0u64..20, any::<u64>()],
        b in prop_oneof![0u64..20, any::<u64>()],
        path in prop::collection::vec(some_hash(), 0..8),
        start in some_hash(),
        fitting: bool,
    ) {
        let fit = |length: Result<usize, MerkleError>| match length {
            Ok(length) if fitting => path.iter().copied().cycle().take(if path.is_empty() { 0 } else { length }).collect(),
            _ => path.clone(),
        };
        let inclusion = InclusionProof { index: a, size: b, path: fit(InclusionProof::path_length(a, b)) };
        let expected = if b > MAX_TREE_SIZE { None } else { naive::root_of_path::<Blake3>(a, b, start, &inclusion.path) };
        prop_assert_eq!(inclusion.root_from::<Blake3>(&start).ok(), expected);
        if let Some(root) = expected {
            prop_assert_eq!(inclusion.verify::<Blake3>(&start, &root), Ok(()));
        } else {
            prop_assert!(inclusion.verify::<Blake3>(&start, &Hash::default()).is_err());
        }

        if a > 0 && a < b {
            let proof = ConsistencyProof { old_size: a, new_size: b, path: fit(ConsistencyProof::path_length(a, b)) };
            let expected = if b > MAX_TREE_SIZE { None } else { naive::roots_of_proof::<Blake3>(a, b, start, &proof.path) };
            match expected {
                // With an old size that is no power of two the path itself says the old root.
                Some((old, new)) => prop_assert_eq!(proof.verify::<Blake3>(&old, &new), Ok(())),
                None => prop_assert!(proof.verify::<Blake3>(&start, &Hash::default()).is_err()),
            }
        }
    }

    #[test]
    fn hostile_bytes(bytes in hostile(vec![
        InclusionProof { index: 3, size: 9, path: leaves::<Blake3>(4) }.to_bytes(),
        ConsistencyProof { old_size: 3, new_size: 9, path: leaves::<Blake3>(5) }.to_bytes(),
    ])) {
        canonical::<InclusionProof>(&bytes);
        canonical::<ConsistencyProof>(&bytes);
    }
}
