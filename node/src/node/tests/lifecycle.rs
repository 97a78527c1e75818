use std::fs;
use std::time::Duration;

use super::kit::{PASSPHRASE, config, get_json, homes, start};
use crate::home::{PUBLIC, write_atomic};
use crate::node::Node;

async fn refusal(homes: &super::kit::Homes) -> String {
    Node::start(&homes.homes[0], &config(&[]), PASSPHRASE).await.err().expect("must be refused").to_string()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_chain_goes_on_after_a_restart_and_one_home_has_one_node() {
    let homes = homes(1);
    let node = start(&homes.homes[0], &[]).await;
    node.reach(3).await;
    let message = refusal(&homes).await;
    assert!(message.contains("another pyralogd"), "{message}");
    let endpoints: crate::node::Endpoints =
        serde_json::from_slice(&fs::read(homes.homes[0].endpoints()).unwrap()).unwrap();
    assert_eq!(endpoints, node.endpoints);
    let third = node.backend.chain().block(3).unwrap().unwrap().hash();
    node.stop().await;
    assert!(!homes.homes[0].endpoints().exists());

    let again = start(&homes.homes[0], &[]).await;
    assert!(again.height() >= 3);
    again.reach(again.height() + 2).await;
    assert_eq!(again.backend.chain().block(3).unwrap().unwrap().hash(), third);
    again.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn another_genesis_than_that_of_the_stored_chain_is_refused() {
    let homes = homes(1);
    start(&homes.homes[0], &[]).await.stop().await;
    let text = fs::read_to_string(homes.homes[0].genesis()).unwrap();
    let mut other: serde_json::Value = serde_json::from_str(&text).unwrap();
    other["genesis_time"] = "2026-01-01T00:00:00Z".into();
    write_atomic(&homes.homes[0].genesis(), other.to_string().as_bytes(), PUBLIC).unwrap();
    let message = refusal(&homes).await;
    assert!(message.contains("not the genesis of the chain"), "{message}");
    assert!(message.contains("genesis.json") && message.contains("--home"), "{message}");
    write_atomic(&homes.homes[0].genesis(), text.as_bytes(), PUBLIC).unwrap();
    start(&homes.homes[0], &[]).await.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_missing_or_wrong_is_named() {
    let homes = homes(1);
    let home = &homes.homes[0];
    let none = crate::home::Home::new(&homes.path().join("nowhere"));
    let message = Node::start(&none, &config(&[]), PASSPHRASE).await.err().unwrap().to_string();
    assert!(message.contains("pyralogd init"), "{message}");
    let message = Node::start(home, &config(&[]), b"wrong").await.err().unwrap().to_string();
    assert!(message.contains("validator.key") && message.contains("passphrase"), "{message}");
    fs::remove_file(home.genesis()).unwrap();
    let message = refusal(&homes).await;
    assert!(message.contains("genesis.json") && message.contains("init"), "{message}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_others_may_read_is_refused() {
    use std::os::unix::fs::PermissionsExt;
    let homes = homes(1);
    let key = homes.homes[0].log_key();
    fs::set_permissions(&key, fs::Permissions::from_mode(0o644)).unwrap();
    let message = refusal(&homes).await;
    assert!(message.contains(&format!("chmod 600 {}", key.display())), "{message}");
    fs::set_permissions(&key, fs::Permissions::from_mode(0o600)).unwrap();
    start(&homes.homes[0], &[]).await.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_home_that_has_lost_its_mark_is_refused_until_it_is_back() {
    let homes = homes(1);
    let node = start(&homes.homes[0], &[]).await;
    node.reach(2).await;
    node.stop().await;
    let mark = homes.homes[0].store().join("mark/signer");
    let kept = fs::read(&mark).unwrap();
    fs::remove_file(&mark).unwrap();
    // Twice: refusing must not make a new one.
    for _ in 0..2 {
        let message = refusal(&homes).await;
        assert!(message.contains(&mark.display().to_string()) && message.contains("from a copy"), "{message}");
        assert!(!mark.exists());
    }
    fs::write(&mark, kept).unwrap();
    let again = start(&homes.homes[0], &[]).await;
    again.reach(again.height() + 1).await;
    again.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_validator_without_any_peer_is_not_ready() {
    let homes = homes(2);
    let node = Node::start(&homes.homes[0], &config(&[]), PASSPHRASE).await.unwrap();
    let alone =
        |node: &Node| node.health().reasons.iter().any(|reason| reason.starts_with("no peers: one of 2 validators"));
    assert!(alone(&node), "{:?}", node.health());
    let settings = [("p2p.bootstrap", node.endpoints().p2p.as_str())];
    let other = Node::start(&homes.homes[1], &config(&settings), PASSPHRASE).await.unwrap();
    let found = tokio::time::timeout(Duration::from_secs(20), async {
        while alone(&node) || alone(&other) {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    });
    found.await.expect("a peer is not counted");
    other.stop().await.unwrap();
    node.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_taken_port_is_named_with_its_flag() {
    let homes = homes(1);
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let message = Node::start(&homes.homes[0], &config(&[("api.listen", address.as_str())]), PASSPHRASE)
        .await
        .err()
        .unwrap()
        .to_string();
    assert!(message.contains(&address) && message.contains("--api-listen"), "{message}");
}

#[tokio::test(flavor = "multi_thread")]
async fn damage_in_the_storage_is_one_clear_message() {
    let homes = homes(1);
    let node = start(&homes.homes[0], &[]).await;
    node.reach(3).await;
    node.stop().await;
    let file = homes.homes[0].store().join("journal/journal-000000");
    let mut bytes = fs::read(&file).unwrap();
    // In the entries of the second group.
    bytes[2 * 4096 + 60] ^= 0xff;
    fs::write(&file, bytes).unwrap();
    let message = refusal(&homes).await;
    assert!(message.contains("damaged at offset 8192") && message.contains("journal-000000"), "{message}");
    assert!(!message.contains('\n'), "one line: {message}");
}

#[tokio::test(flavor = "multi_thread")]
async fn health_and_metrics_say_what_is() {
    let homes = homes(1);
    let node = start(&homes.homes[0], &[("metrics.stall_after_s", "1")]).await;
    node.reach(2).await;
    let (status, live) = get_json(&format!("{}/livez", node.endpoints.metrics)).await;
    assert_eq!((status, live["live"].as_bool()), (200, Some(true)));
    let (status, ready) = get_json(&format!("{}/readyz", node.endpoints.metrics)).await;
    assert_eq!((status, ready["ready"].as_bool()), (200, Some(true)), "{ready}");
    let (_, text) = super::kit::get(&format!("{}/metrics", node.endpoints.metrics)).await;
    for name in [
        "pyralog_consensus_height",
        "pyralog_mempool_size",
        "pyralog_notary_leaves_total",
        "pyralog_logs_records_total",
        "pyralog_p2p_peers",
    ] {
        assert!(text.lines().any(|line| line.starts_with(name)), "{name} is missing");
    }
    node.stop().await;
}
