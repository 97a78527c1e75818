use super::{MAX_TX_PATH, root, steps};
use crate::{block::data_hash, receipt::PathStep};
use pyralog_crypto::{Hash, MemoryTree, MerkleHash, Sha256};

fn txs(count: usize) -> Vec<Vec<u8>> {
    (0..count).map(|i| format!("tx {i}").into_bytes()).collect()
}

#[test]
fn steps_lead_to_the_data_hash_of_cometbft() {
    for count in 1..40 {
        let txs = txs(count);
        let tree = MemoryTree::<Sha256>::from_leaves(txs.iter().map(|tx| Sha256::digest(tx).0));
        for (i, tx) in txs.iter().enumerate() {
            let steps = steps(&tree.inclusion(i as u64).unwrap()).unwrap();
            assert_eq!(root(tx, &steps).unwrap(), data_hash(&txs), "{i} of {count}");
        }
    }
}

#[test]
fn a_side_cannot_be_changed() {
    let txs = txs(11);
    let tree = MemoryTree::<Sha256>::from_leaves(txs.iter().map(|tx| Sha256::digest(tx).0));
    for (i, tx) in txs.iter().enumerate() {
        let good = steps(&tree.inclusion(i as u64).unwrap()).unwrap();
        for at in 0..good.len() {
            let mut bad = good.clone();
            bad[at] = match bad[at] {
                PathStep::Left(h) => PathStep::Right(h),
                PathStep::Right(h) => PathStep::Left(h),
            };
            assert_ne!(root(tx, &bad).unwrap(), data_hash(&txs));
            bad.remove(at);
            assert_ne!(root(tx, &bad).unwrap(), data_hash(&txs));
        }
    }
}

/// Why index and total are not stated: a header does not commit to the number of transactions.
#[test]
fn the_number_of_transactions_is_not_bound_by_an_index_and_a_path() {
    let (three, four) = (txs(3), txs(4));
    let tree = |txs: &[Vec<u8>]| MemoryTree::<Sha256>::from_leaves(txs.iter().map(|tx| Sha256::digest(tx).0));
    let proof = tree(&three).inclusion(0).unwrap();
    let mut lie = proof.clone();
    lie.size = 4;
    let leaf = Sha256::leaf(&Sha256::digest(&three[0]).0);
    assert!(lie.verify::<Sha256>(&leaf, &data_hash(&three)).is_ok());
    assert_ne!(data_hash(&three), data_hash(&four));
}

#[test]
fn misfits_are_refused() {
    let mut proof = MemoryTree::<Sha256>::from_leaves([b"a", b"b", b"c"]).inclusion(1).unwrap();
    proof.path.push(Hash::default());
    assert!(steps(&proof).is_err());
    proof.size = 0;
    assert!(steps(&proof).is_err());
    assert!(root(b"tx", &vec![PathStep::Left(Hash::default()); MAX_TX_PATH + 1]).is_err());
}
