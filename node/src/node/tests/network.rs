use super::kit::{get_json, homes, start};

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
