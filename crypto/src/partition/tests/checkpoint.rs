use proptest::prelude::*;

use super::*;
use crate::SigningKey;
use crate::codec::{Decode, Encode};
use crate::error::{CodecError, PartitionError, SignatureError};
use crate::test_support::{canonical, exact, hostile, unhex};

fn owner() -> SigningKey {
    SigningKey::from_seed([1; 32])
}

fn checkpoint() -> PartitionCheckpoint {
    PartitionCheckpoint {
        log: LOG,
        partition: 0x0a0b_0c0d,
        size: 0x0102_0304_0506_0708,
        segments: 0x1112,
        root: Hash([0x33; 32]),
    }
}

fn signed() -> SignedPartitionCheckpoint {
    SignedPartitionCheckpoint::sign(checkpoint(), "pyralog-1", &owner()).unwrap()
}

fn body() -> String {
    format!("{} 0a0b0c0d 0102030405060708 0000000000001112 {}", "11".repeat(32), "33".repeat(32))
}

#[test]
fn sign_bytes_vector() {
    let head = "0000001f 707972616c6f672f706172746974696f6e2d636865636b706f696e742f7631 00000009 707972616c6f672d31";
    assert_eq!(checkpoint().sign_bytes("pyralog-1"), unhex(&format!("{head} {}", body())));
}

#[test]
fn encoding_vector() {
    let bytes = unhex(&format!("01 {} {}", body(), signed().signature));
    assert_eq!((bytes.len(), checkpoint().to_bytes().len()), (149, 84));
    assert_eq!(signed().to_bytes(), bytes);
    exact::<SignedPartitionCheckpoint>(&bytes);
    exact::<PartitionCheckpoint>(&unhex(&body()));
    assert_eq!(
        SignedPartitionCheckpoint::from_bytes(&[&[2], &bytes[1..]].concat()),
        Err(CodecError::Version { what: "signed partition checkpoint", expected: 1, found: 2 })
    );
}

#[test]
fn only_the_owner_on_the_chain_for_these_values() {
    let owner = owner().public_key();
    assert_eq!(signed().verify("pyralog-1", &owner), Ok(()));
    assert_eq!(signed().verify("pyralog-2", &owner), Err(SignatureError));
    assert_eq!(signed().verify("pyralog-1", &SigningKey::from_seed([2; 32]).public_key()), Err(SignatureError));
    let mut refused = 0;
    for bytes in flipped(&signed().to_bytes()) {
        if let Ok(changed) = SignedPartitionCheckpoint::from_bytes(&bytes) {
            assert_eq!(changed.verify("pyralog-1", &owner), Err(SignatureError));
            refused += 1;
        }
    }
    assert!(refused > 1100, "{refused}");
}

#[test]
fn a_signature_of_a_checkpoint_of_a_notary_log_is_another_one() {
    let roots = crate::Roots { blake3: Hash([0x33; 32]), sha256: Hash([0x33; 32]) };
    let notary = crate::Checkpoint { log: LOG, size: 1, roots };
    let signature = crate::SignedCheckpoint::sign(notary, "pyralog-1", &owner()).unwrap().signature;
    let swapped = SignedPartitionCheckpoint { signature, ..signed() };
    assert_eq!(swapped.verify("pyralog-1", &owner().public_key()), Err(SignatureError));
}

#[test]
fn counts_that_cannot_be_are_refused() {
    let changes: [fn(&mut PartitionCheckpoint); 4] = [
        |c| c.segments = c.size + 1,
        |c| c.segments = 0,
        |c| (c.size, c.segments) = (0, 1),
        |c| (c.size, c.segments) = (0, 0),
    ];
    for change in changes {
        let mut changed = checkpoint();
        change(&mut changed);
        assert!(matches!(changed.check(), Err(PartitionError::Checkpoint(_))), "{changed:?}");
        let refused = PartitionCheckpoint::from_bytes(&changed.to_bytes());
        assert!(matches!(refused, Err(CodecError::Invalid { what: "partition checkpoint", .. })), "{changed:?}");
    }
    let empty = PartitionCheckpoint::empty(LOG, 7);
    assert_eq!(empty.check(), Ok(()));
    exact::<PartitionCheckpoint>(&empty.to_bytes());
    assert_eq!(PartitionCheckpoint { partition: PARTITION, ..empty }, small().checkpoint(0));
}

#[test]
fn a_segment_leaf_has_a_record() {
    let leaf = SegmentLeaf { first: 5, next: 6, root: Hash([7; 32]) };
    let bytes = unhex(&format!("01 0000000000000005 0000000000000006 {}", "07".repeat(32)));
    assert_eq!((leaf.to_bytes(), leaf.records()), (bytes.clone(), 1));
    assert_eq!(leaf.leaf_hash(), Blake3::leaf(&bytes));
    exact::<SegmentLeaf>(&bytes);
    for next in [5, 4] {
        let refused = SegmentLeaf::from_bytes(&SegmentLeaf { next, ..leaf }.to_bytes());
        assert_eq!(refused, Err(CodecError::Invalid { what: "segment leaf", why: "it has no record" }));
    }
}

#[test]
fn json_names_every_field_and_takes_no_others() {
    let json = serde_json::to_value(signed()).unwrap();
    assert_eq!(json["checkpoint"]["root"], "33".repeat(32));
    assert_eq!(json["checkpoint"]["segments"], 0x1112);
    assert_eq!(serde_json::from_value::<SignedPartitionCheckpoint>(json.clone()).unwrap(), signed());
    for pointer in ["", "/checkpoint"] {
        let mut extra = json.clone();
        extra.pointer_mut(pointer).unwrap()["note"] = "hello".into();
        assert!(serde_json::from_value::<SignedPartitionCheckpoint>(extra).is_err(), "{pointer}");
    }
}

proptest! {
    #[test]
    fn hostile_bytes(bytes in hostile(vec![signed().to_bytes(), checkpoint().to_bytes(), small().segments(9)[2].to_bytes()])) {
        canonical::<SignedPartitionCheckpoint>(&bytes);
        canonical::<PartitionCheckpoint>(&bytes);
        canonical::<SegmentLeaf>(&bytes);
    }
}
