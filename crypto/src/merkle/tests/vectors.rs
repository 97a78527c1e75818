//! The published vectors of Certificate Transparency (RFC 6962 trees; transparency-dev/merkle, testonly).

use crate::hash::{Hash, MerkleHash, Sha256};
use crate::merkle::{ConsistencyProof, Frontier, InclusionProof, MemoryTree};
use crate::test_support::unhex;

const LEAVES: [&str; 8] =
    ["", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f"];

const ROOTS: [&str; 9] = [
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
];

/// (index, size, path).
const INCLUSION: [(u64, u64, &[&str]); 5] = [
    (0, 1, &[]),
    (
        0,
        8,
        &[
            "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
            "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
            "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4",
        ],
    ),
    (
        5,
        8,
        &[
            "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
            "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
            "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
        ],
    ),
    (2, 3, &["fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125"]),
    (
        1,
        5,
        &[
            "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
            "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
            "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
        ],
    ),
];

/// (old size, new size, path).
const CONSISTENCY: [(u64, u64, &[&str]); 4] = [
    (1, 1, &[]),
    (
        1,
        8,
        &[
            "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
            "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
            "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4",
        ],
    ),
    (
        6,
        8,
        &[
            "0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a",
            "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
            "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
        ],
    ),
    (
        2,
        5,
        &[
            "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
            "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
        ],
    ),
];

fn hash(text: &str) -> Hash {
    text.parse().unwrap()
}

fn path(texts: &[&str]) -> Vec<Hash> {
    texts.iter().map(|text| hash(text)).collect()
}

#[test]
fn roots() {
    let mut frontier = Frontier::<Sha256>::new();
    let mut tree = MemoryTree::<Sha256>::new();
    assert_eq!(frontier.root(), hash(ROOTS[0]));
    assert_eq!(tree.root(), hash(ROOTS[0]));
    for (leaf, root) in LEAVES.iter().zip(&ROOTS[1..]) {
        frontier.append(Sha256::leaf(&unhex(leaf)));
        tree.push(&unhex(leaf));
        assert_eq!(frontier.root(), hash(root));
        assert_eq!(tree.root(), hash(root));
    }
}

#[test]
fn inclusion_proofs() {
    let tree = MemoryTree::<Sha256>::from_leaves(LEAVES.map(unhex));
    for (index, size, texts) in INCLUSION {
        let proof = InclusionProof { index, size, path: path(texts) };
        assert_eq!(tree.inclusion_at(index, size).unwrap(), proof);
        let leaf = Sha256::leaf(&unhex(LEAVES[index as usize]));
        proof.verify::<Sha256>(&leaf, &hash(ROOTS[size as usize])).unwrap();
    }
}

#[test]
fn consistency_proofs() {
    let tree = MemoryTree::<Sha256>::from_leaves(LEAVES.map(unhex));
    for (old_size, new_size, texts) in CONSISTENCY {
        let proof = ConsistencyProof { old_size, new_size, path: path(texts) };
        assert_eq!(tree.consistency_at(old_size, new_size).unwrap(), proof);
        proof.verify::<Sha256>(&hash(ROOTS[old_size as usize]), &hash(ROOTS[new_size as usize])).unwrap();
    }
}

#[test]
fn unlike_bitcoin_a_repeated_last_leaf_changes_the_root() {
    // CVE-2012-2459: trees that pair an odd node with itself give [a, b, c] and [a, b, c, c] one root.
    let three = MemoryTree::<Sha256>::from_leaves(["a", "b", "c"]).root();
    let four = MemoryTree::<Sha256>::from_leaves(["a", "b", "c", "c"]).root();
    assert_ne!(three, four);
}
