use std::time::Duration;

use pyralog_cluster_core::Options;
use pyralog_cluster_core::replication::AckMode;
use pyralog_crypto::PartitionCheckpoint;

use super::super::kit::{new_log, open, record};
use super::super::{NewLog, Question, Start};
use super::*;

/// The newest checkpoint.
async fn checkpoint(records: &RecordLogs) -> PartitionCheckpoint {
    let from = Start::First;
    let question = Question { partition: 0, incarnation: None, from, limit: 1, wait: Duration::ZERO, proof: true };
    records.read("orders".into(), question).await.unwrap().checkpoint.unwrap().checkpoint
}

#[tokio::test]
async fn every_checkpoint_is_proven_to_continue_every_earlier_one() {
    let dir = tempfile::tempdir().unwrap();
    let opened = open(dir.path(), Options::default());
    let records = &opened.records;
    // Several segments.
    records.create(NewLog { segment_bytes: 4_096, ..new_log("orders", 1) }).await.unwrap();
    let mut checkpoints = vec![checkpoint(records).await];
    assert_eq!((checkpoints[0].size, checkpoints[0].check()), (0, Ok(())), "the partition without records");
    for n in 0..6 {
        records
            .append("orders".into(), None, vec![record(n, None, vec![n as u8; 900]); 3], AckMode::Durable)
            .await
            .unwrap();
        checkpoints.push(checkpoint(records).await);
    }
    assert!(checkpoints[6].segments > 2, "{:?}", checkpoints[6]);
    let growth = |old, new| Growth { partition: 0, incarnation: None, old, new };
    for (number, old) in checkpoints.iter().enumerate() {
        for new in &checkpoints[number..] {
            let proof = records.consistency("orders".into(), growth(old.size, new.size)).await.unwrap();
            proof.verify(old, new).unwrap();
        }
    }
    for (old, new) in [(2, 1), (1, 19), (u64::MAX, u64::MAX)] {
        let refused = records.consistency("orders".into(), growth(old, new)).await;
        assert!(matches!(refused, Err(LogError::Store(Error::NoSuchProof(_)))), "{old} to {new}: {refused:?}");
    }
    let other = Growth { incarnation: Some(0), ..growth(1, 2) };
    assert!(matches!(records.consistency("orders".into(), other).await, Err(LogError::Replaced { .. })));
    let none = Growth { partition: 1, ..growth(1, 2) };
    let refused = records.consistency("orders".into(), none).await;
    assert!(matches!(refused, Err(LogError::Store(Error::NoSuchPartition { .. }))), "{refused:?}");
    records.create(NewLog { storage: Storage::Memory, ..new_log("fast", 1) }).await.unwrap();
    let refused = records.consistency("fast".into(), growth(0, 0)).await;
    assert!(matches!(refused, Err(LogError::Store(Error::NoCheckpoints { .. }))), "{refused:?}");
}
