use pyralog_crypto::SigningKey;

use super::*;
use crate::tunnel::record::PeerRecord;

const NETWORK: &str = "test-net";

fn signed(seed: u8, sequence: u64, tunnel: u8) -> SignedPeerRecord {
    let key = SigningKey::from_seed([seed; 32]);
    let record = PeerRecord {
        identity: key.public_key(),
        tunnel: TunnelKey([tunnel; 32]),
        rosenpass: None,
        sequence,
        port: 26_656,
        addresses: Vec::new(),
    };
    SignedPeerRecord::sign(record, NETWORK, &key).unwrap()
}

fn insert(book: &mut PeerRecords, record: &SignedPeerRecord) -> Result<RecordChange, RecordError> {
    book.insert(&record.to_bytes()).map(|(_, change)| change)
}

#[test]
fn a_newer_record_replaces_and_an_older_one_does_not() {
    let mut book = PeerRecords::new(NETWORK, 10);
    let (old, new) = (signed(1, 5, 1), signed(1, 6, 2));
    assert_eq!(insert(&mut book, &old).unwrap(), RecordChange::New);
    assert_eq!(insert(&mut book, &old).unwrap(), RecordChange::Same);
    assert_eq!(insert(&mut book, &new).unwrap(), RecordChange::Newer { before: Box::new(old.clone()) });
    assert_eq!(insert(&mut book, &old).unwrap(), RecordChange::Older);
    assert_eq!(book.get(&new.peer()), Some(&new));
    assert!(matches!(insert(&mut book, &signed(1, 6, 3)), Err(RecordError::Conflict { sequence: 6, .. })));
    assert_eq!(book.get(&new.peer()), Some(&new));
}

#[test]
fn a_full_book_takes_no_new_peer_and_still_news_of_known_ones() {
    let mut book = PeerRecords::new(NETWORK, 2);
    for seed in [1, 2] {
        insert(&mut book, &signed(seed, 1, seed)).unwrap();
    }
    assert!(matches!(insert(&mut book, &signed(3, 9, 3)), Err(RecordError::Full { most: 2 })));
    assert!(matches!(insert(&mut book, &signed(2, 2, 2)), Ok(RecordChange::Newer { .. })));
    assert_eq!(book.len(), 2);
}

#[test]
fn two_peers_can_name_one_key_and_both_are_listed() {
    let mut book = PeerRecords::new(NETWORK, 10);
    for seed in [1, 2] {
        insert(&mut book, &signed(seed, 1, 7)).unwrap();
    }
    insert(&mut book, &signed(3, 1, 8)).unwrap();
    assert_eq!(book.claimants(TunnelKey([7; 32])).count(), 2);
}

#[test]
fn a_snapshot_gives_the_book_again_and_a_changed_one_nothing() {
    let mut book = PeerRecords::new(NETWORK, 10);
    for seed in 1..=4 {
        insert(&mut book, &signed(seed, 1, seed)).unwrap();
    }
    let bytes = book.encode();
    let read = PeerRecords::decode(&bytes, NETWORK, 10).unwrap();
    assert!(read.iter().eq(book.iter()));
    assert_eq!(read.encode(), bytes);
    for at in 0..bytes.len() {
        let mut changed = bytes.clone();
        changed[at] ^= 1;
        assert!(PeerRecords::decode(&changed, NETWORK, 10).is_err(), "{at}");
    }
    assert!(PeerRecords::decode(&bytes, "other-net", 10).is_err());
    assert!(PeerRecords::decode(&bytes, NETWORK, 3).is_err());
}
