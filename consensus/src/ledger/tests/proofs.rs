//! State proofs, past versions, pruning, the log of header hashes.

use proptest::prelude::*;
use pyralog_crypto::{Decode, Encode, Frontier, Hash, MerkleHash, Sha256};

use crate::ledger::{
    Account, JellyfishTree, LedgerOptions, QueryError, StateProof, StateProofError, StateTree, ValueChange, state_key,
    testkit::*,
};

#[test]
fn every_value_and_absence_is_proved_under_every_kept_app_hash() {
    let mut chain = TestChain::new();
    let mut balances = vec![chain.balance(0)];
    for n in 0..12 {
        let tx = chain.transfer(0, 60 + n, 1000);
        chain.block(&[tx]);
        balances.push(chain.balance(0));
    }
    for (height, balance) in (0u64..).zip(&balances) {
        let root = chain.app_hashes[height as usize];
        let name = state_key::account(&address(0));
        let proof = chain.ledger.prove(&name, height).unwrap();
        let account = Account::from_bytes(proof.verify(&root, &name).unwrap().unwrap()).unwrap();
        assert_eq!((account.balance, account.nonce), (*balance, height));
        for n in 0..12u8 {
            let name = state_key::account(&address(60 + n));
            let proof = chain.ledger.prove(&name, height).unwrap();
            let bytes = proof.to_bytes();
            let proof = StateProof::from_bytes(&bytes).unwrap();
            assert_eq!(
                proof.verify(&root, &name).unwrap().is_some(),
                u64::from(n) < height,
                "height {height} account {n}"
            );
            for (h, other) in chain.app_hashes.iter().enumerate().filter(|(h, _)| *h as u64 != height) {
                assert_eq!(proof.verify(other, &name), Err(StateProofError::Root), "{h}");
            }
        }
    }
}

#[test]
fn a_proof_speaks_of_one_name_only() {
    let chain = TestChain::new();
    let root = chain.app_hashes[0];
    let (a, b) = (state_key::account(&address(0)), state_key::account(&address(1)));
    let proof = chain.ledger.prove(&a, 0).unwrap();
    assert!(proof.verify(&root, &a).unwrap().is_some());
    assert!(proof.verify(&root, &b).is_err());
    let absent = chain.ledger.prove(&state_key::account(&address(99)), 0).unwrap();
    for name in [&a, &b] {
        assert!(absent.verify(&root, name).is_err(), "absence of one name is not absence of another");
    }
}

#[test]
fn any_changed_bit_of_a_proof_is_noticed() {
    let mut chain = TestChain::new();
    let tx = chain.transfer(0, 60, 1000);
    chain.block(&[tx]);
    let root = chain.app_hashes[1];
    let names = [state_key::account(&address(0)), state_key::account(&address(99)), state_key::HEADERS.to_vec()];
    for name in names {
        let proof = chain.ledger.prove(&name, 1).unwrap();
        let value = proof.verify(&root, &name).unwrap().map(<[u8]>::to_vec);
        let bytes = proof.to_bytes();
        for i in 0..bytes.len() * 8 {
            let mut changed = bytes.clone();
            changed[i / 8] ^= 1 << (i % 8);
            if let Ok(proof) = StateProof::from_bytes(&changed) {
                assert_eq!(proof.to_bytes(), changed, "one encoding per proof");
                assert!(proof.verify(&root, &name).is_err(), "bit {i}");
            }
        }
        for cut in 0..bytes.len() {
            assert!(StateProof::from_bytes(&bytes[..cut]).is_err());
        }
        assert!(StateProof::from_bytes(&[&bytes[..], &[0]].concat()).is_err());
        assert_eq!(StateProof::from_bytes(&bytes).unwrap().verify(&root, &name).unwrap().map(<[u8]>::to_vec), value);
    }
}

#[test]
fn the_encoding_of_a_proof_is_fixed() {
    // One leaf under an inner node whose other side is empty, at depth 2: a value, two siblings, the deeper one empty.
    let hex = concat!(
        "01",
        "02",
        "00000003",
        "616263",
        "0002",
        "40",
        "1111111111111111111111111111111111111111111111111111111111111111"
    );
    let proof = StateProof::from_bytes(&hex::decode(hex).unwrap()).unwrap();
    assert_eq!(hex::encode(proof.to_bytes()), hex);
    let refused = [
        ("02", "another version"),
        ("0103", "an unknown kind"),
        ("01000101", "more siblings than bits of a hash"),
        ("0100000201", "padding"),
        ("010000018053504152 53455f4d45524b4c455f504c414345484f4c4445525f484153485f5f", "an empty subtree written out"),
    ];
    for (hex, why) in refused {
        assert!(StateProof::from_bytes(&hex::decode(hex.replace(' ', "")).unwrap()).is_err(), "{why}");
    }
    let empty = StateProof::from_bytes(&[1, 0, 0, 0]).unwrap();
    assert_eq!(empty.verify(&Hash(*b"SPARSE_MERKLE_PLACEHOLDER_HASH__"), b"any"), Ok(None), "the empty tree");
    assert_eq!(empty.verify(&Hash([0; 32]), b"any"), Err(StateProofError::Root));
}

#[test]
fn old_versions_go_and_the_kept_ones_stay_provable() {
    let mut chain = TestChain::with_options(parts(), LedgerOptions { keep_versions: 5 });
    let mut sizes = Vec::new();
    for n in 0..60u64 {
        let tx = chain.transfer((n % 10) as u8, 60, 1 + n);
        chain.block(&[tx]);
        sizes.push(chain.store.snapshot().len());
    }
    // 60 blocks keep as much as 20 do, but for the nodes of the header log (two per block at most).
    assert!(sizes[59] < sizes[19] + 2 * 40 + 10, "{sizes:?}");
    for height in 0..=60u64 {
        let proof = chain.ledger.prove(state_key::TOTALS, height);
        match proof {
            Ok(proof) => {
                assert!(height >= 55);
                assert!(proof.verify(&chain.app_hashes[height as usize], state_key::TOTALS).unwrap().is_some());
            }
            Err(error) => {
                assert!(height < 55, "{height}");
                assert_eq!(error, QueryError::Height { height, oldest: 55, newest: 60 });
            }
        }
    }
    assert!(matches!(chain.ledger.prove(state_key::TOTALS, 61), Err(QueryError::Height { .. })));
}

#[test]
fn keeping_fewer_versions_later_catches_up() {
    let mut chain = TestChain::with_options(parts(), LedgerOptions { keep_versions: 40 });
    chain.blocks(40);
    chain.ledger.options.keep_versions = 3;
    chain.blocks(20);
    assert!(matches!(chain.ledger.prove(state_key::TOTALS, 56), Err(QueryError::Height { oldest: 57, .. })));
    assert!(chain.ledger.prove(state_key::TOTALS, 57).is_ok());
}

#[test]
fn what_is_kept_does_not_change_the_app_hash() {
    let mut few = TestChain::with_options(parts(), LedgerOptions { keep_versions: 2 });
    let mut many = TestChain::with_options(parts(), LedgerOptions { keep_versions: 1000 });
    for n in 0..30u8 {
        let tx = few.transfer(n % 10, 60 + n, 5);
        few.block(std::slice::from_ref(&tx));
        many.block(&[tx]);
    }
    assert_eq!(few.app_hashes, many.app_hashes);
}

#[test]
fn every_header_is_proved_under_every_later_app_hash() {
    let mut chain = TestChain::new();
    chain.blocks(20);
    for size in 1..=20u64 {
        let root = chain.app_hashes[size as usize];
        let proof = chain.ledger.prove(state_key::HEADERS, size).unwrap();
        let value = proof.verify(&root, state_key::HEADERS).unwrap().unwrap();
        let log = Frontier::<Sha256>::from_bytes(value).unwrap();
        assert_eq!(log.size(), size);
        for height in 1..=size {
            let path = chain.ledger.prove_header(height, size).unwrap();
            let leaf = Sha256::leaf(&chain.headers[height as usize - 1].0);
            assert_eq!((path.index, path.size), (height - 1, size));
            path.verify::<Sha256>(&leaf, &log.root()).unwrap();
            assert!(path.verify::<Sha256>(&Sha256::leaf(&[0; 32]), &log.root()).is_err());
        }
    }
    for (height, size) in [(0, 5), (6, 5), (21, 21), (1, 21)] {
        assert!(matches!(chain.ledger.prove_header(height, size), Err(QueryError::Header { .. })), "{height} {size}");
    }
}

/// Sets and removals over a few names, in several versions.
fn versions() -> impl Strategy<Value = Vec<Vec<(u8, Option<u8>)>>> {
    let change = (0u8..24, proptest::option::weighted(0.8, any::<u8>()));
    prop::collection::vec(prop::collection::vec(change, 1..12), 1..12)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// The tree against a plain map: whatever the history, equal contents have equal roots, and proofs say what the map says.
    #[test]
    fn the_root_depends_on_the_contents_only(history in versions()) {
        let store = MemStore::default();
        let mut map = std::collections::BTreeMap::new();
        // A name that is always there, as in the ledger: a tree is never empty and every version changes something.
        for (version, changes) in (0u64..).zip(history.iter()) {
            let mut now: std::collections::BTreeMap<Vec<u8>, Option<Vec<u8>>> =
                changes.iter().map(|(n, v)| (vec![*n], v.map(|v| vec![v]))).collect();
            now.retain(|name, value| value.is_some() || map.contains_key(name));
            now.insert(b"version".to_vec(), Some(version.to_be_bytes().to_vec()));
            let changes: Vec<ValueChange<'_>> = now.iter().map(|(n, v)| (n.as_slice(), v.as_deref())).collect();
            let update = JellyfishTree.update(&store, version, &changes).unwrap();
            store.apply(&update.nodes.into_iter().map(|(k, v)| (k, Some(v))).collect::<Vec<_>>());
            for (name, value) in now {
                match value {
                    Some(value) => map.insert(name, value),
                    None => map.remove(&name),
                };
            }
            let all: Vec<ValueChange<'_>> = map.iter().map(|(n, v)| (n.as_slice(), Some(v.as_slice()))).collect();
            let fresh = JellyfishTree.update(&MemStore::default(), 0, &all).unwrap();
            prop_assert_eq!(fresh.root, update.root);
            // Nothing of the version before may be needed once its stale nodes are gone.
            store.apply(&update.stale.into_iter().map(|k| (k, None)).collect::<Vec<_>>());
            for n in 0..24u8 {
                let value = map.get(&vec![n]).map(Vec::as_slice);
                let proof = JellyfishTree.prove(&store, version, &[n], value).unwrap();
                prop_assert_eq!(proof.verify(&update.root, &[n]), Ok(value));
                let decoded = StateProof::from_bytes(&proof.to_bytes()).unwrap();
                prop_assert_eq!(decoded, proof);
            }
        }
    }

    #[test]
    fn decoding_a_proof_never_panics(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        if let Ok(proof) = StateProof::from_bytes(&bytes) {
            prop_assert_eq!(proof.to_bytes(), bytes);
            prop_assert!(proof.verify(&Hash([0; 32]), b"name").is_err());
        }
    }

    #[test]
    fn decoding_a_nearly_right_proof_never_panics(
        kind in 0u8..3, count in 0u16..300, tail in prop::collection::vec(any::<u8>(), 0..400)
    ) {
        let bytes = [&[1, kind][..], &count.to_be_bytes(), &tail].concat();
        if let Ok(proof) = StateProof::from_bytes(&bytes) {
            prop_assert_eq!(proof.to_bytes(), bytes);
            prop_assert!(proof.verify(&Hash([0; 32]), b"name").is_err());
        }
    }
}
