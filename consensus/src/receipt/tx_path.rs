//! The way from a transaction to `data_hash`, with explicit sides.

use super::notary_receipt::PathStep;
use crate::light::Fault;
use pyralog_crypto::{Hash, InclusionProof, MerkleHash, Sha256};

/// Longest path to `data_hash`: a block of 2^32 transactions.
pub const MAX_TX_PATH: usize = 32;

/// The steps of an RFC 9162 inclusion proof.
///
/// # Errors
/// A proof whose index, size and path length do not fit each other.
pub fn steps(proof: &InclusionProof) -> Result<Vec<PathStep>, Fault> {
    let expected =
        InclusionProof::path_length(proof.index, proof.size).map_err(|e| Fault::new("anchor_path", e.to_string()))?;
    if expected != proof.path.len() {
        return Err(Fault::new("anchor_path", format!("{} hashes where {expected} are due", proof.path.len())));
    }
    let (mut node, mut last) = (proof.index, proof.size - 1);
    let mut steps = Vec::with_capacity(expected);
    for sibling in &proof.path {
        if node & 1 == 1 || node == last {
            steps.push(PathStep::Left(*sibling));
            while node & 1 == 0 && node != 0 {
                node >>= 1;
                last >>= 1;
            }
        } else {
            steps.push(PathStep::Right(*sibling));
        }
        node >>= 1;
        last >>= 1;
    }
    Ok(steps)
}

/// The root that `steps` lead to from the transaction `tx`: CometBFT's leaf is the SHA-256 hash of the transaction.
///
/// # Errors
/// More than [`MAX_TX_PATH`] steps.
pub(crate) fn root(tx: &[u8], steps: &[PathStep]) -> Result<Hash, Fault> {
    if steps.len() > MAX_TX_PATH {
        return Err(Fault::new("", format!("has {} steps; at most {MAX_TX_PATH} are allowed", steps.len())));
    }
    let leaf = Sha256::leaf(&Sha256::digest(tx).0);
    Ok(steps.iter().fold(leaf, |hash, step| match step {
        PathStep::Left(sibling) => Sha256::node(sibling, &hash),
        PathStep::Right(sibling) => Sha256::node(&hash, sibling),
    }))
}

#[cfg(test)]
#[path = "tx_path_test.rs"]
mod tests;
