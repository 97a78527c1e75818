use serde_json::{Value, json};

use super::*;
use crate::admin::testkit::{FakeNode, Reply};

fn asked(reply: Reply) -> Result<Output> {
    let node = FakeNode::start(move |_| reply.clone());
    let output = run(&StatusArgs { node: Some(node.url.clone()), token_file: Some(node.token_file()) });
    let requests = node.requests.lock().unwrap();
    assert_eq!((requests[0].method.as_str(), requests[0].target.as_str()), ("GET", "/v1/tunnels"));
    output
}

fn open() -> Value {
    json!({
        "peer_id": "12D3KooWA", "endpoint": "127.0.0.1:4", "path": "direct", "wireguard_handshake_age_s": 12.3, "post_quantum_key_age_s": 130.0,
        "rtt_ms": 0.42, "loss": 0.013, "rx_bytes": 1_000, "tx_bytes": 3_500_000,
    })
}

fn seeking() -> Value {
    json!({
        "peer_id": "12D3KooWB", "endpoint": null, "path": null, "wireguard_handshake_age_s": null, "post_quantum_key_age_s": null, "rtt_ms": null,
        "loss": 0.0, "rx_bytes": 0, "tx_bytes": 0,
    })
}

#[test]
fn tunnels_stand_in_a_table_and_their_sum_in_a_line() {
    let document = json!({ "peers": [open(), seeking()] });
    let output = asked(Reply::Answer(200, document.clone())).unwrap();
    assert_eq!(output.document, document, "the answer as it is");
    let text = anstream::adapter::strip_str(&output.text).to_string();
    let rows: Vec<String> = text.lines().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).collect();
    assert_eq!(rows[1], "12D3KooWA 127.0.0.1:4 direct 12 s ago 2 min ago 0.4 ms 1.3 % 1000 B 3.3 MiB");
    assert_eq!(rows[2], "12D3KooWB - - none none - 0.0 % 0 B 0 B");
    assert_eq!(rows.last().unwrap(), "1 of 2 tunnels open, 1 with a post-quantum key younger than three minutes");
    let mut laptop = seeking();
    (laptop["peer_id"], laptop["name"]) = (Value::Null, "laptop".into());
    let output = asked(Reply::Answer(200, json!({ "peers": [laptop] }))).unwrap();
    assert!(output.text.contains("laptop"), "{}", output.text);
    let mut old = open();
    old["post_quantum_key_age_s"] = 181.into();
    let output = asked(Reply::Answer(200, json!({ "peers": [old] }))).unwrap();
    assert!(output.text.contains("1 of 1 tunnels open, 0 with"), "{}", output.text);
    let alone = asked(Reply::Answer(200, json!({ "peers": [] }))).unwrap();
    assert!(alone.text.contains("p2p.bootstrap"), "{}", alone.text);
}

#[test]
fn a_node_without_tunnels_and_an_answer_of_something_else_are_failures() {
    let problem =
        json!({ "error": { "code": "no_tunnels", "message": "without tunnels", "remedy": "set tunnel.mode" } });
    let refused = asked(Reply::Answer(404, problem)).unwrap_err();
    let text = format!("{refused:?}");
    assert!(text.contains("without tunnels") && text.contains("set tunnel.mode"), "{text}");
    let text = format!("{:?}", asked(Reply::Answer(200, json!({ "peers": [{}] }))).unwrap_err());
    assert!(text.contains("not understood"), "{text}");
}
