use proptest::prelude::*;

use crate::checkpoint::Roots;
use crate::codec::{Decode, Encode};
use crate::error::CodecError;
use crate::hash::{Blake3, Hash, MerkleHash, Sha256};
use crate::merkle::{MAX_TREE_SIZE, MemoryTree};
use crate::notary_leaf::{DocumentDigest, MAX_LEAF_BYTES, Metadata, NotaryLeaf, Salt, leaf_hashes};
use crate::test_support::{canonical, exact, hostile, unhex};

const ROOTS: Roots = Roots { blake3: Hash([0xb3; 32]), sha256: Hash([0x52; 32]) };

fn document(metadata: Option<Roots>) -> NotaryLeaf {
    let digest = DocumentDigest { blake3: Hash([0x0b; 32]), sha256: Hash([0x05; 32]), size: 0x1_0000 };
    NotaryLeaf::Document { digest, metadata }
}

fn samples() -> Vec<NotaryLeaf> {
    vec![
        document(None),
        document(Some(ROOTS)),
        NotaryLeaf::Hidden { commitment: ROOTS },
        NotaryLeaf::Batch { count: 7, roots: ROOTS },
    ]
}

#[test]
fn vectors() {
    let digest = format!("{} {} 0000000000010000", "0b".repeat(32), "05".repeat(32));
    let roots = format!("{} {}", "b3".repeat(32), "52".repeat(32));
    let expected = [
        format!("01 01 {digest} 00"),
        format!("01 01 {digest} 01 {roots}"),
        format!("01 02 {roots}"),
        format!("01 03 0000000000000007 {roots}"),
    ];
    for ((leaf, text), length) in samples().iter().zip(expected).zip([75, 139, 66, 74]) {
        let bytes = unhex(&text);
        assert_eq!(leaf.to_bytes(), bytes);
        assert_eq!(NotaryLeaf::from_bytes(&bytes).unwrap(), *leaf);
        exact::<NotaryLeaf>(&bytes);
        assert_eq!(bytes.len(), length);
        assert!(length <= MAX_LEAF_BYTES);
    }
}

#[test]
fn unknown_versions_kinds_and_counts_are_refused() {
    let decode = |text: &str| NotaryLeaf::from_bytes(&unhex(text)).unwrap_err();
    assert_eq!(decode("00"), CodecError::Version { what: "notary leaf", expected: 1, found: 0 });
    assert_eq!(decode("02 01"), CodecError::Version { what: "notary leaf", expected: 1, found: 2 });
    for kind in (0..=255u8).filter(|kind| !(1..=3).contains(kind)) {
        let expected = CodecError::Tag { what: "notary leaf kind", found: kind.into() };
        assert_eq!(NotaryLeaf::from_bytes(&[1, kind]), Err(expected));
    }
    for count in [0, MAX_TREE_SIZE + 1, u64::MAX] {
        let bytes = NotaryLeaf::Batch { count, roots: ROOTS }.to_bytes();
        assert!(matches!(NotaryLeaf::from_bytes(&bytes), Err(CodecError::Invalid { .. })), "{count}");
    }
}

#[test]
fn leaf_hashes_are_rfc_9162_leaf_hashes_under_both_hashes() {
    for leaf in samples() {
        let preimage = [&[0][..], &leaf.to_bytes()].concat();
        let expected = Roots { blake3: Blake3::digest(&preimage), sha256: Sha256::digest(&preimage) };
        assert_eq!(leaf.leaf_hashes(), expected);
        assert_eq!(leaf_hashes(&leaf.to_bytes()), expected);
    }
}

#[test]
fn hidden_vector() {
    let leaf = document(None);
    let salt = Salt([0x5a; 32]);
    let preimage = [&unhex("00000011 707972616c6f672f68696464656e2f7631")[..], &[0x5a; 32], &leaf.to_bytes()].concat();
    let expected = Roots { blake3: Blake3::digest(&preimage), sha256: Sha256::digest(&preimage) };
    assert_eq!(NotaryLeaf::hidden(&leaf, &salt), NotaryLeaf::Hidden { commitment: expected });
}

#[test]
fn hiding_depends_on_salt_and_leaf() {
    let hidden = NotaryLeaf::hidden(&document(None), &Salt([1; 32]));
    assert_eq!(hidden, NotaryLeaf::hidden(&document(None), &Salt([1; 32])));
    assert_ne!(hidden, NotaryLeaf::hidden(&document(None), &Salt([2; 32])));
    assert_ne!(hidden, NotaryLeaf::hidden(&document(Some(ROOTS)), &Salt([1; 32])));
}

#[test]
fn commitments_have_domains_of_their_own() {
    // The same salt and the same bytes behind it never give the same commitment in two roles.
    let salt = Salt([1; 32]);
    let metadata = Metadata::default();
    let leaf = document(None);
    let NotaryLeaf::Hidden { commitment } = NotaryLeaf::hidden(&leaf, &salt) else { unreachable!() };
    assert_ne!(commitment, metadata.commitment(&salt));
    assert_ne!(commitment, Roots::digest(&[&salt.0[..], &leaf.to_bytes()].concat()));
}

#[test]
fn a_batch_commits_to_each_member() {
    let members: Vec<NotaryLeaf> =
        (0..9u8).map(|i| NotaryLeaf::Document { digest: DocumentDigest::of(&[i]), metadata: None }).collect();
    let blake3 = MemoryTree::<Blake3>::from_leaves(members.iter().map(Encode::to_bytes));
    let sha256 = MemoryTree::<Sha256>::from_leaves(members.iter().map(Encode::to_bytes));
    for (i, member) in members.iter().enumerate() {
        let hashes = member.leaf_hashes();
        blake3.inclusion(i as u64).unwrap().verify::<Blake3>(&hashes.blake3, &blake3.root()).unwrap();
        sha256.inclusion(i as u64).unwrap().verify::<Sha256>(&hashes.sha256, &sha256.root()).unwrap();
    }
}

#[test]
fn a_batch_leaf_is_no_node_of_its_tree() {
    // The roots stand inside a leaf preimage behind 0x00, version and kind: they cannot be read as an inner node.
    let leaf = NotaryLeaf::Batch { count: 2, roots: ROOTS };
    assert_ne!(leaf.leaf_hashes().sha256, Sha256::node(&ROOTS.blake3, &ROOTS.sha256));
}

#[test]
fn salts_do_not_show_in_debug_output() {
    let salt = Salt([0xc5; 32]);
    assert_eq!(format!("{salt:?}"), "Salt(..)");
    assert_eq!(salt.to_string(), "c5".repeat(32));
    assert_eq!(salt.to_string().parse::<Salt>(), Ok(salt.clone()));
    let json = serde_json::to_string(&salt).unwrap();
    assert_eq!(serde_json::from_str::<Salt>(&json).unwrap(), salt);
    assert_eq!(Salt::from_bytes(&salt.to_bytes()), Ok(salt.clone()));
    assert!("C5".repeat(32).parse::<Salt>().is_err());
}

proptest! {
    #[test]
    fn hostile_bytes(bytes in hostile(samples().iter().map(Encode::to_bytes).collect())) {
        canonical::<NotaryLeaf>(&bytes);
    }

    #[test]
    fn different_leaves_have_different_bytes(a in any_leaf(), b in any_leaf()) {
        prop_assert_eq!(a == b, a.to_bytes() == b.to_bytes());
        prop_assert_eq!(NotaryLeaf::from_bytes(&a.to_bytes()), Ok(a));
    }
}

fn any_leaf() -> impl Strategy<Value = NotaryLeaf> {
    // Few values, so that equal parts meet in different places.
    let hash = prop::sample::select(vec![Hash([0; 32]), Hash([1; 32])]);
    let roots = (hash.clone(), hash.clone()).prop_map(|(blake3, sha256)| Roots { blake3, sha256 });
    let digest =
        (hash.clone(), hash, 0..3u64).prop_map(|(blake3, sha256, size)| DocumentDigest { blake3, sha256, size });
    prop_oneof![
        (digest, prop::option::of(roots.clone()))
            .prop_map(|(digest, metadata)| NotaryLeaf::Document { digest, metadata }),
        roots.clone().prop_map(|commitment| NotaryLeaf::Hidden { commitment }),
        (1..3u64, roots).prop_map(|(count, roots)| NotaryLeaf::Batch { count, roots }),
    ]
}
