use proptest::prelude::*;

use super::*;
use crate::test_support::{canonical, exact, hostile, unhex};
use crate::{Hash, SigningKey};

fn owner() -> SigningKey {
    SigningKey::from_seed([1; 32])
}

fn promise() -> Promise {
    Promise {
        log: LogId([0x11; 32]),
        index: 0x2a,
        leaf: Roots { blake3: Hash([0x33; 32]), sha256: Hash([0x22; 32]) },
        anchor_by: 0x0100,
    }
}

fn signed() -> SignedPromise {
    SignedPromise::sign(promise(), "pyralog-1", &owner()).unwrap()
}

fn body() -> String {
    format!("{} 000000000000002a {} {} 0000000000000100", "11".repeat(32), "33".repeat(32), "22".repeat(32))
}

#[test]
fn vectors() {
    let head = "00000012 707972616c6f672f70726f6d6973652f7631 00000009 707972616c6f672d31";
    assert_eq!(promise().sign_bytes("pyralog-1"), unhex(&format!("{head} {}", body())));
    let bytes = unhex(&format!("01 {} {}", body(), signed().signature));
    assert_eq!(bytes.len(), 177);
    assert_eq!(signed().to_bytes(), bytes);
    exact::<SignedPromise>(&bytes);
    exact::<Promise>(&unhex(&body()));
    let expected = "59d28830eca6c719a4b78efced063fdba89f5986848081b95ef5667be0990a28\
        d43f8dd85d9e1c8b4e78dc20ead18873beb0921bb417f5232efe359a44888402";
    assert_eq!(signed().signature.to_string(), expected);
}

#[test]
fn only_the_owner_on_the_chain_for_these_values() {
    let owner = owner().public_key();
    assert_eq!(signed().verify("pyralog-1", &owner), Ok(()));
    assert_eq!(signed().verify("pyralog-2", &owner), Err(SignatureError));
    assert_eq!(signed().verify("pyralog-1", &SigningKey::from_seed([2; 32]).public_key()), Err(SignatureError));
    let changes: [fn(&mut Promise); 5] = [
        |p| p.log.0[0] ^= 1,
        |p| p.index += 1,
        |p| p.leaf.blake3.0[31] ^= 1,
        |p| p.leaf.sha256.0[0] ^= 1,
        |p| p.anchor_by += 1,
    ];
    for change in changes {
        let mut changed = signed();
        change(&mut changed.promise);
        assert_eq!(changed.verify("pyralog-1", &owner), Err(SignatureError));
    }
}

#[test]
fn a_signer_that_fails_makes_no_promise() {
    struct Broken;
    impl Signer for Broken {
        fn public_key(&self) -> PublicKey {
            owner().public_key()
        }
        fn sign(&self, _: &[u8]) -> Result<Signature, SignerError> {
            Err(SignerError::Unavailable("HSM unplugged".into()))
        }
    }
    let error = SignedPromise::sign(promise(), "pyralog-1", &Broken).unwrap_err();
    assert_eq!(error.to_string(), "signer is unavailable: HSM unplugged");
}

#[test]
fn json_takes_no_other_fields() {
    let json = serde_json::to_value(signed()).unwrap();
    assert_eq!(serde_json::from_value::<SignedPromise>(json.clone()).unwrap(), signed());
    let mut extra = json;
    extra["promise"]["note"] = "hello".into();
    assert!(serde_json::from_value::<SignedPromise>(extra).is_err());
}

proptest! {
    #[test]
    fn hostile_bytes(bytes in hostile(vec![signed().to_bytes(), promise().to_bytes()])) {
        canonical::<SignedPromise>(&bytes);
        canonical::<Promise>(&bytes);
    }
}
