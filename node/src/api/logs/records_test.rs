use proptest::prelude::*;
use pyralog_crypto::MAX_RECORD_BYTES;
use serde_json::json;

use super::*;

/// The records of an append of nobody.
fn parse_records(body: &[u8], now: u64) -> Result<Vec<Record>, Problem> {
    let Append { records, stamp } = parse_append(body, now)?;
    assert_eq!(stamp, None);
    Ok(records)
}

fn refusal(body: &str) -> Problem {
    parse_records(body.as_bytes(), 5).expect_err(body)
}

#[test]
fn what_may_be_missing_may_be_missing() {
    let body = r#"{"records": [{"value": ""}, {"timestamp": "7", "key": null, "value": "00ff", "headers": []},
                  {"value": "01", "key": "", "headers": [{"name": "a", "value": "02"}, {"name": "a", "value": ""}]}]}"#;
    let records = parse_records(body.as_bytes(), 5).unwrap();
    let bytes = |bytes: &'static [u8]| Bytes::from_static(bytes);
    let header = |value| Header { name: "a".into(), value: bytes(value) };
    assert_eq!(
        records,
        [
            Record::new(5, None, bytes(&[]), vec![]).unwrap(),
            Record::new(7, None, bytes(&[0, 255]), vec![]).unwrap(),
            Record::new(5, Some(bytes(&[])), bytes(&[1]), vec![header(&[2]), header(&[])]).unwrap(),
        ]
    );
}

#[test]
fn hostile_bodies_are_refused_with_a_remedy() {
    let deep = format!("{{\"records\": {}{}}}", "[".repeat(100_000), "]".repeat(100_000));
    let deep_member = format!("{{\"records\": [{{\"value\": \"\", \"more\": {}}}]}}", "[".repeat(100_000));
    let deep_behind =
        format!("{{\"records\": [{}{}]}}", "{\"value\": \"\"},".repeat(MAX_APPEND_RECORDS), "[".repeat(100_000));
    for (body, part) in [
        ("", "not understood"),
        ("[]", "not understood"),
        ("{}", "missing field `records`"),
        (r#"{"records": []}"#, "0 records in one request, 1 to 4096"),
        (r#"{"records": {}}"#, "not understood"),
        (r#"{"records": [{"value": "00"}], "records": []}"#, "duplicate field"),
        (r#"{"records": [{"value": "00", "value": "01"}]}"#, "record 0: duplicate field `value`"),
        (r#"{"records": [{"value": "00"}, {"value": "00", "more": 1}]}"#, "record 1: unknown field `more`"),
        (r#"{"records": [{"value": "00"}], "more": 1}"#, "unknown field `more`"),
        (r#"{"records": [{"value": "00"}]} more"#, "not understood"),
        (r#"{"records": [{"key": "00"}]}"#, "record 0: missing field `value`"),
        (r#"{"records": [{"value": null}]}"#, "record 0: "),
        (r#"{"records": [{"value": "0A"}]}"#, "record 0: value: a byte string has upper-case digits"),
        (r#"{"records": [{"value": "00"}, {"value": "0"}]}"#, "record 1: value: a byte string is not hex"),
        (r#"{"records": [{"value": [0]}]}"#, "bytes in hex"),
        (r#"{"records": [{"value": "", "timestamp": 7}]}"#, "a string of its decimal digits"),
        (r#"{"records": [{"value": "", "timestamp": "-7"}]}"#, "decimal digits and nothing else"),
        (r#"{"records": [{"value": "", "timestamp": "18446744073709551616"}]}"#, "above 18446744073709551615"),
        (r#"{"records": [{"value": "", "timestamp": "9223372036854775808"}]}"#, "record 0: a record's timestamp"),
        (r#"{"records": [{"value": "", "headers": [{"name": "", "value": ""}]}]}"#, "1 to 255"),
        (r#"{"records": [{"value": "", "headers": [{"name": "a"}]}]}"#, "missing field `value`"),
        (r#"{"records": [{"value": "", "headers": {"a": ""}}]}"#, "a list of headers"),
        (
            r#"{"records": [{"value": "", "headers": [{"name": "a", "value": 5}]}]}"#,
            "record 0: headers[0].value: found 5",
        ),
        (
            r#"{"records": [{"value": "", "headers": [["a", ""]]}]}"#,
            "record 0: headers[0]: found a list, expected an object",
        ),
        (r#"{"records": [["7", null, "00"]]}"#, "record 0: found a list, expected an object"),
        (r#"{"records": [{"value": ""}], "sequence": 5}"#, "understood: sequence: found 5"),
        (deep.as_str(), "record 0: "),
        (deep_member.as_str(), "unknown field `more`"),
        (deep_behind.as_str(), "not understood"),
    ] {
        let problem = refusal(body);
        let shown: String = body.chars().take(200).collect();
        assert_eq!((problem.status.as_u16(), problem.code.as_str()), (400, "bad_request"), "{shown}");
        assert!(problem.message.contains(part), "{shown}: {}", problem.message);
        assert!(problem.message.len() < 500 && problem.remedy.is_some(), "{shown}: {}", problem.message);
    }
}

#[test]
fn a_producer_says_who_it_is_before_the_records_or_behind_them() {
    let lsn = Lsn::new(pyralog_cluster_core::replication::Epoch(2), 7);
    let expected = Some(Stamp { producer: ProducerId(lsn), sequence: u64::MAX });
    let (id, records) = ("00000000000000020000000000000007", r#""records": [{"value": ""}]"#);
    let stamp = format!(r#""producer": "{id}", "sequence": "18446744073709551615""#);
    for body in [format!("{{{stamp}, {records}}}"), format!("{{{records}, {stamp}}}")] {
        assert_eq!(parse_append(body.as_bytes(), 5).unwrap().stamp, expected, "{body}");
    }
    for (stamp, part) in [
        (format!(r#""producer": "{id}""#), "sequence is missing"),
        (r#""sequence": "1""#.to_owned(), "producer is missing"),
        (format!(r#""producer": "{id}", "sequence": "0""#), "sequence is 0"),
        (format!(r#""producer": "{id}00", "sequence": "1""#), "has not 16 bytes"),
        (format!(r#""producer": "{id}", "sequence": 1"#), "decimal digits"),
        (format!(r#""producer": "{id}", "producer": "{id}", "sequence": "1""#), "duplicate field"),
        (r#""producer": "AA", "sequence": "1""#.to_owned(), "upper-case"),
    ] {
        let problem = parse_append(format!("{{{stamp}, {records}}}").as_bytes(), 5).unwrap_err();
        assert_eq!(problem.status, StatusCode::BAD_REQUEST);
        assert!(problem.message.contains(part) && problem.remedy.is_some(), "{stamp}: {}", problem.message);
    }
}

#[test]
fn counts_have_bounds() {
    let records = |count| json!({"records": vec![json!({"value": ""}); count]}).to_string();
    assert_eq!(parse_records(records(MAX_APPEND_RECORDS).as_bytes(), 5).unwrap().len(), MAX_APPEND_RECORDS);
    let problem = refusal(&records(300_000));
    assert!(problem.message.starts_with("300000 records in one request"), "{}", problem.message);
    let header = json!({"name": "a", "value": ""});
    let headers = |count| json!({"records": [{"value": "", "headers": vec![&header; count]}]}).to_string();
    let taken = parse_records(headers(MAX_RECORD_HEADERS).as_bytes(), 5).unwrap();
    assert_eq!(taken[0].headers().len(), MAX_RECORD_HEADERS);
    assert!(refusal(&headers(MAX_RECORD_HEADERS + 1)).message.contains("more than 256 headers"));
}

#[test]
fn a_record_that_is_too_large_is_no_bad_request() {
    let body = json!({"records": [{"value": ""}, {"value": "00".repeat(MAX_RECORD_BYTES)}]}).to_string();
    let problem = refusal(&body);
    assert_eq!((problem.status.as_u16(), problem.code.as_str()), (413, "record_too_large"));
    assert!(problem.message.starts_with("record 1 has 1048594 bytes"), "{}", problem.message);
}

proptest! {
    #[test]
    fn random_bodies_never_panic(body in proptest::collection::vec(any::<u8>(), 0..100)) {
        let _ = parse_append(&body, 5);
    }

    #[test]
    fn what_is_written_is_read(values in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..50), 1..10)) {
        let record = |value: &Vec<u8>| json!({"timestamp": value.len().to_string(), "value": hex::encode(value)});
        let body = json!({"records": values.iter().map(record).collect::<Vec<_>>()}).to_string();
        let read = parse_records(body.as_bytes(), 5).unwrap();
        let same = |record: &Record, value: &Vec<u8>| record.value() == value && record.timestamp() == value.len() as u64;
        prop_assert!(read.len() == values.len() && read.iter().zip(&values).all(|(record, value)| same(record, value)));
    }
}
