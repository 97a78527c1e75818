use std::io::Write;

use proptest::prelude::*;

use crate::codec::Encode;
use crate::hash::{Blake3, MerkleHash, Sha256};
use crate::notary_leaf::{DocumentDigest, DocumentHasher};
use crate::test_support::{canonical, exact, hostile};

#[test]
fn the_empty_document_has_digests() {
    let digest = DocumentHasher::new().finalize();
    assert_eq!(digest, DocumentDigest { blake3: Blake3::empty(), sha256: Sha256::empty(), size: 0 });
    assert_eq!(digest, DocumentDigest::of(b""));
}

#[test]
fn bytes_are_digests_then_size() {
    let digest = DocumentDigest::of(b"abc");
    let expected = [&Blake3::digest(b"abc").0[..], &Sha256::digest(b"abc").0, &3u64.to_be_bytes()].concat();
    assert_eq!(digest.to_bytes(), expected);
    exact::<DocumentDigest>(&expected);
    let json = serde_json::to_value(digest).unwrap();
    assert_eq!(json["size"], 3);
    assert_eq!(serde_json::from_value::<DocumentDigest>(json).unwrap(), digest);
}

#[test]
fn a_hasher_can_be_copied_into() {
    let document = vec![0x5a; 3_000_000];
    let mut hasher = DocumentHasher::new();
    assert_eq!(std::io::copy(&mut &document[..], &mut hasher).unwrap(), 3_000_000);
    hasher.flush().unwrap();
    assert_eq!(hasher.size(), 3_000_000);
    assert_eq!(hasher.finalize(), DocumentDigest::of(&document));
}

#[test]
fn a_hasher_is_of_constant_size() {
    // No field grows with the document: everything is inline.
    assert!(size_of::<DocumentHasher>() < 2560, "{}", size_of::<DocumentHasher>());
}

proptest! {
    #[test]
    fn pieces_do_not_matter(pieces in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..3000), 0..8)) {
        let document = pieces.concat();
        let mut hasher = DocumentHasher::new();
        for piece in &pieces {
            hasher.update(piece);
        }
        let digest = hasher.finalize();
        prop_assert_eq!(digest, DocumentDigest::of(&document));
        prop_assert_eq!(digest.blake3, Blake3::digest(&document));
        prop_assert_eq!(digest.sha256, Sha256::digest(&document));
        prop_assert_eq!(digest.size, document.len() as u64);
    }

    #[test]
    fn hostile_bytes(bytes in hostile(vec![DocumentDigest::of(b"abc").to_bytes()])) {
        canonical::<DocumentDigest>(&bytes);
    }
}
