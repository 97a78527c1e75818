use super::*;

fn hex(hash: Hash) -> String {
    hash.to_string()
}

#[test]
fn published_values_of_the_plain_hashes() {
    // FIPS 180-4 examples and the BLAKE3 test vectors (input of length 0).
    assert_eq!(hex(Sha256::digest(b"")), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    assert_eq!(hex(Sha256::digest(b"abc")), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    assert_eq!(hex(Blake3::digest(b"")), "af1349b9f5f9a1a6a0404dea36dcc9499bcb25c9adc112b7cc9a93cae41f3262");
}

#[test]
fn empty_root_is_the_hash_of_nothing() {
    assert_eq!(Sha256::empty(), Sha256::digest(b""));
    assert_eq!(Blake3::empty(), Blake3::digest(b""));
}

fn prefixes<H: MerkleHash>() {
    for data in [&b""[..], b"x", &[7; 1024]] {
        assert_eq!(H::leaf(data), H::digest(&[&[0], data].concat()));
    }
    let (left, right) = (H::digest(b"l"), H::digest(b"r"));
    assert_eq!(H::node(&left, &right), H::digest(&[&[1][..], &left.0, &right.0].concat()));
    assert_ne!(H::node(&left, &right), H::node(&right, &left));
    // The preimage of a node is no leaf's.
    assert_ne!(H::node(&left, &right), H::leaf(&[left.0, right.0].concat()));
}

#[test]
fn leaves_and_nodes_have_their_own_prefixes() {
    prefixes::<Blake3>();
    prefixes::<Sha256>();
}

#[test]
fn rfc_6962_leaf_hashes() {
    // certificate-transparency-go, trillian/merkle/rfc6962: hash of the empty leaf and of "L123456".
    assert_eq!(hex(Sha256::leaf(b"")), "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d");
    assert_eq!(hex(Sha256::leaf(b"L123456")), "395aa064aa4c29f7010acfe3f25db9485bbd4b91897b6ad7ad547639252b4d56");
    assert_eq!(
        hex(Sha256::digest(b"\x01N123N456")),
        "aa217fe888e47007fa15edab33c2b492a722cb106c64667fc2b044444de66bbb"
    );
}

#[test]
fn algorithm_ids_are_fixed() {
    assert_eq!((HashId::Blake3 as u8, HashId::Sha256 as u8), (1, 2));
    assert_eq!((Blake3::ID, Sha256::ID), (HashId::Blake3, HashId::Sha256));
    for id in 0..=255u8 {
        match HashId::try_from(id) {
            Ok(known) => assert_eq!(known as u8, id),
            Err(_) => assert!(id != 1 && id != 2),
        }
    }
    assert_eq!((HashId::Blake3.name(), HashId::Sha256.name()), ("blake3", "sha256"));
}

#[test]
fn hashes_order_as_their_bytes() {
    let mut low = [0; 32];
    low[31] = 255;
    let mut high = [0; 32];
    high[0] = 1;
    assert!(Hash(low) < Hash(high));
}
