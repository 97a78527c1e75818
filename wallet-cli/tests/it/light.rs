//! `pyralog light sync`.

use std::sync::atomic::Ordering;
use std::time::Duration;

use pyralog_consensus::light::Divergence;
use pyralog_consensus::light::testkit::validator_key;

use crate::fake_light::Fork;
use crate::fake_node::FakeNode;
use crate::tool::Tool;

const CHAIN: &str = "pyralog-dev-fake";
/// The fake chain lives at a fixed time in the past.
const PERIOD: [&str; 2] = ["--trusting-period", "36500d"];

fn sync(tool: &Tool, node: &FakeNode, more: &[&str]) -> crate::tool::Run {
    tool.run(&[&["light", "sync", "--json", "--node", &node.url][..], &PERIOD, more].concat())
}

fn lie(node: &FakeNode, fork: Fork) {
    *node.mood.fork.lock().unwrap() = Some(fork);
}

/// Nodes of one chain of eleven blocks, and a tool that holds its genesis file. All speak CometBFT's RPC alone if asked to.
fn nodes<const N: usize>(rpc_only: bool) -> (Tool, [FakeNode; N]) {
    let (tool, nodes) = (Tool::new(), std::array::from_fn(|_| FakeNode::start(CHAIN)));
    for node in &nodes {
        node.advance(10);
        node.mood.rpc_only.store(rpc_only, Ordering::SeqCst);
    }
    nodes[0].write_genesis(&tool.file("g.json"));
    (tool, nodes)
}

/// What is kept below the wallet's home for light clients.
fn kept(tool: &Tool) -> Vec<String> {
    let entries = std::fs::read_dir(tool.file("home/light")).map(|dir| dir.flatten().collect()).unwrap_or_default();
    let entries: Vec<std::fs::DirEntry> = entries;
    entries.iter().map(|entry| entry.file_name().to_string_lossy().into_owned()).collect()
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
fn a_height_to_come_is_said_to_be_one_with_the_latest() {
    for rpc_only in [false, true] {
        let (tool, [node]) = nodes(rpc_only);
        let run = sync(&tool, &node, &["--genesis", "g.json", "--height", "999999"]).expect(1);
        run.says("there is no block 999999 yet, its latest is 11");
    }
}

#[test]
fn the_genesis_file_of_another_chain_is_5() {
    let (tool, [node]) = nodes(false);
    FakeNode::start("pyralog-dev-other").write_genesis(&tool.file("other.json"));
    let run = sync(&tool, &node, &["--genesis", "other.json"]).expect(5).says("pyralog-dev-other").says(CHAIN);
    assert_eq!(run.json()["status"], "untrusted");
    assert!(kept(&tool).is_empty());
}

#[test]
fn the_genesis_file_of_another_chain_of_the_same_name_is_5() {
    for rpc_only in [false, true] {
        let (tool, [node]) = nodes(rpc_only);
        for parted in ["header.time", "header.validators_hash"] {
            node.write_changed_genesis(&tool.file("other.json"), |genesis| match parted {
                "header.time" => genesis.genesis_time = (genesis.genesis_time + Duration::from_secs(3600)).unwrap(),
                _ => (91..).zip(&mut genesis.validators).for_each(|(n, one)| one.key = validator_key(n).public_key()),
            });
            for mode in [&[][..], &["--sequential"]] {
                let args = [&["--genesis", "other.json"][..], mode].concat();
                let run = sync(&tool, &node, &args).expect(5).says("does not begin with this genesis").says(parted);
                let document = run.json();
                assert_eq!(document["status"], "untrusted");
                assert!(document["error"]["next"].as_str().unwrap().contains("--genesis FILE"));
            }
            assert!(kept(&tool).is_empty(), "{:?}", kept(&tool));
        }
    }
}

#[test]
fn from_a_trusted_header_on() {
    let (tool, node) = (Tool::new(), FakeNode::start(CHAIN));
    node.advance(10);
    let wrong = format!("4:{}", "11".repeat(32));
    let run =
        sync(&tool, &node, &["--trusted-header", &wrong]).expect(5).says(&node.header(4)[2..]).says("not the trusted");
    assert_eq!(run.json()["status"], "untrusted");
    assert!(kept(&tool).is_empty());
    sync(&tool, &node, &["--trusted-header", &node.header(4)]).expect(0);
    // Now there is a store, which does not make another root hold.
    let run = sync(&tool, &node, &["--trusted-header", &wrong]).expect(5).says("began from the header 4:").says(&wrong);
    assert!(run.json()["error"]["next"].as_str().unwrap().contains("--reset"));
    node.write_genesis(&tool.file("g.json"));
    sync(&tool, &node, &["--genesis", "g.json"]).expect(5).says("--reset");
    // What was verified from it is as good as it.
    sync(&tool, &node, &["--trusted-header", &node.header(11)]).expect(0);
    sync(&tool, &node, &["--trusted-header", &node.header(4)]).expect(0);
    sync(&tool, &node, &["--reset", "--trusted-header", &wrong]).expect(5);
    sync(&tool, &node, &["--reset", "--genesis", "g.json"]).expect(0);
}

#[test]
fn a_trusted_header_that_is_its_own_target_is_put_to_the_witnesses() {
    for rpc_only in [false, true] {
        let (tool, [primary, witness]) = nodes(rpc_only);
        let header = primary.header(11);
        let args = ["--trusted-header", &header, "--witness", &witness.url, "--height", "11"];
        let done = sync(&tool, &primary, &args).expect(0).json();
        assert_eq!(done["confirmed_by"], serde_json::json!([witness.url]));
        lie(&witness, Fork::Signed);
        sync(&tool, &primary, &args).expect(3).says("two histories verify").says(&witness.url);
        lie(&witness, Fork::OtherSet);
        sync(&tool, &primary, &args).expect(5).says("no witness confirmed").says(&witness.url);
    }
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
    lie(&witness, Fork::Signed);
    sync(&tool, &node, &["--witness", &witness.url]).expect(3).says("two histories verify").says("evidence is in");
    let evidence: Vec<_> =
        std::fs::read_dir(tool.file("home/light")).unwrap().flatten().map(|entry| entry.file_name()).collect();
    assert!(evidence.iter().any(|name| name.to_string_lossy().contains("divergence-14")), "{evidence:?}");
    // Nothing was accepted: without the witness's word the store still stands at the old height.
    *witness.mood.fork.lock().unwrap() = None;
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

#[test]
fn a_primary_whose_header_lacks_signatures_is_refused_by_name_over_both_apis() {
    for rpc_only in [false, true] {
        for fork in [Fork::TooFew, Fork::OtherSet, Fork::OtherKeys] {
            let (tool, [primary, witness]) = nodes(rpc_only);
            lie(&primary, fork);
            for mode in [&[][..], &["--sequential"]] {
                let args = [&["--genesis", "g.json", "--witness", &witness.url][..], mode].concat();
                let run = sync(&tool, &primary, &args).expect(3).says(&primary.url).says("does not verify");
                assert_eq!(run.json()["status"], "invalid", "{fork:?}");
                assert!(!run.err.contains("two histories"), "{fork:?} is no evidence against anybody: {}", run.err);
            }
            assert!(kept(&tool).is_empty(), "{fork:?}: nothing was accepted and nobody is accused: {:?}", kept(&tool));
        }
    }
}

#[test]
fn a_witness_whose_header_lacks_signatures_confirms_nothing_and_is_named() {
    for rpc_only in [false, true] {
        for fork in [Fork::TooFew, Fork::OtherSet, Fork::OtherKeys] {
            let (tool, [primary, liar, honest]) = nodes(rpc_only);
            lie(&liar, fork);
            let alone = ["--genesis", "g.json", "--witness", &liar.url];
            let run = sync(&tool, &primary, &alone).expect(5).says("no witness confirmed").says(&liar.url);
            assert_eq!(run.json()["status"], "untrusted", "{fork:?}");
            assert!(kept(&tool).is_empty(), "{fork:?}: {:?}", kept(&tool));
            // One honest witness suffices, and the other is still named.
            let both = [&alone[..], &["--witness", &honest.url]].concat();
            let run = sync(&tool, &primary, &both).expect(0).says("was of no use").says(&liar.url);
            let document = run.json();
            assert_eq!(document["confirmed_by"], serde_json::json!([honest.url]));
            assert_eq!(document["useless_witnesses"][0]["node"], liar.url);
            assert_eq!(document["trusted_header"], primary.header(11));
        }
    }
}

#[test]
fn two_headers_that_both_verify_are_an_attack_whoever_lies() {
    for rpc_only in [false, true] {
        for primary_lies in [true, false] {
            let (tool, [primary, agreeing, witness]) = nodes(rpc_only);
            let liars = if primary_lies { vec![&primary, &agreeing] } else { vec![&witness] };
            liars.iter().for_each(|node| lie(node, Fork::Signed));
            let args = ["--genesis", "g.json", "--witness", &agreeing.url, "--witness", &witness.url];
            let run = sync(&tool, &primary, &args).expect(3);
            let run = run.says("two histories verify").says(&primary.url).says(&witness.url).says("evidence is in");
            assert_eq!(run.json()["error"]["exit_code"], 3);

            // The file holds both light blocks, each sound by itself, and says who showed which.
            assert_eq!(kept(&tool), [format!("{CHAIN}.divergence-11.json")], "nothing else was kept");
            let file = tool.file(&format!("home/light/{CHAIN}.divergence-11.json"));
            let evidence: Divergence = serde_json::from_slice(&std::fs::read(file).unwrap()).unwrap();
            assert_eq!((&evidence.primary, &evidence.witness), (&primary.url, &witness.url));
            let hashes = [evidence.primary_block.check().unwrap(), evidence.witness_block.check().unwrap()];
            let real = format!("11:{}", hashes[usize::from(primary_lies)]);
            assert_eq!(real, primary.header(11), "the honest side shows the chain's header");
            assert_ne!(hashes[0], hashes[1]);
        }
    }
}

#[test]
fn a_second_primary_is_a_witness_and_a_dead_primary_is_1() {
    let (tool, [primary, witness]) = nodes(true);
    let both = format!("{},{}", primary.url, witness.url);
    let args = ["light", "sync", "--json", "--genesis", "g.json", "--node", &both];
    let done = tool.run(&[&args[..], &PERIOD].concat()).expect(0).json();
    assert_eq!(done["confirmed_by"], serde_json::json!([witness.url]));
    primary.mood.dead.store(true, Ordering::SeqCst);
    sync(&tool, &primary, &["--witness", &witness.url, "--height", "11"]).expect(1).says(&primary.url);
}
