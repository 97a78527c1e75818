//! `pyralog notarize` and `receipt fetch` for single documents.

use std::os::unix::fs::PermissionsExt;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use crate::fake_node::FakeNode;
use crate::tool::Tool;

const CHAIN: &str = "pyralog-dev-fake";

#[test]
fn a_document_gets_a_receipt_that_verifies_offline() {
    let (tool, node) = (Tool::new(), FakeNode::start(CHAIN));
    node.write_genesis(&tool.file("genesis.json"));
    tool.write("my ünï file.txt", "hello");
    let run = tool.run(&["notarize", "my ünï file.txt", "--node", &node.url, "--json"]).expect(0);
    let document = run.json();
    assert_eq!(document["status"], "complete");
    assert_eq!(document["receipts"][0]["receipt"], "my ünï file.txt.receipt.json");
    node.mood.dead.store(true, Ordering::SeqCst);
    let args = ["verify", "my ünï file.txt", "my ünï file.txt.receipt.json", "--genesis", "genesis.json", "--json"];
    let verified = tool.run(&args).expect(0).json();
    assert_eq!(verified["status"], "valid");
    assert_eq!(verified["height"], document["height"]);
    let mode = std::fs::metadata(tool.file("my ünï file.txt.receipt.json")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
}

#[test]
fn an_empty_file_standard_input_hidden_metadata_and_cbor_work() {
    let (tool, node) = (Tool::new(), FakeNode::start(CHAIN));
    node.write_genesis(&tool.file("g.json"));
    tool.write("empty", "");
    let args =
        ["notarize", "empty", "--hidden", "--metadata", "author=Ada", "--metadata", "note=a=b", "--out", "r.cbor"];
    tool.run(&[&args[..], &["--node", &node.url]].concat()).expect(0);
    tool.run(&["verify", "empty", "r.cbor", "--genesis", "g.json"]).expect(0);
    let shown = tool.run(&["inspect", "r.cbor", "--json"]).expect(0).json();
    assert_eq!(shown["subject"]["hidden"], true);
    assert_eq!(shown["subject"]["metadata"]["note"], "a=b");

    let run = tool.run_with(&["notarize", "-", "--json", "--node", &node.url], b"from a pipe").expect(0);
    let receipt = run.json()["receipts"][0]["receipt"].as_str().unwrap().to_owned();
    assert!(receipt.starts_with("stdin-") && receipt.ends_with(".receipt.json"), "{receipt}");
    tool.run_with(&["verify", "-", &receipt, "--genesis", "g.json"], b"from a pipe").expect(0);
    tool.run_with(&["verify", "-", &receipt, "--genesis", "g.json"], b"from another pipe").expect(3);
}

#[test]
fn a_hidden_document_shows_nothing_of_its_digests_to_the_node() {
    let (tool, node) = (Tool::new(), FakeNode::start(CHAIN));
    tool.write("secret", "secret");
    tool.run(&["notarize", "secret", "--hidden", "--node", &node.url]).expect(0);
    let receipt = std::fs::read_to_string(tool.file("secret.receipt.json")).unwrap();
    let receipt: serde_json::Value = serde_json::from_str(&receipt).unwrap();
    assert_eq!(receipt["subject"]["hidden_salt"].as_str().unwrap().len(), 64);
    let (first, second) = (receipt["subject"]["hidden_salt"].clone(), tool.write("again", "secret"));
    tool.run(&["notarize", second.to_str().unwrap(), "--hidden", "--node", &node.url]).expect(0);
    let again: serde_json::Value =
        serde_json::from_str(&std::fs::read_to_string(tool.file("again.receipt.json")).unwrap()).unwrap();
    assert_ne!(again["subject"]["hidden_salt"], first, "every document has a salt of its own");
}

#[test]
fn when_time_runs_out_a_pending_receipt_is_left_and_can_be_completed() {
    let (tool, node) = (Tool::new(), FakeNode::start(CHAIN));
    node.write_genesis(&tool.file("g.json"));
    tool.write("a", "a");
    node.mood.hold.store(true, Ordering::SeqCst);
    let began = Instant::now();
    let run = tool.run(&["notarize", "a", "--timeout", "1", "--json", "--node", &node.url]).expect(4);
    assert!(began.elapsed() < Duration::from_secs(8));
    assert_eq!(run.json()["status"], "pending");
    run.says(&format!("pyralog receipt fetch a.receipt.json --node {}\n", node.url));
    tool.run(&["verify", "a", "a.receipt.json", "--genesis", "g.json"]).expect(4);
    assert_eq!(tool.run(&["inspect", "a.receipt.json", "--json"]).expect(0).json()["status"], "pending");
    tool.run(&["receipt", "fetch", "a.receipt.json", "--timeout", "0", "--node", &node.url]).expect(4);
    node.mood.hold.store(false, Ordering::SeqCst);
    tool.run(&["receipt", "fetch", "a.receipt.json", "--node", &node.url]).expect(0);
    assert_eq!(node.mood.submissions.load(Ordering::SeqCst), 1, "fetching does not submit again");
    tool.run(&["verify", "a", "a.receipt.json", "--genesis", "g.json"]).expect(0);
    tool.run(&["receipt", "fetch", "a.receipt.json", "--node", &node.url]).expect(0).says("complete already");
}

#[test]
fn not_waiting_ends_with_0_once_a_log_has_promised() {
    let (tool, node) = (Tool::new(), FakeNode::start(CHAIN));
    tool.write("a", "a");
    let run = tool.run(&["notarize", "a", "--no-wait", "--json", "--node", &node.url]).expect(0);
    assert_eq!(run.json()["status"], "pending");
    assert!(run.json()["anchor_by"].as_u64().unwrap() > 0);
    tool.run(&["receipt", "fetch", "a.receipt.json", "--node", &node.url]).expect(0);
}

#[test]
fn a_node_that_dies_leaves_a_pending_receipt_that_another_node_completes() {
    let (tool, node, other) = (Tool::new(), FakeNode::start(CHAIN), FakeNode::start(CHAIN));
    other.write_genesis(&tool.file("g.json"));
    tool.write("a", "a");
    node.mood.dies_after_promise.store(true, Ordering::SeqCst);
    // The promise cannot be checked any more either: the leaf may or may not be logged.
    let run = tool.run(&["notarize", "a", "--timeout", "5", "--node", &node.url]);
    assert_eq!(run.code, 4, "{}", run.err);
    tool.run(&["receipt", "fetch", "a.receipt.json", "--node", &node.url]).expect(4).says("still pending");
    tool.run(&["receipt", "fetch", "a.receipt.json", "--resubmit", "--node", &other.url]).expect(0);
    tool.run(&["verify", "a", "a.receipt.json", "--genesis", "g.json"]).expect(0);
}

#[test]
fn a_node_that_hangs_at_the_submission_leaves_a_pending_receipt_that_notarize_completes() {
    let (tool, node) = (Tool::new(), FakeNode::start(CHAIN));
    tool.write("a", "a");
    node.mood.hangs.store(true, Ordering::SeqCst);
    let run = tool.run(&["notarize", "a", "--json", "--node", &node.url]).expect(4).says("did not answer in time");
    assert_eq!(run.json()["receipts"][0]["status"], "pending");
    node.mood.hangs.store(false, Ordering::SeqCst);
    tool.run(&["notarize", "a", "--node", &node.url]).expect(0);
}

#[test]
fn where_no_node_names_its_chain_nothing_is_begun_and_that_is_said() {
    let (tool, node) = (Tool::new(), FakeNode::start(CHAIN));
    tool.write("a", "a");
    node.mood.dead.store(true, Ordering::SeqCst);
    let run = tool.run(&["notarize", "a", "--json", "--node", &node.url]).expect(1).says("no answer from");
    let document = run.says("nothing was submitted, and no receipt was begun").json();
    assert!(document["error"]["next"].as_str().unwrap().contains("--node"), "{document}");
    assert!(!tool.file("a.receipt.json").exists());
    node.mood.dead.store(false, Ordering::SeqCst);
    tool.run(&["notarize", "a", "--node", &node.url]).expect(0);
}

#[test]
fn a_node_that_holds_another_log_is_not_to_be_asked_again() {
    let (tool, node) = (Tool::new(), FakeNode::start(CHAIN));
    tool.write("a", "a");
    tool.run(&["notarize", "a", "--no-wait", "--node", &node.url]).expect(0);
    node.mood.other_log.store(true, Ordering::SeqCst);
    let fetch = ["receipt", "fetch", "a.receipt.json", "--timeout", "0", "--node", &node.url];
    let run = tool.run(&fetch).expect(4).says("the node that promised").says("--resubmit");
    assert!(!run.err.contains("try again later"), "{}", run.err);
    node.mood.other_log.store(false, Ordering::SeqCst);
    node.mood.hold.store(true, Ordering::SeqCst);
    tool.run(&fetch).expect(4).says("try again later");
}

#[test]
fn a_log_that_does_not_keep_its_promise_is_1_and_the_evidence_is_kept() {
    let (tool, node, other) = (Tool::new(), FakeNode::start(CHAIN), FakeNode::start(CHAIN));
    other.write_genesis(&tool.file("g.json"));
    tool.write("a", "a");
    tool.run(&["notarize", "a", "--no-wait", "--node", &node.url]).expect(0);
    let promised = std::fs::read(tool.file("a.receipt.json")).unwrap();
    for (mood, why) in [
        (&node.mood.lost, "the log has 3 leaves"),
        (&node.mood.conflict, "the chain has witnessed 6"),
        (&node.mood.replaced, "is of another leaf"),
    ] {
        mood.store(true, Ordering::SeqCst);
        // Long before the time is over, and also where another node could be asked.
        let began = Instant::now();
        let run = tool.run(&["receipt", "fetch", "a.receipt.json", "--json", "--node", &node.url]).expect(1);
        assert!(began.elapsed() < Duration::from_secs(15));
        let document = run.json();
        assert_eq!((&document["status"], &document["receipts"][0]["status"]), (&"error".into(), &"error".into()));
        let next = document["error"]["next"].as_str().unwrap();
        assert!(next.contains("pyralog receipt fetch a.receipt.json --node URL --resubmit"), "{next}");
        let run = run.says("does not keep its promise").says(why);
        assert!(!run.err.contains("try again later"), "{}", run.err);
        assert_eq!(std::fs::read(tool.file("a.receipt.json")).unwrap(), promised, "the pending receipt stays");
        tool.run(&["notarize", "a", "--node", &node.url]).expect(1).says("does not keep its promise");
        mood.store(false, Ordering::SeqCst);
    }
    tool.run(&["receipt", "fetch", "a.receipt.json", "--resubmit", "--node", &other.url]).expect(0);
    tool.run(&["verify", "a", "a.receipt.json", "--genesis", "g.json"]).expect(0);
}

#[test]
fn another_node_is_tried_where_several_are_given() {
    let (tool, dead, live) = (Tool::new(), FakeNode::start(CHAIN), FakeNode::start(CHAIN));
    tool.write("a", "a");
    dead.mood.dead.store(true, Ordering::SeqCst);
    tool.run(&["notarize", "a", "--node", &dead.url, "--node", &live.url]).expect(0);
    assert_eq!(live.mood.submissions.load(Ordering::SeqCst), 1);
    let list = format!("{},{}", dead.url, live.url);
    tool.write("b", "b");
    let output = tool.command(&["notarize", "b"]).env("PYRALOG_NODE", list).output().unwrap();
    assert_eq!(output.status.code(), Some(0));
}

#[test]
fn a_busy_node_is_asked_again() {
    let (tool, node) = (Tool::new(), FakeNode::start(CHAIN));
    tool.write("a", "a");
    node.mood.busy.store(1, Ordering::SeqCst);
    tool.run(&["notarize", "a", "--node", &node.url]).expect(0);
}

#[test]
fn a_promise_for_another_leaf_is_refused() {
    let (tool, node) = (Tool::new(), FakeNode::start(CHAIN));
    tool.write("a", "a");
    node.mood.lies.store(true, Ordering::SeqCst);
    tool.run(&["notarize", "a", "--node", &node.url]).expect(1).says("another leaf");
    assert!(tool.file("a.receipt.json").exists(), "the pending receipt is kept");
}

#[test]
fn an_existing_receipt_is_replaced_only_by_force() {
    let (tool, node) = (Tool::new(), FakeNode::start(CHAIN));
    tool.write("a", "a");
    tool.write("a.receipt.json", "precious");
    tool.run(&["notarize", "a", "--node", &node.url]).expect(1).says("--force");
    assert_eq!(std::fs::read_to_string(tool.file("a.receipt.json")).unwrap(), "precious");
    assert_eq!(node.mood.submissions.load(Ordering::SeqCst), 0);
    tool.run(&["notarize", "a", "--force", "--node", &node.url]).expect(0);
}

#[test]
fn a_large_sparse_file_takes_constant_memory() {
    let (tool, node) = (Tool::new(), FakeNode::start(CHAIN));
    let file = std::fs::File::create(tool.file("sparse")).unwrap();
    file.set_len(512 << 20).unwrap();
    let mut child = tool.command(&["notarize", "sparse", "--node", &node.url]).spawn().unwrap();
    let mut peak = 0;
    while child.try_wait().unwrap().is_none() {
        let status = std::fs::read_to_string(format!("/proc/{}/status", child.id())).unwrap_or_default();
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap_or("0");
        peak = peak.max(line.split_whitespace().next().and_then(|kib| kib.parse().ok()).unwrap_or(0));
        std::thread::sleep(Duration::from_millis(10));
    }
    assert!(child.wait().unwrap().success());
    assert!(peak > 0 && peak < 64 * 1024, "{peak} KiB");
}
