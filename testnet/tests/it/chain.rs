//! The chain through the wallet: transfers, queries, the light client.

use crate::net::Net;

fn send<'a>(more: &[&'a str]) -> Vec<&'a str> {
    [&["tx", "send", "--from", "account0", "--password-file", "net/accounts/account0.password"][..], more].concat()
}

#[test]
fn transfers_are_included_once_and_bad_ones_refused_with_a_sentence() {
    let net = Net::up(4);
    let to = net.manifest().accounts[1].address.clone();
    let balance = |index: usize| -> u64 {
        let account = net.wallet(index, &["query", "account", "account1", "--json"]).expect(0).json();
        account["balance"].as_str().unwrap().parse().unwrap()
    };
    let before = balance(0);
    let sent = net.wallet(0, &send(&["--to", &to, "--amount", "1.5pyra", "--json"])).expect(0).json();
    assert_eq!(sent["status"], "included");
    for index in 0..4 {
        net.wait_height(index, sent["height"].as_u64().unwrap());
    }
    assert_eq!(balance(3), before + 1_500_000);
    let hash = sent["hash"].as_str().unwrap();
    assert_eq!(net.wallet(2, &["query", "tx", hash, "--json"]).expect(0).json()["height"], sent["height"]);

    // Signed once, sent twice: it is the same transaction, and it is executed once.
    net.wallet(0, &send(&["--to", "account2", "--amount", "5", "--sign-only", "--out", "tx.b64"])).expect(0);
    let once = net.wallet(1, &["tx", "send", "tx.b64", "--json"]).expect(0).json();
    let again = net.wallet(1, &["tx", "send", "tx.b64", "--json"]).expect(0).says("already").json();
    assert_eq!((&once["hash"], &once["height"]), (&again["hash"], &again["height"]));
    net.wait_height(0, once["height"].as_u64().unwrap());
    let account = net.wallet(1, &["query", "account", "account2", "--json"]).expect(0).json();
    assert_eq!(account["balance"], "1000000000005");
    // Another transaction with a nonce that is used up is a replay.
    net.wallet(1, &send(&["--to", &to, "--amount", "6", "--nonce", "1"])).expect(1).says("nonce");
    let poor = "18000000000000";
    net.wallet(0, &send(&["--to", &to, "--amount", poor])).expect(1).says("refused");
    net.wallet(0, &send(&["--to", &to, "--amount", "1", "--fee", "0"])).expect(1).says("fee");
    net.wallet(0, &send(&["--to", &to, "--amount", "1", "--chain-id", "pyralog-dev-other"])).expect(1);
    net.wallet(0, &send(&["--to", &to, "--amount", "1", "--expiry-height", "1"])).expect(1);
}

#[test]
fn blocks_logs_and_anchors_can_be_asked_for() {
    let net = Net::up(1);
    net.write("a", "a");
    let done = net.wallet(0, &["notarize", "a", "--json"]).expect(0).json();
    let log = done["log"].as_str().unwrap();
    let logs = net.wallet(0, &["query", "log", "--json"]).expect(0).json();
    assert_eq!(logs["logs"][0]["log"], log);
    net.wallet(0, &["query", "log", log]).expect(0);
    let anchors = net.wallet(0, &["query", "anchor", log, "--json"]).expect(0).json();
    assert_eq!(anchors["anchors"][0]["height"], done["height"]);
    let height = done["height"].to_string();
    let block = net.wallet(0, &["query", "block", &height, "--json"]).expect(0).json();
    assert_eq!(block["hash"], done["header_hash"]);
    net.wallet(0, &["query", "block", "99999999"]).expect(1).says("no block");
    assert!(net.wallet(0, &["query", "status"]).expect(0).out.contains(&net.manifest().chain_id));
}

#[test]
fn the_light_client_follows_over_both_apis_with_witnesses() {
    let net = Net::up(4);
    let nodes = net.manifest().nodes;
    net.wait_height(0, 5);
    let genesis = net.genesis();
    let native =
        ["light", "sync", "--json", "--genesis", &genesis, "--node", &nodes[0].api, "--witness", &nodes[1].api];
    let first = net.wallet(0, &[&native[..], &["--height", "3", "--sequential"]].concat()).expect(0).json();
    assert_eq!(first["hash"].as_str(), net.hash(2, 3).as_deref());
    assert_eq!(first["confirmed_by"].as_array().unwrap().len(), 1);
    // The same store goes on over the CometBFT RPC.
    let rpc = ["light", "sync", "--json", "--node", &nodes[2].rpc, "--witness", &nodes[3].rpc, "--height", "5"];
    let second = net.wallet(0, &rpc).expect(0).json();
    assert_eq!(second["hash"].as_str(), net.hash(1, 5).as_deref());

    // The header is a root that receipts verify against.
    net.write("a", "a");
    let done = net.wallet(0, &["notarize", "a", "--json"]).expect(0).json();
    let height = done["height"].as_u64().unwrap();
    for index in [0, 1] {
        net.wait_height(index, height);
    }
    let synced = net.wallet(0, &[&native[..], &["--height", &height.to_string()]].concat()).expect(0).json();
    let header = synced["trusted_header"].as_str().unwrap();
    net.wallet(0, &["verify", "a", "a.receipt.json", "--trusted-header", header]).expect(0);
}
