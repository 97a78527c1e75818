use std::time::Duration;

use futures::StreamExt;
use serde_json::{Value, json};
use tendermint_rpc::query::{EventType, Query};
use tendermint_rpc::{Client, HttpClient, Paging, SubscriptionClient, WebSocketClient};

use super::kit::{get, get_json, homes, post, post_text, start};
use crate::rpc::json::base64;
use crate::rpc::methods::METHODS;

#[tokio::test(flavor = "multi_thread")]
async fn every_method_answers() {
    let homes = homes(1);
    let node = start(&homes.homes[0], &[]).await;
    node.reach(3).await;
    let rpc = &node.endpoints.rpc;
    let sent = node.call("broadcast_tx_commit", json!({"tx": base64(homes.transfer(0, 7, |_| ()))})).await;
    let result = &sent["result"];
    assert_eq!(
        (result["check_tx"]["code"].as_u64(), result["tx_result"]["code"].as_u64()),
        (Some(0), Some(0)),
        "{sent}"
    );
    let (hash, height) = (result["hash"].as_str().unwrap(), result["height"].as_str().unwrap());
    let block_hash = node.call("block", json!({"height": "2"})).await["result"]["block_id"]["hash"].clone();

    for (method, _) in METHODS {
        let params = match *method {
            "block_by_hash" | "header_by_hash" => json!({"hash": block_hash}),
            "tx" => json!({"hash": base64(hex::decode(hash).unwrap()), "prove": true}),
            "tx_search" => json!({"query": format!("tx.hash='{hash}'"), "prove": true}),
            "block_search" => json!({"query": "block.height=2"}),
            "abci_query" => json!({"path": "/key", "data": hex::encode("params"), "prove": true}),
            "check_tx" => json!({"tx": base64(homes.transfer(1, 1, |_| ()))}),
            "broadcast_tx_sync" => json!({"tx": base64(homes.transfer(1, 2, |_| ()))}),
            "broadcast_tx_async" => json!({"tx": base64(homes.transfer(2, 2, |_| ()))}),
            "broadcast_tx_commit" => continue,
            _ => json!({}),
        };
        let answer = node.call(method, params).await;
        assert!(answer["error"].is_null() && !answer["result"].is_null(), "{method}: {answer}");
    }
    let found = node.call("tx_search", json!({"query": format!("tx.height={height}")})).await;
    assert!(found["result"]["txs"].as_array().unwrap().iter().any(|tx| tx["hash"] == hash), "{found}");
    let (status, text) = get(rpc).await;
    assert!(status == 200 && text.contains("/validators?height=_"), "{text}");
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_shapes_that_clients_trip_over() {
    let homes = homes(1);
    let node = start(&homes.homes[0], &[]).await;
    node.reach(2).await;
    let result = async |method: &str, params: Value| node.call(method, params).await["result"].clone();
    let status = result("status", json!({})).await;
    assert!(status["node_info"]["version"].as_str().unwrap().starts_with("0.38."));
    let id = status["node_info"]["id"].as_str().unwrap();
    assert!(id.len() == 40 && id.bytes().all(|byte| byte.is_ascii_hexdigit()));
    assert_eq!(status["sync_info"]["catching_up"], false);
    assert_eq!(status["validator_info"]["voting_power"], "100");

    let validators = result("validators", json!({})).await;
    let first = &validators["validators"][0];
    assert_eq!(
        (first["voting_power"].as_str(), first["pub_key"]["type"].as_str()),
        (Some("100"), Some("tendermint/PubKeyEd25519"))
    );
    assert!(first["proposer_priority"].is_string() && first["power"].is_null());

    let one = result("block", json!({"height": 1})).await;
    assert_eq!(one["block"]["header"]["last_block_id"], json!({"hash": "", "parts": {"total": 0, "hash": ""}}));
    let none = json!({"height": "0", "round": 0, "block_id": {"hash": "", "parts": {"total": 0, "hash": ""}}, "signatures": []});
    assert_eq!(one["block"]["last_commit"], none);
    assert_eq!(one["block"]["evidence"]["evidence"], json!([]));

    let genesis = result("genesis", json!({})).await;
    assert!(genesis["genesis"]["consensus_params"]["block"]["max_bytes"].is_string());
    assert_eq!(genesis["genesis"]["app_hash"].as_str().unwrap().len(), 64);

    let future = node.call("commit", json!({"height": "1000000"})).await;
    assert_eq!(future["error"]["code"], -32603);
    let data = future["error"]["data"].as_str().unwrap();
    assert!(data.contains("must be less than or equal to the current blockchain height"), "{data}");
    let next = node.backend.chain().height() + 1;
    let next = node.call("validators", json!({"height": next.to_string()})).await;
    assert!(next["error"].is_null(), "the set of the next height is known: {next}");
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn uri_calls_batches_and_errors_follow_cometbft() {
    let homes = homes(1);
    let node = start(&homes.homes[0], &[("rpc.max_batch", "3")]).await;
    node.reach(2).await;
    let rpc = &node.endpoints.rpc;
    for uri in ["/block?height=1", "/block?height=\"1\"", "/block?height=%221%22"] {
        let (status, answer) = get_json(&format!("{rpc}{uri}").replace('"', "%22")).await;
        assert_eq!((status, answer["result"]["block"]["header"]["height"].as_str()), (200, Some("1")), "{uri}");
        assert_eq!(answer["id"], -1);
    }
    let (_, block) = get_json(&format!("{rpc}/block?height=1")).await;
    let hash = block["result"]["block_id"]["hash"].as_str().unwrap();
    let (_, same) = get_json(&format!("{rpc}/block_by_hash?hash=0x{hash}")).await;
    assert_eq!(same["result"], block["result"]);
    let (status, bad) = get_json(&format!("{rpc}/block?height=abc")).await;
    assert_eq!((status, bad["error"]["code"].as_i64()), (500, Some(-32602)));
    assert_eq!(get(&format!("{rpc}/no_such_method")).await.0, 404);

    let call = |id: u32, method: &str| json!({"jsonrpc": "2.0", "id": id, "method": method});
    let (_, batch) =
        post(rpc, &json!([call(1, "health"), call(2, "nothing"), {"jsonrpc": "2.0", "method": "health"}])).await;
    assert_eq!(batch.as_array().unwrap().len(), 2, "a notification is not answered: {batch}");
    assert_eq!((batch[0]["result"].clone(), batch[1]["error"]["code"].as_i64()), (json!({}), Some(-32601)));
    let (_, many) = post(rpc, &json!(vec![call(1, "health"); 4])).await;
    assert!(many["error"]["data"].as_str().unwrap().contains("rpc.max_batch"), "{many}");
    let (status, text) = post_text(rpc, "{not json".into(), &[]).await;
    assert!(status == 500 && text.contains("-32700"), "{text}");
    let unknown = node.call("block", json!({"heigth": 1})).await;
    assert_eq!(unknown["error"]["code"], -32602);
    let (status, _) = post_text(rpc, call(1, "health").to_string(), &[("host", "evil.example".into())]).await;
    assert_eq!(status, 403);

    let refused = node.call("broadcast_tx_sync", json!({"tx": base64([1, 1, 0])})).await;
    assert_ne!(refused["result"]["code"], 0, "{refused}");
    assert_eq!(refused["result"]["codespace"], "pyralog");
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unmodified_client_follows_over_http_and_websocket() {
    let homes = homes(1);
    let node = start(&homes.homes[0], &[]).await;
    node.reach(2).await;
    let client = HttpClient::new(node.endpoints.rpc.as_str()).unwrap();
    client.health().await.unwrap();
    assert_eq!(client.status().await.unwrap().node_info.network.as_str(), "pyralog-dev-test");
    for height in [1u32, 2] {
        let block = client.block(height).await.unwrap();
        assert_eq!(block.block.header.hash(), block.block_id.hash, "header {height} hashes to its id");
        let commit = client.commit(height).await.unwrap();
        let set = client.validators(height, Paging::All).await.unwrap();
        let set = tendermint::validator::Set::without_proposer(set.validators);
        assert_eq!(set.hash(), commit.signed_header.header.validators_hash);
    }
    client.block_results(1u32).await.unwrap();
    client.consensus_params(1u32).await.unwrap();
    client.consensus_state().await.unwrap();
    client.net_info().await.unwrap();
    client.genesis::<Value>().await.unwrap();
    client.abci_info().await.unwrap();
    client.blockchain(1u32, 2u32).await.unwrap();

    let url = format!("{}/websocket", node.endpoints.rpc.replace("http://", "ws://"));
    let (socket, driver) = WebSocketClient::new(url.as_str()).await.unwrap();
    let driver = tokio::spawn(driver.run());
    let mut blocks = socket.subscribe(EventType::NewBlock.into()).await.unwrap();
    let tx = homes.transfer(0, 3, |_| ());
    let query =
        Query::from(EventType::Tx).and_eq("tx.hash", crate::rpc::json::hash(&pyralog_consensus::block::tx_hash(&tx)));
    let mut txs = socket.subscribe(query).await.unwrap();
    let accepted = client.broadcast_tx_sync(tx.clone()).await.unwrap();
    assert!(accepted.code.is_ok(), "{accepted:?}");
    let limit = Duration::from_secs(20);
    let event = tokio::time::timeout(limit, txs.next()).await.unwrap().unwrap().unwrap();
    assert!(matches!(event.data, tendermint_rpc::event::EventData::Tx { tx_result } if tx_result.tx == tx));
    for _ in 0..2 {
        let event = tokio::time::timeout(limit, blocks.next()).await.unwrap().unwrap().unwrap();
        assert!(matches!(event.data, tendermint_rpc::event::EventData::NewBlock { block: Some(_), .. }));
    }
    let found = client.tx(tendermint::Hash::Sha256(pyralog_consensus::block::tx_hash(&tx).0), true).await.unwrap();
    let proof = found.proof.unwrap();
    assert_eq!(proof.data, tx);
    drop((blocks, txs));
    socket.close().unwrap();
    let _ = driver.await;
    node.stop().await;
}
