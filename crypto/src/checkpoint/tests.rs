use proptest::prelude::*;

use super::*;
use crate::SigningKey;
use crate::test_support::{canonical, exact, hostile, unhex};

fn owner() -> SigningKey {
    SigningKey::from_seed([1; 32])
}

fn checkpoint() -> Checkpoint {
    Checkpoint {
        log: LogId([0x11; 32]),
        size: 0x0102_0304_0506_0708,
        roots: Roots { blake3: Hash([0x33; 32]), sha256: Hash([0x22; 32]) },
    }
}

fn signed() -> SignedCheckpoint {
    SignedCheckpoint::sign(checkpoint(), "pyralog-1", &owner()).unwrap()
}

fn body() -> String {
    format!("{} 0102030405060708 {} {}", "11".repeat(32), "33".repeat(32), "22".repeat(32))
}

#[test]
fn log_id_vector() {
    let owner = owner().public_key();
    let mut preimage = unhex("0000000e 707972616c6f672f6c6f672f7631 00000009 707972616c6f672d31");
    preimage.extend(owner.0);
    preimage.extend(unhex("00000006 6e6f74617279"));
    let id = LogId::derive("pyralog-1", &owner, "notary");
    assert_eq!(id.0, Sha256::digest(&preimage).0);
    assert_eq!(id.to_string(), "4c72fcecc8010a9ace71d1441125ae6e25979fc8bfb1a3d678ff1e44418a2773");
}

#[test]
fn a_log_id_depends_on_everything() {
    let (owner, other) = (owner().public_key(), SigningKey::from_seed([2; 32]).public_key());
    let id = LogId::derive("chain", &owner, "name");
    assert_ne!(id, LogId::derive("chaim", &owner, "name"));
    assert_ne!(id, LogId::derive("chain", &other, "name"));
    assert_ne!(id, LogId::derive("chain", &owner, "names"));
}

#[test]
fn record_log_id_vector() {
    let owner = owner().public_key();
    let mut preimage = unhex("00000015 707972616c6f672f7265636f72642d6c6f672f7631 00000009 707972616c6f672d31");
    preimage.extend(owner.0);
    preimage.extend(unhex("00000006 6f7264657273 0000000000000002"));
    let id = LogId::derive_record("pyralog-1", &owner, "orders", 2);
    assert_eq!(id.0, Sha256::digest(&preimage).0);
    assert_eq!(id.to_string(), "3ed8909724151e8af69f193be53354dd74054c6e06fd7dacd06ea47a0b3169a1");
}

#[test]
fn a_record_log_id_depends_on_everything_and_is_no_notary_logs() {
    let (owner, other) = (owner().public_key(), SigningKey::from_seed([2; 32]).public_key());
    let id = LogId::derive_record("chain", &owner, "name", 2);
    assert_ne!(id, LogId::derive_record("chaim", &owner, "name", 2));
    assert_ne!(id, LogId::derive_record("chain", &other, "name", 2));
    assert_ne!(id, LogId::derive_record("chain", &owner, "names", 2));
    assert_ne!(id, LogId::derive_record("chain", &owner, "name", 3));
    assert_ne!(id, LogId::derive("chain", &owner, "name"));
}

#[test]
fn sign_bytes_vector() {
    let head = "00000015 707972616c6f672f636865636b706f696e742f7631 00000009 707972616c6f672d31";
    assert_eq!(checkpoint().sign_bytes("pyralog-1"), unhex(&format!("{head} {}", body())));
}

#[test]
fn encoding_vector() {
    let bytes = unhex(&format!("01 {} {}", body(), signed().signature));
    assert_eq!(bytes.len(), 169);
    assert_eq!(signed().to_bytes(), bytes);
    exact::<SignedCheckpoint>(&bytes);
    exact::<Checkpoint>(&unhex(&body()));
    assert_eq!(
        SignedCheckpoint::from_bytes(&[&[2], &bytes[1..]].concat()),
        Err(CodecError::Version { what: "signed checkpoint", expected: 1, found: 2 })
    );
}

#[test]
fn signature_vector() {
    // Deterministic (RFC 8032), so another implementation must find the same; libsodium does.
    let expected = "78ddc235a5fdedcc60ae26babe1f07299440ee24e491bbb75cdb9a2d195ef1db\
        24fe3b443a518653752f517f9c1e36b40391d70e86c9fa51aa3b18059a194103";
    assert_eq!(signed().signature.to_string(), expected);
}

#[test]
fn only_the_owner_on_the_chain_for_these_values() {
    let owner = owner().public_key();
    assert_eq!(signed().verify("pyralog-1", &owner), Ok(()));
    assert_eq!(signed().verify("pyralog-2", &owner), Err(SignatureError));
    assert_eq!(signed().verify("pyralog-1", &SigningKey::from_seed([2; 32]).public_key()), Err(SignatureError));
    let changes: [fn(&mut Checkpoint); 5] = [
        |c| c.log.0[0] ^= 1,
        |c| c.size += 1,
        |c| c.roots.blake3.0[31] ^= 1,
        |c| c.roots.sha256.0[0] ^= 1,
        |c| std::mem::swap(&mut c.roots.blake3, &mut c.roots.sha256),
    ];
    for change in changes {
        let mut changed = signed();
        change(&mut changed.checkpoint);
        assert_eq!(changed.verify("pyralog-1", &owner), Err(SignatureError));
    }
}

#[test]
fn json_names_every_field_and_takes_no_others() {
    let json = serde_json::to_value(signed()).unwrap();
    assert_eq!(json["checkpoint"]["roots"]["sha256"], "22".repeat(32));
    assert_eq!(serde_json::from_value::<SignedCheckpoint>(json.clone()).unwrap(), signed());
    for pointer in ["", "/checkpoint", "/checkpoint/roots"] {
        let mut extra = json.clone();
        extra.pointer_mut(pointer).unwrap()["note"] = "hello".into();
        assert!(serde_json::from_value::<SignedCheckpoint>(extra).is_err(), "{pointer}");
    }
}

#[test]
fn empty_roots() {
    assert_eq!(Roots::empty(), Roots { blake3: crate::Blake3::empty(), sha256: Sha256::empty() });
    assert_eq!(Roots::digest(b"x").sha256, Sha256::digest(b"x"));
}

proptest! {
    #[test]
    fn hostile_bytes(bytes in hostile(vec![signed().to_bytes(), checkpoint().to_bytes()])) {
        canonical::<SignedCheckpoint>(&bytes);
        canonical::<Checkpoint>(&bytes);
        canonical::<Roots>(&bytes);
    }
}
