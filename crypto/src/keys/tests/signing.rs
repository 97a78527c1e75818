use std::str::FromStr;
use std::sync::Arc;

use proptest::prelude::*;

use super::{ours, reference};
use crate::error::{SignatureError, SignerError};
use crate::keys::{PublicKey, Signature, Signer, SigningKey};
use crate::test_support::unhex;

/// RFC 8032 section 7.1, TEST 1, 2, 3 and SHA(abc): seed, public key, message, signature.
const RFC_8032: [[&str; 4]; 4] = [
    [
        "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60",
        "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
        "",
        "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e06522490155
         5fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b",
    ],
    [
        "4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb",
        "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c",
        "72",
        "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da
         085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00",
    ],
    [
        "c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7",
        "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025",
        "af82",
        "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac
         18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a",
    ],
    [
        "833fe62409237b9d62ec77587520911e9a759cec1d19755b7da901b96dca3d42",
        "ec172b93ad5e563bf4932c70e1245034c35467ef2efd4d64ebf819683467e2bf",
        "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a
         2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f",
        "dc2a4459e7369633a52b1bf277839a00201009a3efbf3ecb69bea2186c26b589
         09351fc9ac90b3ecfdfbc7c66431e0303dca179c138ac17ad9bef1177331a704",
    ],
];

#[test]
fn rfc_8032_vectors() {
    for [seed, public, message, signature] in RFC_8032 {
        let key = SigningKey::from_seed(unhex(seed).try_into().unwrap());
        let message = unhex(message);
        assert_eq!(key.public_key(), PublicKey::from_str(public).unwrap());
        assert_eq!(hex::encode(key.sign(&message).0), signature.split_whitespace().collect::<String>());
        assert!(ours(&key.public_key(), &message, &key.sign(&message)));
    }
}

#[test]
fn any_changed_bit_is_refused() {
    let key = SigningKey::from_seed([1; 32]);
    let message = b"message";
    let signature = key.sign(message);
    for bit in 0..512 {
        let mut changed = signature;
        changed.0[bit / 8] ^= 1 << (bit % 8);
        assert_eq!(key.public_key().verify(message, &changed), Err(SignatureError), "bit {bit} of the signature");
    }
    for bit in 0..256 {
        let mut changed = key.public_key();
        changed.0[bit / 8] ^= 1 << (bit % 8);
        assert_eq!(changed.verify(message, &signature), Err(SignatureError), "bit {bit} of the key");
    }
    for bit in 0..message.len() * 8 {
        let mut changed = *message;
        changed[bit / 8] ^= 1 << (bit % 8);
        assert_eq!(key.public_key().verify(&changed, &signature), Err(SignatureError), "bit {bit} of the message");
    }
}

#[test]
fn secrets_do_not_show() {
    let seed = [0xc5; 32];
    let key = SigningKey::from_seed(seed);
    let text = format!("{key:?} {key:#?}");
    assert!(!text.contains("c5c5") && !text.contains("197"), "{text}");
    assert!(text.contains(&key.public_key().to_string()));
    assert_eq!(*key.seed(), seed);
}

#[test]
fn signers_can_be_shared_and_boxed() {
    fn sign(signer: &(impl Signer + ?Sized)) -> (PublicKey, Result<Signature, SignerError>) {
        (signer.public_key(), signer.sign(b"m"))
    }
    let key = SigningKey::from_seed([3; 32]);
    let expected = (key.public_key(), Ok(key.sign(b"m")));
    assert_eq!(sign(&key), expected);
    let shared: Arc<dyn Signer> = Arc::new(key);
    assert_eq!(sign(&*shared), expected);
    assert_eq!(sign(&shared), expected);
    let boxed: Box<dyn Signer> = Box::new(shared);
    assert_eq!(sign(&boxed), expected);
}

proptest! {
    #[test]
    fn what_is_signed_verifies_everywhere(seed: [u8; 32], message in prop::collection::vec(any::<u8>(), 0..200)) {
        let key = SigningKey::from_seed(seed);
        let signature = key.sign(&message);
        prop_assert!(ours(&key.public_key(), &message, &signature));
        prop_assert!(reference(&key.public_key(), &message, &signature));
        let other = SigningKey::from_seed([0; 32]).public_key();
        prop_assert!(!ours(&other, &message, &signature));
    }

    #[test]
    fn random_bytes_do_not_verify(key: [u8; 32], halves: [[u8; 32]; 2]) {
        let signature = Signature(halves.concat().try_into().unwrap());
        prop_assert_eq!(ours(&PublicKey(key), b"m", &signature), reference(&PublicKey(key), b"m", &signature));
    }
}
