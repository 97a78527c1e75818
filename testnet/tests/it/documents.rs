//! The main job on real input: notarize, verify, and what can go wrong on the way.

use std::os::unix::fs::{PermissionsExt, symlink};

use crate::net::Net;

#[test]
fn a_receipt_verifies_after_the_network_is_gone() {
    let net = Net::up(4);
    let genesis = net.genesis();
    net.write("my contract ü.txt", "I owe Ada ten pounds.");
    net.write("changed.txt", "I owe Ada two pounds.");
    net.write("empty", "");
    let done = net.wallet(0, &["notarize", "my contract ü.txt", "--out", "r.json", "--json"]).expect(0).json();
    assert_eq!(done["status"], "complete");
    net.wallet(1, &["notarize", "empty", "--hidden", "--metadata", "author=Ada", "--out", "r.cbor"]).expect(0);
    assert!(net.file("r.cbor").metadata().unwrap().len() <= 3_500, "receipts of four validators are small");

    // From a block or two later on the receipt can be refreshed under a newer header.
    net.wait_height(0, done["height"].as_u64().unwrap() + 3);
    let fresh = net.wallet(0, &["receipt", "refresh", "r.json", "--out", "fresh.json", "--json"]).expect(0).json();
    let header =
        format!("{}:{}", fresh["refreshed_under"]["height"], fresh["refreshed_under"]["hash"].as_str().unwrap());

    // Kill -9 of everything, then the directory of every node: only genesis and receipts are left.
    for node in net.manifest().nodes {
        net.launcher(&["fault", "kill", &node.name]).expect(0);
    }
    let offline = |args: &[&str]| net.wallet(0, args);
    let verified =
        offline(&["verify", "my contract ü.txt", "r.json", "--genesis", &genesis, "--json"]).expect(0).json();
    assert_eq!(verified["status"], "valid");
    assert_eq!(verified["existed_no_later_than"], done["existed_no_later_than"]);
    offline(&["verify", "empty", "r.cbor", "--genesis", &genesis]).expect(0);
    offline(&["verify", "changed.txt", "r.json", "--genesis", &genesis]).expect(3).says("not the same document");
    offline(&["verify", "empty", "r.json", "--genesis", &genesis]).expect(3);
    offline(&["verify", "my contract ü.txt", "fresh.json", "--trusted-header", &header]).expect(0);
    offline(&["verify", "my contract ü.txt", "r.json", "--trusted-header", &header]).expect(5);
    offline(&["inspect", "fresh.json"]).expect(0);

    // State survives the kill of everything; stale pids are ignored.
    let before = net.manifest().chain_id;
    net.launcher(&["up", "--detach"]).expect(0);
    assert_eq!(net.manifest().chain_id, before);
    assert!(net.height(0) >= done["height"].as_u64().unwrap());
    offline(&["verify", "my contract ü.txt", "r.json", "--genesis", &genesis]).expect(0);
}

#[test]
fn a_directory_of_many_files_is_one_batch_and_an_unreadable_one_is_named() {
    let net = Net::up(1);
    let genesis = net.genesis();
    for i in 0..2_000 {
        net.write(&format!("docs/{}/file {i}.txt", i % 10), format!("document {i}"));
    }
    symlink("nowhere", net.file("docs/dangling")).unwrap();
    // Root reads everything, so the mode alone makes a file unreadable only for others.
    let secret = net.write("docs/secret", "x");
    std::fs::set_permissions(&secret, std::fs::Permissions::from_mode(0o000)).unwrap();
    let root = std::fs::read(&secret).is_ok();
    let run = net.wallet(0, &["notarize", "docs", "--out-dir", "receipts", "--json"]).expect(1).says("dangling");
    let document = run.json();
    assert_eq!(document["receipts"].as_array().unwrap().len(), if root { 2_001 } else { 2_000 });
    assert_eq!((&document["status"], &document["receipts"][0]["status"]), (&"error".into(), &"complete".into()));
    for i in [0, 7, 1_999] {
        let file = format!("docs/{}/file {i}.txt", i % 10);
        let receipt = format!("receipts/{}/file {i}.txt.receipt.json", i % 10);
        net.wallet(0, &["verify", &file, &receipt, "--genesis", &genesis]).expect(0);
    }
    net.wallet(0, &["verify", "docs/0/file 0.txt", "receipts/1/file 1.txt.receipt.json", "--genesis", &genesis])
        .expect(3);
}

#[test]
fn a_receipt_of_another_network_is_not_trusted() {
    let net = Net::up(1);
    net.write("a", "a");
    net.wallet(0, &["notarize", "a", "--out", "r.json"]).expect(0);
    std::fs::copy(net.genesis(), net.file("old-genesis.json")).unwrap();
    net.launcher(&["reset"]).expect(0);
    net.launcher(&["up", "--validators", "1", "--detach"]).expect(0);
    net.wallet(0, &["verify", "a", "r.json", "--genesis", &net.genesis()]).expect(5);
    net.wallet(0, &["verify", "a", "r.json", "--genesis", "old-genesis.json"]).expect(0);
    net.wallet(0, &["receipt", "refresh", "r.json"]).expect(1).says("the receipt is of");
}
