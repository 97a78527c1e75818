//! Inclusion of a key in the state tree: the part of a `jmt` proof that a receipt carries.
//!
//! With H = SHA-256, the tree hashes
//!
//! ```text
//! leaf  = H("JMT::LeafNode" ‖ H(key) ‖ H(value))
//! inner = H("JMT::IntrnalNode" ‖ left ‖ right)
//! empty = "SPARSE_MERKLE_PLACEHOLDER_HASH__"
//! ```
//!
//! and bit `d` of H(key), most significant first, chooses the side at depth `d`.

use crate::light::Fault;
use jmt::{SimpleHasher, proof::SparseMerkleProof};
use pyralog_crypto::{Hash, MerkleHash, Sha256};

/// Longest path: one sibling per bit of the key's hash.
pub const MAX_STATE_PATH: usize = 256;

const LEAF: &[u8] = b"JMT::LeafNode";
const INNER: &[u8] = b"JMT::IntrnalNode";
const EMPTY: Hash = Hash(*b"SPARSE_MERKLE_PLACEHOLDER_HASH__");

/// The root that `path` (siblings, leaf side first) leads to from `key` with `value`.
///
/// # Errors
/// More than [`MAX_STATE_PATH`] siblings.
pub fn state_root(key: &[u8], value: &[u8], path: &[Hash]) -> Result<Hash, Fault> {
    if path.len() > MAX_STATE_PATH {
        return Err(Fault::new("", format!("has {} siblings; at most {MAX_STATE_PATH} are allowed", path.len())));
    }
    let key = Sha256::digest(key);
    let leaf = hash(LEAF, &key, &Sha256::digest(value));
    Ok(path.iter().enumerate().fold(leaf, |node, (i, sibling)| {
        let depth = path.len() - 1 - i;
        let right = key.0[depth / 8] >> (7 - depth % 8) & 1 == 1;
        if right { hash(INNER, sibling, &node) } else { hash(INNER, &node, sibling) }
    }))
}

/// The siblings' hashes of a `jmt` inclusion proof.
///
/// # Errors
/// A proof in another shape than `jmt` 0.12 serialises.
pub fn state_path<H: SimpleHasher>(proof: &SparseMerkleProof<H>) -> Result<Vec<Hash>, Fault> {
    // `jmt` keeps the siblings private; its serde form is the way to them.
    let odd = || Fault::new("state_path", "the state proof has an unknown shape");
    let value = serde_json::to_value(proof).map_err(|_| odd())?;
    let siblings = value.get("siblings").and_then(|s| s.as_array()).ok_or_else(odd)?;
    let bytes = |v: Option<&serde_json::Value>| v.and_then(|v| serde_json::from_value::<[u8; 32]>(v.clone()).ok());
    siblings
        .iter()
        .map(|sibling| {
            if sibling.as_str() == Some("Null") {
                return Ok(EMPTY);
            }
            let pair = |name: &str, a: &str, b: &str| {
                let node = sibling.get(name)?;
                Some((Hash(bytes(node.get(a))?), Hash(bytes(node.get(b))?)))
            };
            if let Some((left, right)) = pair("Internal", "left_child", "right_child") {
                return Ok(hash(INNER, &left, &right));
            }
            let (key, value) = pair("Leaf", "key_hash", "value_hash").ok_or_else(odd)?;
            Ok(hash(LEAF, &key, &value))
        })
        .collect()
}

fn hash(domain: &[u8], a: &Hash, b: &Hash) -> Hash {
    Sha256::digest(&[domain, &a.0, &b.0].concat())
}

#[cfg(test)]
#[path = "state_path_test.rs"]
mod tests;
