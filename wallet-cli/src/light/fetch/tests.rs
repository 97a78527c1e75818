use std::io::{Read, Write};
use std::net::TcpListener;
use std::sync::{Arc, Mutex};

use pyralog_consensus::light::testkit::{TestBlock, TestChain};
use serde_json::json;
use tendermint::{account, block, public_key::PublicKey, vote};

use super::*;
use crate::node::NodeArgs;

/// A CometBFT RPC over a chain in memory: `/commit` and `/validators`, one validator per page.
fn rpc_server(chain: TestChain) -> String {
    growing_server(Arc::new(Mutex::new(chain)))
}

fn growing_server(chain: Arc<Mutex<TestChain>>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let mut request = [0; 4096];
            let count = stream.read(&mut request).unwrap_or(0);
            let text = String::from_utf8_lossy(&request[..count]).into_owned();
            let target = text.split_whitespace().nth(1).unwrap_or_default().to_owned();
            let (status, body) = answer(&chain.lock().unwrap(), &target);
            let body = body.to_string();
            let _ = write!(
                stream,
                "HTTP/1.1 {status} X\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}",
                body.len()
            );
        }
    });
    url
}

fn answer(chain: &TestChain, target: &str) -> (u16, Value) {
    let query = |key: &str| {
        let (_, query) = target.split_once('?')?;
        query.split('&').find_map(|pair| pair.strip_prefix(&format!("{key}=")))?.parse::<u64>().ok()
    };
    let height = query("height").unwrap_or(chain.height());
    if target.starts_with("/commit") {
        if height > chain.height() {
            let data = "height must be less than or equal to the current blockchain height";
            return (200, json!({ "error": { "code": -32603, "message": "Internal error", "data": data } }));
        }
        let TestBlock { header, commit, .. } = chain.at(height);
        let signed = block::signed_header::SignedHeader::new(header.clone(), commit.clone()).unwrap();
        return (200, json!({ "jsonrpc": "2.0", "id": -1, "result": { "signed_header": signed, "canonical": true } }));
    }
    if target.starts_with("/validators") {
        let set =
            if height > chain.height() { &chain.at(height - 1).next_validators } else { &chain.at(height).validators };
        let page = usize::try_from(query("page").unwrap()).unwrap();
        let entry = &set.0[page - 1];
        let info = validator::Info {
            address: account::Id::new(entry.address()),
            pub_key: PublicKey::from_raw_ed25519(&entry.public_key.0).unwrap(),
            power: vote::Power::try_from(entry.power).unwrap(),
            name: None,
            proposer_priority: 0.into(),
        };
        return (
            200,
            json!({ "result": { "block_height": height.to_string(), "validators": [info], "count": "1", "total": set.0.len().to_string() } }),
        );
    }
    (404, json!({ "error": "no such path" }))
}

fn chain() -> TestChain {
    let mut chain = TestChain::new("pyralog-dev-rpc", &[(1, 10), (2, 20), (3, 30)]);
    chain.push_empty(5);
    chain
}

#[test]
fn light_blocks_come_over_the_cometbft_rpc_when_there_is_no_native_api() {
    let (url, chain) = (rpc_server(chain()), chain());
    let nodes = NodeArgs { node: vec![url.clone()] }.connect().unwrap();
    for height in [1, 3, 5] {
        let block = once(&nodes, &url, Some(height)).unwrap();
        assert_eq!(block, chain.at(height).light_block());
        assert_eq!(block.check().unwrap(), chain.at(height).hash());
    }
    assert_eq!(once(&nodes, &url, None).unwrap().header.height, 5);
}

#[test]
fn an_error_of_the_rpc_is_passed_on_and_a_height_to_come_is_said_to_be_one() {
    let url = rpc_server(chain());
    let nodes = NodeArgs { node: vec![url.clone()] }.connect().unwrap();
    assert!(fetch(&nodes, &url, Some(99), &mut None).unwrap_err().contains("current blockchain height"));
    assert_eq!(once(&nodes, &url, Some(99)).unwrap_err(), "there is no block 99 yet, its latest is 5");
}

#[test]
fn a_node_that_is_just_behind_is_waited_for() {
    let grows = Arc::new(Mutex::new(chain()));
    let url = growing_server(Arc::clone(&grows));
    let nodes = NodeArgs { node: vec![url.clone()] }.connect().unwrap();
    let block = std::thread::spawn(move || patient(&nodes, &url, Some(6), &mut None));
    std::thread::sleep(Duration::from_millis(100));
    grows.lock().unwrap().push_empty(1);
    assert_eq!(block.join().unwrap().unwrap().header.height, 6);
    let url = rpc_server(chain());
    let nodes = NodeArgs { node: vec![url.clone()] }.connect().unwrap();
    assert!(patient(&nodes, &url, Some(99), &mut None).is_err(), "far ahead: nobody waits");
}

#[test]
fn a_dead_node_is_an_error_and_not_taken_for_an_rpc() {
    let url = "http://127.0.0.1:1".to_owned();
    let nodes = NodeArgs { node: vec![url.clone()] }.connect().unwrap();
    assert!(once(&nodes, &url, None).unwrap_err().contains("refused"));
}
