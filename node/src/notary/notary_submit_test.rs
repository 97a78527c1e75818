use prometheus_client::registry::Registry;
use pyralog_cluster_core::{Core, Options};
use pyralog_consensus::block::Step;
use pyralog_consensus::engine::SignMark;
use pyralog_consensus::mempool::MempoolLimits;
use pyralog_crypto::{LogId, SigningKey};

use super::*;
use crate::metrics::Metrics;

fn key() -> SigningKey {
    SigningKey::from_seed([5; 32])
}

fn admission(dir: &std::path::Path, config: NotaryConfig) -> (Core, Admission) {
    let (core, _) = Core::open(dir, Options::default()).unwrap();
    let log = core.notary_log(LogId([1; 32])).unwrap();
    let shared = Shared::new(7, MempoolLimits::default(), 4, Metrics::register(&mut Registry::default()));
    shared.update(|live| (live.log, live.watching) = (LogState::Sound, false));
    let leaves = NotaryLeaves::new(log, None, Arc::clone(&shared));
    let admission = Admission::new(leaves, Arc::new(key()), "pyralog-dev-1", &config, shared);
    (core, admission)
}

#[tokio::test]
async fn promises_name_the_leaf_its_place_and_its_deadline() {
    let dir = tempfile::tempdir().unwrap();
    let (_core, admission) = admission(dir.path(), NotaryConfig { anchor_within_blocks: 5, ..NotaryConfig::default() });
    let first = admission.submit(vec![vec![1], vec![2]]).await.unwrap();
    let second = admission.submit(vec![vec![3]]).await.unwrap();
    assert_eq!((first.first, second.first, first.anchor_by), (0, 2, 12));
    let promises = admission.promise_each(&first).unwrap();
    assert_eq!(promises.len(), 2);
    for (n, signed) in promises.iter().enumerate() {
        signed.verify("pyralog-dev-1", &key().public_key()).unwrap();
        assert_eq!((signed.promise.index, signed.promise.leaf), (n as u64, leaf_hashes(&[n as u8 + 1])));
    }
    let range = admission.promise_range(&first).unwrap();
    range.verify("pyralog-dev-1", &key().public_key()).unwrap();
    assert_eq!((range.promise.first, range.promise.count), (0, 2));
    assert_eq!(*admission.shared.log_size.borrow(), 3);
}

#[tokio::test]
async fn what_is_promised_is_durable() {
    let dir = tempfile::tempdir().unwrap();
    let (core, taken) = admission(dir.path(), NotaryConfig::default());
    taken.submit(vec![vec![9; 100]]).await.unwrap();
    drop(taken);
    core.close().unwrap();
    let (core, _) = Core::open(dir.path(), Options::default()).unwrap();
    assert_eq!(core.notary_log(LogId([1; 32])).unwrap().leaf(0).unwrap(), vec![9; 100]);
}

#[tokio::test]
async fn bounds_hold_and_places_are_given_back() {
    let dir = tempfile::tempdir().unwrap();
    let config = NotaryConfig { max_leaves: 3, max_pending_leaves: 2, ..NotaryConfig::default() };
    let (_core, admission) = admission(dir.path(), config);
    for leaves in [vec![], vec![vec![1]; 4], vec![vec![]], vec![vec![0; MAX_LEAF_BYTES + 1]]] {
        assert!(matches!(admission.submit(leaves).await, Err(Refused::Bad(_))));
    }
    assert_eq!(admission.submit(vec![vec![1]; 3]).await, Err(Refused::Busy(0)));
    for n in 0..10u8 {
        admission.submit(vec![vec![n]; 2]).await.unwrap();
    }
    assert_eq!(admission.pending.load(Ordering::Acquire), 0);
}

#[tokio::test]
async fn a_node_that_takes_no_leaves_says_so_and_a_closed_store_too() {
    let dir = tempfile::tempdir().unwrap();
    let (core, mut admission) = admission(dir.path(), NotaryConfig { enabled: false, ..NotaryConfig::default() });
    assert_eq!(admission.submit(vec![vec![1]]).await, Err(Refused::Disabled));
    admission.config.enabled = true;
    core.close().unwrap();
    assert!(matches!(admission.submit(vec![vec![1]]).await, Err(Refused::Unavailable(_))));
}

#[tokio::test(flavor = "multi_thread")]
async fn many_callers_at_once_get_every_index_once() {
    let dir = tempfile::tempdir().unwrap();
    let (_core, admission) = admission(dir.path(), NotaryConfig::default());
    let admission = Arc::new(admission);
    let callers = (0..200u32).map(|n| {
        let admission = Arc::clone(&admission);
        tokio::spawn(async move { admission.submit(vec![n.to_be_bytes().to_vec()]).await.unwrap().first })
    });
    let mut indexes: Vec<u64> =
        futures::future::join_all(callers).await.into_iter().map(|index| index.unwrap()).collect();
    indexes.sort_unstable();
    assert_eq!(indexes, (0..200).collect::<Vec<_>>());
}

#[tokio::test]
async fn nothing_is_promised_by_a_log_that_may_be_older_than_the_chain() {
    let dir = tempfile::tempdir().unwrap();
    let (_core, admission) = admission(dir.path(), NotaryConfig::default());
    let refused = |state: LogState| {
        admission.shared.update(|live| live.log = state);
        admission.submit(vec![vec![1]])
    };
    assert_eq!(refused(LogState::Unchecked).await, Err(Refused::NotYet));
    let conflict = LogState::Conflict("it is shorter".into());
    assert_eq!(refused(conflict).await, Err(Refused::Closed("it is shorter".into())));
    let seen = SignMark { height: 9, round: 0, step: Step::Prevote };
    admission.shared.update(|live| live.watching = true);
    assert!(matches!(refused(LogState::Sound).await, Err(Refused::NotYet)), "promised while it watches");
    admission.shared.update(|live| live.watching = false);
    admission.shared.update(|live| live.signer = SignerState::Suspended { seen });
    assert!(matches!(refused(LogState::Sound).await, Err(Refused::Closed(_))), "promised while suspended");
    admission.shared.update(|live| live.signer = SignerState::Active);
    assert_eq!(refused(LogState::Sound).await.unwrap().first, 0, "nothing of the refused is in the log");
}

#[tokio::test]
async fn where_blocks_stand_still_only_so_many_leaves_are_promised() {
    let dir = tempfile::tempdir().unwrap();
    let (_core, admission) =
        admission(dir.path(), NotaryConfig { max_unanchored_leaves: 5, ..NotaryConfig::default() });
    admission.submit(vec![vec![1]; 3]).await.unwrap();
    assert_eq!(admission.submit(vec![vec![2]; 3]).await, Err(Refused::Unanchored(3)));
    admission.submit(vec![vec![3]; 2]).await.unwrap();
    let refused = admission.submit(vec![vec![4]]).await.unwrap_err();
    assert!(refused.to_string().contains("blocks stand still"), "{refused}");
    assert_eq!(*admission.shared.log_size.borrow(), 5, "nothing of the refused is in the log");
    // A block that anchors four of the five makes room for four.
    admission.shared.metrics.anchored_size.set(9);
    assert_eq!(admission.submit(vec![vec![5]; 4]).await, Err(Refused::Unanchored(5)), "a gauge decides nothing");
    admission.shared.anchored(4);
    assert_eq!(admission.shared.metrics.anchored_size.get(), 4);
    assert_eq!(admission.submit(vec![vec![5]; 5]).await, Err(Refused::Unanchored(1)));
    assert_eq!(admission.submit(vec![vec![5]; 4]).await.unwrap().first, 5);
    assert_eq!(admission.pending.load(Ordering::Acquire), 0);
}
