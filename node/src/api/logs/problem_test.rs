use std::sync::Arc;

use axum::body::to_bytes;
use axum::http::header;
use axum::response::IntoResponse;
use pyralog_cluster_core::replication::AckMode;
use pyralog_crypto::LogId;

use super::*;
use crate::logs::{Appended, Place};

/// Status, `Retry-After`, and the error as a caller reads it.
async fn answer(error: LogError) -> (u16, Option<String>, Value) {
    let response = Problem::from(error).into_response();
    let retry = response.headers().get(header::RETRY_AFTER).map(|value| value.to_str().unwrap().to_owned());
    let status = response.status().as_u16();
    let body = to_bytes(response.into_body(), 1 << 20).await.unwrap();
    let body: Value = serde_json::from_slice(&body).unwrap();
    (status, retry, body["error"].clone())
}

#[tokio::test]
async fn what_the_store_refuses_has_a_status_a_code_and_a_remedy() {
    let name = || "orders".to_owned();
    let damaged = || Error::Damaged { file: "0.seg".into(), offset: 9, why: "a checksum".into() };
    let sync = || Error::SyncFailed { file: "0.seg".into(), source: Arc::new(std::io::Error::other("gone")) };
    let retracted =
        || Error::LogRetracted { log: LogId([1; 32]), dir: "0".into(), size: 1, signed: 2, found: "differ" };
    for (error, status, code, retry) in [
        (Error::LogName { name: "A".into() }, 400, "bad_request", None),
        (Error::Size { what: "a log", found: 0, allowed: "1" }, 400, "bad_request", None),
        (Error::NoSuchProof(pyralog_crypto::MerkleError::Shrunk { old: 2, new: 1 }), 400, "bad_request", None),
        (Error::NoSuchLog { name: name() }, 404, "no_such_log", None),
        (Error::NoSuchPartition { name: name(), last: 0, asked: 1 }, 404, "no_such_partition", None),
        (Error::LogExists { name: name() }, 409, "log_exists", None),
        (Error::NoCheckpoints { name: name() }, 409, "no_checkpoints", None),
        (retracted(), 409, "log_conflict", None),
        (Error::NoSuchRecord { stream: 1, first: 2, next: 3, asked: 1 }, 416, "out_of_range", None),
        (Error::Busy { queued: 5 }, 503, "busy", Some("1")),
        (Error::DiskFull { dir: "core".into() }, 507, "disk_full", None),
        (Error::DiskLow { dir: "core".into(), free: 1, reserve: 2 }, 507, "disk_full", None),
        (damaged(), 500, "internal", None),
        (Error::Closed, 503, "unavailable", Some("5")),
        (sync(), 503, "unavailable", Some("5")),
    ] {
        let (found, after, problem) = answer(LogError::Store(error.clone())).await;
        assert_eq!((found, problem["code"].as_str(), after.as_deref()), (status, Some(code), retry), "{error}");
        assert!(problem["remedy"].is_string() && !problem["message"].as_str().unwrap().is_empty(), "{error}");
    }
}

#[tokio::test]
async fn producers_are_told_what_to_send() {
    let (status, retry, problem) = answer(LogError::Append(AppendError::Gap { expected: u64::MAX })).await;
    assert_eq!((status, retry, problem["code"].as_str()), (409, None, Some("gap")));
    assert_eq!(problem["expected"], "18446744073709551615");
    let (status, _, problem) = answer(LogError::Append(AppendError::UnknownProducer)).await;
    assert_eq!((status, problem["code"].as_str()), (409, Some("unknown_producer")));
    assert!(problem["remedy"].as_str().unwrap().contains("read before"), "{problem}");
    let (status, _, problem) = answer(LogError::NoProducers("orders".into())).await;
    assert_eq!((status, problem["code"].as_str()), (409, Some("no_producers")));
    let which = LogError::WhichPartition { log: "orders".into(), partitions: 3 };
    let (status, _, problem) = answer(which).await;
    assert_eq!((status, problem["code"].as_str()), (400, Some("bad_request")));
    assert!(problem["message"].as_str().unwrap().contains("3 partitions"), "{problem}");
    let (status, _, problem) = answer(LogError::Append(AppendError::DiskFull)).await;
    assert_eq!((status, problem["code"].as_str()), (507, Some("disk_full")));
    // By this the command line knows that nothing was done.
    assert!(problem["remedy"].as_str().unwrap().contains("no record was taken"), "{problem}");
    // Others are told to read first.
    let unknown = || LogError::Append(AppendError::Unknown { copies: 1, wanted: 2 });
    let (_, _, problem) = answer(unknown()).await;
    assert!(problem["remedy"].as_str().unwrap().contains("read the log before"), "{problem}");
    let problem = of_producer(unknown());
    assert!(problem.remedy.unwrap().contains("send the same records again"));
}

#[tokio::test]
async fn copies_that_cannot_be_are_the_callers_to_mend() {
    use pyralog_cluster_core::raft::GroupError;
    let unfit = GroupError::Unfit { why: "2 copies of 5".into() };
    for (error, part) in [
        (LogError::Group(unfit), "each from 1 to 7"),
        (LogError::Copies("copies is 5".into()), "numbers that fit"),
        (LogError::CopiesInMemory("orders".into()), "storage \"disk\""),
    ] {
        let (status, _, problem) = answer(error).await;
        assert_eq!((status, problem["code"].as_str()), (400, Some("bad_request")), "{problem}");
        assert!(problem["remedy"].as_str().unwrap().contains(part), "{problem}");
    }
    let (status, _, problem) = answer(LogError::ReservedName("PYRALOG".into())).await;
    assert_eq!((status, problem["code"].as_str()), (403, Some("own_log")), "{problem}");
}

#[tokio::test]
async fn who_is_out_of_range_is_told_the_range() {
    let error = Error::NoSuchRecord { stream: 77, first: 2, next: u64::MAX, asked: 1 };
    let (_, _, problem) = answer(LogError::Store(error)).await;
    assert_eq!(
        (problem["first_offset"].as_str(), problem["end_offset"].as_str()),
        (Some("2"), Some("18446744073709551615"))
    );
    assert!(!problem["message"].as_str().unwrap().contains("77"), "a number that nobody outside knows: {problem}");
}

#[tokio::test]
async fn what_is_not_known_is_said_not_to_be() {
    let (status, _, problem) = answer(LogError::Unknown(Error::DiskFull { dir: "core".into() })).await;
    assert_eq!((status, problem["code"].as_str()), (507, Some("disk_full")));
    assert!(problem["remedy"].as_str().unwrap().contains("may or may not"), "{problem}");
    let (status, _, problem) = answer(LogError::Unknown(Error::Closed)).await;
    assert_eq!((status, problem["code"].as_str()), (503, Some("unavailable")));
    assert!(problem["remedy"].as_str().unwrap().contains("may or may not"), "{problem}");
    for (error, status) in
        [(LogError::Stopping, 503), (LogError::Panicked, 500), (LogError::Unsigned("no".into()), 500)]
    {
        assert_eq!(answer(error).await.0, status);
    }
    let replaced = LogError::Replaced { log: "orders".into(), found: u64::MAX, asked: 2 };
    let (status, _, problem) = answer(replaced).await;
    assert_eq!((status, problem["code"].as_str()), (409, Some("log_replaced")));
    assert_eq!(problem["incarnation"], "18446744073709551615");
    let (status, _, problem) = answer(LogError::NotaryName("notary".into())).await;
    assert_eq!((status, problem["code"].as_str()), (409, Some("log_exists")));
}

#[tokio::test]
async fn records_that_are_durable_are_named_and_nobody_is_told_to_repeat_all() {
    let early = Place::Early { mode: AckMode::Cached, lsn: None };
    let acknowledged = vec![(1, Appended::at(3, 17)), (3, Appended { partition: 4, place: early })];
    let partly = Partly { acknowledged, unknown: vec![2], of: 4, reason: Error::Busy { queued: 5 }.into() };
    let (status, retry, problem) = answer(LogError::Partly(Box::new(partly))).await;
    assert_eq!((status, retry, problem["code"].as_str()), (500, None, Some("partly_appended")));
    let second = json!({"record": 3, "partition": 4, "offset": null, "ack": "cached", "epoch": null, "number": null});
    assert_eq!(problem["acknowledged"], json!([{"record": 1, "partition": 3, "offset": "17"}, second]));
    assert_eq!(problem["unknown"], json!([2]));
    assert!(problem["message"].as_str().unwrap().starts_with("2 of the 4 records are acknowledged"), "{problem}");
}
