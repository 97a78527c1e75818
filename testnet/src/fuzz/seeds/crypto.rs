//! Proofs, signed statements, leaves, keystores.
#![allow(clippy::expect_used, reason = "constant inputs")]

use pyralog_crypto::{
    Address, Blake3, Checkpoint, DocumentDigest, Encode, Frontier, KdfParams, MemoryTree, MerkleHash, Metadata,
    NotaryLeaf, Promise, Roots, Salt, Sha256, SignedCheckpoint, SignedPromise, keystore,
};

use super::{Out, txs};
use crate::fuzz::chain::{CHAIN, key};

pub(super) fn put(out: &mut Out) {
    trees(out);
    leaves(out);
    let roots = Roots::digest(b"roots");
    let checkpoint = Checkpoint { log: txs::log(), size: 12, roots };
    let signed = SignedCheckpoint::sign(checkpoint, CHAIN, &key(200)).expect("signs");
    out.put("signed_checkpoint", "owner", signed.to_bytes());
    let promise = Promise { log: txs::log(), index: 11, leaf: roots, anchor_by: 99 };
    let signed = SignedPromise::sign(promise, CHAIN, &key(200)).expect("signs");
    out.put("signed_promise", "owner", signed.to_bytes());
    let sealed = keystore::seal(&key(1), b"fuzz", KdfParams::CHEAPEST, [7; 16], [9; 24]).expect("seals");
    out.put("keystore", "cheapest.json", sealed);
    out.put("text", "address", Address::from_key(&key(1).public_key()).to_string());
    out.put("text", "hash", Sha256::digest(b"hash").to_string());
    out.put("text", "signature", key(1).sign(b"text").to_string());
    out.put("text", "peer", "/ip4/127.0.0.1/tcp/26656/p2p/12D3KooWGRUVh7Qk6cCqEXr3x1BB2TUTV9w9pNQ3mW1nX3y2vPZq");
    out.put("text", "chain-id", CHAIN);
}

fn trees(out: &mut Out) {
    let leaves: Vec<[u8; 8]> = (0..21u64).map(u64::to_be_bytes).collect();
    let (mut blake3, mut sha256) = (Frontier::<Blake3>::new(), Frontier::<Sha256>::new());
    out.put("frontier", "empty", blake3.to_bytes());
    for leaf in &leaves {
        blake3.append(Blake3::leaf(leaf));
        sha256.append(Sha256::leaf(leaf));
    }
    out.put("frontier", "blake3-21", blake3.to_bytes());
    out.put("frontier", "sha256-21", sha256.to_bytes());
    let tree = MemoryTree::<Sha256>::from_leaves(&leaves);
    for (index, size) in [(0, 1), (0, 21), (20, 21), (5, 8)] {
        let proof = tree.inclusion_at(index, size).expect("inside");
        out.put("inclusion_proof", format!("{index}-of-{size}"), proof.to_bytes());
    }
    for (old, new) in [(0, 21), (21, 21), (8, 21), (7, 20)] {
        let proof = tree.consistency_at(old, new).expect("inside");
        out.put("consistency_proof", format!("{old}-to-{new}"), proof.to_bytes());
    }
}

fn leaves(out: &mut Out) {
    let digest = DocumentDigest::of(b"I owe Ada ten pounds.");
    let metadata =
        Metadata::new([("author", "Charles"), ("title", "Debt"), ("note", "\u{1f9fe} \u{e9}t\u{e9}")]).expect("bounds");
    let salt = Salt([3; 32]);
    let plain = NotaryLeaf::Document { digest, metadata: None };
    let described = NotaryLeaf::Document { digest, metadata: Some(metadata.commitment(&salt)) };
    let hidden = NotaryLeaf::hidden(&described, &Salt([4; 32]));
    let batch = NotaryLeaf::Batch { count: 10_000, roots: Roots::digest(b"batch") };
    for (name, leaf) in [("document", plain), ("described", described), ("hidden", hidden), ("batch", batch)] {
        out.put("notary_leaf", name, leaf.to_bytes());
    }
    out.put("document_digest", "document", digest.to_bytes());
    out.put("metadata", "three", metadata.to_bytes());
    out.put("metadata", "none", Metadata::default().to_bytes());
}
