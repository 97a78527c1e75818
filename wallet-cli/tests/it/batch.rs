//! Many documents: one submission, one receipt each.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Command;
use std::sync::atomic::Ordering;
use std::time::Duration;

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
    assert_eq!((&run.json()["status"], &run.json()["error"]["exit_code"]), (&"error".into(), &1.into()));
    assert_eq!(
        (&run.json()["receipts"][0]["status"], &run.json()["failed"][0]["status"]),
        (&"complete".into(), &"error".into())
    );
    assert!(!run.out.contains("null"), "{}", run.out);
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
    let run = tool.run(&["notarize", "a", "b", "c", "--json", "--node", &node.url]).expect(0);
    let rows: Vec<_> = run.json()["receipts"].as_array().unwrap().iter().map(|row| row["status"].clone()).collect();
    assert_eq!(rows, ["complete", "already notarized", "already notarized"]);
    assert_eq!(std::fs::read(tool.file("a.receipt.json")).unwrap(), before);
    assert!(tool.file("c.receipt.json").exists());
    tool.write("b", "changed since");
    let run = tool.run(&["notarize", "a", "b", "c", "--json", "--node", &node.url]).expect(1).says("--force");
    assert_eq!(run.json()["failed"][0]["file"], "b");
    assert_eq!(node.mood.submissions.load(Ordering::SeqCst), 2, "one for a and b, one for c");
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

#[test]
fn equal_documents_in_one_batch_each_get_a_receipt_of_their_own() {
    let (tool, node) = (Tool::new(), FakeNode::start(CHAIN));
    node.write_genesis(&tool.file("g.json"));
    for (name, text) in [("a", "same"), ("b", "same"), ("c", "other"), ("d", "same"), ("e", ""), ("f", "")] {
        tool.write(&format!("docs/{name}"), text);
    }
    let run = tool.run(&["notarize", "docs", "--json", "--node", &node.url]).expect(0);
    assert_eq!(run.json()["receipts"].as_array().unwrap().len(), 6);
    assert_eq!(node.mood.submissions.load(Ordering::SeqCst), 1);
    let mut places = Vec::new();
    for name in ["a", "b", "c", "d", "e", "f"] {
        let (file, receipt) = (format!("docs/{name}"), format!("docs/{name}.receipt.json"));
        tool.run(&["verify", &file, &receipt, "--genesis", "g.json"]).expect(0);
        let text = std::fs::read_to_string(tool.file(&receipt)).unwrap();
        let receipt: serde_json::Value = serde_json::from_str(&text).unwrap();
        places.push(receipt["batch"]["index"].as_str().unwrap().parse::<u64>().unwrap());
    }
    assert_eq!(places, [0, 1, 2, 3, 4, 5], "every file has a leaf of its own");
    // A receipt is of a content, not of a name.
    tool.run(&["verify", "docs/d", "docs/a.receipt.json", "--genesis", "g.json"]).expect(0);
    tool.run(&["verify", "docs/c", "docs/a.receipt.json", "--genesis", "g.json"]).expect(3);
    // The place of another member does not fit, although that member is equal.
    let read = |name: &str| -> serde_json::Value {
        serde_json::from_str(&std::fs::read_to_string(tool.file(&format!("docs/{name}.receipt.json"))).unwrap())
            .unwrap()
    };
    let mut moved = read("a");
    moved["batch"]["index"] = read("d")["batch"]["index"].clone();
    tool.write("moved.json", moved.to_string());
    tool.run(&["verify", "docs/a", "moved.json", "--genesis", "g.json"]).expect(3);
}

#[test]
fn equal_hidden_documents_have_salts_of_their_own_and_are_fetched_together() {
    let (tool, node) = (Tool::new(), FakeNode::start(CHAIN));
    node.write_genesis(&tool.file("g.json"));
    tool.write("a", "same");
    tool.write("b", "same");
    let receipts = ["a.receipt.json", "b.receipt.json"];
    for hidden in [&["--hidden"][..], &[]] {
        let submit = ["notarize", "a", "b", "--no-wait", "--force", "--node", &node.url];
        tool.run(&[&submit[..], hidden].concat()).expect(0);
        let salt = |name: &str| {
            let text = std::fs::read_to_string(tool.file(name)).unwrap();
            serde_json::from_str::<serde_json::Value>(&text).unwrap()["subject"]["hidden_salt"].clone()
        };
        assert_eq!(salt(receipts[0]) == salt(receipts[1]), hidden.is_empty());
        tool.run(&[&["receipt", "fetch"][..], &receipts, &["--node", &node.url]].concat()).expect(0);
        for name in ["a", "b"] {
            tool.run(&["verify", name, &format!("{name}.receipt.json"), "--genesis", "g.json"]).expect(0);
        }
    }
    assert_eq!(node.mood.submissions.load(Ordering::SeqCst), 2);
}

#[test]
fn names_that_are_not_utf8_are_notarized_fetched_and_shown() {
    let (tool, node) = (Tool::new(), FakeNode::start(CHAIN));
    std::fs::create_dir(tool.file("docs")).unwrap();
    std::fs::write(tool.file("docs").join(OsStr::from_bytes(b"f\xfe")), "f").unwrap();
    let run = tool.run(&["notarize", "docs", "--no-wait", "--json", "--node", &node.url]).expect(0);
    let row = &run.json()["receipts"][0];
    assert_eq!(row["receipt"], "docs/f\u{fffd}.receipt.json");
    assert_eq!(row["receipt_hex"], "646f63732f66fe2e726563656970742e6a736f6e", "the bytes stand beside the name");
    assert_eq!((&row["file"], &row["file_hex"]), (&"docs/f\u{fffd}".into(), &"646f63732f66fe".into()));
    run.says("pyralog receipt fetch $'docs/f\\xfe.receipt.json'");
    let fetch = || {
        let mut command = tool.command(&["receipt", "fetch", "--json", "--node", &node.url]);
        let output = command.arg(OsStr::from_bytes(b"docs/f\xfe.receipt.json")).output().unwrap();
        assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
        serde_json::from_slice::<serde_json::Value>(&output.stdout).unwrap()
    };
    for _ in ["pending", "complete already"] {
        let document = fetch();
        assert_eq!(document["receipts"][0]["receipt"], "docs/f\u{fffd}.receipt.json");
        assert_eq!(document["receipts"][0]["status"], "complete");
    }
}

#[test]
fn a_second_run_counts_the_receipts_and_names_them_in_json() {
    let (tool, node) = (Tool::new(), FakeNode::start(CHAIN));
    for name in ["a", "b", "c"] {
        tool.write(&format!("docs/{name}"), name);
    }
    tool.run(&["notarize", "docs", "--node", &node.url]).expect(0);
    tool.write("docs/d", "d");
    let run = tool.run(&["notarize", "docs", "--json", "--node", &node.url]).expect(0).says("skipped 3 receipts\n");
    assert!(!run.err.contains("skipped docs"), "{}", run.err);
    assert_eq!(run.json()["skipped"].as_array().unwrap().len(), 3);
    assert_eq!(run.json()["skipped"][0]["file"], "docs/a.receipt.json");
}

/// Sends a signal to a program that the test started.
fn signal(child: &std::process::Child, name: &str) {
    let sent = Command::new("kill").args([name, &child.id().to_string()]).status().unwrap();
    assert!(sent.success());
}

fn temporary_files(dir: &Path) -> usize {
    std::fs::read_dir(dir).unwrap().flatten().filter(|entry| entry.path().extension() == Some("tmp".as_ref())).count()
}

#[test]
fn a_stop_while_waiting_leaves_pending_receipts_that_the_named_command_completes() {
    for (name, other) in [("-INT", "receipt fetch"), ("-TERM", "notarize")] {
        let (tool, node) = (Tool::new(), FakeNode::start(CHAIN));
        node.write_genesis(&tool.file("g.json"));
        for i in 0..40 {
            tool.write(&format!("docs/{i}"), format!("{i}"));
        }
        node.mood.hold.store(true, Ordering::SeqCst);
        let child = tool.command(&["notarize", "docs", "--json", "--node", &node.url]).spawn().unwrap();
        // The first receipt keeps the promise as soon as there is one.
        while !std::fs::read_to_string(tool.file("docs/0.receipt.json")).unwrap_or_default().contains("\"promise\"") {
            std::thread::sleep(Duration::from_millis(5));
        }
        signal(&child, name);
        let output = child.wait_with_output().unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(4), "{said}");
        assert!(said.contains("0 of 40 receipts are complete, 40 are pending"), "{said}");
        let next = format!("pyralog receipt fetch docs --node {}", node.url);
        assert!(said.contains(&next), "{said}");
        let document: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!((&document["status"], &document["error"]["next"]), (&"pending".into(), &next.into()));
        assert_eq!(temporary_files(&tool.file("docs")), 0);

        node.mood.hold.store(false, Ordering::SeqCst);
        let words: Vec<&str> = other.split(' ').chain(["docs", "--node", &node.url]).collect();
        tool.run(&words).expect(0);
        assert_eq!(node.mood.submissions.load(Ordering::SeqCst), 1, "{other} does not submit again");
        for i in [0, 39] {
            let (file, receipt) = (format!("docs/{i}"), format!("docs/{i}.receipt.json"));
            tool.run(&["verify", &file, &receipt, "--genesis", "g.json"]).expect(0);
        }
    }
}

#[test]
fn a_stop_at_any_moment_leaves_no_temporary_file_and_the_same_command_finishes() {
    let (tool, node) = (Tool::new(), FakeNode::start(CHAIN));
    for i in 0..400 {
        tool.write(&format!("docs/{i}"), format!("{i}"));
    }
    for pause in [5, 20, 40, 80, 160] {
        let child = tool.command(&["notarize", "docs", "--node", &node.url]).spawn().unwrap();
        std::thread::sleep(Duration::from_millis(pause));
        signal(&child, "-INT");
        let output = child.wait_with_output().unwrap();
        // It may have ended before the signal, or not have begun to listen yet.
        let code = output.status.code();
        assert!(matches!(code, None | Some(0 | 4 | 130)), "{code:?} {}", String::from_utf8_lossy(&output.stderr));
        assert_eq!(temporary_files(&tool.file("docs")), 0);
    }
    let run = tool.run(&["notarize", "docs", "--json", "--node", &node.url]).expect(0);
    assert_eq!(run.json()["receipts"].as_array().unwrap().len(), 400);
    assert_eq!(run.json()["failed"], serde_json::json!([]));
}

#[test]
fn fetch_takes_a_directory_and_completes_all_that_is_pending_below_it() {
    let (tool, node) = (Tool::new(), FakeNode::start(CHAIN));
    node.write_genesis(&tool.file("g.json"));
    for name in ["docs/a", "docs/deep/b", "docs/c"] {
        tool.write(name, name);
        tool.run(&["notarize", name, "--no-wait", "--node", &node.url]).expect(0).says("pyralog receipt fetch docs");
    }
    let run = tool.run(&["receipt", "fetch", "docs", "--json", "--node", &node.url]).expect(0);
    assert_eq!(run.json()["receipts"].as_array().unwrap().len(), 3);
    tool.run(&["verify", "docs/deep/b", "docs/deep/b.receipt.json", "--genesis", "g.json"]).expect(0);
    tool.run(&["receipt", "fetch", "docs", "--node", &node.url]).expect(0).says("no pending receipt");
    tool.run(&["receipt", "fetch", "-", "--node", &node.url]).expect(2).says("standard input");
}

#[test]
fn the_document_lists_what_failed_also_where_nothing_was_done() {
    let (tool, node) = (Tool::new(), FakeNode::start(CHAIN));
    for i in 0..30 {
        tool.write(&format!("docs/{i}"), format!("{i}"));
        tool.write(&format!("docs/{i}.receipt.json/in the way"), "");
    }
    node.mood.dead.store(true, Ordering::SeqCst);
    let run = tool.run(&["notarize", "docs", "--json", "--node", &node.url]).expect(1);
    assert_eq!(run.json()["failed"].as_array().unwrap().len(), 60, "with the files in the directories");
    node.mood.dead.store(false, Ordering::SeqCst);
    let files: Vec<String> = (0..30).map(|i| format!("docs/{i}")).collect();
    let words: Vec<&str> =
        ["notarize", "--json", "--node", &node.url].into_iter().chain(files.iter().map(String::as_str)).collect();
    let document = tool.run(&words).expect(1).says("not done: 10 more (all of them with --json)").json();
    assert_eq!(document["failed"].as_array().unwrap().len(), 30);
    assert_eq!((&document["status"], &document["error"]["exit_code"]), (&"error".into(), &1.into()));
}

#[test]
fn a_pipe_on_the_command_line_is_refused_by_name_and_not_read_for_ever() {
    let (tool, node) = (Tool::new(), FakeNode::start(CHAIN));
    tool.write("a", "a");
    assert!(Command::new("mkfifo").arg(tool.file("pipe")).status().unwrap().success());
    let run = tool.run(&["notarize", "pipe", "/dev/zero", "a", "--json", "--node", &node.url]).expect(1);
    assert_eq!(run.json()["failed"].as_array().unwrap().len(), 2);
    assert_eq!(run.json()["receipts"][0]["file"], "a");
    run.says("pipe: it is no regular file").says("standard input");
}

#[test]
fn a_file_that_is_named_twice_is_done_once() {
    let (tool, node) = (Tool::new(), FakeNode::start(CHAIN));
    node.write_genesis(&tool.file("g.json"));
    tool.write("a", "a");
    let run = tool.run(&["notarize", "a", "./a", "a", "--json", "--node", &node.url]).expect(0).says("named twice");
    assert_eq!(run.json()["receipts"].as_array().unwrap().len(), 1);
    assert_eq!(run.json()["failed"].as_array().unwrap().len(), 0);
    tool.run(&["verify", "a", "a.receipt.json", "--genesis", "g.json"]).expect(0);
}
