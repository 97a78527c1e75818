//! `pyralog tx send` and `query`.

use std::sync::atomic::Ordering;

use pyralog_consensus::tx::{Envelope, Message, Payment};

use crate::fake_node::FakeNode;
use crate::tool::Tool;

const CHAIN: &str = "pyralog-dev-fake";

fn wallet() -> (Tool, FakeNode) {
    let tool = Tool::new();
    tool.write("password", "correct horse\n");
    for name in ["alice", "bob"] {
        tool.run(&["keys", "new", name, "--password-file", "password"]).expect(0);
    }
    (tool, FakeNode::start(CHAIN))
}

#[test]
fn a_transfer_is_signed_sent_and_waited_for() {
    let (tool, node) = wallet();
    let args = [
        "tx",
        "send",
        "--from",
        "alice",
        "--to",
        "bob",
        "--amount",
        "1.5pyra",
        "--password-file",
        "password",
        "--json",
    ];
    let run = tool.run(&[&args[..], &["--node", &node.url]].concat()).expect(0);
    assert_eq!(run.json()["status"], "included");
    assert_eq!(run.json()["height"], 9);
    let Envelope::Signed(signed) = Envelope::decode(&node.sent()[0]).unwrap() else { panic!("another kind") };
    assert_eq!(signed.body.chain_id, CHAIN);
    assert_eq!(signed.body.signers[0].nonce, 3);
    assert!(matches!(signed.body.messages[0], Message::Transfer { amount: 1_500_000, .. }));
    assert!(matches!(signed.body.payment, Payment::Fee(fee) if fee > 0));
    assert!(signed.body.expiry_height > 1_000);
}

#[test]
fn signing_offline_asks_no_node_and_the_file_is_sent_later() {
    let (tool, node) = wallet();
    let bob = tool.run(&["keys", "show", "bob", "--json"]).json()["address"].as_str().unwrap().to_owned();
    let args = [
        "tx",
        "send",
        "--from",
        "alice",
        "--to",
        &bob,
        "--amount",
        "7",
        "--sign-only",
        "--nonce",
        "3",
        "--chain-id",
        CHAIN,
        "--expiry-height",
        "500",
        "--password-file",
        "password",
        "--node",
        "http://127.0.0.1:1",
    ];
    let signed = tool.run(&args).expect(0).out;
    tool.run(&[&args[..], &["--out", "tx.b64"]].concat()).expect(0);
    assert_eq!(std::fs::read_to_string(tool.file("tx.b64")).unwrap(), signed, "signing is deterministic");
    tool.run(&["tx", "send", "tx.b64", "--node", &node.url]).expect(0);
    tool.run_with(&["tx", "send", "-", "--no-wait", "--node", &node.url], signed.as_bytes()).expect(0);
    assert_eq!(node.sent().len(), 2);
    let other = FakeNode::start("pyralog-dev-other");
    tool.run(&["tx", "send", "tx.b64", "--node", &other.url]).expect(1).says("pyralog-dev-other");
    tool.write("bad", "not base64!");
    tool.run(&["tx", "send", "bad", "--node", &node.url]).expect(1).says("base64");
}

#[test]
fn a_transaction_that_no_block_takes_is_4() {
    let (tool, node) = wallet();
    node.mood.hold.store(true, Ordering::SeqCst);
    let args = ["tx", "send", "--from", "alice", "--to", "bob", "--amount", "1", "--password-file", "password"];
    tool.run(&[&args[..], &["--timeout", "1", "--node", &node.url]].concat()).expect(4).says("pyralog query tx");
}

#[test]
fn a_missing_key_and_a_bad_address_are_named() {
    let (tool, node) = wallet();
    let send = |from: &str, to: &str| {
        tool.run(&[
            "tx",
            "send",
            "--from",
            from,
            "--to",
            to,
            "--amount",
            "1",
            "--password-file",
            "password",
            "--node",
            &node.url,
        ])
    };
    send("carol", "bob").expect(1).says("carol");
    send("alice", "pyra1qqqq").expect(2).says("pyra1qqqq");
    assert!(node.sent().is_empty());
}

#[test]
fn queries_show_what_the_node_says() {
    let (tool, node) = wallet();
    let account = tool.run(&["query", "account", "alice", "--node", &node.url]).expect(0);
    assert!(account.out.contains("balance: 5000000") && account.out.contains("nonce: 3"), "{}", account.out);
    assert_eq!(tool.run(&["query", "status", "--json", "--node", &node.url]).expect(0).json()["chain_id"], CHAIN);
    tool.run(&["query", "tx", &"0".repeat(64), "--node", &node.url]).expect(1).says("no block holds it");
}
