//! Plain HTTP, as `curl` and scripts send it: URI parameters, batches, and what is malformed.

use std::io::{Read, Write};
use std::net::TcpStream;

use serde_json::{Value, json};

use super::{PATIENCE, Payer, hash_of};
use crate::net::{Net, wait};

/// Status and body, whatever the status is.
fn send(url: &str, body: Option<&str>) -> (u16, Value) {
    let agent: ureq::Agent = ureq::Agent::config_builder()
        .timeout_global(Some(PATIENCE))
        .http_status_as_error(false)
        .proxy(None)
        .build()
        .into();
    let mut answer = match body {
        None => agent.get(url).call(),
        Some(body) => agent.post(url).content_type("application/json").send(body),
    }
    .unwrap();
    let text = answer.body_mut().read_to_string().unwrap();
    (answer.status().as_u16(), serde_json::from_str(&text).unwrap_or(Value::String(text)))
}

#[test]
fn every_method_answers_by_uri_and_alike_by_post() {
    let net = Net::up(4);
    let rpc = &net.manifest().nodes[0].rpc;
    let payer = Payer::new(&net, 0);
    let uri =
        |path: &str| send(&format!("{rpc}/{}", path.replace('"', "%22").replace('>', "%3E").replace(' ', "%20")), None);
    let hex = |tx: &[u8]| hex::encode(tx);

    let (status, done) = uri(&format!("broadcast_tx_commit?tx=0x{}", hex(&payer.transfer(1))));
    assert_eq!((status, &done["result"]["tx_result"]["code"]), (200, &json!(0)), "{done}");
    let hash = done["result"]["hash"].as_str().unwrap();
    let at = done["result"]["height"].as_str().unwrap();
    for method in ["broadcast_tx_sync", "broadcast_tx_async"] {
        let tx = payer.transfer(2);
        let (status, sent) = uri(&format!("{method}?tx=0x{}", hex(&tx)));
        assert_eq!(
            (status, &sent["result"]["code"], sent["result"]["hash"].as_str()),
            (200, &json!(0), Some(&*hash_of(&tx).to_string()))
        );
        wait(PATIENCE, method, || uri(&format!("tx?hash=0x{}", hash_of(&tx))).0 == 200);
    }
    let (_, block) = uri("block?height=2");
    let block_hash = block["result"]["block_id"]["hash"].as_str().unwrap();

    // The same answer by URI with bare and quoted values, and by POST. What changes with each block is not compared.
    for (paths, method, params) in [
        (&["block?height=2", "block?height=\"2\""][..], "block", json!({"height": "2"})),
        (&["block_results?height=2"], "block_results", json!({"height": 2})),
        (&["header?height=2"], "header", json!(["2"])),
        (&["commit?height=1"], "commit", json!({"height": "1"})),
        (&[&format!("block_by_hash?hash=0x{block_hash}")], "block_by_hash", json!({"hash": block_hash})),
        (&[&format!("header_by_hash?hash=0x{block_hash}")], "header_by_hash", json!({"hash": block_hash})),
        (
            &["validators?height=2&page=1&per_page=2", "validators?height=\"2\"&page=\"1\"&per_page=\"2\""],
            "validators",
            json!({"height": "2", "page": "1", "per_page": "2"}),
        ),
        (&["consensus_params?height=1"], "consensus_params", json!({"height": "1"})),
        (&[&format!("tx?hash=0x{hash}&prove=true")], "tx", json!({"hash": hash, "prove": true})),
        (
            &[&format!("tx_search?query=\"tx.height={at}\"&prove=true&page=1&per_page=5&order_by=\"desc\"")],
            "tx_search",
            json!({"query": format!("tx.height={at}"), "prove": true, "page": "1", "per_page": "5", "order_by": "desc"}),
        ),
        (
            &[&format!("tx_search?query=\"tx.hash='{hash}'\"")],
            "tx_search",
            json!({"query": format!("tx.hash='{hash}'")}),
        ),
        (&["block_search?query=\"block.height=2\""], "block_search", json!({"query": "block.height=2"})),
        (
            &[
                "abci_query?path=\"/key\"&data=0x706172616d73&height=2",
                "abci_query?path=\"/key\"&data=\"params\"&height=2",
            ],
            "abci_query",
            json!({"path": "/key", "data": "706172616d73", "height": "2"}),
        ),
        (&["genesis", "genesis?"], "genesis", json!({})),
        (&["genesis_chunked?chunk=0"], "genesis_chunked", json!({"chunk": 0})),
        (&["health"], "health", json!(null)),
    ] {
        let call = json!({"jsonrpc": "2.0", "id": "x", "method": method, "params": params});
        let (status, posted) = send(rpc, Some(&call.to_string()));
        assert_eq!((status, &posted["id"], &posted["error"]), (200, &json!("x"), &Value::Null), "{call}: {posted}");
        for path in paths {
            let (status, got) = uri(path);
            assert_eq!((status, &got["result"]), (200, &posted["result"]), "{path}");
        }
    }
    for path in [
        "status",
        "net_info",
        "abci_info",
        "consensus_state",
        "dump_consensus_state",
        "blockchain?minHeight=1&maxHeight=2",
    ] {
        let (status, got) = uri(path);
        assert!(status == 200 && got["result"].is_object(), "{path}: {got}");
    }
    for path in ["unconfirmed_txs?limit=5", "unconfirmed_txs", "num_unconfirmed_txs"] {
        let pending = &uri(path).1["result"];
        assert!(["n_txs", "total", "total_bytes"].iter().all(|key| pending[key].is_string()), "{path}: {pending}");
    }
}

#[test]
fn quotes_and_signs_that_curl_sends_as_they_are_are_understood() {
    let net = Net::up(1);
    let address = net.manifest().nodes[0].rpc.replace("http://", "");
    let mut stream = TcpStream::connect(&address).unwrap();
    for (target, last) in [("/block?height=\"1\"", false), ("/block_search?query=\"block.height<2\"", true)] {
        let connection = if last { "close" } else { "keep-alive" };
        write!(stream, "GET {target} HTTP/1.1\r\nHost: {address}\r\nConnection: {connection}\r\n\r\n").unwrap();
    }
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    assert_eq!(text.matches("HTTP/1.1 200 OK").count(), 2, "{text}");
    assert!(text.contains(r#""total_count":"1""#), "{text}");
}

#[test]
fn what_is_malformed_is_refused_in_json_rpc_and_hurts_no_one_else() {
    let net = Net::up(1);
    let rpc = &net.manifest().nodes[0].rpc;
    let post = |body: &str| send(rpc, Some(body));
    let code = |answer: &Value| answer["error"]["code"].as_i64();
    for (body, expected) in [
        ("", -32700),
        ("{", -32700),
        ("\u{0}\u{1}", -32700),
        ("7", -32600),
        ("[]", -32600),
        (r#"{"id":1}"#, -32600),
        (r#"{"id":{},"method":"health"}"#, -32600),
        (r#"{"id":1,"jsonrpc":"1.0","method":"health"}"#, -32600),
        (r#"{"id":1,"method":"no_such_method"}"#, -32601),
        (r#"{"id":1,"method":"block","params":{"height":"two"}}"#, -32602),
        (r#"{"id":1,"method":"block","params":{"height":1.5}}"#, -32602),
        (r#"{"id":1,"method":"block","params":{"depth":1}}"#, -32602),
        (r#"{"id":1,"method":"block","params":[1,2]}"#, -32602),
        (r#"{"id":1,"method":"tx","params":{"hash":"zz"}}"#, -32602),
        (r#"{"id":1,"method":"tx","params":{}}"#, -32602),
        (r#"{"id":1,"method":"broadcast_tx_sync","params":{"tx":"%%%"}}"#, -32602),
        (r#"{"id":1,"method":"block","params":{"height":"-1"}}"#, -32603),
        (r#"{"id":1,"method":"block","params":{"height":"9223372036854775807"}}"#, -32603),
        (r#"{"id":1,"method":"tx_search","params":{"query":"tx.height >"}}"#, -32603),
        (r#"{"id":1,"method":"validators","params":{"page":"0"}}"#, -32603),
    ] {
        let (_, answer) = post(body);
        assert_eq!((code(&answer), &answer["jsonrpc"]), (Some(expected), &json!("2.0")), "{body}: {answer}");
    }
    let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    assert_eq!(code(&post(&deep).1), Some(-32700));

    let batch = r#"[{"jsonrpc":"2.0","id":1,"method":"health"},{"jsonrpc":"2.0","method":"health"},5,{"jsonrpc":"2.0","id":"b","method":"block","params":{"height":"1"}}]"#;
    let (status, answers) = post(batch);
    let answers = answers.as_array().unwrap();
    assert_eq!((status, answers.len()), (200, 3), "a notification is not answered");
    assert_eq!((&answers[0]["result"], code(&answers[1])), (&json!({}), Some(-32600)));
    assert_eq!((&answers[2]["id"], &answers[2]["result"]["block"]["header"]["height"]), (&json!("b"), &json!("1")));

    for (path, status, expected) in [
        ("no_such_method", 404, None),
        ("block?height=two", 500, Some(-32602)),
        ("block?height=%zz", 500, Some(-32602)),
        ("block?height=1&height=2", 500, Some(-32602)),
        ("tx?hash=0x12", 500, Some(-32602)),
        ("tx_search?query=tx.height=1", 500, Some(-32602)),
        ("broadcast_tx_sync?tx=0xzz", 500, Some(-32602)),
        ("block?height=1000000", 500, Some(-32603)),
        ("subscribe?query=%22tm.event='Tx'%22", 404, None),
    ] {
        let (found, answer) = send(&format!("{rpc}/{path}"), None);
        assert_eq!((found, code(&answer)), (status, expected), "{path}: {answer}");
    }
    assert_eq!(send(&format!("{rpc}/health"), None).1["result"], json!({}), "the node serves on");
}
