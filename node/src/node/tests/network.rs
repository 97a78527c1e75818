use std::time::Duration;

use bytes::Bytes;
use prometheus_client::registry::Registry;
use pyralog_consensus::block::tx_hash;
use pyralog_crypto::codec::Encode;
use tokio::time::{sleep, timeout};

use super::kit::{config, get, get_json, homes, launch, start};
use crate::driver::p2p_config;
use crate::driver::wire::{TX_TOPIC, TxGossip};

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn four_nodes_agree_and_one_that_was_away_catches_up() {
    let homes = homes(4);
    let first = start(&homes.homes[0], &[]).await;
    let hub = first.endpoints.p2p.clone();
    let settings = [("p2p.bootstrap", hub.as_str())];
    let second = start(&homes.homes[1], &settings).await;
    let third = start(&homes.homes[2], &settings).await;
    // Three of four are a quorum.
    first.reach(8).await;
    let late = start(&homes.homes[3], &settings).await;
    late.reach(8).await;
    let target = late.height() + 5;
    for node in [&first, &second, &third, &late] {
        node.reach(target).await;
    }
    for height in [1, 8, target] {
        let hash = |node: &super::kit::Running| node.backend.chain().block(height).unwrap().unwrap().hash();
        let all = [hash(&first), hash(&second), hash(&third), hash(&late)];
        assert!(all.windows(2).all(|pair| pair[0] == pair[1]), "height {height}: {all:?}");
    }
    let (status, ready) = get_json(&format!("{}/readyz", late.endpoints.metrics)).await;
    assert_eq!(status, 200, "{ready}");
    let info = late.call("net_info", serde_json::json!({})).await;
    assert_ne!(info["result"]["n_peers"], "0");
    // A transaction sent to one is in a block of all.
    let sent = late
        .call("broadcast_tx_commit", serde_json::json!({"tx": crate::rpc::json::base64(homes.transfer(0, 5, |_| ()))}))
        .await;
    assert_eq!(sent["result"]["tx_result"]["code"], 0, "{sent}");
    for node in [first, second, third, late] {
        node.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_forged_transaction_is_held_against_its_sender_and_an_early_one_is_not() {
    let homes = homes(1);
    let node = start(&homes.homes[0], &[]).await;
    let peer = config(&[("p2p.bootstrap", node.endpoints.p2p.as_str())]).p2p;
    let peer = p2p_config([7; 32], homes.genesis.chain_id(), &peer, None);
    let (peer, mut events) = pyralog_p2p::start(peer, &mut Registry::default()).await.unwrap();
    let hears = tokio::spawn(async move { while events.recv().await.is_some() {} });
    let publish = |tx: Vec<u8>| {
        let peer = peer.clone();
        async move {
            let message = Bytes::from(TxGossip { attempt: 0, bundles: vec![vec![tx.into()]] }.to_bytes());
            while let Err(pyralog_p2p::Error::NoPeers(_)) = peer.publish(TX_TOPIC, message.clone()).await {
                sleep(Duration::from_millis(50)).await;
            }
        }
    };
    let judged = |result: &'static str| {
        let url = format!("{}/metrics", node.endpoints.metrics);
        async move {
            let (name, result) = (format!("name=\"{TX_TOPIC}\""), format!("result=\"{result}\""));
            let (_, text) = get(&url).await;
            let line = text.lines().find(|line| {
                line.starts_with("pyralog_p2p_gossip_messages_total{") && line.contains(&name) && line.contains(&result)
            });
            line.unwrap().rsplit(' ').next().unwrap().parse::<u64>().unwrap()
        }
    };
    let mut forged = homes.transfer(0, 5, |_| ());
    *forged.last_mut().unwrap() ^= 1;
    let told = async {
        publish(homes.transfer(2_000, 5, |_| ())).await;
        publish(forged).await;
        publish(homes.transfer(0, 5, |_| ())).await;
        while (judged("accepted").await, judged("rejected").await) != (1, 1) {
            sleep(Duration::from_millis(50)).await;
        }
    };
    timeout(Duration::from_secs(60), told).await.expect("one is forwarded and one is blamed");
    assert_eq!(judged("received").await, 3);
    peer.shutdown().await;
    hears.abort();
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn what_was_sent_to_a_node_without_peers_is_in_a_block_when_it_has_some() {
    let homes = homes(1);
    let follower = launch(&homes.follower(), &[]).await;
    let tx = homes.transfer(0, 5, |_| ());
    let sent =
        follower.call("broadcast_tx_sync", serde_json::json!({"tx": crate::rpc::json::base64(tx.clone())})).await;
    assert_eq!(sent["result"]["code"], 0, "{sent}");
    // Longer than what is sent is collected: it went nowhere.
    sleep(Duration::from_millis(300)).await;
    let validator = start(&homes.homes[0], &[("p2p.bootstrap", follower.endpoints.p2p.as_str())]).await;
    let hash = tx_hash(&tx);
    let in_a_block = async {
        while validator.backend.chain().tx(&hash).unwrap().is_none() {
            sleep(Duration::from_millis(20)).await;
        }
    };
    timeout(Duration::from_secs(60), in_a_block).await.expect("it is offered again");
    validator.stop().await;
    follower.stop().await;
}
