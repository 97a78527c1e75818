//! SHA-256 trees and proofs against an independent implementation of RFC 6962, the crate `ct-merkle`, in both directions.

use ct_merkle::mem_backed_tree::MemoryBackedTree;
use proptest::prelude::*;

use crate::hash::{Hash, MerkleHash, Sha256};
use crate::merkle::{ConsistencyProof, InclusionProof, MemoryTree};

type Theirs = MemoryBackedTree<sha2::Sha256, Vec<u8>>;

fn both(n: u64) -> (MemoryTree<Sha256>, Theirs) {
    let mut ours = MemoryTree::new();
    let mut theirs = Theirs::new();
    for i in 0..n {
        // Leaves of different lengths, the empty one too.
        let leaf = vec![i as u8; (i % 40) as usize];
        ours.push(&leaf);
        theirs.push(leaf);
    }
    (ours, theirs)
}

fn digests(bytes: &[u8]) -> Vec<Hash> {
    bytes.chunks(32).map(|chunk| Hash(chunk.try_into().unwrap())).collect()
}

fn check(size: u64) {
    let (ours, theirs) = both(size);
    let root = theirs.root();
    assert_eq!(ours.root().0, **root.as_bytes());
    for (index, leaf) in theirs.items().iter().enumerate() {
        let our_proof = ours.inclusion(index as u64).unwrap();
        let their_proof = theirs.prove_inclusion(index);
        assert_eq!(our_proof.path, digests(their_proof.as_bytes()));
        let carried =
            ct_merkle::InclusionProof::try_from_bytes(our_proof.path.iter().flat_map(|h| h.0).collect()).unwrap();
        root.verify_inclusion(leaf, index as u64, &carried).unwrap();
        let taken = InclusionProof { index: index as u64, size, path: digests(their_proof.as_bytes()) };
        taken.verify::<Sha256>(&Sha256::leaf(leaf), &ours.root()).unwrap();
    }
    for old in 1..size {
        let our_proof = ours.consistency(old).unwrap();
        let their_proof = theirs.prove_consistency((size - old) as usize);
        let old_root = both(old).1.root();
        let carried =
            ct_merkle::ConsistencyProof::try_from_bytes(our_proof.path.iter().flat_map(|h| h.0).collect()).unwrap();
        root.verify_consistency(&old_root, &carried).unwrap();
        let taken = ConsistencyProof { old_size: old, new_size: size, path: digests(their_proof.as_bytes()) };
        taken.verify::<Sha256>(&ours.root_at(old).unwrap(), &ours.root()).unwrap();
        assert_eq!(our_proof, taken);
    }
}

#[test]
fn every_small_size() {
    for size in 1..=40 {
        check(size);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(8))]

    #[test]
    fn some_larger_sizes(size in 41u64..200) {
        check(size);
    }
}
