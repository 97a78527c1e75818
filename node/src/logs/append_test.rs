use std::sync::Arc;
use std::time::Duration;

use pyralog_cluster_core::{Error, Options, Ticket};

use super::super::kit::{new_log, open, record};
use super::*;
use crate::logs::{Question, Start};

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
    let places = log.append("orders".into(), None, vec![of(&one), of(&zero), of(&one), of(&zero)]).await.unwrap();
    let places: Vec<(u32, u64)> = places.iter().map(|place| (place.partition, place.offset)).collect();
    assert_eq!(places, [(1, 0), (0, 0), (1, 1), (0, 1)]);
    // A named partition takes all keys.
    let places = log.append("orders".into(), Some(1), vec![of(&zero), of(&one)]).await.unwrap();
    assert_eq!(places, [Appended { partition: 1, offset: 2 }, Appended { partition: 1, offset: 3 }]);
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
            let places = opened.records.append(name.into(), None, two).await.unwrap();
            assert_eq!(places[0].partition, places[1].partition);
            assert_eq!(places[0].offset + 1, places[1].offset);
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
        let refused = log.append("orders".into(), None, records).await;
        assert!(matches!(refused, Err(LogError::Store(Error::Size { .. }))), "{refused:?}");
    }
    let one = || vec![record(7, None, vec![1])];
    let refused = log.append("orders".into(), Some(2), one()).await;
    assert!(matches!(refused, Err(LogError::Store(Error::NoSuchPartition { .. }))), "{refused:?}");
    let refused = log.append("others".into(), None, one()).await;
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
        async move { log.append("orders".into(), None, records).await }
    });
    // The store writes only when both were offered: the second finds no room beside the first.
    while opened.core.stats().refused_busy == 0 {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    while opened.core.drive() {}
    let Err(LogError::Partly(partly)) = appending.await.unwrap() else { panic!("it is not said") };
    assert_eq!(partly.durable, [(1, Appended { partition: 0, offset: 0 })]);
    assert_eq!((partly.unknown.len(), partly.of), (0, 2));
    assert!(matches!(partly.reason, LogError::Store(Error::Busy { .. })), "{:?}", partly.reason);
    let question =
        Question { partition: 0, incarnation: None, from: Start::First, limit: 9, wait: Duration::ZERO, proof: false };
    assert_eq!(log.read("orders".into(), question).await.unwrap().records.len(), 1);
    assert_eq!(log.metrics.records.get(), 1);
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
    let place = |offset| Appended { partition: 0, offset };
    assert_eq!((partly.durable, partly.unknown), (vec![(1, place(5)), (3, place(6))], vec![0]));
    assert!(matches!(partly.reason, LogError::Store(Error::NoSuchLog { .. })), "the first reason is told");
}
