#![allow(clippy::unwrap_used)]

use libp2p::identity::Keypair;
use proptest::prelude::*;

use super::*;

fn key(n: u8) -> Keypair {
    Keypair::ed25519_from_bytes([n; 32]).unwrap()
}

fn record(key: &Keypair, addresses: &[&str]) -> SignedEnvelope {
    let addresses = addresses.iter().map(|address| address.parse().unwrap()).collect();
    PeerRecord::new(key, addresses).unwrap().into_signed_envelope()
}

fn book_of(count: u8) -> AddressBook {
    let mut book = AddressBook::new(100, true);
    for n in 1..=count {
        book.insert(record(&key(n), &["/ip4/127.0.0.1/tcp/7", "/ip4/192.0.2.1/udp/8/quic-v1"])).unwrap();
    }
    book
}

#[test]
fn round_trip_keeps_records_and_order() {
    let book = book_of(9);
    let again = AddressBook::decode(&book.encode(), 100, true).unwrap();
    assert_eq!(again.peers(), book.peers());
    assert_eq!(again.encode(), book.encode());
    let peer = key(3).public().to_peer_id();
    assert_eq!(again.addresses(&peer), book.addresses(&peer));
    assert_eq!(again.addresses(&peer).len(), 2);
}

#[test]
fn a_smaller_book_keeps_the_most_recent() {
    let book = book_of(9);
    let again = AddressBook::decode(&book.encode(), 4, true).unwrap();
    assert_eq!(again.peers(), book.peers()[..4]);
}

#[test]
fn only_dialable_addresses_and_only_signed_records() {
    let mut book = AddressBook::new(10, false);
    assert_eq!(book.insert(record(&key(1), &["/ip4/127.0.0.1/tcp/7", "/ip4/0.0.0.0/tcp/9"])), None);
    let peer = book.insert(record(&key(2), &["/ip4/127.0.0.1/tcp/7", "/ip4/192.0.2.1/tcp/9"])).unwrap();
    assert_eq!(book.addresses(&peer), ["/ip4/192.0.2.1/tcp/9".parse::<Multiaddr>().unwrap()]);

    // Someone else's envelope around the same claim: the key does not match the peer it speaks for.
    let mut bytes = record(&key(3), &["/ip4/192.0.2.1/tcp/9"]).into_protobuf_encoding();
    let last = bytes.len() - 1;
    bytes[last] ^= 1;
    if let Ok(forged) = SignedEnvelope::from_protobuf_encoding(&bytes) {
        assert_eq!(book.insert(forged), None);
    }
    assert_eq!(book.len(), 1);
}

#[test]
fn an_older_record_does_not_replace_a_newer_one() {
    let key = key(1);
    let peer = key.public().to_peer_id();
    let older = record(&key, &["/ip4/192.0.2.1/tcp/1"]);
    // The sequence number is the time in seconds (libp2p RFC 0003), so wait for the next one.
    let newer = loop {
        let candidate = record(&key, &["/ip4/192.0.2.2/tcp/2"]);
        let sequence = |envelope: &SignedEnvelope| PeerRecord::from_signed_envelope(envelope.clone()).unwrap().seq();
        if sequence(&candidate) > sequence(&older) {
            break candidate;
        }
        std::thread::sleep(std::time::Duration::from_millis(20));
    };
    let mut book = AddressBook::new(10, false);
    book.insert(older.clone());
    book.insert(newer);
    assert_eq!(book.insert(older), Some(peer));
    assert_eq!(book.addresses(&peer), ["/ip4/192.0.2.2/tcp/2".parse::<Multiaddr>().unwrap()]);
}

#[test]
fn the_book_is_bounded_and_forgets_the_least_recent() {
    let mut book = AddressBook::new(3, true);
    for n in 1..=3 {
        book.insert(record(&key(n), &["/memory/5"]));
    }
    book.insert(record(&key(1), &["/memory/5"])); // heard again
    book.insert(record(&key(4), &["/memory/5"]));
    let peers: Vec<_> = [4, 1, 3].iter().map(|n| key(*n).public().to_peer_id()).collect();
    assert_eq!(book.peers(), peers);
}

#[test]
fn addresses_of_one_peer_are_bounded() {
    let addresses: Vec<String> = (1..=60).map(|port| format!("/ip4/192.0.2.1/tcp/{port}")).collect();
    let mut book = AddressBook::new(3, true);
    let peer = book.insert(record(&key(1), &addresses.iter().map(String::as_str).collect::<Vec<_>>())).unwrap();
    assert_eq!(book.addresses(&peer).len(), MAX_ADDRESSES);
}

#[test]
fn damaged_snapshots_are_refused() {
    let good = book_of(2).encode();
    assert!(check_address_book(&good).is_ok());
    assert!(check_address_book(&[]).is_err());
    for cut in 0..good.len() {
        assert!(check_address_book(&good[..cut]).is_err(), "cut at {cut}");
    }
    assert!(check_address_book(&[&good[..], &[0]].concat()).is_err());
    assert!(check_address_book(&[&[2], &good[1..]].concat()).is_err());
    assert!(check_address_book(&[1, 0xff, 0xff, 0xff, 0xff]).is_err());
    assert!(check_address_book(&[1, 0, 0, 0, 1, 0xff, 0xff, 0xff, 0xff]).is_err());
}

proptest! {
    #[test]
    fn random_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..2_000)) {
        let _ = check_address_book(&bytes);
    }

    #[test]
    fn mutated_snapshots_never_panic_and_never_forge(flips in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..8)) {
        let book = book_of(3);
        let mut bytes = book.encode();
        for (at, value) in flips {
            let at = at.index(bytes.len());
            bytes[at] = value;
        }
        if let Ok(read) = AddressBook::decode(&bytes, 100, true) {
            // Whatever survives is a record that its peer really signed.
            for peer in read.peers() {
                prop_assert_eq!(read.addresses(&peer), book.addresses(&peer));
            }
        }
    }
}
