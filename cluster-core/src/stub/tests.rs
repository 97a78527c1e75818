//! Stubs as bytes, and what they say of their records.

use bytes::Bytes;
use proptest::prelude::*;
use pyralog_crypto::{Decode, Encode, Record};

use super::*;
use crate::items;
use crate::logs::RecordBatch;

fn record(timestamp: u64, value: Vec<u8>) -> Record {
    Record::new(timestamp, None, value.into(), Vec::new()).unwrap()
}

#[test]
fn the_format_is_as_it_is_drawn() {
    let stub = Stub { timestamp: 0x0102_0304, length: 0x0a0b, leaf: Hash([7; 32]) };
    let bytes = stub.to_bytes();
    assert_eq!(bytes[..13], [2, 0, 0, 0, 0, 1, 2, 3, 4, 0, 0, 0x0a, 0x0b]);
    assert_eq!(bytes[13..], [7; 32]);
}

#[test]
fn a_stub_says_what_its_record_is() {
    let record = record(1234, b"value".to_vec());
    let bytes = record.to_bytes();
    let stub = Stub::of(&bytes).unwrap();
    assert_eq!((stub.timestamp, stub.length as usize, stub.leaf), (1234, bytes.len(), record.leaf_hash()));
    let item = stub.to_bytes();
    assert!(is_stub(&item) && !is_stub(&bytes));
    for both in [&item[..], &bytes] {
        assert_eq!((leaf_of(both), real_len(both), time_of(both)), (record.leaf_hash(), bytes.len(), Some(1234)));
    }
    assert!(Record::from_bytes(&item).is_err(), "nobody takes a stub for a record");
    assert_eq!(Stub::of(&item), None, "nor a stub for a record that has one");
}

#[test]
fn nothing_else_is_read_as_a_stub() {
    let sound = Stub { timestamp: MAX_TIMESTAMP, length: MAX_RECORD_BYTES as u32, leaf: Hash([7; 32]) };
    assert_eq!(Stub::read(&sound.to_bytes()), Some(sound));
    let smallest = Stub { timestamp: 0, length: 1, ..sound };
    assert_eq!(Stub::read(&smallest.to_bytes()), Some(smallest));
    let wrong = [
        Stub { timestamp: MAX_TIMESTAMP + 1, ..sound },
        Stub { length: 0, ..sound },
        Stub { length: MAX_RECORD_BYTES as u32 + 1, ..sound },
    ];
    wrong.iter().for_each(|wrong| assert_eq!(Stub::read(&wrong.to_bytes()), None, "{wrong:?}"));
    let bytes = sound.to_bytes();
    for cut in 0..STUB_BYTES {
        assert_eq!(Stub::read(&bytes[..cut]), None);
    }
    assert_eq!(Stub::read(&[&bytes[..], &[0]].concat()), None);
    for kind in (0..=255).filter(|kind| *kind != STUB) {
        assert_eq!(Stub::read(&[&[kind], &bytes[1..]].concat()), None, "kind {kind}");
    }
    assert_eq!((Stub::of(&[]), Stub::of(&[1; 8])), (None, None));
    assert_eq!(Stub::of(&[[1].as_slice(), &[0xff; 8]].concat()), None, "a time that no record has");
    assert_eq!(Stub::of(&vec![1; MAX_RECORD_BYTES + 1]), None);
}

#[test]
fn a_stub_fits_its_record_only() {
    let bytes = record(5, b"value".to_vec()).to_bytes();
    let stub = Stub::of(&bytes).unwrap();
    assert!(stub.fits(&bytes));
    let others = [Stub { timestamp: 6, ..stub }, Stub { length: 1, ..stub }, Stub { leaf: Hash([0; 32]), ..stub }];
    others.iter().for_each(|other| assert!(!other.fits(&bytes), "{other:?}"));
    assert!(!stub.fits(&record(5, b"valuf".to_vec()).to_bytes()) && !stub.fits(&stub.to_bytes()) && !stub.fits(&[]));
}

#[test]
fn batches_take_stubs_that_are_sound_only() {
    let stub = Stub::of(&record(5, b"value".to_vec()).to_bytes()).unwrap();
    let batch = |item: &[u8]| Bytes::from(items::encode(std::iter::once(item)));
    assert!(RecordBatch::decode(batch(&stub.to_bytes())).is_ok());
    let long = [&stub.to_bytes()[..], &[0]].concat();
    let unsound = Stub { length: 0, ..stub }.to_bytes();
    for wrong in [&long[..], &unsound, &[2; 45], &[2], &[3; 45]] {
        assert!(RecordBatch::decode(batch(wrong)).is_err());
        assert_eq!((RecordBatch::count(&batch(wrong)), stub_batch(&batch(wrong))), (None, None));
    }
    assert_eq!(stub_batch(&[]), None);
}

proptest! {
    #[test]
    fn stubs_round_trip(timestamp in 0..=MAX_TIMESTAMP, length in 1..=MAX_RECORD_BYTES as u32, leaf: [u8; 32]) {
        let stub = Stub { timestamp, length, leaf: Hash(leaf) };
        prop_assert_eq!(Stub::read(&stub.to_bytes()), Some(stub));
    }

    #[test]
    fn what_is_read_has_one_encoding(mut bytes: [u8; STUB_BYTES], like: bool) {
        if like {
            (bytes[0], bytes[1], bytes[9]) = (STUB, 0, 0);
        }
        if let Some(stub) = Stub::read(&bytes) {
            prop_assert_eq!(stub.to_bytes(), bytes);
        }
    }

    #[test]
    fn random_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..100)) {
        let _may_be_none = (Stub::of(&bytes), Stub::read(&bytes), stub_batch(&bytes), leaf_of(&bytes), real_len(&bytes));
    }

    /// Of some records and the stubs of others: stubs of all, which say the same.
    #[test]
    fn a_batch_of_stubs_stands_for_its_records(records in prop::collection::vec((0u64..9999, 0usize..200, any::<bool>()), 1..20)) {
        let encoded: Vec<(Vec<u8>, bool)> =
            records.iter().map(|(time, length, stub)| (record(*time, vec![7; *length]).to_bytes(), *stub)).collect();
        let all = items::encode(encoded.iter().map(|(bytes, _)| &bytes[..]));
        let mixed: Vec<Vec<u8>> = encoded
            .iter()
            .map(|(bytes, stub)| if *stub { Stub::of(bytes).unwrap().to_bytes().to_vec() } else { bytes.clone() })
            .collect();
        let mixed = items::encode(mixed.iter().map(|item| &item[..]));
        let stubs = stub_batch(&mixed).unwrap();
        prop_assert_eq!(&stubs, &stub_batch(&all).unwrap());
        prop_assert!(items::iter(&stubs).all(is_stub));
        let all = RecordBatch::decode(all.into()).unwrap();
        for some in [Bytes::from(mixed), stubs] {
            prop_assert_eq!(RecordBatch::count(&some), Some(records.len()));
            let some = RecordBatch::decode(some).unwrap();
            prop_assert_eq!(some.hashes(), all.hashes());
            prop_assert!(some.items().map(|item| item.timestamp).eq(records.iter().map(|(time, ..)| *time)));
        }
    }
}
