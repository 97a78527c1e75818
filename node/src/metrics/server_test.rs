use std::time::{Duration, SystemTime};

use super::*;
use crate::testkit::{Solo, StillBackend};

fn judged(change: impl FnOnce(&mut StillBackend), after: u64) -> Vec<String> {
    let mut solo = Solo::new().start();
    solo.reach(2);
    let mut backend = StillBackend::over(&solo);
    change(&mut backend);
    let now = SystemTime::UNIX_EPOCH + Duration::from_secs(after);
    Health::of(&backend, SystemTime::UNIX_EPOCH, Duration::from_secs(30), now).reasons
}

#[test]
fn a_node_that_makes_blocks_is_ready() {
    assert!(judged(|_| (), 30).is_empty());
}

#[test]
fn a_stall_and_a_sync_are_said_with_numbers() {
    let stalled = judged(|_| (), 31);
    assert!(stalled.len() == 1 && stalled[0].contains("stalled: no new block for 31 s"), "{stalled:?}");
    let behind = judged(|backend| (backend.live.catching_up, backend.live.target) = (true, 12), 1);
    assert_eq!(behind, ["syncing: 10 blocks behind the network"]);
}

#[test]
fn before_the_first_block_nothing_is_ready() {
    let backend = StillBackend::over(&Solo::new());
    let now = SystemTime::UNIX_EPOCH;
    let reasons = Health::of(&backend, now, Duration::from_secs(30), now).reasons;
    assert_eq!(reasons, ["no block is committed yet"]);
}

#[test]
fn every_metric_is_registered_once_under_the_prefix_with_a_meaning() {
    let mut registry = prometheus_client::registry::Registry::with_prefix("pyralog");
    let metrics = crate::metrics::Metrics::register(&mut registry);
    metrics.leaves.inc();
    let mut text = String::new();
    encode(&mut text, &registry).unwrap();
    let mut names = std::collections::BTreeSet::new();
    for line in text.lines().filter(|line| line.starts_with("# HELP ")) {
        let (name, help) = line.trim_start_matches("# HELP ").split_once(' ').unwrap();
        assert!(name.starts_with("pyralog_") && help.len() > 10, "{line}");
        assert!(names.insert(name.to_owned()), "{name} twice");
    }
    assert!(names.len() > 20);
    assert!(text.contains("pyralog_notary_leaves_total 1"));
}
