mod frontier;
mod hostile;
mod independent;
mod shapes;
mod vectors;

use crate::hash::{Hash, MerkleHash};

/// Hashes of `n` different leaves.
fn leaves<H: MerkleHash>(n: usize) -> Vec<Hash> {
    (0..n as u64).map(|i| H::leaf(&i.to_be_bytes())).collect()
}
