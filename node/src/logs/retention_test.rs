use std::path::Path;

use pyralog_cluster_core::Options;
use pyralog_cluster_core::replication::AckMode;
use pyralog_cluster_core::segment::Retention;

use super::super::kit::{Opened, new_log, open, record, walk};
use super::super::{NewLog, Question, Start};
use super::*;
use crate::driver::Turn;

const SOON: Duration = Duration::from_millis(10);

/// A log that keeps one segment of 4 KiB and has several.
async fn opened(dir: &Path) -> Opened {
    let opened = open(dir, Options::default());
    let retention = Retention { max_age_ms: None, max_bytes: Some(1) };
    let new = NewLog { segment_bytes: 4_096, retention, ..new_log("orders", 1) };
    opened.records.create(new).await.unwrap();
    for n in 0..8 {
        opened
            .records
            .append("orders".into(), None, vec![record(n, None, vec![0; 3_000])], AckMode::Durable)
            .await
            .unwrap();
    }
    opened
}

async fn first(opened: &Opened) -> u64 {
    opened.records.describe("orders".into()).await.unwrap().partitions[0].held.as_ref().unwrap().first
}

#[tokio::test(flavor = "multi_thread")]
async fn records_go_until_the_node_stops_and_readers_are_told() {
    let dir = tempfile::tempdir().unwrap();
    let opened = opened(dir.path()).await;
    let (engine, _inbox, _unchecked) = EngineHandle::channel();
    let driver = RetentionDriver::new(opened.core.logs().clone(), engine, SOON, opened.stopping.subscribe());
    let running = tokio::spawn(driver.run());
    while first(&opened).await == 0 {
        tokio::time::sleep(SOON).await;
    }
    let question =
        Question { partition: 0, incarnation: None, from: Start::First, limit: 1, wait: Duration::ZERO, proof: true };
    let page = opened.records.read("orders".into(), question).await.unwrap();
    assert_eq!((page.records[0].offset, page.end), (page.first, 8));
    let signed = page.checkpoint.unwrap();
    let found = &page.records[0];
    found.proof.as_ref().unwrap().verify(&found.record.leaf_hash(), &signed.checkpoint).unwrap();
    let gone = opened.records.read("orders".into(), Question { from: Start::Offset(0), ..question }).await;
    assert!(gone.unwrap_err().to_string().contains("0 was asked for"));
    assert!(!running.is_finished());
    opened.stopping.send_replace(true);
    running.await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failure_stops_the_node() {
    let dir = tempfile::tempdir().unwrap();
    let opened = opened(dir.path()).await;
    // What stands in its place cannot be removed as a file is.
    let segment = walk(&dir.path().join("logs")).into_iter().find(|path| path.ends_with("00000000000000000000.seg"));
    let segment = segment.unwrap();
    std::fs::remove_file(&segment).unwrap();
    std::fs::create_dir(&segment).unwrap();
    let (engine, inbox, _unchecked) = EngineHandle::channel();
    let stopping = opened.stopping.subscribe();
    RetentionDriver::new(opened.core.logs().clone(), engine, SOON, stopping).run().await;
    let Turn { events, .. } = inbox.take_turn(Duration::from_secs(10));
    assert!(matches!(&events[..], [LoopEvent::Failed(Error::Storage(why))] if why.contains(".seg")));
}
