use std::time::{Duration, SystemTime};

use pyralog_consensus::engine::SignMark;

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
fn a_validator_whose_signer_is_suspended_is_not_ready_and_says_what_to_do() {
    let seen = SignMark { height: 7, round: 0, step: pyralog_consensus::block::Step::Prevote };
    let suspended = judged(|backend| backend.live.signer = SignerState::Suspended { seen }, 1);
    assert!(suspended.len() == 1 && suspended[0].contains("signer resume"), "{suspended:?}");
    let other = judged(
        |backend| {
            backend.live.signer = SignerState::Suspended { seen };
            backend.identity.validator = pyralog_crypto::PublicKey([7; 32]);
        },
        1,
    );
    assert!(other.is_empty(), "a node outside of the validator set has nothing to sign: {other:?}");
    for signer in [SignerState::Active, SignerState::Observing, SignerState::Abstaining { through: 9 }] {
        assert!(judged(|backend| backend.live.signer = signer, 1).is_empty());
    }
}

#[tokio::test]
async fn readyz_answers_503_with_the_reasons() {
    let mut solo = Solo::new().start();
    solo.reach(2);
    let ask = async |signer: SignerState| {
        let mut backend = StillBackend::over(&solo);
        (backend.live.signer, backend.live.last_commit) = (signer, Some(SystemTime::now()));
        let service = MetricsService::new(Arc::new(backend), Registry::default(), Duration::from_secs(30), &[], || ());
        let request = Request::builder().uri("/readyz").header("host", "127.0.0.1").body(axum::body::Body::empty());
        let response = handle(State(service), request.unwrap()).await;
        let status = response.status();
        let body = axum::body::to_bytes(response.into_body(), 1 << 16).await.unwrap();
        (status, serde_json::from_slice::<serde_json::Value>(&body).unwrap())
    };
    let (status, body) = ask(SignerState::Active).await;
    assert_eq!((status, &body["ready"]), (StatusCode::OK, &json!(true)));
    let seen = SignMark { height: 7, round: 0, step: pyralog_consensus::block::Step::Prevote };
    let (status, body) = ask(SignerState::Suspended { seen }).await;
    assert_eq!((status, &body["ready"]), (StatusCode::SERVICE_UNAVAILABLE, &json!(false)));
    assert!(body["reasons"][0].as_str().unwrap().contains("suspended"), "{body}");
}

#[tokio::test]
async fn a_foreign_host_is_told_by_which_name_to_call_and_no_setting_that_is_none() {
    let mut solo = Solo::new().start();
    solo.reach(2);
    let backend = Arc::new(StillBackend::over(&solo));
    let service = MetricsService::new(backend, Registry::default(), Duration::from_secs(30), &[], || ());
    let request = Request::builder().uri("/metrics").header("host", "evil.example").body(axum::body::Body::empty());
    let response = handle(State(service), request.unwrap()).await;
    assert_eq!(response.status(), StatusCode::FORBIDDEN);
    let body = axum::body::to_bytes(response.into_body(), 1 << 16).await.unwrap();
    let text = String::from_utf8(body.to_vec()).unwrap();
    assert!(text.contains("evil.example") && text.contains("127.0.0.1 or localhost"), "{text}");
    assert!(!text.contains("metrics."), "{text}");
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
