//! The edge cases on which Ed25519 implementations disagree ("Taming the many EdDSAs", section 5; ZIP-215 test vectors).

use curve25519_dalek::constants::{ED25519_BASEPOINT_POINT, EIGHT_TORSION};
use curve25519_dalek::edwards::CompressedEdwardsY;
use curve25519_dalek::scalar::Scalar;
use sha2::{Digest, Sha512};

use super::{ours, reference};
use crate::keys::zip215::{Equation, all_hold};
use crate::keys::{PublicKey, Signature, SigningKey};
use crate::test_support::unhex;

/// Group order, little-endian.
const L: [u8; 32] = [
    0xed, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58, 0xd6, 0x9c, 0xf7, 0xa2, 0xde, 0xf9, 0xde, 0x14, 0, 0, 0, 0, 0, 0,
    0, 0, 0, 0, 0, 0, 0, 0, 0, 0x10,
];

fn signature(r: [u8; 32], s: [u8; 32]) -> Signature {
    Signature([r, s].concat().try_into().unwrap())
}

/// Every 32-byte string that is not the canonical encoding of its point: y from p to 2^255 - 1 with either sign, and x = 0 with
/// the sign bit set.
fn non_canonical_encodings() -> Vec<[u8; 32]> {
    let mut found = Vec::new();
    for low in 0..19u8 {
        let mut y = [0xff; 32];
        y[0] = 0xed + low;
        for sign in [0x7f, 0xff] {
            y[31] = sign;
            found.push(y);
        }
    }
    let mut one = [0; 32];
    one[0] = 1;
    one[31] = 0x80;
    let mut minus_one = [0xff; 32];
    minus_one[0] = 0xec;
    found.extend([one, minus_one]);
    found.retain(|bytes| CompressedEdwardsY(*bytes).decompress().is_some());
    assert!(found.iter().all(|bytes| CompressedEdwardsY(*bytes).decompress().unwrap().compress().0 != *bytes));
    found
}

fn small_order_encodings() -> Vec<[u8; 32]> {
    let mut found: Vec<[u8; 32]> = EIGHT_TORSION.iter().map(|point| point.compress().0).collect();
    found.extend(
        non_canonical_encodings()
            .into_iter()
            .filter(|bytes| CompressedEdwardsY(*bytes).decompress().unwrap().is_small_order()),
    );
    found
}

#[test]
fn small_order_keys_and_nonces_are_valid_however_they_are_encoded() {
    let encodings = small_order_encodings();
    assert_eq!(encodings.len(), 14, "ZIP-215: eight points, fourteen encodings");
    for a in &encodings {
        for r in &encodings {
            let signature = signature(*r, [0; 32]);
            assert!(ours(&PublicKey(*a), b"Zcash", &signature), "A {a:02x?} R {r:02x?}");
            assert!(reference(&PublicKey(*a), b"Zcash", &signature));
        }
    }
}

#[test]
fn non_canonical_points_are_judged_as_the_reference_does() {
    let encodings = non_canonical_encodings();
    assert!(encodings.len() > 20);
    let key = SigningKey::from_seed([5; 32]);
    for encoding in encodings {
        for s in [[0; 32], key.sign(b"m").0[32..].try_into().unwrap()] {
            let by_it = signature(encoding, s);
            assert_eq!(ours(&key.public_key(), b"m", &by_it), reference(&key.public_key(), b"m", &by_it));
            assert_eq!(ours(&PublicKey(encoding), b"m", &by_it), reference(&PublicKey(encoding), b"m", &by_it));
        }
    }
}

/// A signature by a key and with a nonce that both have a component of small order: the equation holds with the cofactor only.
fn mixed_order(a_torsion: usize, r_torsion: usize) -> (PublicKey, Signature) {
    let (a, r) = (Scalar::from(1_234_567u64), Scalar::from(7_654_321u64));
    let key = (ED25519_BASEPOINT_POINT * a + EIGHT_TORSION[a_torsion]).compress().0;
    let nonce = (ED25519_BASEPOINT_POINT * r + EIGHT_TORSION[r_torsion]).compress().0;
    let k = Sha512::new().chain_update(nonce).chain_update(key).chain_update(b"mixed").finalize();
    let s = r + Scalar::from_bytes_mod_order_wide(&k.into()) * a;
    (PublicKey(key), signature(nonce, s.to_bytes()))
}

#[test]
fn the_equation_is_checked_with_the_cofactor() {
    for a in 0..8 {
        for r in 0..8 {
            let (key, signature) = mixed_order(a, r);
            assert!(ours(&key, b"mixed", &signature), "torsion {a}, {r}");
            assert!(reference(&key, b"mixed", &signature));
            assert!(!ours(&key, b"other", &signature));
        }
    }
}

#[test]
fn torsion_does_not_let_a_batch_and_a_single_check_disagree() {
    let all: Vec<_> = (0..64).map(|i| mixed_order(i / 8, i % 8)).collect();
    let items: Vec<_> = all.iter().map(|(key, signature)| (*key, &b"mixed"[..], *signature)).collect();
    assert_eq!(crate::verify_batch(&items), vec![true; 64]);
    // Not only by falling back to single verification: the sum itself holds, at any length (torsion may cancel by chance).
    let equations: Vec<Equation> = items.iter().filter_map(|(key, m, s)| Equation::new(key, m, s)).collect();
    for length in 2..=equations.len() {
        assert!(all_hold(&equations[..length].iter().collect::<Vec<_>>()), "{length} equations");
    }
}

#[test]
fn s_must_be_below_the_group_order() {
    let key = SigningKey::from_seed([6; 32]);
    let valid = key.sign(b"m");
    let (r, s): ([u8; 32], [u8; 32]) = (valid.0[..32].try_into().unwrap(), valid.0[32..].try_into().unwrap());
    let mut sum = [0u8; 32];
    let mut carry = 0;
    for i in 0..32 {
        let digit = u16::from(s[i]) + u16::from(L[i]) + carry;
        sum[i] = digit as u8;
        carry = digit >> 8;
    }
    for malleable in [sum, L, [0xff; 32]] {
        let malleated = signature(r, malleable);
        assert!(!ours(&key.public_key(), b"m", &malleated));
        assert!(!reference(&key.public_key(), b"m", &malleated));
    }
    // With key and nonce of small order, s = L would satisfy the equation, and is refused all the same.
    let identity = EIGHT_TORSION[0].compress().0;
    assert!(ours(&PublicKey(identity), b"m", &signature(identity, [0; 32])));
    assert!(!ours(&PublicKey(identity), b"m", &signature(identity, L)));
}

#[test]
fn bytes_that_are_no_point_verify_nothing() {
    let mut no_point = [0; 32];
    no_point[0] = 2;
    assert!(CompressedEdwardsY(no_point).decompress().is_none());
    let key = SigningKey::from_seed([7; 32]);
    assert!(!ours(&PublicKey(no_point), b"m", &key.sign(b"m")));
    assert!(!ours(&key.public_key(), b"m", &signature(no_point, [0; 32])));
}

/// "Taming the many EdDSAs" (Chalkias, Garillot, Nikolaenko 2020), appendix: message, key, signature, valid under ZIP-215.
#[test]
fn published_edge_cases() {
    let cases = [
        (
            "8c93255d71dcab10e8f379c26200f3c7bd5f09d9bc3068d3ef4edeb4853022b6",
            "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa",
            "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a
             0000000000000000000000000000000000000000000000000000000000000000",
            true,
        ),
        (
            "9bd9f44f4dcc75bd531b56b2cd280b0bb38fc1cd6d1230e14861d861de092e79",
            "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa",
            "f7badec5b8abeaf699583992219b7b223f1df3fbbea919844e3f7c554a43dd43
             a5bb704786be79fc476f91d3f3f89b03984d8068dcf1bb7dfc6637b45450ac04",
            true,
        ),
        (
            "aebf3f2601a0c8c5d39cc7d8911642f740b78168218da8471772b35f9d35b9ab",
            "f7badec5b8abeaf699583992219b7b223f1df3fbbea919844e3f7c554a43dd43",
            "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa
             8c4bd45aecaca5b24fb97bc10ac27ac8751a7dfe1baff8b953ec9f5833ca260e",
            true,
        ),
    ];
    for (message, key, signature, valid) in cases {
        let (message, key) = (unhex(message), PublicKey(unhex(key).try_into().unwrap()));
        let signature = Signature(unhex(signature).try_into().unwrap());
        assert_eq!(ours(&key, &message, &signature), valid, "{key}");
        assert_eq!(reference(&key, &message, &signature), valid);
    }
}
