use std::time::Duration;

use pyralog_cluster_core::replication::AckMode;
use pyralog_cluster_core::{Error, Options};

use super::super::kit::{CHAIN_ID, Opened, key, new_log, open, record, walk};
use super::*;

#[tokio::test]
async fn logs_are_created_listed_and_deleted_and_counted() {
    let dir = tempfile::tempdir().unwrap();
    let opened = open(dir.path(), Options::default());
    let records = &opened.records;
    let counts = || (records.metrics.record_logs.get(), records.metrics.record_partitions.get());
    let report = records.create(new_log("orders", 3)).await.unwrap();
    let id = |report: &LogReport| LogId::derive_record(CHAIN_ID, &key().public_key(), "orders", report.incarnation);
    assert_eq!(report.spec.id, id(&report));
    let numbers: Vec<u32> = report.partitions.iter().map(|partition| partition.partition).collect();
    assert_eq!((numbers, report.partitions[2].held.as_ref().unwrap().times), (vec![0, 1, 2], None));
    records.create(new_log("carts", 1)).await.unwrap();
    assert_eq!(counts(), (2, 4));
    let names: Vec<String> = records.list().await.unwrap().iter().map(|log| log.spec.name.to_string()).collect();
    assert_eq!(names, ["carts", "orders"]);
    assert_eq!(records.describe("orders".into()).await.unwrap(), report);
    records.delete("orders".into()).await.unwrap();
    assert_eq!(counts(), (1, 1));
    // Whoever kept a checkpoint of the old log must not take one of the new log for a contradiction.
    let again = records.create(new_log("orders", 3)).await.unwrap();
    assert_eq!(again.spec.id, id(&again));
    assert_ne!((again.spec.id, again.incarnation), (report.spec.id, report.incarnation));
    records.delete("orders".into()).await.unwrap();
    let gone = records.describe("orders".into()).await;
    assert!(matches!(gone, Err(LogError::Store(Error::NoSuchLog { .. }))), "{gone:?}");
}

#[tokio::test]
async fn names_that_are_taken_or_none_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let opened = open(dir.path(), Options::default());
    let records = &opened.records;
    let refused = records.create(new_log("notary", 1)).await;
    assert!(matches!(refused, Err(LogError::NotaryName(_))), "{refused:?}");
    records.create(new_log("orders", 1)).await.unwrap();
    let refused = records.create(new_log("orders", 1)).await;
    assert!(matches!(refused, Err(LogError::Store(Error::LogExists { .. }))), "{refused:?}");
    let refused = records.create(new_log("Orders/..", 1)).await;
    assert!(matches!(refused, Err(LogError::Store(Error::LogName { .. }))), "{refused:?}");
    for new in [new_log("none", 0), new_log("many", 4097), NewLog { segment_bytes: 1, ..new_log("small", 1) }] {
        let refused = records.create(new).await;
        assert!(matches!(refused, Err(LogError::Store(Error::Size { .. }))), "{refused:?}");
    }
    assert_eq!(records.list().await.unwrap().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_end_waits_for_work_that_was_begun_and_lets_none_begin() {
    let dir = tempfile::tempdir().unwrap();
    let opened = open(dir.path(), Options::default());
    let (begun, has_begun) = std::sync::mpsc::channel();
    let (go, wait) = std::sync::mpsc::channel::<()>();
    let working = Arc::clone(&opened.records);
    let work = tokio::spawn(async move {
        let work = move || {
            begun.send(()).unwrap();
            wait.recv().unwrap();
            Ok(7)
        };
        working.work(work).await
    });
    tokio::task::spawn_blocking(move || has_begun.recv().unwrap()).await.unwrap();
    let finish = opened.records.finish();
    tokio::pin!(finish);
    assert!(tokio::time::timeout(Duration::from_millis(50), &mut finish).await.is_err(), "it does not wait");
    go.send(()).unwrap();
    finish.await;
    assert_eq!(work.await.unwrap().unwrap(), 7);
    assert!(matches!(opened.records.list().await, Err(LogError::Stopping)));
    opened.records.finish().await;
}

#[tokio::test]
async fn a_panic_in_a_thread_is_told_as_one_and_gives_the_place_back() {
    let dir = tempfile::tempdir().unwrap();
    let opened = open(dir.path(), Options::default());
    for _ in 0..=THREADS {
        let died = opened.records.work::<()>(|| panic!("as asked")).await;
        assert!(matches!(died, Err(LogError::Panicked)), "{died:?}");
    }
    assert!(opened.records.list().await.unwrap().is_empty());
}

#[tokio::test]
async fn a_damaged_partition_hides_no_other_and_its_log_can_be_deleted() {
    let dir = tempfile::tempdir().unwrap();
    let Opened { core, records, .. } = open(dir.path(), Options::default());
    records.create(new_log("orders", 3)).await.unwrap();
    records.create(new_log("carts", 1)).await.unwrap();
    for partition in 0..2 {
        records
            .append("orders".into(), Some(partition), vec![record(1, None, vec![1])], AckMode::Durable)
            .await
            .unwrap();
    }
    drop(records);
    core.close().unwrap();
    let of_one = |path: &std::path::PathBuf| path.parent().is_some_and(|dir| dir.ends_with("1"));
    let files: Vec<_> = walk(&dir.path().join("logs")).into_iter().filter(of_one).collect();
    assert!(!files.is_empty());
    files.iter().for_each(|file| std::fs::remove_file(file).unwrap());

    let opened = open(dir.path(), Options::default());
    let records = &opened.records;
    let report = records.describe("orders".into()).await.unwrap();
    let next: Vec<Option<u64>> = report.partitions.iter().map(|p| p.held.as_ref().ok().map(|held| held.next)).collect();
    assert_eq!(next, [Some(1), None, Some(0)]);
    let why = report.partitions[1].held.as_ref().unwrap_err();
    assert!(why.contains("damaged"), "{why}");
    let listed = records.list().await.unwrap();
    assert_eq!((listed.len(), &listed[1]), (2, &report));
    records.delete("orders".into()).await.unwrap();
    assert_eq!(records.list().await.unwrap().len(), 1);
    assert_eq!(opened.failures(Duration::ZERO), Vec::<String>::new());
}

#[tokio::test]
async fn a_store_that_fails_to_change_a_log_stops_the_node() {
    let dir = tempfile::tempdir().unwrap();
    let opened = open(dir.path(), Options::default());
    let records = &opened.records;
    records.create(new_log("orders", 1)).await.unwrap();
    records.append("orders".into(), None, vec![record(1, None, vec![1])], AckMode::Durable).await.unwrap();
    let refused = records.delete("carts".into()).await;
    assert!(matches!(refused, Err(LogError::Store(Error::NoSuchLog { .. }))), "{refused:?}");
    assert_eq!(opened.failures(Duration::ZERO), Vec::<String>::new());
    // What stands in its place cannot be removed as a file is.
    let segment =
        walk(&dir.path().join("logs")).into_iter().find(|path| path.extension().is_some_and(|end| end == "seg"));
    let segment = segment.unwrap();
    std::fs::remove_file(&segment).unwrap();
    std::fs::create_dir(&segment).unwrap();
    let failed = records.delete("orders".into()).await;
    assert!(matches!(failed, Err(LogError::Store(Error::Io { .. }))), "{failed:?}");
    let failed = records.create(new_log("orders", 1)).await;
    assert!(matches!(failed, Err(LogError::Store(Error::Io { .. }))), "{failed:?}");
    let failures = opened.failures(Duration::from_secs(10));
    assert!(failures.len() == 2 && failures.iter().all(|why| why.contains(".seg")), "{failures:?}");
}

#[tokio::test]
async fn no_log_is_made_while_the_disk_is_nearly_full() {
    let dir = tempfile::tempdir().unwrap();
    let opened = open(dir.path(), Options { reserve_bytes: u64::MAX, ..Options::default() });
    let refused = opened.records.create(new_log("orders", 1)).await;
    assert!(matches!(refused, Err(LogError::Store(Error::DiskLow { .. }))), "{refused:?}");
    assert_eq!(opened.failures(Duration::ZERO), Vec::<String>::new(), "it can be mended while the node goes on");
}
