use std::sync::Arc;
use std::time::Duration;

use pyralog_consensus::block::tx_hash;
use pyralog_crypto::{Hash, MerkleHash, Sha256};
use serde_json::{Value, json};

use super::*;
use crate::chain::ChainReader;
use crate::rpc::json;
use crate::testkit::{Solo, StillBackend, transfer};

fn chain(blocks: u64) -> (Context, Solo) {
    let mut solo = Solo::new().start();
    solo.reach(1);
    solo.submit(vec![transfer(0, 5)]).unwrap();
    solo.submit(vec![transfer(1, 6)]).unwrap();
    solo.submit(vec![transfer(2, 7)]).unwrap();
    solo.reach(blocks);
    let context = Context {
        backend: Arc::new(StillBackend::over(&solo)),
        commit_timeout: Duration::from_millis(50),
        rpc_address: "127.0.0.1:26657".into(),
        p2p_address: "tcp://127.0.0.1:26656".into(),
        stopping: tokio::sync::watch::Sender::new(false).subscribe(),
    };
    (context, solo)
}

async fn ask(cx: &Context, method: &str, params: Value) -> Answer {
    call(cx, method, &Params::from_json(params, parameters(method).unwrap())?).await
}

#[tokio::test]
async fn an_empty_chain_answers_without_blocks() {
    let solo = Solo::new();
    let (mut cx, _) = chain(2);
    cx.backend = Arc::new(StillBackend::over(&solo));
    let status = ask(&cx, "status", json!({})).await.unwrap();
    assert_eq!(status["sync_info"]["latest_block_height"], "0");
    assert_eq!(status["sync_info"]["latest_block_time"], "0001-01-01T00:00:00Z");
    assert_eq!(ask(&cx, "blockchain", json!({})).await.unwrap()["block_metas"], json!([]));
    let refused = ask(&cx, "block", json!({})).await.unwrap_err();
    assert!(refused.detail().contains("no block is committed yet"), "{refused:?}");
    assert_eq!(ask(&cx, "validators", json!({})).await.unwrap()["block_height"], "1");
}

#[tokio::test]
async fn blockchain_gives_the_newest_first_and_twenty_at_most() {
    let (cx, _) = chain(25);
    let all = ask(&cx, "blockchain", json!({})).await.unwrap();
    let heights: Vec<&str> =
        all["block_metas"].as_array().unwrap().iter().map(|meta| meta["header"]["height"].as_str().unwrap()).collect();
    assert_eq!((heights.len(), heights[0], heights[19]), (20, "25", "6"));
    let some = ask(&cx, "blockchain", json!({"minHeight": 3, "maxHeight": "4"})).await.unwrap();
    assert_eq!(some["block_metas"].as_array().unwrap().len(), 2);
    assert!(ask(&cx, "blockchain", json!({"minHeight": 9, "maxHeight": 4})).await.is_err());
    assert!(ask(&cx, "blockchain", json!({"minHeight": -1})).await.is_err());
}

#[tokio::test]
async fn a_proof_leads_from_the_transaction_to_the_data_hash() {
    let (cx, solo) = chain(4);
    let hash = tx_hash(&transfer(1, 6));
    let found = ask(&cx, "tx", json!({"hash": hash.to_string(), "prove": true})).await.unwrap();
    let proof = &found["proof"];
    let bytes = |value: &Value| {
        use base64::Engine as _;
        base64::engine::general_purpose::STANDARD.decode(value.as_str().unwrap()).unwrap()
    };
    let number = |value: &Value| value.as_str().unwrap().parse::<u64>().unwrap();
    let path = pyralog_crypto::InclusionProof {
        index: number(&proof["proof"]["index"]),
        size: number(&proof["proof"]["total"]),
        path: proof["proof"]["aunts"]
            .as_array()
            .unwrap()
            .iter()
            .map(|aunt| Hash(bytes(aunt).try_into().unwrap()))
            .collect(),
    };
    let leaf = Sha256::leaf(&hash.0);
    assert_eq!(bytes(&proof["proof"]["leaf_hash"]), leaf.0);
    let height = number(&found["height"]);
    let header = &solo.memory.block(height).unwrap().unwrap().block.header;
    let root = Hash(header.data_hash.unwrap().as_bytes().try_into().unwrap());
    assert_eq!(proof["root_hash"], crate::rpc::json::hash(&root));
    path.verify::<Sha256>(&leaf, &root).unwrap();
    let missing = ask(&cx, "tx", json!({"hash": "00".repeat(32)})).await.unwrap_err();
    assert!(missing.detail().ends_with("not found"), "{missing:?}");
}

#[tokio::test]
async fn searches_find_by_hash_height_and_event_in_either_order() {
    let (cx, solo) = chain(5);
    let hash = crate::rpc::json::hash(&tx_hash(&transfer(0, 5)));
    let count = async |query: &str| {
        let found = ask(&cx, "tx_search", json!({"query": query})).await.unwrap();
        assert_eq!(found["txs"].as_array().unwrap().len().to_string(), found["total_count"].as_str().unwrap());
        found["txs"].as_array().unwrap().len()
    };
    assert_eq!(count(&format!("tx.hash='{hash}'")).await, 1);
    assert_eq!(count(&format!("tx.hash='{}'", hash.to_lowercase())).await, 1);
    assert_eq!(count(&format!("tx.hash='{hash}' AND tx.height=1000")).await, 0);
    assert_eq!(count("tx.height>0").await, 3);
    assert_eq!(count("tx.height>0 AND tx.height<1").await, 0);
    assert_eq!(count(&format!("tx.hash='{}'", "0".repeat(64))).await, 0);
    let order = async |by: &str| {
        let found =
            ask(&cx, "tx_search", json!({"query": "tx.height>=1", "order_by": by, "per_page": 2})).await.unwrap();
        assert_eq!(found["txs"].as_array().unwrap().len(), 2);
        found["txs"][0]["hash"].clone()
    };
    assert_ne!(order("asc").await, order("desc").await);
    for bad in ["tx.hash='zz'", "tx.height=x", ""] {
        assert!(ask(&cx, "tx_search", json!({"query": bad})).await.is_err(), "{bad}");
    }
    assert!(ask(&cx, "tx_search", json!({"query": "tx.height>0", "order_by": "up"})).await.is_err());
    let blocks = ask(&cx, "block_search", json!({"query": "block.height>=2 AND block.height<=4"})).await.unwrap();
    assert_eq!(blocks["total_count"], "3");
    let tags = tags(&solo.memory.block(2).unwrap().unwrap(), 0);
    assert_eq!(tags["tm.event"], ["Tx"]);
}

#[tokio::test]
async fn proofs_of_a_page_are_those_of_single_transactions_in_either_order() {
    let (cx, _) = chain(4);
    for order in ["asc", "desc"] {
        let params = json!({"query": "tx.height>0", "prove": true, "order_by": order});
        let found = ask(&cx, "tx_search", params).await.unwrap();
        let txs = found["txs"].as_array().unwrap();
        assert_eq!(txs.len(), 3);
        for entry in txs {
            let hash = json::base64(hex::decode(entry["hash"].as_str().unwrap()).unwrap());
            assert!(entry["proof"]["proof"]["aunts"].is_array(), "{entry}");
            assert_eq!(*entry, ask(&cx, "tx", json!({"hash": hash, "prove": true})).await.unwrap());
        }
    }
}

#[tokio::test]
async fn a_state_value_is_proven_under_the_next_header() {
    let (cx, solo) = chain(5);
    let name = hex::encode(pyralog_consensus::ledger::state_key::PARAMS);
    let answer =
        ask(&cx, "abci_query", json!({"path": "/key", "data": name, "prove": true, "height": "4"})).await.unwrap();
    let response = &answer["response"];
    assert_eq!((response["code"].as_u64(), response["height"].as_str()), (Some(0), Some("4")), "{response}");
    use base64::Engine as _;
    use pyralog_crypto::codec::Decode;
    let op = response["proofOps"]["ops"][0]["data"].as_str().unwrap();
    let proof = base64::engine::general_purpose::STANDARD.decode(op).unwrap();
    let proof = pyralog_consensus::ledger::StateProof::from_bytes(&proof).unwrap();
    let next = solo.memory.block(5).unwrap().unwrap();
    let root = Hash(next.block.header.app_hash.as_bytes().try_into().unwrap());
    let value = proof.verify(&root, pyralog_consensus::ledger::state_key::PARAMS).unwrap().unwrap();
    assert_eq!(response["value"].as_str().unwrap(), crate::rpc::json::base64(value));
    let absent = ask(&cx, "abci_query", json!({"path": "/key", "data": "6e6f6e65"})).await.unwrap();
    assert!(absent["response"]["value"].is_null());
    for bad in [json!({"path": "/nowhere", "data": "00"}), json!({"path": "/key", "data": "00", "height": "999"})] {
        assert_ne!(ask(&cx, "abci_query", bad).await.unwrap()["response"]["code"], 0);
    }
}

#[tokio::test]
async fn what_the_mempool_refuses_is_an_error_and_waiting_ends() {
    let (cx, _) = chain(2);
    let tx = crate::rpc::json::base64(transfer(9, 9));
    for method in ["broadcast_tx_sync", "broadcast_tx_commit"] {
        let refused = ask(&cx, method, json!({"tx": tx})).await.unwrap_err();
        assert!(refused.detail().contains("mempool"), "{method}: {refused:?}");
    }
    let accepted = ask(&cx, "broadcast_tx_async", json!({"tx": tx})).await.unwrap();
    assert_eq!(accepted["hash"], crate::rpc::json::hash(&tx_hash(&transfer(9, 9))));
    assert_ne!(ask(&cx, "check_tx", json!({"tx": tx})).await.unwrap()["code"], 0);
    assert!(ask(&cx, "broadcast_tx_sync", json!({})).await.is_err());
}

#[tokio::test]
async fn genesis_comes_whole_or_in_chunks() {
    let (cx, solo) = chain(2);
    let whole = ask(&cx, "genesis", json!({})).await.unwrap();
    assert_eq!(whole["genesis"]["chain_id"], solo.genesis.chain_id());
    let chunk = ask(&cx, "genesis_chunked", json!({"chunk": 0})).await.unwrap();
    assert_eq!((chunk["chunk"].as_str(), chunk["total"].as_str()), (Some("0"), Some("1")));
    assert!(ask(&cx, "genesis_chunked", json!({"chunk": 1})).await.is_err());
}

#[test]
fn a_node_id_is_the_address_of_its_key() {
    let (cx, _) = chain(1);
    let key = cx.backend.identity().peer;
    assert_eq!(node_id(&key), hex::encode(&Sha256::digest(&key.0).0[..20]));
    assert_eq!(node_id(&key).len(), 40);
    assert!(RPC_VERSION.starts_with("0.38."));
}
