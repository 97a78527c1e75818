use std::sync::Arc;
use std::time::Duration;

use pyralog_cluster_core::{Error, Options, Ticket};

use super::super::kit::{new_log, open, record};
use super::*;
use crate::logs::{NewLog, Question, Start};

/// The offset of a record that has one.
fn offset(of: &Appended) -> u64 {
    match of.place {
        Place::Offset(offset) => offset,
        Place::Early { .. } => panic!("{of:?} has no offset"),
    }
}

/// Offset and end of what can be read of partition 0.
async fn end(log: &RecordLogs, name: &str) -> (usize, u64) {
    let question =
        Question { partition: 0, incarnation: None, from: Start::First, limit: 9, wait: Duration::ZERO, proof: false };
    let page = log.read(name.into(), question).await.unwrap();
    (page.records.len(), page.end)
}

/// Keys whose partitions, of two, are 0 and 1.
async fn keys(records: &RecordLogs) -> [String; 2] {
    let spec = records.describe("orders".into()).await.unwrap().spec;
    [0, 1].map(|partition| {
        (0..).map(|n| format!("key {n}")).find(|key| spec.partition_of(key.as_bytes()) == partition).unwrap()
    })
}

#[tokio::test]
async fn records_go_to_the_partitions_of_their_keys_and_answers_keep_their_order() {
    let dir = tempfile::tempdir().unwrap();
    let opened = open(dir.path(), Options::default());
    let log = &opened.records;
    log.create(new_log("orders", 2)).await.unwrap();
    let [zero, one] = keys(log).await;
    let of = |key: &String| record(7, Some(key), vec![1]);
    let places = log
        .append("orders".into(), None, vec![of(&one), of(&zero), of(&one), of(&zero)], AckMode::Durable)
        .await
        .unwrap();
    let places: Vec<(u32, u64)> = places.iter().map(|place| (place.partition, offset(place))).collect();
    assert_eq!(places, [(1, 0), (0, 0), (1, 1), (0, 1)]);
    // A named partition takes all keys.
    let places = log.append("orders".into(), Some(1), vec![of(&zero), of(&one)], AckMode::Durable).await.unwrap();
    assert_eq!(places, [Appended::at(1, 2), Appended::at(1, 3)]);
    assert_eq!(log.metrics.records.get(), 6);
    assert_eq!(log.metrics.record_bytes.get(), 6 * of(&zero).encoded_len() as u64);
}

#[tokio::test]
async fn records_without_a_key_go_together_and_over_time_to_all_partitions() {
    let dir = tempfile::tempdir().unwrap();
    let opened = open(dir.path(), Options::default());
    for name in ["orders", "carts"] {
        opened.records.create(new_log(name, 4)).await.unwrap();
    }
    let mut used = std::collections::BTreeSet::new();
    for _ in 0..32 {
        // Two callers that take turns.
        for name in ["orders", "carts"] {
            let two = vec![record(7, None, vec![1]), record(7, None, vec![2])];
            let places = opened.records.append(name.into(), None, two, AckMode::Durable).await.unwrap();
            assert_eq!(places[0].partition, places[1].partition);
            assert_eq!(offset(&places[0]) + 1, offset(&places[1]));
            used.insert((name, places[0].partition));
        }
    }
    assert_eq!(used.len(), 8, "{used:?}");
}

#[tokio::test]
async fn what_is_out_of_bounds_is_refused_as_a_whole() {
    let dir = tempfile::tempdir().unwrap();
    let opened = open(dir.path(), Options::default());
    let log = &opened.records;
    log.create(new_log("orders", 2)).await.unwrap();
    let large = || record(7, Some("a"), vec![0; 1_000_000]);
    for records in [vec![], vec![record(7, None, vec![]); core::MAX_APPEND_RECORDS + 1], vec![large(); 5]] {
        let refused = log.append("orders".into(), None, records, AckMode::Durable).await;
        assert!(matches!(refused, Err(LogError::Store(Error::Size { .. }))), "{refused:?}");
    }
    let one = || vec![record(7, None, vec![1])];
    let refused = log.append("orders".into(), Some(2), one(), AckMode::Durable).await;
    assert!(matches!(refused, Err(LogError::Store(Error::NoSuchPartition { .. }))), "{refused:?}");
    let refused = log.append("others".into(), None, one(), AckMode::Durable).await;
    assert!(matches!(refused, Err(LogError::Store(Error::NoSuchLog { .. }))), "{refused:?}");
    let ends: Vec<u64> =
        log.describe("orders".into()).await.unwrap().partitions.iter().map(|p| p.held.as_ref().unwrap().next).collect();
    assert_eq!((ends, log.metrics.records.get()), (vec![0, 0], 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn where_one_partition_is_refused_it_is_said_which_records_are_durable() {
    let dir = tempfile::tempdir().unwrap();
    let opened = open(dir.path(), Options { manual: true, queue_bytes: 1_000, ..Options::default() });
    let log = Arc::clone(&opened.records);
    log.create(new_log("orders", 2)).await.unwrap();
    let [zero, one] = keys(&log).await;
    let of = |key: &String| record(7, Some(key), vec![1; 600]);
    let records = vec![of(&one), of(&zero)];
    let appending = tokio::spawn({
        let log = Arc::clone(&log);
        async move { log.append("orders".into(), None, records, AckMode::Durable).await }
    });
    // The store writes only when both were offered: the second finds no room beside the first.
    while opened.core.stats().refused_busy == 0 {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    while opened.core.drive() {}
    let Err(LogError::Partly(partly)) = appending.await.unwrap() else { panic!("it is not said") };
    assert_eq!(partly.acknowledged, [(1, Appended::at(0, 0))]);
    assert_eq!((partly.unknown.len(), partly.of), (0, 2));
    assert!(matches!(partly.reason, LogError::Store(Error::Busy { .. })), "{:?}", partly.reason);
    assert_eq!(end(&log, "orders").await.0, 1);
    assert_eq!(log.metrics.records.get(), 1);
}

#[tokio::test]
async fn what_a_node_has_in_memory_is_acknowledged_before_it_is_durable_and_has_no_offset() {
    let dir = tempfile::tempdir().unwrap();
    let opened = open(dir.path(), Options { manual: true, queue_bytes: 2_000, ..Options::default() });
    let log = &opened.records;
    log.create(new_log("orders", 1)).await.unwrap();
    let one = || vec![record(7, None, vec![1; 600])];
    for mode in [AckMode::Cached, AckMode::Replicated] {
        let places = log.append("orders".into(), None, one(), mode).await.unwrap();
        assert_eq!(places, [Appended { partition: 0, place: Place::Early { mode, lsn: None } }]);
    }
    assert_eq!((end(log, "orders").await, log.metrics.records.get()), ((0, 0), 0));
    // Where the store takes nothing, nothing is acknowledged.
    let full = loop {
        match log.append("orders".into(), None, one(), AckMode::Cached).await {
            Ok(_) => assert!(opened.core.stats().refused_busy == 0),
            Err(why) => break why,
        }
    };
    assert!(matches!(full, LogError::Store(Error::Busy { .. })), "{full}");
    while opened.core.drive() {}
    let (records, next) = end(log, "orders").await;
    assert!(records >= 2 && records as u64 == next && log.metrics.records.get() == next, "{records} {next}");
}

#[tokio::test]
async fn a_log_in_memory_answers_every_mode_with_offsets() {
    let dir = tempfile::tempdir().unwrap();
    let opened = open(dir.path(), Options::default());
    opened.records.create(NewLog { storage: Storage::Memory, ..new_log("fast", 1) }).await.unwrap();
    for (next, mode) in (0..).zip([AckMode::Cached, AckMode::Replicated, AckMode::Durable]) {
        let places = opened.records.append("fast".into(), None, vec![record(7, None, vec![1])], mode).await.unwrap();
        assert_eq!((&places[..], end(&opened.records, "fast").await.1), (&[Appended::at(0, next)][..], next + 1));
    }
}

#[tokio::test]
async fn records_of_a_store_that_failed_may_or_may_not_be_in_the_log() {
    let part = |partition, numbers: &[usize], event| {
        let (sender, told) = oneshot::channel();
        if let Some(event) = event {
            sender.send(event).unwrap();
        }
        Sent { partition, numbers: numbers.to_vec(), told }
    };
    let full = || Error::DiskFull { dir: "core".into() };
    let fatal = || Some(Event::Fatal { ticket: Some(Ticket(1)), reason: full() });
    let gone = || Some(Event::Unavailable { ticket: Ticket(2), reason: Error::NoSuchLog { name: "orders".into() } });
    let durable = || Some(Event::Durable { ticket: Ticket(3), first_index: 5, size: 7 });

    let mut outcome = Outcome::default();
    outcome.wait_for(part(0, &[0, 1], fatal())).await;
    assert!(matches!(outcome.finish(2), Err(LogError::Unknown(Error::DiskFull { .. }))));

    // The writer is gone without a word.
    let mut outcome = Outcome::default();
    outcome.wait_for(part(0, &[0], None)).await;
    assert!(matches!(outcome.finish(1), Err(LogError::Unknown(Error::Closed))));

    let mut outcome = Outcome::default();
    outcome.wait_for(part(0, &[0], gone())).await;
    assert!(matches!(outcome.finish(1), Err(LogError::Store(Error::NoSuchLog { .. }))));

    let mut outcome = Outcome::default();
    for part in [part(0, &[1, 3], durable()), part(1, &[2], gone()), part(2, &[0], fatal())] {
        outcome.wait_for(part).await;
    }
    let Err(LogError::Partly(partly)) = outcome.finish(4) else { panic!("it is not said") };
    let place = |offset| Appended::at(0, offset);
    assert_eq!((partly.acknowledged, partly.unknown), (vec![(1, place(5)), (3, place(6))], vec![0]));
    assert!(matches!(partly.reason, LogError::Store(Error::NoSuchLog { .. })), "the first reason is told");
}
