use proptest::prelude::*;
use pyralog_crypto::SigningKey;

use super::*;

const NETWORK: &str = "test-net";

fn key() -> SigningKey {
    SigningKey::from_seed([1; 32])
}

fn record() -> PeerRecord {
    PeerRecord {
        identity: key().public_key(),
        tunnel: TunnelKey([2; 32]),
        rosenpass: Some(Hash([3; 32])),
        sequence: 1_764_409_815_000,
        port: 26_656,
        addresses: vec![
            RecordAddress::Ip("192.0.2.1:51820".parse().unwrap()),
            RecordAddress::Ip("[2001:db8::1]:51820".parse().unwrap()),
            RecordAddress::Name("node.example.org".into(), 51_820),
        ],
    }
}

fn signed(record: PeerRecord) -> SignedPeerRecord {
    SignedPeerRecord::sign(record, NETWORK, &key()).unwrap()
}

/// A change of these bytes breaks every record out there.
#[test]
fn the_encoding_is_fixed() {
    let bytes = signed(record()).to_bytes();
    let (body, signature) = bytes.split_at(bytes.len() - 64);
    let hex: String = body.iter().map(|byte| format!("{byte:02x}")).collect();
    let expected = concat!(
        "01",
        "8a88e3dd7409f195fd52db2d3cba5d72ca6709bf1d94121bf3748801b40f6f5c",
        "0202020202020202020202020202020202020202020202020202020202020202",
        "01",
        "0303030303030303030303030303030303030303030303030303030303030303",
        "0000019acf052fd8",
        "6820",
        "00000003",
        "04c0000201ca6c",
        "0620010db8000000000000000000000001ca6c",
        "01000000106e6f64652e6578616d706c652e6f7267ca6c",
    );
    assert_eq!(hex, expected);
    // Ed25519 is deterministic (RFC 8032).
    assert_eq!(blake3::hash(signature).to_hex().as_str(), SIGNATURE);
    assert_eq!(signed(record()).peer().to_string(), "12D3KooWK99VoVxNE7XzyBwXEzW7xhK7Gpv85r9F3V3fyKSUKPH5");
}

const SIGNATURE: &str = "cd81d70259f5d0341bdf62087ac5f8f7769f6310095b0092cec4c2b180dd35a4";

#[test]
fn a_record_is_good_on_its_network_and_nowhere_else() {
    let bytes = signed(record()).to_bytes();
    let read = SignedPeerRecord::verify(&bytes, NETWORK).unwrap();
    assert_eq!((read.record(), read.peer()), (&record(), signed(record()).peer()));
    assert!(matches!(SignedPeerRecord::verify(&bytes, "other-net"), Err(RecordError::Signature(_))));
}

#[test]
fn every_changed_bit_is_noticed() {
    let bytes = signed(record()).to_bytes();
    for at in 0..bytes.len() * 8 {
        let mut changed = bytes.clone();
        changed[at / 8] ^= 1 << (at % 8);
        assert!(SignedPeerRecord::verify(&changed, NETWORK).is_err(), "bit {at}");
    }
    for length in 0..bytes.len() {
        assert!(SignedPeerRecord::verify(&bytes[..length], NETWORK).is_err(), "{length} bytes");
    }
}

#[test]
fn the_signer_is_the_identity() {
    let mut other = record();
    other.identity = SigningKey::from_seed([9; 32]).public_key();
    assert_eq!(signed(other).record().identity, key().public_key());
}

#[test]
fn what_cannot_be_is_refused() {
    let refused = |change: fn(&mut PeerRecord)| {
        let mut record = record();
        change(&mut record);
        SignedPeerRecord::sign(record, NETWORK, &key()).is_err()
    };
    let name = |host: &str| RecordAddress::Name(host.into(), 1);
    assert!(!refused(|record| record.addresses.clear()));
    assert!(refused(|record| record.port = 0));
    assert!(refused(|record| record.tunnel = TunnelKey([0; 32])));
    assert!(refused(|record| record.addresses.push(record.addresses[0].clone())));
    assert!(refused(
        |record| record.addresses = (1..=9).map(|n| RecordAddress::Ip(([10, 0, 0, n], 1).into())).collect()
    ));
    for address in [
        RecordAddress::Ip("192.0.2.1:0".parse().unwrap()),
        RecordAddress::Ip("0.0.0.0:1".parse().unwrap()),
        RecordAddress::Ip("[ff02::1]:1".parse().unwrap()),
        RecordAddress::Ip("[::ffff:192.0.2.1]:1".parse().unwrap()),
        RecordAddress::Name("node.example.org".into(), 0),
        name(""),
        name("UPPER.example.org"),
        name("a b"),
        name(&"a".repeat(254)),
    ] {
        assert!(address.check().is_err(), "{address:?}");
    }
    // Five long names are more than a datagram holds.
    let long = |n: u8| name(&format!("{}{}", "a".repeat(250), char::from(b'a' + n)));
    let record = PeerRecord { addresses: (0..5).map(long).collect(), ..record() };
    assert!(matches!(SignedPeerRecord::sign(record, NETWORK, &key()), Err(RecordError::Invalid(_))));
}

proptest! {
    #[test]
    fn any_bytes_are_refused_or_are_the_encoding(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        if let Ok(read) = SignedPeerRecord::from_bytes(&bytes) {
            prop_assert_eq!(read.to_bytes(), bytes);
        }
    }

    #[test]
    fn a_changed_record_is_refused_or_is_the_encoding(at in 0usize..300, byte in any::<u8>()) {
        let mut bytes = signed(record()).to_bytes();
        let at = at % bytes.len();
        bytes[at] = byte;
        if let Ok(read) = SignedPeerRecord::from_bytes(&bytes) {
            prop_assert_eq!(read.to_bytes(), bytes);
        }
    }
}
