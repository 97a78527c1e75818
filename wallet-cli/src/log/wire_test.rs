use serde_json::json;

use super::*;

fn log() -> Value {
    json!({
        "name": "orders", "log": LogId([7; 32]), "incarnation": "2", "storage": "disk", "segment_bytes": "67108864",
        "retention": { "max_age_ms": "604800000", "max_bytes": null },
        "partitions": [{
            "partition": 0, "first_offset": "3", "next_offset": "18446744073709551615", "bytes": "1234", "segments": 1,
            "min_time": "1732700000000", "max_time": null,
        }],
    })
}

fn stored() -> Value {
    json!({
        "offset": "17", "timestamp": "1732700000000", "key": "6b", "value": "00ff",
        "headers": [{ "name": "b", "value": "" }, { "name": "a", "value": "01" }],
    })
}

#[test]
fn documents_of_the_api_are_read_and_written_alike() {
    let info: LogInfo = serde_json::from_value(log()).unwrap();
    let extent = info.partitions[0].extent().unwrap();
    assert_eq!((extent.next_offset, extent.records()), (u64::MAX, u64::MAX - 3));
    assert_eq!((info.retention.max_age_ms, info.retention.max_bytes), (Some(604_800_000), None));
    assert_eq!(serde_json::to_value(&info).unwrap(), log());
    let record: StoredRecord = serde_json::from_value(stored()).unwrap();
    assert_eq!((record.key.as_deref(), record.value.as_slice()), (Some(b"k".as_slice()), [0, 255].as_slice()));
    assert_eq!(serde_json::to_value(&record).unwrap(), stored());
}

#[test]
fn a_partition_that_cannot_be_seen_says_why_and_counts_for_nothing() {
    let mut document = log();
    let partitions = document["partitions"].as_array_mut().unwrap();
    partitions.push(json!({ "partition": 1, "error": "it is damaged" }));
    document["partitions"][0]["next_offset"] = "10".into();
    let info: LogInfo = serde_json::from_value(document.clone()).unwrap();
    assert_eq!(info.partitions[1].extent(), Err("it is damaged"));
    assert_eq!((info.records(), info.bytes(), info.damaged()), (7, 1234, vec![(1, "it is damaged")]));
    assert_eq!(serde_json::to_value(&info).unwrap(), document);
}

#[test]
fn a_partition_of_other_members_is_not_damaged() {
    let mut document = log();
    document["partitions"][0]["members"] = json!([1, 2]);
    (document["partitions"][0]["replication"], document["partitions"][0]["copies"]) = (2.into(), 2.into());
    let absent = json!({
        "partition": 1, "error": "this member stores nothing of it", "absent": true, "members": [2, 3], "replication": 2, "copies": 2,
    });
    document["partitions"].as_array_mut().unwrap().push(absent);
    let info: LogInfo = serde_json::from_value(document.clone()).unwrap();
    assert_eq!((info.damaged(), info.absent()), (vec![], 1));
    assert_eq!(info.for_now(), None, "the log says nothing of copies");
    assert_eq!(serde_json::to_value(&info).unwrap(), document);
}

#[test]
fn an_append_sends_the_record_that_is_read_back() {
    let record: StoredRecord = serde_json::from_value(stored()).unwrap();
    let canonical = record.canonical().unwrap();
    let mut sent = outgoing(&canonical);
    sent["offset"] = "17".into();
    assert_eq!(sent, stored());
    let bare = Record::new(5, None, Vec::new().into(), Vec::new()).unwrap();
    assert_eq!(outgoing(&bare), json!({ "timestamp": "5", "key": null, "value": "", "headers": [] }));
}

#[test]
fn an_empty_key_is_not_the_same_as_none() {
    let mut document = stored();
    document["key"] = "".into();
    let empty: StoredRecord = serde_json::from_value(document.clone()).unwrap();
    document["key"] = Value::Null;
    let none: StoredRecord = serde_json::from_value(document).unwrap();
    assert_eq!((empty.key.clone(), none.key.clone()), (Some(Vec::new()), None));
    assert_ne!(empty.canonical().unwrap().leaf_hash(), none.canonical().unwrap().leaf_hash());
}

#[test]
fn wrong_types_are_refused() {
    for (place, bad) in [
        ("/segment_bytes", json!(-1)),
        ("/segment_bytes", json!("18446744073709551616")),
        ("/log", json!("zz")),
        ("/incarnation", json!(null)),
        ("/storage", json!("tape")),
        ("/retention/max_bytes", json!([])),
        ("/partitions", json!({})),
        ("/partitions/0/partition", json!(4_294_967_296u64)),
        ("/partitions/0/next_offset", json!(1.5)),
        ("/partitions/0/bytes", json!(null)),
        ("/partitions/0", json!({ "partition": 0, "error": 5 })),
        ("/partitions/0", json!({ "partition": 0 })),
        ("/name", json!(null)),
    ] {
        let mut document = log();
        *document.pointer_mut(place).unwrap() = bad.clone();
        assert!(serde_json::from_value::<LogInfo>(document).is_err(), "{place} = {bad}");
    }
    for (place, bad) in [
        ("/value", json!(null)),
        ("/value", json!("0")),
        ("/value", json!("0g")),
        ("/key", json!(7)),
        ("/offset", json!("-1")),
        ("/headers", json!("x")),
        ("/headers/0/value", json!([1])),
    ] {
        let mut document = stored();
        *document.pointer_mut(place).unwrap() = bad.clone();
        assert!(serde_json::from_value::<StoredRecord>(document).is_err(), "{place} = {bad}");
    }
}

#[test]
fn what_no_record_can_be_has_no_encoding() {
    let mut record: StoredRecord = serde_json::from_value(stored()).unwrap();
    record.headers[0].name.clear();
    assert!(record.canonical().is_err());
    record.headers.clear();
    record.value = vec![0; pyralog_crypto::MAX_RECORD_BYTES];
    assert!(record.canonical().is_err());
}
