//! One value, one encoding; everything else is refused.

use proptest::prelude::*;

use super::*;
use crate::test_support::{canonical, exact, hostile, unhex};

fn header(name: &str, value: &'static [u8]) -> Header {
    Header { name: name.into(), value: Bytes::from_static(value) }
}

fn sample() -> Record {
    let headers = vec![header("trace", b"\x01\x02"), header("é", b""), header("trace", b"again")];
    Record::new(0x0198_7654_3210, Some(Bytes::from_static(b"key")), Bytes::from_static(b"value"), headers).unwrap()
}

#[test]
fn vectors() {
    let none = Record::new(0, None, Bytes::new(), vec![]).unwrap();
    let empty_key = Record::new(MAX_TIMESTAMP, Some(Bytes::new()), Bytes::from_static(b"\xff"), vec![]).unwrap();
    let cases = [
        (none, "01 0000000000000000 00 00000000 00000000"),
        (empty_key, "01 7fffffffffffffff 01 00000000 00000001 ff 00000000"),
        (
            sample(),
            "01 0000019876543210 01 00000003 6b6579 00000005 76616c7565 00000003
             00000005 7472616365 00000002 0102
             00000002 c3a9       00000000
             00000005 7472616365 00000005 616761696e",
        ),
    ];
    for (record, digits) in cases {
        let bytes = unhex(digits);
        assert_eq!(record.to_bytes(), bytes);
        assert_eq!(record.encoded_len(), bytes.len());
        assert_eq!(Record::from_bytes(&bytes).unwrap(), record);
    }
}

#[test]
fn parts_come_back_in_order() {
    let record = sample();
    assert_eq!((record.timestamp(), record.value().as_ref()), (0x0198_7654_3210, &b"value"[..]));
    assert_eq!(record.key().unwrap(), &b"key"[..]);
    assert_eq!(record.leaf_hash(), Blake3::leaf(&record.to_bytes()));
    let names: Vec<&str> = record.headers().iter().map(|header| header.name.as_str()).collect();
    assert_eq!(names, ["trace", "é", "trace"]);
}

#[test]
fn prefixes_and_extensions_are_refused() {
    let bytes = sample().to_bytes();
    exact::<Record>(&bytes);
    assert_eq!(Record::from_bytes(&[&bytes[..], &[0]].concat()), Err(CodecError::TrailingBytes(1)));
}

#[test]
fn what_is_not_canonical_is_refused_by_name() {
    let refused = |digits: &str| Record::from_bytes(&unhex(digits)).unwrap_err().to_string();
    assert!(refused("02 0000000000000000 00 00000000 00000000").contains("record: version 2"));
    assert!(refused("01 8000000000000000 00 00000000 00000000").contains("record timestamp"));
    assert!(refused("01 0000000000000000 02 00000000 00000000").contains("flag: unknown tag 2"));
    assert!(refused("01 0000000000000000 00 00000000 00000001 00000000 00000000").contains("header name: empty"));
    assert!(refused("01 0000000000000000 00 00000000 00000001 00000001 ff 00000000").contains("not UTF-8"));
    assert!(refused("01 0000000000000000 00 00000000 00000101").contains("list: length 257"));
    assert!(refused("01 0000000000000000 00 00100001").contains("byte string: length 1048577"));
}

#[test]
fn bounds_are_met_exactly_by_both_sides() {
    let of = |bytes: usize| Record::new(1, None, Bytes::from(vec![7; bytes]), vec![]);
    let largest = MAX_RECORD_BYTES - FIXED_BYTES;
    let bytes = of(largest).unwrap().to_bytes();
    assert_eq!(bytes.len(), MAX_RECORD_BYTES);
    assert!(Record::from_bytes(&bytes).is_ok());
    assert!(matches!(of(largest + 1), Err(RecordError::TooLarge { max: MAX_RECORD_BYTES, found: 1_048_577 })));
    let mut longer = bytes[..10].to_vec();
    longer.extend((largest as u32 + 1).to_be_bytes());
    longer.extend(vec![7; largest + 1]);
    longer.extend([0; 4]);
    assert!(Record::from_bytes(&longer).unwrap_err().to_string().contains("record: length 1048577"));

    let headers = |count: usize, name: usize| {
        let header = Header { name: "n".repeat(name), value: Bytes::new() };
        Record::new(1, None, Bytes::new(), vec![header; count])
    };
    assert!(Record::from_bytes(&headers(MAX_RECORD_HEADERS, MAX_HEADER_NAME_BYTES).unwrap().to_bytes()).is_ok());
    assert_eq!(headers(MAX_RECORD_HEADERS + 1, 1), Err(RecordError::TooManyHeaders { max: 256, found: 257 }));
    for found in [0, MAX_HEADER_NAME_BYTES + 1] {
        assert_eq!(headers(1, found), Err(RecordError::HeaderName { max: 255, found }));
    }
    let late = Record::new(MAX_TIMESTAMP + 1, None, Bytes::new(), vec![]);
    assert_eq!(late, Err(RecordError::Timestamp { max: MAX_TIMESTAMP, found: MAX_TIMESTAMP + 1 }));
}

fn records() -> impl Strategy<Value = Record> {
    let bytes = || prop::collection::vec(any::<u8>(), 0..40).prop_map(Bytes::from);
    let header = ("\\PC{1,10}", bytes()).prop_map(|(name, value)| Header { name, value });
    let headers = prop::collection::vec(header, 0..5);
    (0..=MAX_TIMESTAMP, prop::option::of(bytes()), bytes(), headers)
        .prop_map(|(timestamp, key, value, headers)| Record::new(timestamp, key, value, headers).unwrap())
}

proptest! {
    #[test]
    fn records_round_trip(record in records()) {
        let bytes = record.to_bytes();
        prop_assert_eq!(bytes.len(), record.encoded_len());
        prop_assert_eq!(Record::from_bytes(&bytes).unwrap(), record);
    }

    #[test]
    fn hostile_bytes(bytes in hostile(vec![sample().to_bytes()])) {
        canonical::<Record>(&bytes);
    }
}
