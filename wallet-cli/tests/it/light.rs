//! `pyralog light sync`.

use std::sync::atomic::Ordering;

use crate::fake_node::FakeNode;
use crate::tool::Tool;

const CHAIN: &str = "pyralog-dev-fake";
/// The fake chain lives at a fixed time in the past.
const PERIOD: [&str; 2] = ["--trusting-period", "36500d"];

fn sync(tool: &Tool, node: &FakeNode, more: &[&str]) -> crate::tool::Run {
    tool.run(&[&["light", "sync", "--json", "--node", &node.url][..], &PERIOD, more].concat())
}

#[test]
fn from_genesis_on_and_then_from_the_trusted_store() {
    let (tool, node) = (Tool::new(), FakeNode::start(CHAIN));
    node.write_genesis(&tool.file("g.json"));
    node.advance(20);
    sync(&tool, &node, &[]).expect(2).says("--genesis");
    let first = sync(&tool, &node, &["--genesis", "g.json"]).expect(0).says("no witness").json();
    assert_eq!(first["trusted_header"], node.header(21));
    node.advance(5);
    let second = sync(&tool, &node, &["--sequential"]).expect(0).json();
    assert_eq!(second["height"], 26);
    assert!(second["fetched"].as_u64().unwrap() >= 5);
}

#[test]
fn from_a_trusted_header_on() {
    let (tool, node) = (Tool::new(), FakeNode::start(CHAIN));
    node.advance(10);
    let wrong = format!("4:{}", "11".repeat(32));
    sync(&tool, &node, &["--trusted-header", &wrong]).expect(3);
    sync(&tool, &node, &["--trusted-header", &node.header(4)]).expect(0);
}

#[test]
fn a_witness_confirms_and_a_fork_is_detected_with_evidence() {
    let (tool, node, witness) = (Tool::new(), FakeNode::start(CHAIN), FakeNode::start(CHAIN));
    node.write_genesis(&tool.file("g.json"));
    node.advance(10);
    witness.advance(10);
    let confirmed = sync(&tool, &node, &["--genesis", "g.json", "--witness", &witness.url]).expect(0).json();
    assert_eq!(confirmed["confirmed_by"][0], witness.url);
    node.advance(3);
    witness.advance(3);
    witness.mood.forks.store(true, Ordering::SeqCst);
    sync(&tool, &node, &["--witness", &witness.url]).expect(3).says("two histories verify").says("evidence is in");
    let evidence: Vec<_> =
        std::fs::read_dir(tool.file("home/light")).unwrap().flatten().map(|entry| entry.file_name()).collect();
    assert!(evidence.iter().any(|name| name.to_string_lossy().contains("divergence-14")), "{evidence:?}");
    // Nothing was accepted: without the witness's word the store still stands at the old height.
    witness.mood.forks.store(false, Ordering::SeqCst);
    assert_eq!(sync(&tool, &node, &["--height", "11"]).expect(0).json()["height"], 11);
}

#[test]
fn useless_witnesses_confirm_nothing() {
    let (tool, node, witness) = (Tool::new(), FakeNode::start(CHAIN), FakeNode::start(CHAIN));
    node.write_genesis(&tool.file("g.json"));
    node.advance(10);
    witness.mood.dead.store(true, Ordering::SeqCst);
    sync(&tool, &node, &["--genesis", "g.json", "--witness", &witness.url]).expect(5).says("no witness confirmed");
}

#[test]
fn an_expired_root_is_5_and_a_damaged_store_names_the_remedy() {
    let (tool, node) = (Tool::new(), FakeNode::start(CHAIN));
    node.write_genesis(&tool.file("g.json"));
    node.advance(3);
    tool.run(&["light", "sync", "--genesis", "g.json", "--node", &node.url]).expect(5).says("--trusted-header");
    sync(&tool, &node, &["--genesis", "g.json"]).expect(0);
    let store = tool.file(&format!("home/light/{CHAIN}.trusted"));
    let mut bytes = std::fs::read(&store).unwrap();
    let last = bytes.len() - 1;
    bytes[last] ^= 1;
    std::fs::write(&store, bytes).unwrap();
    sync(&tool, &node, &[]).expect(1).says("--reset");
    sync(&tool, &node, &["--reset", "--genesis", "g.json"]).expect(0);
}
