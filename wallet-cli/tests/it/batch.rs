//! Many documents: one submission, one receipt each.

use std::os::unix::fs::symlink;
use std::sync::atomic::Ordering;

use crate::fake_node::FakeNode;
use crate::tool::Tool;

const CHAIN: &str = "pyralog-dev-fake";

#[test]
fn a_directory_becomes_one_submission_with_a_receipt_for_each_file() {
    let (tool, node) = (Tool::new(), FakeNode::start(CHAIN));
    node.write_genesis(&tool.file("g.json"));
    for i in 0..300 {
        tool.write(&format!("docs/{}/{i}.txt", i % 7), format!("document {i}"));
    }
    let run = tool.run(&["notarize", "docs", "--out-dir", "receipts", "--json", "--node", &node.url]).expect(0);
    assert_eq!(run.json()["receipts"].as_array().unwrap().len(), 300);
    assert_eq!(node.mood.submissions.load(Ordering::SeqCst), 1);
    for i in [0, 8, 299] {
        let (file, receipt) = (format!("docs/{}/{i}.txt", i % 7), format!("receipts/{}/{i}.txt.receipt.json", i % 7));
        tool.run(&["verify", &file, &receipt, "--genesis", "g.json"]).expect(0);
    }
    let (file, wrong) = ("docs/0/0.txt", "receipts/1/8.txt.receipt.json");
    tool.run(&["verify", file, wrong, "--genesis", "g.json"]).expect(3).says("not the same document");
}

#[test]
fn an_unreadable_file_is_named_and_the_others_are_done() {
    let (tool, node) = (Tool::new(), FakeNode::start(CHAIN));
    node.write_genesis(&tool.file("g.json"));
    tool.write("docs/a.txt", "a");
    tool.write("docs/b.txt", "b");
    symlink("nowhere", tool.file("docs/dangling.txt")).unwrap();
    let run = tool.run(&["notarize", "docs", "--json", "--node", &node.url]).expect(1).says("dangling.txt");
    assert_eq!(run.json()["receipts"].as_array().unwrap().len(), 2);
    assert_eq!(run.json()["failed"].as_array().unwrap().len(), 1);
    tool.run(&["verify", "docs/b.txt", "docs/b.txt.receipt.json", "--genesis", "g.json"]).expect(0);
    tool.run(&["notarize", "a.txt", "missing.txt", "--node", &node.url]).expect(1).says("missing.txt");
}

#[test]
fn several_files_are_a_batch_and_running_again_keeps_their_receipts() {
    let (tool, node) = (Tool::new(), FakeNode::start(CHAIN));
    for name in ["a", "b", "c"] {
        tool.write(name, name);
    }
    tool.run(&["notarize", "a", "b", "--node", &node.url]).expect(0);
    let before = std::fs::read(tool.file("a.receipt.json")).unwrap();
    tool.run(&["notarize", "a", "b", "c", "--node", &node.url]).expect(1).says("a.receipt.json exists");
    assert_eq!(std::fs::read(tool.file("a.receipt.json")).unwrap(), before);
    assert!(tool.file("c.receipt.json").exists());
}

#[test]
fn a_pending_batch_is_fetched_together() {
    let (tool, node) = (Tool::new(), FakeNode::start(CHAIN));
    node.write_genesis(&tool.file("g.json"));
    for name in ["a", "b", "c"] {
        tool.write(name, name);
    }
    tool.run(&["notarize", "a", "b", "c", "--no-wait", "--hidden", "--node", &node.url]).expect(0);
    let receipts = ["a.receipt.json", "b.receipt.json", "c.receipt.json"];
    tool.run(&[&["receipt", "fetch"][..], &receipts, &["--node", &node.url]].concat()).expect(0);
    assert_eq!(node.mood.submissions.load(Ordering::SeqCst), 1);
    for name in ["a", "b", "c"] {
        tool.run(&["verify", name, &format!("{name}.receipt.json"), "--genesis", "g.json"]).expect(0);
    }
}

#[test]
fn an_unsubmitted_pending_receipt_is_submitted_by_fetch() {
    let (tool, node) = (Tool::new(), FakeNode::start(CHAIN));
    node.write_genesis(&tool.file("g.json"));
    tool.write("a", "a");
    tool.write("b", "b");
    // Busy for longer than the patience: the receipts are written, nothing is logged.
    node.mood.busy.store(1_000, Ordering::SeqCst);
    tool.run(&["notarize", "a", "b", "--timeout", "1", "--node", &node.url]).expect(4).says("not submitted yet");
    node.mood.busy.store(0, Ordering::SeqCst);
    tool.run(&["receipt", "fetch", "a.receipt.json", "b.receipt.json", "--node", &node.url]).expect(0);
    tool.run(&["verify", "b", "b.receipt.json", "--genesis", "g.json"]).expect(0);
}
