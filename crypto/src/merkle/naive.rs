//! RFC 9162 section 2.1 written down as it stands there: recursive, quadratic, obviously right. The oracle of the tests.

use crate::hash::{Hash, MerkleHash};

/// Largest power of two below `n`.
fn k(n: usize) -> usize {
    let mut k = 1;
    while k * 2 < n {
        k *= 2;
    }
    k
}

/// `MTH(D)` over leaf hashes.
pub(super) fn mth<H: MerkleHash>(leaves: &[Hash]) -> Hash {
    match leaves {
        [] => H::empty(),
        [leaf] => *leaf,
        _ => {
            let (left, right) = leaves.split_at(k(leaves.len()));
            H::node(&mth::<H>(left), &mth::<H>(right))
        }
    }
}

/// `PATH(m, D)`.
pub(super) fn path<H: MerkleHash>(m: usize, leaves: &[Hash]) -> Vec<Hash> {
    if leaves.len() == 1 {
        return Vec::new();
    }
    let k = k(leaves.len());
    let (left, right) = leaves.split_at(k);
    let (mut path, sibling) =
        if m < k { (path::<H>(m, left), mth::<H>(right)) } else { (path::<H>(m - k, right), mth::<H>(left)) };
    path.push(sibling);
    path
}

/// `PROOF(m, D)` for `0 < m < D.len()`.
pub(super) fn proof<H: MerkleHash>(m: usize, leaves: &[Hash]) -> Vec<Hash> {
    subproof::<H>(m, leaves, true)
}

fn subproof<H: MerkleHash>(m: usize, leaves: &[Hash], whole: bool) -> Vec<Hash> {
    if m == leaves.len() {
        return if whole { Vec::new() } else { vec![mth::<H>(leaves)] };
    }
    let k = k(leaves.len());
    let (left, right) = leaves.split_at(k);
    let (mut proof, sibling) = if m <= k {
        (subproof::<H>(m, left, whole), mth::<H>(right))
    } else {
        (subproof::<H>(m - k, right, false), mth::<H>(left))
    };
    proof.push(sibling);
    proof
}

/// The root that an inclusion path leads to: `PATH` run backwards. `None` where the path has another length than it should.
pub(super) fn root_of_path<H: MerkleHash>(m: u64, n: u64, leaf: Hash, path: &[Hash]) -> Option<Hash> {
    if m >= n {
        return None;
    }
    if n == 1 {
        return path.is_empty().then_some(leaf);
    }
    let (sibling, rest) = path.split_last()?;
    let k = 1 << (63 - (n - 1).leading_zeros());
    if m < k {
        Some(H::node(&root_of_path::<H>(m, k, leaf, rest)?, sibling))
    } else {
        Some(H::node(sibling, &root_of_path::<H>(m - k, n - k, leaf, rest)?))
    }
}

/// The old and the new root that a consistency path leads to: `SUBPROOF` run backwards.
pub(super) fn roots_of_proof<H: MerkleHash>(m: u64, n: u64, old_root: Hash, path: &[Hash]) -> Option<(Hash, Hash)> {
    fn run<H: MerkleHash>(m: u64, n: u64, whole: bool, old_root: Hash, path: &[Hash]) -> Option<(Hash, Hash)> {
        if m == n {
            return match (whole, path) {
                (true, []) => Some((old_root, old_root)),
                (false, [root]) => Some((*root, *root)),
                _ => None,
            };
        }
        let (sibling, rest) = path.split_last()?;
        let k = 1 << (63 - (n - 1).leading_zeros());
        if m <= k {
            let (old, new) = run::<H>(m, k, whole, old_root, rest)?;
            Some((old, H::node(&new, sibling)))
        } else {
            let (old, new) = run::<H>(m - k, n - k, false, old_root, rest)?;
            Some((H::node(sibling, &old), H::node(sibling, &new)))
        }
    }
    if m == 0 || m > n {
        return None;
    }
    run::<H>(m, n, true, old_root, path)
}
