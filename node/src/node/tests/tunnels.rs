//! Nodes that reach each other in tunnels with post-quantum keys, as they do where nobody says otherwise.

use std::time::Duration;

use serde_json::Value;
use tokio::time::{Instant, sleep};

use super::super::Node;
use super::kit::{Running, ask, config, get, homes, start};
use crate::home::{Home, SECRET, write_atomic};

const LISTEN: (&str, &str) = ("p2p.listen", "/ip4/127.0.0.1/udp/0");
const MODE: (&str, &str) = ("tunnel.mode", "userspace");

async fn tunnels(node: &Running, home: &Home) -> Value {
    let token = std::fs::read_to_string(home.admin_token()).unwrap();
    let url = format!("{}/v1/tunnels", node.endpoints.api);
    assert_eq!(ask("GET", &url, None, &[]).await.0, 401, "not without the token");
    let (status, answer) = ask("GET", &url, None, &[("authorization", format!("Bearer {}", token.trim()))]).await;
    assert_eq!(status, 200, "{answer}");
    answer
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn nodes_agree_in_tunnels_with_post_quantum_keys_and_come_back_to_them() {
    let homes = homes(1);
    let validator = start(&homes.homes[0], &[LISTEN, MODE]).await;
    let at = validator.endpoints.p2p.clone();
    assert!(at.starts_with("/ip4/127.0.0.1/udp/") && !at.contains("quic"), "{at}");
    let follower_home = homes.follower();
    let settings = [LISTEN, MODE, ("p2p.bootstrap", at.as_str())];
    let follower = start(&follower_home, &settings).await;
    follower.reach(5).await;
    for (node, home) in [(&validator, &homes.homes[0]), (&follower, &follower_home)] {
        let answer = tunnels(node, home).await;
        let [peer] = answer["peers"].as_array().unwrap().as_slice() else { panic!("one peer: {answer}") };
        assert_eq!(peer["path"], "direct");
        for age in ["wireguard_handshake_age_s", "post_quantum_key_age_s"] {
            assert!(peer[age].as_f64().is_some_and(|age| age < 180.0), "{answer}");
        }
        assert!(peer["rx_bytes"].as_u64().unwrap() > 1_000 && peer["tx_bytes"].as_u64().unwrap() > 1_000, "{answer}");
        assert!(peer["endpoint"].as_str().unwrap().starts_with("127.0.0.1:"), "{answer}");
        let until = Instant::now() + Duration::from_secs(10);
        loop {
            let (_, text) = get(&format!("{}/metrics", node.endpoints.metrics)).await;
            if text.lines().any(|line| line.starts_with("pyralog_tunnel_open{") && line.ends_with(" 1.0")) {
                for name in [
                    "pyralog_tunnel_key_age_seconds{",
                    "pyralog_tunnel_received_bytes_total{",
                    "pyralog_tunnel_dropped_total{reason=",
                ] {
                    assert!(text.lines().any(|line| line.starts_with(name)), "{name} is missing: {text}");
                }
                break;
            }
            assert!(Instant::now() < until, "the metrics show no open tunnel");
            sleep(Duration::from_millis(100)).await;
        }
    }
    // Its keys are the same again, and the key of the other one is on its disk.
    let key = std::fs::read(follower_home.tunnel_key()).unwrap();
    let kept = std::fs::read_dir(follower_home.tunnel().join("keys")).unwrap().count();
    assert_eq!(kept, 1, "the key of the validator");
    let height = follower.height();
    follower.stop().await;
    assert!(follower_home.tunnel_records().exists());
    let follower = start(&follower_home, &settings).await;
    follower.reach(height + 5).await;
    assert_eq!(std::fs::read(follower_home.tunnel_key()).unwrap(), key);
    follower.stop().await;
    validator.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn without_post_quantum_keys_wireguard_alone_carries_the_network() {
    let homes = homes(1);
    let off = ("tunnel.post_quantum", "off");
    let validator = start(&homes.homes[0], &[LISTEN, MODE, off]).await;
    let at = validator.endpoints.p2p.clone();
    let follower_home = homes.follower();
    let follower = start(&follower_home, &[LISTEN, MODE, off, ("p2p.bootstrap", at.as_str())]).await;
    follower.reach(3).await;
    let answer = tunnels(&follower, &follower_home).await;
    assert!(answer["peers"][0]["wireguard_handshake_age_s"].is_number(), "{answer}");
    assert!(answer["peers"][0]["post_quantum_key_age_s"].is_null(), "{answer}");
    assert!(!follower_home.rosenpass_pair().exists());
    follower.stop().await;
    validator.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_busy_port_and_settings_of_tcp_are_told_with_the_remedy() {
    let homes = homes(1);
    let held = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    let busy = format!("/ip4/127.0.0.1/udp/{}", held.local_addr().unwrap().port());
    for (listen, remedy) in [(busy.as_str(), "--p2p-listen"), ("/ip4/127.0.0.1/tcp/0", "--tunnel-mode off")] {
        let settings = config(&[("p2p.listen", listen), MODE]);
        let error = Node::start(&homes.homes[0], &settings, super::kit::PASSPHRASE).await.err().unwrap().to_string();
        assert!(error.contains(remedy), "{error}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn nodes_with_one_obfuscation_agree() {
    let homes = homes(1);
    let follower_home = homes.follower();
    for home in [&homes.homes[0], &follower_home] {
        let text = b"Secret = the nodes of this network have it in common\nJc = 1\n";
        write_atomic(&home.root().join("obfuscation.conf"), text, SECRET).unwrap();
    }
    let obfuscated = ("tunnel.obfuscation", "obfuscation.conf");
    let validator = start(&homes.homes[0], &[LISTEN, MODE, obfuscated]).await;
    let at = validator.endpoints.p2p.clone();
    let follower = start(&follower_home, &[LISTEN, MODE, obfuscated, ("p2p.bootstrap", at.as_str())]).await;
    follower.reach(3).await;
    let answer = tunnels(&follower, &follower_home).await;
    assert!(answer["peers"][0]["post_quantum_key_age_s"].is_number(), "{answer}");
    follower.stop().await;
    validator.stop().await;
}
